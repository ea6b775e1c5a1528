# SPDX-License-Identifier: ISC
"""`carnation cert new|renew|show`: made once, to last (spec.md 1.8)."""
import hashlib
import json
import os
import pty
import re
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from certs import DAY, pair
from harness import CARNATION, TIMEOUT, Server, tree
from life import NOBODY, root_only


def cert(*words, **how):
    return subprocess.run(
        [CARNATION, "cert", *map(str, words)], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
        **how)


def new(directory, *hosts):
    r = cert("new", "--certs", directory, *hosts)
    assert r.returncode == 0, r.stderr
    return r


def load(path):
    return x509.load_pem_x509_certificate(path.read_bytes())


def spki(c):
    return hashlib.sha256(c.public_key().public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def test_new(tmp_path):
    r = new(tmp_path / "certs", "Example.ORG.", "www.example.org",
            "café.example", "192.0.2.1")
    crt = tmp_path / "certs" / "example.org.crt"
    key = tmp_path / "certs" / "example.org.key"
    assert str(crt) in r.stdout and str(key) in r.stdout
    assert crt.parent.stat().st_mode & 0o777 == 0o700
    assert key.stat().st_mode & 0o777 == 0o600
    assert crt.stat().st_mode & 0o777 == 0o644
    c = load(crt)
    assert c.subject.get_attributes_for_oid(
        NameOID.COMMON_NAME)[0].value == "example.org"
    names = c.extensions.get_extension_for_class(
        x509.SubjectAlternativeName).value
    assert [str(n.value) for n in names] == [
        "example.org", "www.example.org", "xn--caf-dma.example", "192.0.2.1"]
    assert isinstance(list(names)[3], x509.IPAddress)
    basic = c.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical and not basic.value.ca
    assert c.version == x509.Version.v3
    assert c.serial_number > 2 ** 64
    assert isinstance(c.public_key().curve, ec.SECP256R1)
    assert c.signature_hash_algorithm.name == "sha256"
    assert str(c.not_valid_before) == "2020-01-01 00:00:00"
    assert str(c.not_valid_after) == "2099-12-31 23:59:59"
    digest = hashlib.sha256(
        c.public_bytes(serialization.Encoding.DER)).hexdigest().upper()
    assert ":".join(re.findall("..", digest)) in r.stdout


def test_verify_error_18(tmp_path):
    """D5: exactly "self-signed certificate", and nothing else."""
    new(tmp_path, "example.org")
    r = subprocess.run(
        ["openssl", "verify", "-x509_strict", tmp_path / "example.org.crt"],
        capture_output=True, text=True, check=False)
    assert "error 18 at 0 depth lookup" in r.stderr
    assert r.stderr.count("error ") <= 2  # that line and the summary


def test_new_never_overwrites(tmp_path):
    new(tmp_path, "example.org")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    r = cert("new", "--certs", tmp_path, "example.org", "b.example.org")
    assert r.returncode == 1
    assert "exists already" in r.stderr
    (tmp_path / "example.org.key").rename(tmp_path / "kept")
    r = cert("new", "--certs", tmp_path, "example.org")
    assert r.returncode == 1
    assert "example.org.key is missing" in r.stderr
    (tmp_path / "kept").rename(tmp_path / "example.org.key")
    assert before == {p.name: p.read_bytes() for p in tmp_path.iterdir()}


def test_default_directory():
    """Root's is the system's own; everybody else's lies at home."""
    nobody = {"user": 65534} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o777)
        r = cert("new", "a.example", env={"HOME": home}, **nobody)
        assert r.returncode == 0, r.stderr
        share = Path(home, ".local", "share", "carnation")
        assert (share / "certs" / "a.example.crt").exists()
        r = cert("show", env={"HOME": "/", "XDG_DATA_HOME": str(share.parent)},
                 **nobody)
        assert "a.example" in r.stdout
        # The certificates of a service are not for all to see.
        r = cert("show", "a.example", env={"HOME": home + "/no"}, **nobody)
        assert "(for a service's, run this as root)" in r.stderr
        r = cert("show", env={}, **nobody)
        assert r.returncode == 1 and "use --certs" in r.stderr
        subprocess.run(["chmod", "-R", "u+rwX", home], check=False)


