# SPDX-License-Identifier: ISC
"""The access log with log.handshakes: one line a handshake that fails, which
says why. Its fields are those of carnation.conf(5), where they are described."""
import contextlib
import json
import os
import re
import signal
import socket
import ssl
import struct
import time

import pytest

from client import connect, reset
from harness import ROOT, Client, wait_for
from life import ended, hup, settle, silent
from rawtls import EXTENSIONS, SUITES, client_hello, extension, vector
from test_log import LINE, logged, lines, new_lines

FAILED = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (?P<address>\S+) "
    r"(?P<host>\S+) - 0 (?P<ms>\d+) - new cut - (?P<reason>\S.*)\Z")
KEYS = ["time", "address", "host", "status", "bytes", "ms", "tls", "resumed",
        "complete", "path", "handshake"]


def failed(server):
    """The one new line, of a handshake that failed."""
    line, = new_lines(server)
    found = FAILED.match(line)
    assert found, line
    return found.groupdict()


def reason(server):
    return failed(server)["reason"]


def sends(server, data):
    with connect(server) as s:
        s.sendall(data)
        with contextlib.suppress(OSError):  # they were faster
            s.shutdown(socket.SHUT_WR)
        assert ended(s, 5)


def hello(version=0x0303, suites=(), extensions=EXTENSIONS):
    return client_hello(version, suites or SUITES, extensions)


def sni(name):
    return extension(0, vector(b"\0" + vector(name))) + EXTENSIONS[18:]


def shakes(server, name="localhost", **how):
    """A client of Python's that checks certificates, and finds them wanting."""
    ctx = ssl.create_default_context()
    for key, value in how.items():
        setattr(ctx, key, value)
    with connect(server) as s, pytest.raises(ssl.SSLError):
        ctx.wrap_socket(s, server_hostname=name)


def alert(server, number):
    """Reads the flight, then sends an alert before any key is in use."""
    with connect(server) as s:
        s.sendall(hello())
        assert s.recv(1)
        s.sendall(struct.pack("!BHHBB", 21, 0x0303, 2, 2, number))
        assert ended(s, 5)


def limits(server, **options):
    """Other limits from now on; all that was logged before has been seen."""
    server.options["limits"] = options
    server.write_config()
    hup(server)
    settle(server)
    server.ask("/seen")
    wait_for(lambda: lines(server)[-1].endswith(" /seen"))
    server.seen = len(lines(server))


def test_plain_reasons(place):
    with logged(place, handshakes=True) as server:
        sends(server, b"GET / HTTP/1.0\r\n\r\n")
        assert reason(server) == "not TLS"
        sends(server, b"gemini://localhost/\r\n")
        assert reason(server) == "not TLS"
        sends(server, b"\x16\x03\x01\0\0")
        assert reason(server) == "malformed or too long ClientHello"
        sends(server, hello()[:100])
        assert reason(server) == "closed by the client"
        sends(server, hello(version=0x0302))
        assert reason(server) == "unsupported protocol"
        sends(server, hello(suites=[0x000A]))
        assert reason(server) == "no shared cipher"
        sends(server, hello())  # and not a word after the server's flight
        e = failed(server)
        assert e["reason"] == "closed by the client"
        assert e["host"] == "localhost" and e["address"] == "127.0.0.0/24"
        with connect(server) as s:
            s.sendall(hello())
            assert s.recv(1)
            reset(s)
        assert reason(server) == "Connection reset by peer"


def test_alerts_of_clients(place):
    with logged(place, handshakes=True) as server:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            shakes(server, minimum_version=version, maximum_version=version)
            e = failed(server)
            assert e["reason"] == "alert from the client: unknown CA"
            assert e["host"] == "localhost"
        alert(server, 45)
        assert reason(server) == "alert from the client: certificate expired"
        alert(server, 111)
        assert re.match("alert (111 )?from the client", reason(server))
        alert(server, 222)
        assert reason(server) == "alert 222 from the client"


