# SPDX-License-Identifier: ISC
"""The access log: one line a request, true, and safe to look at."""
import datetime
import json
import re
import subprocess
import time

import pytest

from harness import Client, Server, parallel, tree, wait_for
from life import ended, hup, own_network, rest, settle, silent, sparse

BIG = 40_000_000
LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (?P<address>\S+) "
    r"(?P<host>\S+) (?P<status>\d\d|-) (?P<bytes>\d+) (?P<ms>\d+) "
    r"(?P<tls>\S+) (?P<resumed>new|resumed) (?P<complete>complete|cut) "
    r"(?P<path>.*)\Z")


def logged(place, families=(4,), **log):
    root = tree(place / "capsule", {
        "index.gmi": "# Hello\n", "sp ace.gmi": "x\n", "é.gmi": "x\n"})
    sparse(root / "big.bin", BIG)
    tree(place / "other", {"index.gmi": "# Other\n"})
    log.setdefault("access", str(place / "access.log"))
    (place / "access.log").unlink(missing_ok=True)
    server = Server(
        [{"host": "localhost", "root": str(root)},
         {"host": "other.example", "root": str(place / "other")}],
        directory=place, listen=families, options={"log": log})
    server.file = place / "access.log"
    if log["access"] == str(server.file):  # what the harness asked at start
        wait_for(lambda: len(lines(server)) == server.greetings, 5)
    server.seen = server.greetings
    return server


def lines(server):
    if not server.file.exists():
        return []
    return server.file.read_bytes().decode("utf-8").split("\n")[:-1]


def new_lines(server, number=1):
    """The next lines of the log, as soon as there are so many."""
    got = wait_for(lambda: (lambda x: x if len(x) >= number else None)(
        lines(server)[server.seen:]), 3, f"{number} lines")
    server.seen += len(got)
    return got


def entry(server):
    line, = new_lines(server)
    found = LINE.match(line)
    assert found, line
    return found.groupdict()


def test_every_field_of_a_line(place):
    with logged(place) as server:
        before = datetime.datetime.utcnow()
        reply = server.ask("/", tls="1.3")
        e = entry(server)
        at = datetime.datetime.strptime(e["time"], "%Y-%m-%dT%H:%M:%S.%fZ")
        second = datetime.timedelta(seconds=1)
        assert before - second < at < datetime.datetime.utcnow() + second
        assert e["address"] == "127.0.0.0/24"
        assert e["host"] == "localhost"
        assert e["status"] == "20"
        assert int(e["bytes"]) == len(reply.raw), "really sent"
        assert int(e["ms"]) >= 0
        assert (e["tls"], e["resumed"]) == ("TLSv1.3", "new")
        assert (e["complete"], e["path"]) == ("complete", "/")
        again = server.ask("/", tls="1.3", session=reply.session)
        assert again.resumed and entry(server)["resumed"] == "resumed"
        server.ask("/nothing.gmi", tls="1.2")
        e = entry(server)
        assert (e["status"], e["tls"]) == ("51", "TLSv1.2")
        assert e["path"] == "/nothing.gmi"
        server.ask("gemini://other.example:{P}/", sni="other.example")
        assert entry(server)["host"] == "other.example"
        server.ask("gemini://unknown.example/")
        assert entry(server)["status"] == "53"


def test_milliseconds_are_measured(place):
    with logged(place) as server:
        with Client(server) as c:
            time.sleep(0.4)
            c.ask("/").reply()
        assert 300 <= int(entry(server)["ms"])


def test_what_was_cut_is_said_and_counted(place):
    with logged(place) as server:
        with Client(server, receive_buffer=8192) as c:
            c.ask("/big.bin")
            c.read()
            c.reset()
        e = entry(server)
        assert e["complete"] == "cut" and e["status"] == "20"
        assert 0 < int(e["bytes"]) < BIG
        reply = server.ask("/big.bin")
        e = entry(server)
        assert e["complete"] == "complete"
        assert int(e["bytes"]) == len(reply.raw)


def test_a_file_cut_while_it_is_served_is_logged_as_cut(place):
    with logged(place) as server:
        with Client(server, receive_buffer=8192) as c:
            c.ask("/big.bin")
            got = c.read()
            with open(place / "capsule/big.bin", "r+b") as f:
                f.truncate(1000)
            more, clean = rest(c)
            assert not clean and len(got) + more < BIG
        e = entry(server)
        assert e["complete"] == "cut"
        assert int(e["bytes"]) == len(got) + more


@pytest.mark.parametrize("addresses, seen", [
    ("none", "-"), ("truncated", "127.1.2.0/24"), ("full", "127.1.2.3")])
def test_addresses_as_configured(place, addresses, seen):
    with logged(place, addresses=addresses) as server:
        server.ask("/", source="127.1.2.3")
        assert entry(server)["address"] == seen
        assert addresses == "full" or b"127.1.2.3" not in \
            server.file.read_bytes()


@own_network
def test_ipv6_addresses_as_configured(place):
    subprocess.run(["ip", "addr", "add", "2001:db8:1:2::3/128", "dev", "lo"],
                   check=True)
    for addresses, seen in (("none", "-"), ("truncated", "2001:db8:1::/48"),
                            ("full", "2001:db8:1:2::3")):
        with logged(place, families=(6,), addresses=addresses) as server:
            server.ask("/", family=6, source="2001:db8:1:2::3")
            assert entry(server)["address"] == seen


