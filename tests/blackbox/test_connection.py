# SPDX-License-Identifier: ISC
"""How connections live and end: rules 1.5 (49 to 53, 59, 60), rows A53, A60,
B1, B2, B19 to B24."""
import contextlib
import os
import random
import ssl
import time

import pytest
from conftest import HOME, VIAS, own_directory
from harness import (HOST, LONG, SANITIZED, Client, Server, arrived, connect,
                     context, parallel, reset, tree, wait_for)
from life import connections
from rawtls import EXTENSIONS, SUITES, client_hello

MIB = 1 << 20
BODY = random.Random(1990).randbytes(MIB + 12345)
# What memory may vary by; a sanitizer keeps all that was freed for a while.
WIDE = (1024 if SANITIZED else 4) * MIB


@pytest.fixture(scope="module")
def big():
    """Bodies larger than all buffers on the way."""
    root = tree(own_directory() / "main", {
        "index.gmi": HOME, "body.bin": BODY})
    root.joinpath("sparse.bin").touch()
    os.truncate(root / "sparse.bin", 100 * MIB)
    with Server([{"host": HOST, "root": root}],
                options={"limits": {"stall": 1, "request": 60}}) as server:
        server.root = root
        yield server


# ------------------------------------------------------------------ both sides

def test_B1_R1_5_51_200_kB_behind_the_request(big, via):
    """Closing with unread input would lose the answer to RST."""
    for _ in range(5):
        with Client(big, tls=via.tls, family=via.family) as c:
            c.send(big.line("/", via.family) + b"\r\n" + b"x" * 200_000)
            reply = c.reply()
        assert reply.status == 20 and reply.text == HOME and reply.whole


def test_B1_200_kB_behind_a_refusal(big, via):
    for _ in range(5):
        with Client(big, tls=via.tls, family=via.family) as c:
            c.send(b"x" * 200_000)
            reply = c.reply()
        assert reply.status == 59 and reply.whole


def test_B1_still_sending_while_the_answer_comes(big, via):
    """The client writes on and reads late."""
    with Client(big, tls=via.tls, family=via.family) as c:
        c.ask("/")
        for _ in range(10):
            c.send(b"y" * 16384)
            arrived(c.sock)
        reply = c.reply()
    assert reply.status == 20 and reply.text == HOME and reply.whole


@pytest.mark.parametrize("end", ("close_notify", "fin", "both",
                                 "one-segment"))
@pytest.mark.parametrize("path", ("/", "/body.bin"))
def test_B2_R1_5_52_R1_5_53_half_closed_right_after(big, via, end, path):
    """A FIN without close_notify is tolerated."""
    with Client(big, tls=via.tls, family=via.family) as c:
        if end == "one-segment":
            data = c.seal(big.line(path, via.family) + b"\r\n")
            with contextlib.suppress(ssl.SSLWantReadError):
                c.tls.unwrap()
            c.write_tcp(data + c.outward.read())
            c.fin()
        else:
            c.ask(path)
        if end in ("close_notify", "both"):
            c.close_notify()
        if end in ("fin", "both"):
            c.fin()
        reply = c.reply()
    assert reply.status == 20 and reply.whole, reply
    assert reply.body == (BODY if path == "/body.bin" else HOME.encode())


def test_B2_half_closed_before_the_request_is_whole(big, via):
    """Nothing more can come: no header, and no waiting for a deadline."""
    for sent in (b"", b"gemini://localhost/"):
        for end in (("close_notify",), ("fin",), ("close_notify", "fin")):
            with Client(big, tls=via.tls, family=via.family) as c:
                if sent:
                    c.send(sent)
                for how in end:
                    getattr(c, how)()
                reply = c.reply()
            assert reply.status is None


@pytest.mark.soak
def test_R1_5_51_it_does_not_wait_for_our_close_notify(big):
    """FIN at once, while the server still drains what comes; the slot is free
    when that ends, also when somebody never stops sending."""
    wait_for(lambda: connections(big) == 0, what="an end of the tests before")

    def freed():
        return connections(big) == 0

    def drains(via):
        c = stack.enter_context(Client(big, tls=via.tls, family=via.family))
        assert c.ask("/").reply().whole
        return not freed()

    def refused():
        with contextlib.suppress(BlockingIOError, TimeoutError):
            c.sock.sendall(b"\x17\x03\x03\x00\x01x")

    with contextlib.ExitStack() as stack:
        for via in VIAS:  # on a busy machine the drain may end too soon for us
            assert any(drains(via) for _ in range(5)), "FIN at the drain's end"
        with Client(big) as c:
            assert c.ask("/").reply().whole
            with pytest.raises(OSError):
                wait_for(refused, what="an end of the drain")
        wait_for(freed, what="the drain to end")


# ------------------------------------------------------------------- deadlines