def test_a_handshake_that_takes_too_long(place):
    with logged(place, handshakes=True) as server:
        limits(server, handshake=1)
        with silent(server) as s, connect(server) as t:
            t.sendall(hello())
            assert t.recv(1)
            assert ended(s, 10) and ended(t, 10)
        got = [FAILED.match(x) for x in new_lines(server, 2)]
        assert [x["reason"] for x in got] == ["timed out"] * 2
        assert all(1000 <= int(x["ms"]) for x in got)


@pytest.mark.parametrize("addresses, seen", [
    ("none", "-"), ("truncated", "127.1.2.0/24"), ("full", "127.1.2.3")])
def test_addresses_as_configured(place, addresses, seen):
    with logged(place, handshakes=True, addresses=addresses) as server:
        with connect(server, source="127.1.2.3") as s:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert ended(s, 5)
        assert failed(server)["address"] == seen


HOSTILE = [b"\x1b[31mred", b"a\n2026-01-01T00:00:00.000Z forged", b"\xff\xfe",
           b"- - - 0 1 - new cut - forged", b"a" * 255, b"\xc2\x9b31m", b'"\\']


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_that_a_client_sends_is_in_the_line(place, form):
    """Neither the name that it asks for nor the number of its alert."""
    with logged(place, format=form, handshakes=True) as server:
        for name in HOSTILE:
            sends(server, hello(extensions=sni(name)))
            line, = new_lines(server)
            if form == "json":
                e = json.loads(line)
                assert e["host"] == "-"
                assert e["handshake"] == "closed by the client"
            else:
                assert FAILED.match(line)["host"] == "-", line
                assert line.endswith(" - new cut - closed by the client")
        sends(server, hello(extensions=sni(b"OTHER.example")))
        line, = new_lines(server)
        assert "other.example" in line and "OTHER" not in line


def test_json_has_one_key_more(place):
    with logged(place, format="json", handshakes=True) as server:
        sends(server, b"GET / HTTP/1.0\r\n\r\n")
        e = json.loads(new_lines(server)[0])
        assert list(e) == KEYS
        assert e["handshake"] == "not TLS"
        assert (e["status"], e["bytes"], e["path"]) == (0, 0, "")
        assert (e["host"], e["tls"]) == ("-", "-")
        assert e["resumed"] is False and e["complete"] is False
        server.ask("/")
        assert list(json.loads(new_lines(server)[0])) == KEYS[:-1]


def test_requests_are_never_taken_for_failed_handshakes(place):
    """Whatever is asked, and however it ends."""
    with logged(place, handshakes=True) as server:
        for request in ("- - 0 1 - new cut - forged", "/ - new cut - forged",
                        "gemini://localhost/- new cut - forged"):
            server.ask(request)
            line, = new_lines(server)
            assert LINE.match(line) and not FAILED.match(line), line
        with Client(server) as c:
            c.ask("/big.bin")
            c.read()
            c.reset()
        line, = new_lines(server)
        assert " cut /big.bin" in line and not FAILED.match(line)
        Client(server).close()  # a whole handshake, and no request
        server.ask("/marker")
        line, = new_lines(server)
        assert line.endswith(" /marker")


def test_who_sends_no_byte_has_no_line(place):
    with logged(place, handshakes=True) as server:
        connect(server).close()
        with connect(server) as s:
            s.shutdown(socket.SHUT_WR)
            assert ended(s, 10)
        reset(connect(server))
        server.ask("/marker")
        line, = new_lines(server)
        assert line.endswith(" /marker")


def test_off_by_default(place):
    with logged(place) as server:
        sends(server, b"GET / HTTP/1.0\r\n\r\n")
        sends(server, hello(suites=[0x000A]))
        shakes(server)
        server.ask("/marker")
        line, = new_lines(server)
        assert line.endswith(" /marker")


def test_connections_above_the_limit_of_an_address_have_no_line(place):
    with logged(place, handshakes=True) as server:
        limits(server, per_address=2, exempt=[])
        kept = [silent(server, source="127.0.0.7") for _ in range(2)]
        tries = []
        try:
            # Until both count, others are served.
            wait_for(lambda: tries.append(refused(server)) or tries[-1], 10)
            tries += [refused(server) for _ in range(20)]
        finally:
            for s in kept:
                s.close()
        served = len(kept) + tries.count(False)
        wait_for(lambda: len(lines(server)) >= server.seen + served, 5)
        assert all(tries[-20:])
        assert [reason_of(x) for x in lines(server)[server.seen:]] == [
            "closed by the client"] * served