def test_the_query_only_if_configured(place):
    for query, seen in ((False, "/"), (True, "/?my%20secret")):
        with logged(place, query=query) as server:
            server.ask("/?my%20secret")
            assert entry(server)["path"] == seen
            server.ask("/")
            assert entry(server)["path"] == "/"
            server.ask("/?")
            assert entry(server)["path"] == ("/?" if query else "/")


NASTY = [
    b"gemini://localhost/\x1b[31mred\x1b[0m\r\n",
    b"gemini://localhost/a\n2026-01-01T00:00:00.000Z forged line\r\n",
    b"gemini://localhost/a\rb\r\n", b"gemini://localhost/\x00\x07\x7f\r\n",
    b"gemini://localhost/\xc2\x9b31m\r\n",  # C1, as UTF-8
    b"gemini://localhost/\xe2\x80\xaeevil\r\n",  # right-to-left override
    b"gemini://localhost/\xff\xfe\r\n", b"\x1b]0;title\x07\r\n", b"\r\n",
    b"gemini://loc\x1b[1malhost/\r\n", b"gemini://evil\xc2\x9b.example/\r\n",
    "gemini://localhost/é.gmi\r\n".encode(),
    b"gemini://localhost/%1b%0a%0d\r\n",
    b"gemini://localhost/sp%20ace.gmi\r\n", b"a" * 2000 + b"\r\n",
    b'gemini://localhost/"quo\\te"\r\n', b"gemini://localhost/a b\r\n",
]


@pytest.mark.parametrize("form", ["text", "json"])
def test_whatever_is_asked_makes_one_harmless_line(place, form):
    with logged(place, format=form, query=True) as server:
        for request in NASTY:
            with Client(server) as c:
                c.send(request).reply()
            line, = new_lines(server)
            bad = re.search(
                "[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]",
                line)
            assert not bad, (request, line)
            if form == "json":
                json.loads(line)
            else:
                assert LINE.match(line), (request, line)


def test_json_has_the_same_fields(place):
    with logged(place, format="json", addresses="full") as server:
        reply = server.ask("/", tls="1.2")
        e = json.loads(new_lines(server)[0])
        assert set(e) == {"time", "address", "host", "status", "bytes", "ms",
                          "tls", "resumed", "complete", "path"}
        assert e["status"] == 20 and e["bytes"] == len(reply.raw)
        assert e["address"] == "127.0.0.1" and e["host"] == "localhost"
        assert e["tls"] == "TLSv1.2" and e["path"] == "/"
        assert e["resumed"] is False and e["complete"] is True
        assert isinstance(e["ms"], int)
        assert e["time"].endswith("Z")
        session = reply.session
        assert server.ask("/", tls="1.2", session=session).resumed
        assert json.loads(new_lines(server)[0])["resumed"] is True
        server.ask("/é.gmi")
        path = json.loads(new_lines(server)[0])["path"]
        assert path in ("/é.gmi", "/%C3%A9.gmi")


def test_none_writes_nothing_and_stderr_is_the_default(place):
    with logged(place, access="none") as server:
        server.ask("/")
        hup(server)  # what was asked before is done with
        assert server.access() == [] and not lines(server)
        settle(server)
    root = place / "capsule"
    with Server([{"host": "localhost", "root": str(root)}], directory=place,
                listen=(4,)) as server:
        server.ask("/")
        server.wait_log(r"^\d{4}-\S+Z 127\.0\.0\.0/24 localhost 20 .* /$")


@pytest.mark.parametrize("name, known_as", [
    ("/dev/null", "none"), ("/dev/stdout", "stdout"),
    ("/dev/stderr", "stderr"), ("/dev/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr")])
def test_devices_that_stand_for_a_word(place, name, known_as):
    """They are links or devices, which are refused; 0.1 took them."""
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    with Server([{"host": "localhost", "root": str(root)}], directory=place,
                listen=(4,), options={"log": {"access": name}}) as server:
        server.ask("/marker")
        hup(server)  # what was asked before is done with
        said = [x for x in server.log().splitlines() if x.endswith("/marker")]
        assert len(said) == (known_as != "none")
        settle(server)


def test_who_asks_nothing_is_not_in_the_log(place):
    """One line a request: a scan of ports or a lost handshake is none."""
    with logged(place) as server:
        silent(server).close()
        with silent(server) as s:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert ended(s)
        Client(server).close()
        server.ask("/marker")
        got = new_lines(server)
        assert got[-1].endswith(" /marker")
        assert all(LINE.match(x)["status"] != "20" for x in got[:-1])
        assert len(got) == 1, got


def test_lines_of_two_workers_never_mix(place):
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    with Server([{"host": "localhost", "root": str(root)}], directory=place,
                listen=(4,), workers=2, options={
                    "log": {"access": str(place / "access.log")}}) as server:
        server.file = place / "access.log"
        wait_for(lambda: len(lines(server)) == server.greetings)
        before = server.greetings
        parallel(*[lambda i=i: [server.ask(f"/{i}/" + "x" * 900)
                                for _ in range(25)] for i in range(4)])
        wait_for(lambda: len(lines(server)) - before == 100, 3)
        assert all(LINE.match(x) for x in lines(server))
