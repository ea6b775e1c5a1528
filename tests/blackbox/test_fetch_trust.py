# SPDX-License-Identifier: ISC
"""Whom `carnation fetch` believes: trust on first use."""
import json
import os
import re
import subprocess

import pytest

from certs import DAY, pair
from evil import evil, fetch, known_pair, make_pair  # noqa: F401
from harness import CARNATION, HOST


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
    # of the known one only the key is remembered
    assert re.findall(
        rb"^carnation fetch: error:   (\w+)  (\w+(?: key)?) +"
        rb"SHA256 (?:[0-9A-F]{2}:){31}[0-9A-F]{2}",
        r.stderr, re.M) == [(b"known", b"public key"),
                            (b"shown", b"certificate"),
                            (b"shown", b"public key")]
    assert f"remove line 2 of {known}".encode() in r.stderr
    assert known.read_text() == before
    # the way out works
    known.write_text("# mine\n")
    assert fetch(second.url()).stdout == b"second"
    assert known.read_text().startswith("# mine\nlocalhost:")


def test_known_hosts_where_a_link_leads(fetch, evil, tmp_path):
    (tmp_path / "known").symlink_to("kept")
    s = evil(b"20 text/plain\r\nfirst")
    assert fetch("--known-hosts", "known", s.url()).returncode == 0
    assert (tmp_path / "known").is_symlink()
    assert (tmp_path / "kept").read_text().startswith("localhost:")


def test_other_name(fetch, evil, tmp_path):
    s = evil(b"20 text/plain\r\n", pair=make_pair(tmp_path / "c", "a.example"))
    r = fetch(s.url())
    assert r.returncode == 1
    assert b"for another host: a.example" in r.stderr
    assert s.lines == []


def test_expired(fetch, evil, tmp_path):
    old = pair(tmp_path, HOST, start=-30 * DAY, end=-2 * DAY)
    s = evil(b"20 text/plain\r\n", pair=old)
    r = fetch(s.url())
    assert r.returncode == 1
    assert re.search(rb"expired on \d{4}-\d\d-\d\d", r.stderr)


def test_not_yet_valid(fetch, evil, tmp_path):
    s = evil(b"20 text/plain\r\n", pair=pair(
        tmp_path, HOST, start=2 * DAY, end=30 * DAY))
    r = fetch(s.url())
    assert r.returncode == 1
    assert re.search(rb"not valid before \d{4}-\d\d-\d\d", r.stderr)


def test_known_but_expired(fetch, evil, tmp_path):
    """The key is the known one: a warning, and on."""
    crt, key = pair(tmp_path, HOST, start=-30 * DAY, end=-2 * DAY)
    s = evil(b"20 text/plain\r\nlate", pair=(crt, key))
    spki = json.loads(subprocess.run(
        [CARNATION, "cert", "show", "--json", crt], check=True,
        capture_output=True).stdout)[0]["spki_sha256"]
    (tmp_path / "known").write_text(
        f"localhost:{s.port} {spki} 2020-01-01T00:00:00Z\n")
    r = fetch("--known-hosts", "known", s.url())
    assert (r.returncode, r.stdout) == (0, b"late")
    assert b"its key is the known one, so it is accepted" in r.stderr


def test_renewed_after_expiry(fetch, evil, tmp_path):
    s = evil(b"20 text/plain\r\nnew")
    (tmp_path / "known").write_text(
        f"localhost:{s.port} {'ab' * 32} 2020-01-01T00:00:00Z\n")
    r = fetch("--known-hosts", "known", s.url())
    assert (r.returncode, r.stdout) == (0, b"new")
    assert b"has a new key, the old certificate has expired" in r.stderr
    assert "ab" * 32 not in (tmp_path / "known").read_text()


def test_known_hosts_option(fetch, evil, tmp_path):
    s = evil(b"20 text/plain\r\n")
    assert fetch("--known-hosts", "mine", s.url()).returncode == 0
    assert (tmp_path / "mine").read_text().startswith("localhost:")
    r = fetch("--known-hosts", "/proc/nothing/x", s.url())
    assert r.returncode == 0 and b"not remembered: /proc/nothing/x: " in r.stderr


@pytest.mark.parametrize("data", ["", "file", "locked"])
def test_without_a_place_to_remember(evil, tmp_path, data):
    """The page is shown all the same; the key is not known the next time."""
    (tmp_path / "file").touch()
    (tmp_path / "locked").mkdir(mode=0o555)
    s = evil(b"20 text/plain\r\nx")
    env = {"XDG_DATA_HOME": str(tmp_path / data)} if data else {}
    as_nobody = {"user": 65534} if os.geteuid() == 0 else {}
    tmp_path.chmod(0o755)
    for _ in range(2):
        r = subprocess.run([CARNATION, "fetch", s.url()], env=env, check=False,
                           capture_output=True, **as_nobody)
        assert (r.returncode, r.stdout) == (0, b"x"), r
        assert re.search(rb"^carnation fetch: warning: the key of localhost:\d+ is "
                         rb"not remembered: .*; use --known-hosts FILE$",
                         r.stderr, re.M)
