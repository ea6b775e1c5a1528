# SPDX-License-Identifier: ISC
"""What one client may take of what all share."""
import re
import socket
import sys
import time

import pytest

from harness import TIMEOUT, Client, Server, tree, wait_for
from life import IS_ROOT, own_network

# net/tcp has all connections of a network: where it can be, ours alone.
apart = own_network if IS_ROOT else lambda test: test


def limited(place, **limits):
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    (place / "capsule" / "capsule.conf").write_text(
        'gone = ["/gone"];\n'
        'redirects = ({ from = "/old"; to = "/"; });\n')
    return Server([{"host": "localhost", "root": str(root)}],
                  directory=place, listen=(4,), alive=None,
                  options={"limits": dict({"exempt": []}, **limits)})


@pytest.mark.parametrize("line, usual", [
    (b"gemini://localhost/", 20), (b"gemini://localhost/nothing", 51),
    (b"gemini://localhost/gone", 52), (b"gemini://localhost/old", 30),
    (b"gemini://other.example/", 53), (b"https://localhost/", 53),
    (b"not a url", 59), (b"gemini://localhost/" + b"x" * 1100, 59)])
def test_every_complete_request_counts(place, line, usual):
    """Towards limits.rate, whatever it is answered."""
    with limited(place, rate=1, burst=5) as server:
        got = []
        for _ in range(7):
            with Client(server, source="127.0.0.2") as c:
                c.send(line + b"\r\n")
                got.append(c.reply())
        assert [r.status for r in got[:5]] == [usual] * 5
        assert got[6].status == 44
        assert re.fullmatch("[1-9][0-9]*", got[6].meta), "whole seconds"


def test_IPv4_on_a_dual_stack_socket(place):
    """As systemd's ListenStream=1965 opens it: each client has its own share, and
    the log its own network."""
    sock = socket.socket(socket.AF_INET6)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", 0))
    port = sock.getsockname()[1]
    sock.close()
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    config = place / "more.conf"
    config.write_text(
        f'limits = {{ per_address = 1; exempt = ["127.0.0.9"]; }};\n'
        f'capsules = ({{ host = "localhost"; root = "{root}"; }});\n')
    inherit = [sys.executable, "-c", INHERIT, str(port)]
    with Server(command=["-c", config], directory=place, listen=(),
                alive=None, wrapper=inherit) as server:
        server.ports[4] = port
        with Client(server, source="127.0.0.2") as first:
            with Client(server, source="127.0.0.3") as other:
                other.ask("/")
                assert other.reply().status == 20
            with pytest.raises((OSError, EOFError)):
                Client(server, source="127.0.0.2")
            first.ask("/")
            assert first.reply().status == 20
        with Client(server, source="127.0.0.9"), \
                Client(server, source="127.0.0.9") as second:
            second.ask("/")
            assert second.reply().status == 20
        wait_for(lambda: " 127.0.0.0/24 localhost 20 " in server.log())
        assert "::/48" not in server.log()


INHERIT = """
import os, socket, sys
s = socket.socket(socket.AF_INET6)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.bind(("::", int(sys.argv[1])))
s.listen()
os.dup2(s.detach(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


def unsent(port):
    """Bytes that the kernel holds for connections of a local port, in all states,
    sockets without an owner included (proc(5), net/tcp)."""
    total = 0
    for line in open("/proc/thread-self/net/tcp").read().splitlines()[1:]:
        words = line.split()
        if words[1].endswith(f":{port:04X}") and words[3] != "0A":
            total += int(words[4].split(":")[0], 16)
    return total


def stalled(server, path):
    """Four who ask for a page, and read nothing of it."""
    found = [Client(server, receive_buffer=4096, source="127.0.0.2")
             for _ in range(4)]
    for c in found:
        c.ask(path)
    return found


@pytest.mark.soak
@apart
def test_a_stalled_reader_holds_little_of_the_kernel(place):
    with limited(place, stall=2) as server:
        tree(place / "capsule", {"big.bin": b"x" * 20_000_000})
        port = server.ports[4]
        readers = stalled(server, "/big.bin")
        wait_for(lambda: unsent(port) > 4 * 64 * 1024)
        top = max(unsent(port) for _ in range(200))
        assert top <= 4 * 400 * 1024, top
        wait_for(lambda: len(re.findall(r" cut /big\.bin", server.log())) == 4,
                 TIMEOUT)
        wait_for(lambda: unsent(port) == 0, 2, "the kernel to give it back")
        for c in readers:
            c.close()


@pytest.mark.soak
@apart
def test_an_answer_that_nobody_takes_does_not_stay_in_the_kernel(place):
    """Though all of it was written, and the connection is over for us."""
    with limited(place, stall=4) as server:
        tree(place / "capsule", {"page.bin": b"x" * 255_000})
        port = server.ports[4]
        readers = stalled(server, "/page.bin")
        wait_for(lambda: len(re.findall(r" complete /page\.bin",
                                        server.log())) == 4)
        assert unsent(port) > 4 * 100_000
        readers[0].read()  # who reads slowly is waited for
        wait_for(lambda: unsent(port) == 0, 4 + 2 + TIMEOUT,
                 "the kernel to give it back")
        for c in readers:
            c.close()


@pytest.mark.soak
def test_a_slow_reader_of_a_short_page_has_all_of_it(place):
    """Longer than the drain lasts."""
    with limited(place, stall=6) as server:
        tree(place / "capsule", {"page.bin": b"x" * 255_000})
        with Client(server, receive_buffer=4096, source="127.0.0.2") as c:
            c.ask("/page.bin")
            got = len(c.read(4096))
            for _ in range(5):
                time.sleep(1)
                got += len(c.read(4096))
            while data := c.read():
                got += len(data)
            assert got > 255_000