@pytest.mark.soak
def test_A53_A60_D12_R1_5_59_S8_request_timeout():
    """Handshake 1 s, request 6 s (it must exceed the 5 s of D12), each in
    total; then close_notify and no header. All at the same time."""
    hello = client_hello(0x0303, SUITES, EXTENSIONS)

    def silent_tcp(server, family, sent=b"", drip=b""):
        started = time.monotonic()
        with connect(server, family) as s:
            s.sendall(sent)
            s.settimeout(0.2)
            data = None
            for byte in drip + b"\0" * 100:
                try:
                    data = s.recv(100)
                    break
                except TimeoutError:
                    if drip:
                        with contextlib.suppress(OSError):
                            s.sendall(bytes((byte,)))
                except ConnectionResetError:
                    data = b""
                    break
        assert data == b"", "closed without a byte"
        assert 0.7 < time.monotonic() - started

    def silent_tls(server, via, drip):
        with Client(server, tls=via.tls, family=via.family) as c:
            started = time.monotonic()
            for byte in drip + b"\0" * 100:
                if not c.nothing_for(0.3):
                    break
                if drip:
                    c.send(bytes((byte,)))
            reply = c.reply()
        assert 5 < time.monotonic() - started
        assert reply.status is None and reply.raw == b""
        if not drip:
            assert reply.clean and reply.end == "fin", reply

    def lf_only(server, via):
        with Client(server, tls=via.tls, family=via.family) as c:
            c.ask("/", end=b"\n")
            assert c.nothing_for(5.1)
            reply = c.reply()
        assert reply.status is None and reply.clean and reply.end == "fin"

    def others(server):
        for _ in range(30):
            assert server.ask("/").status == 20

    with Server(options={"limits": {"handshake": 1, "request": 6}}) as server:
        line = server.line("/")
        parallel(
            lambda: others(server),
            *(lambda f=f, s=s: silent_tcp(server, f, s)
              for f in (4, 6) for s in (b"", hello[:3], hello[:40])),
            *(lambda f=f: silent_tcp(server, f, b"", hello) for f in (4, 6)),
            *(lambda v=v, d=d: silent_tls(server, v, d)
              for v in VIAS for d in (b"", line)),
            *(lambda v=v: lf_only(server, v) for v in VIAS))


@pytest.mark.soak
def test_B21_who_stops_reading_is_dropped_and_disturbs_nobody(big):
    mark, before = len(big.log()), big.memory()
    stopped = [Client(big, tls=via.tls, family=via.family,
                      receive_buffer=32768).ask("/sparse.bin")
               for via in VIAS * 5]
    started = time.monotonic()
    for _ in range(20):
        for via in VIAS:
            assert big.ask("/", tls=via.tls, family=via.family).status == 20
    assert big.memory() - before < 20 * 64 * 1024 + WIDE
    wait_for(lambda: 20 == sum(
        a[8:] == ["cut", "/sparse.bin"] for a in big.access(mark)), 5,
        "20 stalled readers to be dropped")
    assert time.monotonic() - started > 0.9
    for c in stopped[:len(VIAS)]:
        assert len(c.reply_rest()) < 100 * MIB and not c.clean
    for c in stopped:
        c.close()


@pytest.mark.soak
def test_B21_who_reads_slowly_is_not_dropped(big):
    """The deadline is for no byte at all; there is none for the whole."""
    def slow(via):
        with Client(big, tls=via.tls, family=via.family,
                    receive_buffer=65536) as c:
            c.ask("/body.bin")
            body = b""
            for _ in range(3):
                time.sleep(0.6)
                for _ in range(8):
                    body += c.read()
            body += c.reply_rest()
        assert body.partition(b"\r\n")[2] == BODY and c.clean

    parallel(*(lambda v=v: slow(v) for v in VIAS))


# ------------------------------------------------------------------ big bodies

@pytest.mark.soak
@pytest.mark.parametrize("via", VIAS if LONG else VIAS[1:3],
                         ids=lambda v: f"tls{v.tls}-v{v.family}")
def test_R1_4_43_100_MiB_at_constant_memory(big, via):
    before, most, got = big.memory(), 0, 0
    buffer = memoryview(bytearray(1 << 16))
    zeros = bytes(1 << 16)
    with context(via.tls).wrap_socket(
            connect(big, via.family), server_hostname=HOST,
            suppress_ragged_eofs=False) as s:
        s.sendall(big.line("/sparse.bin", via.family) + b"\r\n")
        header = s.recv(1 << 16)
        assert header.startswith(b"20 application/octet-stream\r\n")
        got = len(header.partition(b"\r\n")[2])
        while True:
            n = s.recv_into(buffer)  # SSLEOFError without close_notify
            if n == 0:
                break
            assert buffer[:n] == zeros[:n]
            got += n
            if got % (10 * MIB) < n:
                most = max(most, big.memory())
    assert got == 100 * MIB
    assert most - before < WIDE


