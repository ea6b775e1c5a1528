# SPDX-License-Identifier: ISC
"""What only an attacker sends: rules 1.5 (56, 58, 60), rows B10, B14; floods,
garbage, mutations. After each, the server answers and has lost nothing."""
import contextlib
import os
import random
import re
import signal
import ssl
import struct
from pathlib import Path

import pytest
from conftest import HOME, VIAS, own_directory
from harness import (HOST, LONG, SANITIZED, Client, Server, arrived, connect,
                     reset, tree, wait_for)
from life import busy, expect_rest
from OpenSSL import SSL
from rawtls import (EXTENSIONS, SUITES, Puppet, answer_to, client_hello,
                    extension, vector)

HELLO = client_hello(0x0303, SUITES, EXTENSIONS)
FAMILIES = pytest.mark.parametrize("family", (4, 6), ids=("v4", "v6"))


def cpu(server):
    """Seconds of CPU that the workers have used."""
    ticks = 0
    for pid in server.workers():
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
        ticks += sum(map(int, stat.split()[11:13]))
    return ticks / 100


# ------------------------------------------------------------------ not TLS

PLAIN = [
    b"gemini://localhost/\r\n", b"gemini://localhost/",
    b"GET / HTTP/1.0\r\n\r\n",
    b"SSH-2.0-x\r\n", b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n",
    b"HELO x\r\n", b"\r\n", b"\0" * 100, b"\xff" * 100, b"x" * 70000, b"g",
]


@FAMILIES
@pytest.mark.parametrize("data", PLAIN, ids=lambda d: repr(d[:12]))
def test_B10_R1_5_58_plaintext_gets_not_a_byte(site, family, data):
    """What cannot be a record is not waited for."""
    back, end = answer_to(site, data, family, half_close=len(data) < 5)
    assert back == b"" and end in ("fin", "rst")


GARBAGE = [
    b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\x40\x01" + b"x" * 16385,
    b"\x16\x03\x01\xff\xff" + b"x" * 65535, b"\x16\x03\x01\x00\x00" * 100,
    b"\x16\xff\xff\x00\x05hello", b"\x17\x03\x03\x00\x05hello",
    b"\x14\x03\x03\x00\x01\x01" * 200, b"\x15\x03\x01\x00\x02\x01\x00" * 200,
    b"\x15\x03\x01\x00\x02\x02\x28", b"\x18\x03\x02\x00\x03\x01\x40\x00",
    b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", b"\x16\x03\x01\x00\x04\x00\0\0\0",
    b"\x16\x03\x01\x00\x04\x01\xff\xff\xff" + b"x" * 20000,
]


@FAMILIES
@pytest.mark.parametrize("data", GARBAGE, ids=lambda d: d[:6].hex())
def test_R1_5_58_half_valid_TLS_gets_an_alert_at_most(site, family, data):
    back, end = answer_to(site, data, family, half_close=True)
    assert end in ("fin", "rst")
    assert back == b"" or (back[:1] == b"\x15" and len(back) <= 14), back


# ------------------------------------------------------------------ mutations

def test_mutated_hellos(site):
    """Seeded: flipped, cut, doubled, lengths changed; all split again."""
    rng = random.Random(19900120)
    for _ in range(250 if SANITIZED else 1500):
        data = bytearray(HELLO)
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(data))
            kind = rng.randrange(4)
            if kind == 0:
                data[at] ^= 1 << rng.randrange(8)
            elif kind == 1:
                data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
            elif kind == 2:
                del data[at:at + rng.randrange(1, 9)]
            else:
                data[at:at] = data[at:at + rng.randrange(1, 40)]
            data = data or bytearray(b"\x16")
        with connect(site, rng.choice((4, 6))) as s:
            s.sendall(data)
            if rng.randrange(3) == 0:
                s.settimeout(3)
                with contextlib.suppress(ConnectionResetError):
                    with contextlib.suppress(OSError):  # they were faster
                        s.shutdown(1)
                    while s.recv(1 << 16):
                        pass


SNI = [
    vector(b""), vector(b"\0" + vector(b"")), vector(b"\0" + vector(b"a\0b")),
    vector(b"\0" + vector(b"x" * 300)), vector(b"\1" + vector(b"localhost")),
    vector(b"\0" + vector(b"localhost")) * 2, b"", b"\xff" * 9,
    vector(b"\0" + vector(b"localhost") + b"\0" + vector(b"other.example")),
    vector(b"\0" + vector(b"\xff\xfe")), vector(b"\0" + vector(b".")),
    vector(b"\0" + vector(b"\x1b[2J\r\n")), vector(b"\0" + b"\xff\xffx"),
]


@pytest.mark.parametrize("body", SNI, ids=lambda b: b.hex()[:24])
def test_malformed_SNI(site, body):
    """Two alerts, or a handshake; never a crash."""
    others = EXTENSIONS[4 + struct.unpack("!H", EXTENSIONS[2:4])[0]:]
    back, end = answer_to(site, client_hello(
        0x0303, SUITES, extension(0, body) + others), half_close=True)
    assert end in ("fin", "rst") and back[:1] in (b"", b"\x15", b"\x16")


