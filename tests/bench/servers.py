# SPDX-License-Identifier: ISC
"""The servers of the bench: how each is told to serve the same folder with the
same certificate, one worker, and its access log in a file, as people run them
(the floor keeps none). times_only: only what a request costs is measured."""
import os
import pathlib
import shutil
import subprocess

CONNECTIONS = 2000  # slots: more than the bench holds


class Files:
    """What all serve: a folder with a page and a large file, and a key pair."""

    def __init__(self, work, floor):
        self.work = work
        self.floor = floor
        self.root = work / "root"
        self.page = self.root / "page.gmi"
        self.big = self.root / "big.bin"
        self.cert = work / "localhost.crt"
        self.key = work / "localhost.key"

    def make(self, page_bytes, big_bytes):
        self.root.mkdir()
        line = "A plain line of text, as pages have them, of 64 bytes in all...\n"
        page = "# A page\n" + line * (page_bytes // len(line) + 1)
        self.page.write_text(page[:page_bytes - 1] + "\n")
        (self.root / "index.gmi").write_text("# Home\n")
        with open(self.big, "wb") as big:
            for _ in range(big_bytes >> 20):
                big.write(os.urandom(1 << 20))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-sha256", "-nodes", "-days", "30",
             "-subj", "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost", "-keyout", self.key, "-out",
             self.cert],
            check=True, stderr=subprocess.DEVNULL)

    def write(self, name, text):
        path = self.work / name
        path.write_text(text)
        return path


def find_carnation():
    return os.environ.get("CARNATION", "build/carnation")


class Server:
    speaks, callgrind, times_only = "gemini", True, False
    sandbox = "on"  # where there is one


class Floor(Server):
    name = "floor"

    def installed(self):
        return True

    def command(self, files, port):
        return [files.floor, str(port), files.cert, files.key, files.root]


class Carnation(Server):
    name, workers = "carnation", 1

    def installed(self):
        return pathlib.Path(find_carnation()).exists()

    def command(self, files, port):
        conf = files.write("carnation.conf", f"""
listen = ["127.0.0.1:{port}"];
workers = {self.workers};
sandbox = "{self.sandbox}";
limits = {{ connections = {CONNECTIONS}; }};
log = {{ access = "{files.work}/carnation.log"; }};
capsules = ( {{
  host = "localhost"; root = "{files.root}";
  certificate = "{files.cert}"; key = "{files.key}";
}} );
""")
        return [str(pathlib.Path(find_carnation()).resolve()), "serve", "-c",
                conf]


class Two(Carnation):
    """Both on the same CPU: what they do for nothing is seen as well."""
    name, workers, callgrind, times_only = "2 workers", 2, False, True


class Nginx(Server):
    """The same bytes over HTTPS: not a Gemini server, but a known measure."""
    name, speaks = "nginx", "http"

    def installed(self):
        return shutil.which("nginx") is not None

    def command(self, files, port):
        temp = "\n".join(f"  {kind}_temp_path {files.work}/{kind};" for kind in
                         ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        conf = files.write("nginx.conf", f"""
daemon off;
worker_processes 1;
pid {files.work}/nginx.pid;
error_log {files.work}/nginx.err;
events {{ worker_connections {CONNECTIONS * 2}; }}
http {{
{temp}
  access_log {files.work}/nginx.log;
  default_type application/octet-stream;
  server {{
    listen 127.0.0.1:{port} ssl;
    root {files.root};
    ssl_certificate {files.cert};
    ssl_certificate_key {files.key};
    ssl_protocols TLSv1.2 TLSv1.3;
  }}
}}
""")
        return ["nginx", "-c", conf, "-e", files.work / "nginx.err"]


class Molly(Server):
    # callgrind does not know the stacks of Go programs.
    name, callgrind = "molly-brown", False

    def installed(self):
        return shutil.which("molly-brown") is not None

    def command(self, files, port):
        conf = files.write("molly.toml", f"""
Port = {port}
Hostname = "localhost"
CertPath = "{files.cert}"
KeyPath = "{files.key}"
DocBase = "{files.root}"
AccessLog = "{files.work}/molly.log"
ErrorLog = "{files.work}/molly.err"
""")
        return ["molly-brown", "-c", conf]


SERVERS = [Floor(), Carnation(), Two(), Nginx(), Molly()]
