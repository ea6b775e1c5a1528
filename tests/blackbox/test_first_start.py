# SPDX-License-Identifier: ISC
"""The first start: a certificate that lasts, and a block for people."""
import contextlib
import datetime
import os
import pty
import re
import shutil
import socket

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID, NameOID

from certs import fingerprint, pair
from harness import CARNATION, Client, Server, tree
from life import NOBODY, Plain, carnation, refused, root_only, wrapper
from preload import built, needed, preloaded


def snapshot(directory):
    return {p.name: (p.read_bytes(), p.stat().st_ino, p.stat().st_mtime_ns)
            for p in directory.iterdir()}


def served_certificate(server, sni=None):
    with Client(server, sni=sni or server.host) as c:
        return c.certificate()


def test_first_start_makes_a_lasting_pair(place):
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    words = ["--host", "example.org", "--host", "www.example.org", root]
    with Server(command=words, listen=(4,), directory=place,
                alive=None) as server:
        server.host = "example.org"
        crt, key = (server.certs / f"example.org.{x}" for x in ("crt", "key"))
        assert key.stat().st_mode & 0o7777 == 0o600
        assert server.certs.stat().st_mode & 0o7777 == 0o700
        assert crt.stat().st_mode & 0o7777 == 0o644
        cert = x509.load_pem_x509_certificate(crt.read_bytes())
        names = [a.value for a in cert.subject.get_attributes_for_oid(
            NameOID.COMMON_NAME)]
        assert names == ["example.org"]
        san = cert.extensions.get_extension_for_oid(
            ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
        assert [n.value for n in san] == ["example.org", "www.example.org"]
        assert all(isinstance(n, x509.DNSName) for n in san), "AV-98"
        assert cert.not_valid_before.date() == datetime.date(2020, 1, 1)
        assert cert.not_valid_after.date() == datetime.date(2099, 12, 31)
        assert isinstance(cert.public_key().curve, ec.SECP256R1)
        assert cert.signature_hash_algorithm.name == "sha256"
        assert cert.serial_number > 0
        assert not cert.extensions.get_extension_for_oid(
            ExtensionOID.BASIC_CONSTRAINTS).value.ca
        assert served_certificate(server) == cert.public_bytes(
            x509.base.serialization.Encoding.DER)
        before = snapshot(server.certs)
    assert set(before) == {"example.org.crt", "example.org.key"}
    with Server(command=words, listen=(4,), directory=place, alive=None):
        pass
    assert snapshot(place / "certs") == before, "a pair that exists is kept"


def test_the_pair_of_a_directory_alone_names_localhost_and_the_machine(place):
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    with Server(command=[root], listen=(4,), directory=place) as server:
        machine = socket.gethostname().lower().rstrip(".")
        cert = x509.load_pem_x509_certificate(
            (server.certs / "localhost.crt").read_bytes())
        san = cert.extensions.get_extension_for_oid(
            ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
        assert [n.value for n in san][0] == "localhost"
        assert {n.value for n in san} == {"localhost", machine}
        for host in ("localhost", machine):
            assert server.ask(f"gemini://{host}:{{P}}/", sni=host).status == 20
        assert server.ask("gemini://example.org:{P}/").status == 53


def test_a_new_host_makes_a_new_pair_and_touches_no_other(place):
    root = tree(place / "a", {"index.gmi": "# A\n"})
    one = {"host": "a.example", "root": root}
    with Server([one], directory=place, listen=(4,)) as server:
        before = snapshot(server.certs)
    with Server([one, {"host": "b.example", "root": root}], directory=place,
                listen=(4,)) as server:
        after = snapshot(server.certs)
        assert set(after) - set(before) == {"b.example.crt", "b.example.key"}
        assert {k: after[k] for k in before} == before
        assert served_certificate(server, "a.example") != \
            served_certificate(server, "b.example")


def test_half_a_pair_is_never_completed(place):
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    for gone, kept in (("key", "crt"), ("crt", "key")):
        certs = place / f"without-{gone}"
        pair(certs, "localhost")
        (certs / f"localhost.{gone}").unlink()
        before = snapshot(certs)
        said = refused("--certs", certs, "--listen", "127.0.0.1:0", root)
        assert f"localhost.{gone}" in said
        assert snapshot(certs) == before
        assert set(before) == {f"localhost.{kept}"}


def test_a_pair_of_ones_own(place):
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    crt, key = pair(place / "mine", "localhost")
    with Plain("--cert", crt, "--key", key, "--listen", "127.0.0.1:0", root,
               directory=place) as server:
        der = x509.load_pem_x509_certificate(crt.read_bytes()).public_bytes(
            x509.base.serialization.Encoding.DER)
        assert served_certificate(server) == der
        assert fingerprint(der) in server.log()


def test_the_block_for_people(place):
    pages = {"index.gmi": "0123456789", "a.gmi": "0123456789",
             "deep/b.gmi": "0123456789", "x.txt": "0123456789"}
    root = tree(place / "capsule", pages)
    with Server(command=[root], listen=(4,), directory=place) as server:
        said = server.log()
        block = {m[1]: m[2] for m in re.finditer(
            r"^  (\w+) {2,}(\S.*)$", said, re.M)}
        assert re.search(
            rf"^carnation: listening on 127\.0\.0\.1:{server.port()}$", said,
            re.M)
        assert block["open"] == f"gemini://localhost:{server.port()}/"
        assert block["file"].startswith(str(server.certs / "localhost.crt"))
        der = served_certificate(server)
        assert block["certificate"] == "SHA256 " + fingerprint(der)
        assert f"\n  public key   SHA256 {fingerprint(key_of(der))}\n" in said
        keyd, = server.keyds()
        assert block["keys"].startswith(f"held by keyd: process {keyd}, user ")
        assert re.search("files: .*; system calls: ", block["sandbox"])
        assert block["stop"] == f"kill {server.process.pid}", "no terminal"
        counted = " ".join(block.values())
        assert re.search(r"\b3 pages, 4 files, 40 (B|bytes)\b", counted), block
        assert "\x1b" not in said, "colour only on a terminal"


def test_on_a_terminal_it_is_stopped_by_ctrl_c(place):
    """The block says so, and it is true."""
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.pop("NOTIFY_SOCKET", None)
        os.execv(CARNATION, [str(CARNATION), "serve", "--certs",
                             str(place / "certs"), "--listen", "127.0.0.1:0",
                             str(root)])
    said, stopped = b"", False
    with contextlib.suppress(OSError):  # EIO is a terminal's end
        while said.count(b"\n") < 1000:
            said += os.read(terminal, 4096)
            if not stopped and b"carnation: ready" in said:
                os.write(terminal, b"\x03")
                stopped = True
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, said
    os.close(terminal)
    assert re.search(rb"^  stop         Ctrl-C\r$", said, re.M), said


SLOW_DISK = """
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int read_entries;

/* The first entries come at once, the next one after a minute. */
struct dirent64 *readdir64(DIR *dir)
{
	struct dirent64 *(*real)(DIR *) = dlsym(RTLD_NEXT, "readdir64");
	read_entries++;
	return real(dir);
}

int clock_gettime(clockid_t id, struct timespec *now)
{
	long done = syscall(SYS_clock_gettime, id, now);
	if (id == CLOCK_MONOTONIC && read_entries > 3)
		now->tv_sec += 60;
	return (int)done;
}
"""


@pytest.fixture(scope="module")
def slow_disk():
    yield from built(SLOW_DISK)


@needed[0]
@needed[1]
def test_what_was_not_counted_is_not_passed_over(place, slow_disk):
    root = tree(place / "capsule", {f"{n}.gmi": "# Hi\n" for n in range(9)} |
                {"index.gmi": "# Hello\n"})
    with Server(command=[root], listen=(4,), directory=place,
                env=preloaded(slow_disk)) as server:
        assert re.search(r"^  capsule .*: at least [0-3] pages?, [0-3] files?, ",
                         server.log(), re.M), server.log()


def key_of(der):
    """A certificate's SubjectPublicKeyInfo."""
    return x509.load_der_x509_certificate(der).public_key().public_bytes(
        x509.base.serialization.Encoding.DER,
        x509.base.serialization.PublicFormat.SubjectPublicKeyInfo)


def test_fetch_shows_the_fingerprints_that_serve_shows(place):
    """Of the certificate and of its key, named alike: people compare them."""
    with Server(listen=(4,), directory=place) as server:
        done = carnation("fetch", "--known-hosts", place / "known",
                         server.url())
        assert done.returncode == 0, done.stderr
        for line in (r"certificate  SHA256 [0-9A-F:]{95}",
                     r"public key   SHA256 [0-9A-F:]{95}"):
            shown = re.findall(f"^  {line}$", server.log(), re.M)
            assert len(shown) == 1
            said = re.findall(f"^carnation:   {line}$", done.stderr, re.M)
            assert [s.removeprefix("carnation: ") for s in said] == shown


def test_no_index_page_is_said_at_start(place):
    root = tree(place / "capsule", {"other.gmi": "# Other\n"})
    with Server(command=[root], listen=(4,), directory=place,
                alive="/other.gmi") as server:
        assert re.search(r"^carnation.*: warning: .*index\.gmi", server.log(),
                         re.M)
        assert server.ask("/").status == 51


@root_only
def test_certificates_of_other_people_lie_in_their_data_directory(place):
    """Run as nobody: no root is needed, none is used."""
    program = shutil.copy(CARNATION, place / "carnation")
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    for env, where in (({"XDG_DATA_HOME": place / "data"}, "data"),
                       ({"HOME": place / "home", "XDG_DATA_HOME": ""},
                        "home/.local/share")):
        home = place / where
        home.mkdir(parents=True)
        for p in (home, *home.parents):
            if p == place:
                break
            os.chown(p, NOBODY, NOBODY)
        with Plain("--listen", "127.0.0.1:0", root, directory=place,
                   program=program, wrapper=wrapper("user", NOBODY),
                   env={k: str(v) for k, v in env.items()}) as server:
            key = home / "carnation/certs/localhost.key"
            assert key.stat().st_mode & 0o7777 == 0o600
            assert key.stat().st_uid == NOBODY
            assert server.ask("/").status == 20


def test_check_makes_no_certificate(place):
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    done = carnation("check", "--certs", place / "certs", "--listen",
                     "127.0.0.1:0", root)
    assert done.returncode == 0, done.stdout
    assert not (place / "certs").exists()