def test_hellos_of_many_kilobytes(site):
    """An honest hello is below 2 kB; memory does not follow the client's."""
    before = site.memory()
    for size in (15000, 30000, 60000):
        long = EXTENSIONS + extension(
            16, vector(vector(b"x" * 200, 1) * (size // 201)))
        body = client_hello(0x0303, SUITES, long)[5:]
        body = b"\x01" + vector(body[4:], 3)
        records = b"".join(
            b"\x16\x03\x01" + vector(body[i:i + 16000])
            for i in range(0, len(body), 16000))
        for _ in range(5):
            _, end = answer_to(site, records, half_close=True)
            assert end in ("fin", "rst")
    assert site.memory() - before < 8 << 20


@pytest.mark.soak
def test_R1_2_33_random_request_lines_get_a_valid_header(site):
    """Only codes that are defined. Reply() checks the grammar of whatever
    comes (1.2.28-34). Seeded."""
    rng = random.Random(20)
    words = [b"gemini", b"://", b"localhost", b":", str(site.port()).encode(),
             b"/", b"..", b"%2e", b"%2F", b"%", b"%00", b"?", b"#", b"@", b"[",
             b"]", b"::1", b"a.txt", b"dir", b" ", b"\t", b"\n", b"\r", b"\0",
             "é".encode(), b"\xff", b"//", b"http", b"%C3%A9", b"\x1b[2J",
             b"xn--caf-dma.example", b".", b";", b"\xef\xbb\xbf", b"x" * 200]
    for _ in range(2000 if LONG else 250 if SANITIZED else 700):
        line = b"".join(rng.choice(words)
                        for _ in range(rng.randrange(0, 14)))
        if rng.randrange(2):
            line = site.line("/") + line
        if b"\r\n" in line:
            continue
        reply = site.ask(line)
        assert reply.status in (20, 31, 51, 53, 59) and reply.whole, line


# ------------------------------------------------------------------ floods

@FAMILIES
def test_KeyUpdates_before_a_request_within_reason(site, family):
    with Puppet(site, family=family) as p:
        p.handshake()
        for _ in range(10):
            p.key_update()
        p.write(site.line("/", family) + b"\r\n")
        assert p.read_all().startswith(b"20 ")


@FAMILIES
@pytest.mark.parametrize("answers", (0, 1), ids=("silent", "answer-me"))
def test_KeyUpdate_flood_is_cut_off_at_16_KiB(site, family, answers):
    """4,000 of them are 108 kB of parsing for no request."""
    with Puppet(site, family=family) as p:
        p.handshake()
        for _ in range(4000):
            p.key_update(answers)
            if p.ended:
                break
        p.flush()
        with contextlib.suppress(SSL.Error):
            p.write(site.line("/", family) + b"\r\n")
        assert b"20 " not in p.read_all()
        assert p.ended


def test_KeyUpdate_flood_that_is_there_all_at_once():
    """Nor may 27 kB of it pass when all has come before the first read."""
    with Server() as server, Puppet(server) as p:
        p.handshake()
        flood = p.queue(1000, server.line("/") + b"\r\n")
        assert len(flood) > 20_000
        (worker,) = server.workers()
        os.kill(worker, signal.SIGSTOP)
        try:
            p.sock.sendall(flood)
            arrived(p.sock)
        finally:
            os.kill(worker, signal.SIGCONT)
        assert b"20 " not in p.read_all()


def test_KeyUpdate_flood_that_comes_with_Finished():
    """Nor when the server reads all of it in the last step of the handshake."""
    with Server() as server, Puppet(server) as p:
        (worker,) = server.workers()
        with contextlib.ExitStack() as stack:
            def stop():
                os.kill(worker, signal.SIGSTOP)
                stack.callback(os.kill, worker, signal.SIGCONT)
            p.handshake(before_finished=stop)
            p.sock.sendall(p.queue(1000, server.line("/") + b"\r\n"))
        assert b"20 " not in p.read_all()


def test_records_of_one_byte_are_parsing_too(site):
    """500 bytes of request in 500 records are 11 kB on the wire: still fine;
    1,000 in 1,000 are 22 kB: more than 16 KiB."""
    for size, allowed in ((500, {51}), (1000, {None, 51, 59})):
        line = site.line("/")
        line += b"x" * (size - len(line)) + b"\r\n"
        with Client(site, tls="1.3") as c:
            c.send_pieces(line[i:i + 1] for i in range(len(line)))
            assert c.reply().status in allowed


@FAMILIES
def test_B14_renegotiation_flood(site, family):
    for _ in range(20):
        with Puppet(site, tls="1.2", family=family) as p:
            p.handshake()
            p.conn.renegotiate()
            with contextlib.suppress(SSL.Error):
                p.conn.do_handshake()
            p.flush()


def test_alerts_of_all_kinds_after_the_handshake(site, tls):
    """close_notify aside, the connection may live or die, nothing else."""
    for i in range(4):
        with Client(site, tls=tls) as c:
            c.ask("/")
            c.write_tcp([b"\x15\x03\x03\x00\x02\x01\x5a",
                         b"\x15\x03\x03\x00\x02\x02\x28",
                         b"\x17\x03\x03\x00\x20" + b"x" * 32,
                         b"\x16\x03\x03\x00\x04\x0e\0\0\0"][i])
            c.fin()
            reply = c.reply()
        assert reply.status in (None, 20)


def test_a_bad_record_instead_of_a_request(site, tls):
    with Client(site, tls=tls) as c:
        c.write_tcp(b"\x17\x03\x03\x00\x20" + b"x" * 32)
        assert c.read() == b"" and isinstance(c.error, ssl.SSLError)
        assert c.wait_end(2) in ("fin", "rst")


def test_R1_5_60_RST_storm(site):
    for i in range(150 if SANITIZED else 1000):
        if i % 3 == 0:
            sock = connect(site, (4, 6)[i % 2])
            sock.sendall(HELLO[:i])
        else:
            c = Client(site, family=(4, 6)[i % 2], tls=("1.2", "1.3")[i % 2])
            if i % 3 == 1:
                c.ask("/")
            sock = c.sock
        reset(sock)


def waiting(server, via):
    """Sockets that wait for something, each in another state."""
    how = {"family": via.family}
    idle = []
    for size in (0, 1, 5, 6, 40, len(HELLO) - 1):
        for end in (False, True):
            s = connect(server, **how)
            s.sendall(HELLO[:size])
            if end:
                s.shutdown(1)
            idle.append(s)
    idle.append(answered := connect(server, **how))
    answered.sendall(HELLO)
    for sent in (b"", b"gemini://", b"gemini://localhost/\n"):
        c = Client(server, tls=via.tls, **how)
        if sent:
            c.send(sent)
        idle.append(c.sock)
    c = Client(server, tls=via.tls, **how)
    c.ask("/").reply()  # and now it drains, or has ended
    idle.append(c.sock)
    return idle


def test_nobody_makes_it_spin():
    """Every way to wait, for a second: the workers must sleep."""
    with Server(options={"limits": {"connections": 200}}) as server:
        idle = [s for via in VIAS for s in waiting(server, via)]
        expect_rest(server.workers())
        assert busy(server.workers(), 1) < 0.15
        for s in idle:
            s.close()


def test_who_is_gone_before_the_hello_is_whole_is_gone_at_once(via):
    """A FIN or RST in a half ClientHello frees the slot, not the deadline."""
    with Server(options={"limits": {"handshake": 60}}) as server:
        for end in ("fin", "rst"):
            for size in (0, 3, 40):
                s = connect(server, via.family)
                s.sendall(HELLO[:size])
                arrived(s)
                if end == "rst":
                    reset(s)
                else:
                    s.close()
        server.check()


# ------------------------------------------------------------------ injection

def test_3D10_no_request_writes_control_bytes_into_the_log(site):
    """CR, LF, ESC, C1, NUL, UTF-8 of every kind: one line, printable."""
    start = len(site.log_path.read_bytes())
    evil = ["/%1b%5b2J%0d%0a2026-11-22T00:00:00.000Z%20forged",
            "/é\u2028\u202e", b"\xff\xfe\x9b31m",
            b"gemini://{H}:{P}/\x1b[2J\n2026-11-22T forged",
            "/\u009b31m", b"gemini://\x1b]0;x\x07/", "/?\u009b%1b", b"\0" * 50]
    for text in evil:
        site.ask(text)
    # a line is written when its connection has ended
    wait_for(lambda: site.log_path.read_bytes()[start:].count(b"\n")
             >= len(evil))
    said = site.log_path.read_bytes()[start:].decode("utf-8")
    for line in said.splitlines():
        assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z \S+ \S+ ", line), line
        assert not re.search("[\x00-\x1f\x7f-\x9f\u2028-\u202e]", line), line
    assert "forged" in said and not re.search("^\\S+ forged", said, re.M)


def test_R1_2_38_names_in_configurations_do_not_reach_META_raw():
    """An operator's own slip cannot make a second header line either."""
    root = tree(own_directory() / "main", {
        "index.gmi": HOME, "capsule.conf":
        r'redirects = ( { from = "/x/*"; to = "/\r\n20 text/x\r\n"; } );'})
    try:
        server = Server([{"host": HOST, "root": root}])
    except AssertionError as e:
        assert "capsule.conf" in str(e)
        return  # refused at start, with its place
    with server:
        reply = server.ask("/x/y")
        assert reply.raw.count(b"\r\n") == 1 and reply.status != 20