def test_show(tmp_path):
    new(tmp_path, "b.example", "www.b.example")
    new(tmp_path, "a.example")
    r = cert("show", "--certs", tmp_path)
    assert r.returncode == 0
    assert r.stdout.index("a.example.crt") < r.stdout.index("b.example.crt")
    c = load(tmp_path / "b.example.crt")
    assert f"_1965._tcp.www.b.example. IN TLSA 3 1 1 {spki(c)}\n" in r.stdout
    assert "2020-01-01 to 2099-12-31\n" in r.stdout
    r = cert("show", "--certs", tmp_path, "B.example")
    assert "a.example" not in r.stdout
    assert r.stdout.count("TLSA  ") == 2
    r = cert("show", "--certs", "/nowhere", tmp_path / "a.example.crt")
    assert r.returncode == 0 and "a.example" in r.stdout


def test_show_json(tmp_path):
    new(tmp_path, "a.example", "www.a.example")
    new(tmp_path, "b.example")
    c = load(tmp_path / "a.example.crt")
    shown = json.loads(cert("show", "--json", "--certs", tmp_path).stdout)
    assert [s["names"] for s in shown] == [
        ["a.example", "www.a.example"], ["b.example"]]
    assert shown[0] == {
        "file": str(tmp_path / "a.example.crt"),
        "names": ["a.example", "www.a.example"],
        "not_before": "2020-01-01T00:00:00Z",
        "not_after": "2099-12-31T23:59:59Z",
        "sha256": hashlib.sha256(
            c.public_bytes(serialization.Encoding.DER)).hexdigest(),
        "spki_sha256": spki(c),
        "tlsa": f"3 1 1 {spki(c)}",
    }


def test_show_failures(tmp_path):
    r = cert("show", "--certs", tmp_path)
    assert r.returncode == 1 and "no certificate (HOST.crt)" in r.stderr
    r = cert("show", "--certs", tmp_path / "none")
    assert r.returncode == 1 and "No such file" in r.stderr
    r = cert("show", "--certs", tmp_path, "other.example")
    assert r.returncode == 1
    assert "other.example: no such file; no certificate in " in r.stderr
    (tmp_path / "bad.crt").write_text("nonsense")
    new(tmp_path, "good.example")
    r = cert("show", "--json", "--certs", tmp_path)
    assert r.returncode == 1 and "bad.crt: no PEM" in r.stderr
    assert [s["names"] for s in json.loads(r.stdout)] == [["good.example"]]


def test_show_expiry(tmp_path):
    for first, last, text in (
            (-30, -2, "(expired)"), (-30, 10, " days left)"),
            (2, 30, "(not yet valid)"), (-30, 300, "")):
        crt, _ = pair(tmp_path, "x.example", start=first * DAY,
                      end=last * DAY)
        valid = re.search("  valid .*", cert("show", crt).stdout)[0]
        assert valid.endswith(text) and ("(" in valid) == bool(text)


def test_renew(tmp_path):
    new(tmp_path, "a.example", "www.a.example")
    crt, key = tmp_path / "a.example.crt", tmp_path / "a.example.key"
    before, old = crt.read_bytes(), load(crt)
    secret = key.read_bytes()
    r = cert("renew", "--certs", tmp_path)  # nobody to ask
    assert r.returncode == 1
    assert crt.read_bytes() == before
    r = cert("renew", "--certs", tmp_path, "--yes")
    assert r.returncode == 0
    # What each client did when it was tried.
    silent, asking = r.stdout.split("These pin")
    asking, refusing = asking.split(";", 1)
    for clients, part in (
            ("amfora elpher gemget kristall lagrange offpunk", silent),
            ("AV-98 telescope", asking), ("bombadillo gmni gplaces", refusing)):
        for client in clients.split():
            assert [client in p for p in (silent, asking, refusing)] == [
                p is part for p in (silent, asking, refusing)], client
    assert (tmp_path / "a.example.crt.old").read_bytes() == before
    assert key.read_bytes() == secret
    renewed = load(crt)
    assert renewed.serial_number != old.serial_number
    assert spki(renewed) == spki(old)
    san = x509.SubjectAlternativeName
    assert (renewed.extensions.get_extension_for_class(san).value ==
            old.extensions.get_extension_for_class(san).value)
    assert renewed.subject == old.subject