def refused(server):
    """Whether a third connection of 127.0.0.7 is closed unheard."""
    with connect(server, source="127.0.0.7") as s:
        try:
            s.sendall(hello())
            return not s.recv(1)
        except OSError:
            return True


def reason_of(line):
    found = FAILED.match(line)
    assert found, line
    return found["reason"]


def test_a_flood_fills_neither_log(place):
    """A hundred lines in ten seconds for a worker, one warning; requests are
    logged all the time."""
    flood = 400
    with logged(place, handshakes=True) as server:
        began = time.monotonic()
        for i in range(flood):
            sends(server, b"GET / HTTP/1.0\r\n\r\n")
            if i % 100 == 0:
                server.ask(f"/{i}")
        periods = int((time.monotonic() - began) / 10) + 1
        server.ask("/marker")
        wait_for(lambda: lines(server)[-1].endswith(" /marker"))
        got = lines(server)[server.seen:]
        asked = [x for x in got if LINE.match(x)["status"] != "-"]
        assert [x.rpartition(" ")[2] for x in asked] == [
            *(f"/{i}" for i in range(0, flood, 100)), "/marker"]
        assert all(reason_of(x) == "not TLS" for x in got if x not in asked)
        assert 100 <= len(got) - len(asked) <= min(100 * (periods + 1), flood)
        if periods == 1:
            assert len(got) - len(asked) < flood
            assert len(re.findall(
                r"worker 0\[\d+\]: warning: access log: more than 100 failed "
                "handshakes in 10 seconds; the others are not logged",
                server.log())) == 1


def test_a_keyd_that_does_not_answer_is_named(place):
    with logged(place, handshakes=True) as server:
        server.may_restart = True
        keyd = server.keyd()
        os.kill(keyd, signal.SIGSTOP)
        try:
            with connect(server) as s:
                s.sendall(hello())
                assert ended(s, 10)
            e = failed(server)
            assert e["reason"] == "no signature from keyd"
            assert e["host"] == "localhost"
        finally:
            os.kill(keyd, signal.SIGCONT)


# ------------------------------------------------------------ the manual page

PAGE = (ROOT / "src/man/carnation.conf.5").read_text()
SECTION = PAGE.partition("\n.Ss The access log\n")[2].partition("\n.Ss ")[0]
EXAMPLES = SECTION.partition(".Bd -literal")[2].partition("\n")[2].partition(
    "\n.Ed")[0]


def example(number):
    """As it is in a log: lines that begin with a space continue the last; in
    JSON that one is not there."""
    text = re.split("\n(?! )", EXAMPLES)[number]
    return text.replace("\n ", "" if text[0] == "{" else " ")


def test_the_examples_of_the_manual():
    assert LINE.match(example(0)) and not FAILED.match(example(0))
    assert FAILED.match(example(1)), example(1)
    for text, line in ((example(0), example(2)), (example(1), example(3))):
        e = json.loads(line)
        assert list(e) == KEYS[:len(e)]
        assert ("handshake" in e) == (FAILED.match(text) is not None)
        fields = LINE.match(text)
        for key in ("time", "address", "host", "bytes", "ms", "tls"):
            assert str(e[key]) == fields[key]


def test_the_fields_of_the_manual():
    """In the order of the line, by the names of JSON."""
    assert re.findall(r"^\.It\n\.Pq Sy (\w+)$", SECTION, re.M) == KEYS[:-1]
    assert f"\n.Sy {KEYS[-1]} ," in SECTION


def test_the_reasons_of_the_manual():
    source = "".join((ROOT / "src" / name).read_text() for name in (
        "server/conn.c", "tls/tls_conn.c"))
    for tag in re.findall(r'^\.It Sy "?([^"\n]+)', SECTION, re.M):
        assert f'"{tag}' in source, tag
