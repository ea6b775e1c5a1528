# SPDX-License-Identifier: ISC
"""`carnation fetch` against servers that lie, dawdle and break off."""
import contextlib
import json
import os
import pty
import re
import select
import socket
import ssl
import subprocess
import threading
import time

import pytest

from harness import CARNATION, HOST, PATIENCE, Server
from test_cert import dated_pair

ESC = b"\x1b"


class Evil:
    """A TLS server for a script: each request line goes to answer(line, conn,
    number), which sends what it likes; then close_notify unless it says False."""

    def __init__(self, pair, answer, family=socket.AF_INET, client_ca=None):
        self.answer = answer
        self.lines = []
        self.peers = []
        self.handshakes = 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*pair)
        if client_ca:
            self.context.verify_mode = ssl.CERT_OPTIONAL
            self.context.load_verify_locations(client_ca)
        self.listener = socket.socket(family)
        self.listener.bind(
            ("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        self.listener.listen(16)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError):
                self.serve(raw)

    def serve(self, raw):
        raw.settimeout(20)
        with self.context.wrap_socket(
                raw, server_side=True, suppress_ragged_eofs=True) as c:
            self.handshakes += 1
            line = b""
            while not line.endswith(b"\r\n"):
                got = c.recv(2048)
                if not got:
                    return
                line += got
            self.lines.append(line[:-2].decode())
            self.peers.append(c.getpeercert(binary_form=True))
            if self.answer(line[:-2].decode(), c, len(self.lines)) is False:
                return
            with contextlib.suppress(OSError):
                c.unwrap()

    def url(self, path="/", host=HOST):
        return f"gemini://{host}:{self.port}{path}"

    def close(self):
        self.listener.close()


def make_pair(directory, *hosts):
    subprocess.run([CARNATION, "cert", "new", "--certs", directory, *hosts],
                   check=True, stdout=subprocess.DEVNULL)
    return directory / f"{hosts[0]}.crt", directory / f"{hosts[0]}.key"


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return make_pair(tmp_path_factory.mktemp("certs"), HOST)


@pytest.fixture
def evil(pair):
    servers = []

    def start(answer, **how):
        if isinstance(answer, bytes):
            data = answer
            answer = lambda line, c, n: c.sendall(data)
        servers.append(Evil(how.pop("pair", pair), answer, **how))
        return servers[-1]

    yield start
    for s in servers:
        s.close()


@pytest.fixture
def fetch(tmp_path):
    def run(*words, **how):
        env = dict(os.environ, XDG_DATA_HOME=str(tmp_path / "data"))
        return subprocess.run(
            [CARNATION, "fetch", *map(str, words)], env=env, cwd=tmp_path,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=6 * PATIENCE, check=False, **how)
    return run


def test_page(fetch, evil):
    s = evil(b"20 text/gemini; lang=az\r\n# S\xc9\x99hid\r\n\x1b[31m\0")
    r = fetch(s.url("/x?y#z"))
    assert r.returncode == 0
    assert r.stdout == b"# S\xc9\x99hid\r\n\x1b[31m\0"  # a pipe gets it as it is
    assert b"20 text/gemini; lang=az\n" in r.stderr
    assert b"is new, its key is now known: SHA256 " in r.stderr
    assert s.lines == [s.url("/x?y")]
    r = fetch(s.url())
    assert r.stderr == b"20 text/gemini; lang=az\n"


def test_real_server(fetch):
    with Server() as server:
        r = fetch(server.url("/"))
        assert (r.returncode, r.stdout) == (0, b"# Home\n")
        assert b"20 text/gemini\n" in r.stderr
        r = fetch(server.url("/nothing"))
        assert (r.returncode, r.stdout) == (50, b"")


@pytest.mark.parametrize("code, status", [
    (40, 40), (41, 40), (44, 40), (50, 50), (51, 50), (52, 50), (53, 50),
    (59, 50), (60, 60), (61, 60), (62, 60), (10, 10), (11, 10)])
def test_exit_status(fetch, evil, code, status):
    r = fetch(evil(b"%d Because\r\n" % code).url())
    assert r.returncode == status
    assert b"%d Because\n" % code in r.stderr
    assert r.stdout == b""


def test_no_close_notify(fetch, evil, tmp_path):
    def answer(line, c, n):
        c.sendall(b"20 text/gemini\r\n# Half a pa")
        return False

    s = evil(answer)
    r = fetch(s.url())
    assert r.returncode == 1
    assert r.stdout == b"# Half a pa"
    assert b"no close_notify" in r.stderr and b"cut off" in r.stderr
    r = fetch("-o", "page.gmi", s.url())
    assert r.returncode == 1
    assert (tmp_path / "page.gmi.part").read_bytes() == b"# Half a pa"
    assert not (tmp_path / "page.gmi").exists()
    assert b"page.gmi.part" in r.stderr


def test_output(fetch, evil, tmp_path):
    s = evil(b"20 image/png\r\n" + b"\x89PNG" * 50000)
    (tmp_path / "x.png").write_text("older")
    r = fetch("--output=x.png", s.url())
    assert r.returncode == 0
    assert r.stdout == b""
    assert (tmp_path / "x.png").read_bytes() == b"\x89PNG" * 50000
    assert not (tmp_path / "x.png.part").exists()
    assert b"\r" not in r.stderr  # no progress where nobody looks
    r = fetch("-o", "none/x.png", s.url())
    assert r.returncode == 1
    assert b"none/x.png.part: No such file or directory" in r.stderr
    # what is no page leaves files alone
    r = fetch("-o", "x.png", evil(b"51 No\r\n").url())
    assert r.returncode == 50
    assert (tmp_path / "x.png").exists()
    assert not (tmp_path / "x.png.part").exists()


def test_disk_full(fetch, evil):
    s = evil(b"20 text/plain\r\n" + b"x" * 1000000)
    with open("/dev/full", "wb") as full:
        r = subprocess.run([CARNATION, "fetch", "--known-hosts", "/dev/null",
                            s.url()], stdout=full, stderr=subprocess.PIPE)
    assert r.returncode == 1


def test_redirects(fetch, evil):
    def answer(line, c, n):
        hop = int(re.search(r"/(\d+)", line)[1])
        c.sendall(b"20 text/plain\r\ndone" if hop == 0
                  else b"3%d %s\r\n" % (hop % 2, [
                      b"/%d?", b"./%d", b"%d#x"][hop % 3] % (hop - 1)))

    s = evil(answer)
    r = fetch(s.url("/5"))
    assert (r.returncode, r.stdout) == (0, b"done")
    assert len(s.lines) == 6
    assert all("#" not in line for line in s.lines)
    s = evil(answer)
    r = fetch(s.url("/6"))
    assert (r.returncode, r.stdout) == (30, b"")
    assert len(s.lines) == 6
    assert b"more than 5 redirects" in r.stderr


def test_redirect_loop(fetch, evil):
    s = evil(b"31 /again\r\n")
    r = fetch(s.url())
    assert r.returncode == 30
    assert len(s.lines) == 6


@pytest.mark.parametrize("target", [
    b"https://localhost/", b"mailto:a@example.org", b"file:///etc/passwd",
    b"titan://localhost/x"])
def test_other_scheme(fetch, evil, target):
    s = evil(b"30 " + target + b"\r\n")
    r = fetch(s.url())
    assert r.returncode == 30
    assert len(s.lines) == 1
    assert b"leaves Gemini" in r.stderr


def test_bad_redirect(fetch, evil):
    r = fetch(evil(b"30 gemini://user@localhost/\r\n").url())
    assert r.returncode == 30
    assert b"not a URL" in r.stderr


def test_changed_key(fetch, evil, tmp_path):
    first = evil(b"20 text/plain\r\nfirst")
    assert fetch(first.url()).returncode == 0
    known = tmp_path / "data" / "carnation" / "known_hosts"
    assert known.stat().st_mode & 0o777 == 0o600
    before = known.read_text()
    assert re.fullmatch(
        rf"localhost:{first.port} [0-9a-f]{{64}} 2099-12-31T23:59:59Z\n",
        before)
    # another key at the same place
    second = evil(b"20 text/plain\r\nsecond",
                  pair=make_pair(tmp_path / "new", HOST))
    known.write_text(
        "# mine\n" + before.replace(str(first.port), str(second.port)))
    before = known.read_text()
    r = fetch(second.url())
    assert r.returncode == 1
    assert r.stdout == b""
    assert second.lines == []  # nothing was asked
    assert len(re.findall(rb"SHA256 (?:[0-9A-F]{2}:){31}[0-9A-F]{2}",
                          r.stderr)) == 2
    assert f"remove line 2 of {known}".encode() in r.stderr
    assert known.read_text() == before
    # the way out works
    known.write_text("# mine\n")
    assert fetch(second.url()).stdout == b"second"
    assert known.read_text().startswith("# mine\nlocalhost:")


def test_other_name(fetch, evil, tmp_path):
    s = evil(b"20 text/plain\r\n", pair=make_pair(tmp_path / "c", "a.example"))
    r = fetch(s.url())
    assert r.returncode == 1
    assert b"for another host: a.example" in r.stderr
    assert s.lines == []


def test_expired(fetch, evil, tmp_path):
    crt, key = dated_pair(tmp_path, HOST, -30, -2)
    s = evil(b"20 text/plain\r\n", pair=(crt, key))
    r = fetch(s.url())
    assert r.returncode == 1
    assert re.search(rb"expired on \d{4}-\d\d-\d\d", r.stderr)


def test_not_yet_valid(fetch, evil, tmp_path):
    s = evil(b"20 text/plain\r\n", pair=dated_pair(tmp_path, HOST, 2, 30))
    r = fetch(s.url())
    assert r.returncode == 1
    assert re.search(rb"not valid before \d{4}-\d\d-\d\d", r.stderr)


def test_known_but_expired(fetch, evil, tmp_path):
    """The key is the known one: a warning, and on."""
    crt, key = dated_pair(tmp_path, HOST, -30, -2)
    s = evil(b"20 text/plain\r\nlate", pair=(crt, key))
    spki = json.loads(subprocess.run(
        [CARNATION, "cert", "show", "--json", crt], check=True,
        capture_output=True).stdout)[0]["spki_sha256"]
    (tmp_path / "known").write_text(
        f"localhost:{s.port} {spki} 2020-01-01T00:00:00Z\n")
    r = fetch("--known-hosts", "known", s.url())
    assert (r.returncode, r.stdout) == (0, b"late")
    assert b"its key is the known one, going on" in r.stderr


def test_renewed_after_expiry(fetch, evil, tmp_path):
    s = evil(b"20 text/plain\r\nnew")
    (tmp_path / "known").write_text(
        f"localhost:{s.port} {'ab' * 32} 2020-01-01T00:00:00Z\n")
    r = fetch("--known-hosts", "known", s.url())
    assert (r.returncode, r.stdout) == (0, b"new")
    assert b"has a new key, the old certificate has expired" in r.stderr
    assert "abab" not in (tmp_path / "known").read_text()


@pytest.mark.parametrize("answer", [
    b"20 text/" + ESC + b"[2J\r\n",
    b"51 \xc2\x9b2J\r\n",
    b"51 \xff\r\n",
    b"51 a\tb\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nhello",
    b"20\ttext/plain\r\n",
    b"20\r\n",
    b"2\r\n",
    b"99 x\r\n",
    b"20 text/gemini\n# only LF",
    b"\xef\xbb\xbf20 text/gemini\r\n",
    b"",
    b"20 " + b"x" * 1025 + b"\r\n",
])
def test_bad_header(fetch, evil, answer):
    r = fetch(evil(answer).url())
    assert r.returncode == 1
    assert r.stdout == b""
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f-\xff]", r.stderr)


def test_deceiving_header(fetch, evil):
    """Printable by the letter, but it turns text around."""
    r = fetch(evil("51 \u202eevil\u2028 é\r\n".encode()).url())
    assert r.returncode == 50
    assert b"51 \\xe2\\x80\\xaeevil\\xe2\\x80\\xa8 \xc3\xa9\n" in r.stderr


def test_endless_header(fetch, evil):
    def answer(line, c, n):
        with contextlib.suppress(OSError):
            while True:
                c.sendall(b"2" * 16384)

    began = time.monotonic()
    r = fetch(evil(answer).url())
    assert r.returncode == 1
    assert b"does not end" in r.stderr
    assert time.monotonic() - began < PATIENCE


def test_timeout(fetch, evil):
    def slow_header(line, c, n):
        for byte in b"20 text/gemini\r\n":
            time.sleep(0.3)
            c.sendall(bytes([byte]))

    def stalled_body(line, c, n):
        c.sendall(b"20 text/gemini\r\nhal")
        time.sleep(8)

    for answer, expected in ((slow_header, b"waiting for a header"),
                             (stalled_body, b"in the middle")):
        began = time.monotonic()
        r = fetch("--timeout", "1", evil(answer).url())
        assert r.returncode == 1
        assert expected in r.stderr and b"no answer within 1 s" in r.stderr
        assert time.monotonic() - began < 4


def test_deaf(fetch):
    """Accepts, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        r = fetch("--timeout", "1", f"localhost:{s.getsockname()[1]}/")
    assert r.returncode == 1
    assert b"TLS handshake: no answer within 1 s" in r.stderr


def test_unreachable(fetch):
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    r = fetch(f"gemini://127.0.0.1:{port}/")
    assert r.returncode == 1
    assert b"Connection refused" in r.stderr


def test_no_tls(fetch):
    def plain(listener):
        c, _ = listener.accept()
        with c:
            c.sendall(b"20 text/plain\r\nhello")

    with socket.create_server(("127.0.0.1", 0)) as s:
        threading.Thread(target=plain, args=(s,), daemon=True).start()
        r = fetch(f"localhost:{s.getsockname()[1]}/")
    assert r.returncode == 1
    assert b"TLS handshake: " in r.stderr


def test_ipv6(fetch, evil, tmp_path):
    s = evil(b"20 text/plain\r\nsix", family=socket.AF_INET6,
             pair=make_pair(tmp_path / "six", "::1"))
    r = fetch(f"gemini://[::1]:{s.port}/")
    assert (r.returncode, r.stdout) == (0, b"six")
    known = (tmp_path / "data" / "carnation" / "known_hosts").read_text()
    assert known.startswith(f"[::1]:{s.port} ")


def test_client_certificate(fetch, evil, tmp_path):
    crt, key = make_pair(tmp_path / "me", "me")
    other = evil(b"20 text/plain\r\nelsewhere", client_ca=crt)
    s = evil(lambda line, c, n: c.sendall(
        b"30 /2\r\n" if n == 1 else f"30 {other.url()}\r\n".encode()),
        client_ca=crt)
    r = fetch("--cert", crt, "--key", key, s.url())
    assert (r.returncode, r.stdout) == (0, b"elsewhere")
    der = ssl.PEM_cert_to_DER_cert(crt.read_text())
    assert s.peers == [der, der]
    assert other.peers == [None]  # not for somebody else's eyes
    r = fetch(s.url())
    assert s.peers[2] is None


def test_known_hosts_option(fetch, evil, tmp_path):
    s = evil(b"20 text/plain\r\n")
    assert fetch("--known-hosts", "mine", s.url()).returncode == 0
    assert (tmp_path / "mine").read_text().startswith("localhost:")
    r = fetch("--known-hosts", "/proc/nothing/x", s.url())
    assert r.returncode == 1


@pytest.mark.parametrize("words", [
    [], ["a", "b"], ["--timeout", "0", "a"], ["--timeout", "x", "a"],
    ["--timeouts", "1", "a"], ["--cert", "x", "a"], ["-o"],
    ["https://localhost/"], ["gemini://user@localhost/"],
    ["gemini://local host/"], ["gemini://localhost/" + "x" * 1024],
])
def test_usage(fetch, words):
    r = fetch(*words)
    assert r.returncode == 2
    assert r.stdout == b"" and r.stderr != b""


# ------------------------------------------------------------- on a terminal

class Terminal:
    """A command whose three descriptors are one terminal."""

    def __init__(self, words, env):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(CARNATION, [str(CARNATION), *words], env)

    def read_until(self, wanted):
        end = time.monotonic() + PATIENCE
        while wanted not in self.seen:
            assert time.monotonic() < end, self.seen
            if select.select([self.fd], [], [], 0.1)[0]:
                self.seen += os.read(self.fd, 4096)

    def type(self, text):
        os.write(self.fd, text)

    def finish(self):
        end = time.monotonic() + PATIENCE
        with contextlib.suppress(OSError):  # EIO is a terminal's end
            while time.monotonic() < end:
                got = os.read(self.fd, 4096)
                if not got:
                    break
                self.seen += got
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


@pytest.fixture
def terminal(tmp_path):
    env = dict(os.environ, XDG_DATA_HOME=str(tmp_path / "data"))
    return lambda *words: Terminal(["fetch", *map(str, words)], env)


def test_terminal_body(terminal, evil):
    body = "# é\tx\n" + "y\r\n"
    s = evil(b"20 text/plain\r\n" + body.encode() + ESC + b"[31m\rZ\x9b\xc2\x9b")
    t = terminal(s.url())
    assert t.finish() == 0
    assert ESC not in t.seen and b"\x9b" not in t.seen
    assert "# é\tx\r\ny\r".encode() in t.seen
    assert b"\\x1b[31m\\x0dZ\\x9b\\xc2\\x9b" in t.seen


def test_progress(terminal, evil, tmp_path):
    def answer(line, c, n):
        c.sendall(b"20 text/plain\r\n")
        for _ in range(5):
            c.sendall(b"x" * 1048576)
            time.sleep(0.25)

    t = terminal("-o", tmp_path / "big", evil(answer).url())
    assert t.finish() == 0
    assert re.search(rb"\r\S*big: \d\.\d MiB", t.seen)
    assert (tmp_path / "big").stat().st_size == 5 << 20


def ask(line, c, n):
    code, _, query = line.partition("?")[0][-2:], None, line.partition("?")[2]
    c.sendall(b"20 text/plain\r\ngot " + query.encode() if query
              else code.encode() + b" Your name\r\n")


def test_input(terminal, evil):
    s = evil(ask)
    t = terminal(s.url("/10"))
    t.read_until(b"Your name: ")
    t.type("Əli & co\n".encode())
    assert t.finish() == 0
    assert b"got %C6%8Fli%20%26%20co" in t.seen
    assert s.lines[1] == s.url("/10?%C6%8Fli%20%26%20co")


def test_sensitive_input(terminal, evil):
    s = evil(ask)
    t = terminal(s.url("/11"))
    t.read_until(b"Your name: ")
    t.type(b"secret\n")
    assert t.finish() == 0
    assert t.seen.count(b"secret") == 1  # what the server said, no echo
    assert s.lines[1] == s.url("/11?secret")


def test_input_refused(terminal, evil):
    for key in (b"\x04", b"\x03\n"):
        s = evil(ask)
        t = terminal(s.url("/11"))
        t.read_until(b"Your name: ")
        t.type(key)
        assert t.finish() == 10
        assert len(s.lines) == 1