def test_renew_which(tmp_path):
    new(tmp_path, "a.example")
    new(tmp_path, "b.example")
    r = cert("renew", "--certs", tmp_path, "--yes")
    assert r.returncode == 1 and "missing argument: HOST" in r.stderr
    a = (tmp_path / "a.example.crt").read_bytes()
    assert cert("renew", "--certs", tmp_path, "--yes",
                "b.example").returncode == 0
    assert (tmp_path / "a.example.crt").read_bytes() == a
    r = cert("renew", "--yes", "--cert", tmp_path / "a.example.crt",
             "--key", tmp_path / "b.example.key")
    assert r.returncode == 1 and ": not the key of" in r.stderr
    assert cert("renew", "--yes", "--cert", tmp_path / "a.example.crt",
                "--key", tmp_path / "a.example.key").returncode == 0
    assert (tmp_path / "a.example.crt.old").read_bytes() == a


def test_renew_where_a_link_leads(tmp_path):
    new(tmp_path, "a.example")
    crt, kept = tmp_path / "a.example.crt", tmp_path / "kept.pem"
    crt.rename(kept)
    crt.symlink_to("kept.pem")
    before = kept.read_bytes()
    assert cert("renew", "--certs", tmp_path, "--yes").returncode == 0
    assert crt.is_symlink() and load(kept) == load(crt)
    assert kept.read_bytes() != before
    assert (tmp_path / "a.example.crt.old").read_bytes() == before


def test_renew_foreign(tmp_path):
    """A common name that is no host; a certificate that an authority made."""
    def req(*words):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", *words],
                       check=True, capture_output=True, cwd=tmp_path)

    files = ["--cert", tmp_path / "x.crt", "--key", tmp_path / "x.key"]
    req("-keyout", "x.key", "-out", "x.crt", "-subj", "/CN=My Capsule",
        "-addext", "subjectAltName=DNS:a.example,DNS:*.a.example,IP:192.0.2.1")
    assert cert("renew", "--yes", *files).returncode == 0
    c = load(tmp_path / "x.crt")
    assert c.subject.rfc4514_string() == "CN=a.example"
    assert [str(n.value) for n in c.extensions.get_extension_for_class(
        x509.SubjectAlternativeName).value] == [
            "a.example", "*.a.example", "192.0.2.1"]
    req("-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=Authority")
    req("-keyout", "x.key", "-out", "x.crt", "-subj", "/CN=a.example",
        "-CA", "ca.crt", "-CAkey", "ca.key")
    before = (tmp_path / "x.crt").read_bytes()
    r = cert("renew", "--yes", *files)
    assert r.returncode == 1 and "not self-signed" in r.stderr
    assert (tmp_path / "x.crt").read_bytes() == before


@pytest.mark.parametrize("answer, status", [
    (b"y\n", 0), (b"n\n", 1), (b"\n", 1), (b"\x04", 1)])
def test_renew_asks(tmp_path, answer, status):
    new(tmp_path, "a.example")
    before = (tmp_path / "a.example.crt").read_bytes()
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(CARNATION, [str(CARNATION), "cert", "renew", "--certs",
                             str(tmp_path)])
    seen, end = b"", time.monotonic() + TIMEOUT
    while b"[y/N] " not in seen and time.monotonic() < end:
        seen += os.read(fd, 4096)
    assert b"a.example.crt will be replaced; its key stays" in seen
    os.write(fd, answer)
    try:
        while os.read(fd, 4096):
            pass
    except OSError:
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == status
    os.close(fd)
    changed = (tmp_path / "a.example.crt").read_bytes() != before
    assert changed == (status == 0)


def test_served(tmp_path):
    """The pair that was made is the one that clients see."""
    new(tmp_path / "certs", "localhost")
    with Server(certs=tmp_path / "certs") as server:
        r = server.ask("/")
        assert r.status == 20
        log = server.log()
    shown = json.loads(
        cert("show", "--json", "--certs", tmp_path / "certs").stdout)
    assert len(shown) == 1
    assert shown[0]["sha256"] in log.lower().replace(":", "")