def test_B23_R1_5_50_truncated_while_served(big, via):
    """No close_notify, so that nobody takes the part for the whole."""
    name = f"cut-{os.urandom(8).hex()}.bin"
    path = big.root / name
    with open(path, "wb") as f:
        f.truncate(64 * MIB)
    with Client(big, tls=via.tls, family=via.family) as c:
        first = c.ask("/" + name).read()
        os.truncate(path, MIB)
        rest = c.reply_rest()
    assert first.startswith(b"20 ") and not c.clean
    assert len(first) + len(rest) < 64 * MIB
    path.unlink()
    said = wait_for(lambda: [
        a for a in big.access() if a[9] == "/" + name], what=name)
    assert (said[0][3], said[0][8]) == ("20", "cut")


@pytest.mark.parametrize("change", ("grow", "replace", "remove", "chmod"))
def test_R1_5_50_other_changes_do_not_cut_a_body(big, via, change):
    """What fstat said is what is sent."""
    path = big.root / "changing.bin"
    path.unlink(missing_ok=True)
    path.write_bytes(BODY * 8)
    with Client(big, tls=via.tls, family=via.family) as c:
        first = c.ask("/changing.bin").read()
        if change == "grow":
            with open(path, "ab") as f:
                f.write(b"more")
        elif change == "replace":
            new = big.root / "new.bin"
            new.write_bytes(b"another file")
            new.rename(path)
        elif change == "remove":
            path.unlink()
        else:
            path.chmod(0)
        reply = c.reply_rest()
    assert (first + reply).partition(b"\r\n")[2] == BODY * 8
    assert c.clean


# ------------------------------------------------------------------ many, gone

def test_B19_one_idle_one_served(site, via):
    with Client(site, tls=via.tls, family=via.family), \
            connect(site, via.family):
        reply = site.ask("/", tls=via.tls, family=via.family)
        assert reply.status == 20


@pytest.mark.soak
def test_B20_1000_idle_connections_and_a_request(tls):
    """Half of them silent before TLS, half after the handshake (the whole
    form: all of them). None is dropped: there is room for 1,024."""
    silent = 0 if LONG else 500
    with Server(options={"limits": {"handshake": 600,
                                    "request": 600}}) as server:
        before = server.memory()
        idle = [connect(server, (4, 6)[i % 2]) for i in range(silent)]
        session = server.ask("/", tls=tls).session
        known = [Client(server, tls=tls, family=(4, 6)[i % 2], session=session)
                 for i in range(1000 - silent)]
        for family in (4, 6):
            assert server.ask("/", tls=tls, family=family).status == 20
        if not SANITIZED:
            assert server.memory() - before < 1000 * 20_000
        # those that wait may still ask
        for c in known[:3] + known[-3:]:
            assert c.ask("/").reply().status == 20
        for s in idle + [c.sock for c in known]:
            s.close()
        server.check()


def test_B20_no_slot_left_and_newcomers_are_served(via):
    """The idle make room; nobody is kept waiting for their deadline."""
    with Server(options={"limits": {"connections": 20, "handshake": 60,
                                    "request": 60}}) as server:
        how = {"tls": via.tls, "family": via.family}
        silent = [connect(server, via.family) for _ in range(30)]
        known = [Client(server, **how) for _ in range(30)]
        for _ in range(10):
            reply = server.ask("/", **how)
            assert reply.status in (20, 41) and reply.whole
        assert server.ask("/", **how).status == 20
        for s in silent + [c.sock for c in known]:
            s.close()


STAGES = ("before-hello", "mid-hello", "after-hello", "after-handshake",
          "mid-request", "request-unread", "mid-body", "after-answer")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("how", ("fin", "rst"))
def test_B22_R1_5_60_gone_in_the_middle(big, via, stage, how):
    """Only that connection ends."""
    hello = client_hello(0x0303, SUITES, EXTENSIONS)
    for i in range(8):
        if stage in ("before-hello", "mid-hello", "after-hello"):
            sock = connect(big, via.family)
            sock.sendall(hello[:{"before-hello": 0, "mid-hello": 9 + 20 * i,
                                 "after-hello": None}[stage]])
            if stage == "after-hello" and i % 2:
                sock.recv(100)
        else:
            c = Client(big, tls=via.tls, family=via.family)
            sock = c.sock
            if stage == "mid-request":
                c.send(b"gemini://loc")
            elif stage == "request-unread":
                c.ask("/body.bin")
            elif stage == "mid-body":
                c.ask("/sparse.bin").read()
            elif stage == "after-answer":
                c.ask("/").read()
        if how == "rst":
            reset(sock)
        else:
            sock.close()


def test_B24_500_connections_closed_without_a_word(big):
    for i in range(500):
        sock = connect(big, (4, 6)[i % 2])
        if i % 3:
            sock.close()
        else:
            reset(sock)


def test_B24_100_handshakes_without_a_request(big, tls):
    for i in range(100):
        c = Client(big, tls=tls, family=(4, 6)[i % 2])
        if i % 2:
            c.close()
        else:
            c.reset()