@pytest.mark.parametrize("words", [
    [], ["shew"], ["new"], ["new", "--yes", "a"], ["new", "--json", "a"],
    ["renew", "--json"], ["renew", "a", "b"], ["renew", "--cert", "x"],
    ["renew", "--cert", "x", "--key", "y", "a"], ["show", "--yes"],
    ["show", "--jsn"],
])
def test_usage(words):
    r = cert(*words)
    assert r.returncode == 2
    assert r.stdout == "" and r.stderr.startswith("carnation")
    error, hint = r.stderr.splitlines()
    assert ": error: " in error and hint.startswith("See 'carnation help cert")


def test_nearest():
    assert 'did you mean "cert show"?' in cert("shwo").stderr


def test_bad_host(tmp_path):
    r = cert("new", "--certs", tmp_path, "a.example", "../x")
    assert r.returncode == 1
    assert "invalid host name" in r.stderr
    assert list(tmp_path.iterdir()) == []


def addresses(crt):
    """The IP addresses that a certificate names."""
    names = load(crt).extensions.get_extension_for_class(
        x509.SubjectAlternativeName).value
    return [str(a) for a in names.get_values_for_type(x509.IPAddress)]


def test_address_entries(tmp_path):
    """Hosts that are addresses have them, kept by renew, and no others."""
    new(tmp_path, "192.0.2.7", "2001:DB8::7")
    crt = tmp_path / "192.0.2.7.crt"
    assert addresses(crt) == ["192.0.2.7", "2001:db8::7"]
    r = subprocess.run(
        ["openssl", "x509", "-in", crt, "-noout", "-checkip", "192.0.2.7"],
        capture_output=True, text=True, check=True)
    assert "does match" in r.stdout
    assert cert("renew", "--certs", tmp_path, "--yes").returncode == 0
    assert addresses(crt) == ["192.0.2.7", "2001:db8::7"]
    shown = json.loads(cert("show", "--json", "--certs", tmp_path).stdout)
    assert shown[0]["names"] == ["192.0.2.7", "2001:db8::7"]
    new(tmp_path / "named", "a.example", "www.a.example")
    assert addresses(tmp_path / "named" / "a.example.crt") == []


def test_address_entries_of_a_pair_that_serve_made(tmp_path):
    root = tree(tmp_path / "capsule", {"index.gmi": "# Home\n"})
    with Server(command=["--host", "127.0.0.1", "--host", "::1", root],
                certs=tmp_path / "certs", alive=None):
        assert addresses(tmp_path / "certs/127.0.0.1.crt") == [
            "127.0.0.1", "::1"]


def owners(place):
    return {str(p.relative_to(place)): (p.stat().st_uid, p.stat().st_gid)
            for p in place.rglob("*")}


@root_only
def test_owner_of_new_and_renewed_files(tmp_path):
    """Root works in a directory of the service's user, who must be able to
    read what root made there."""
    os.chown(tmp_path, NOBODY, NOBODY)
    new(tmp_path / "a/certs", "a.example")  # both directories are made
    assert cert("renew", "--certs", tmp_path / "a/certs",
                "--yes").returncode == 0
    assert owners(tmp_path) == dict.fromkeys(
        ["a", "a/certs", "a/certs/a.example.crt", "a/certs/a.example.key",
         "a/certs/a.example.crt.old"], (NOBODY, NOBODY))


@root_only
def test_owner_of_a_pair_that_serve_made(tmp_path):
    certs = tmp_path / "certs"
    certs.mkdir()
    os.chown(certs, NOBODY, NOBODY)
    with Server(certs=certs):
        assert owners(tmp_path) == dict.fromkeys(
            ["certs", "certs/localhost.crt", "certs/localhost.key"],
            (NOBODY, NOBODY))


@root_only
def test_owner_is_roots_where_the_directory_is(tmp_path):
    new(tmp_path / "certs", "a.example")
    assert set(owners(tmp_path).values()) == {(0, 0)}


def test_renew_writes_through_no_link_at_the_old_name(tmp_path):
    """Who owns the directory must not choose what root overwrites."""
    place = tmp_path / "certs"
    new(place, "a.example")
    before = (place / "a.example.crt").read_bytes()
    other = tmp_path / "other"
    other.write_text("untouched")
    (place / "a.example.crt.old").symlink_to(other)
    assert cert("renew", "--certs", place, "--yes").returncode == 0
    assert other.read_text() == "untouched"
    assert (place / "a.example.crt.old").read_bytes() == before
