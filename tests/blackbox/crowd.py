# SPDX-License-Identifier: ISC
"""Many strangers at once, from many addresses: a process that keeps so many
connections open, and opens a new one for each that is closed.

    with Crowd(server.port(), 3000, hello()):
        ...
"""
import contextlib
import multiprocessing
import random
import select
import socket
import ssl
import struct
import time

from client import context
from tools import end_with_us, raise_descriptor_limit

BURST = 500  # opened before what came is read


def hello(name="localhost"):
    """A ClientHello, to be sent again and again."""
    out = ssl.MemoryBIO()
    tls = context().wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


def cut(record, size):
    """The same message in records of so many bytes (RFC 8446 5.1)."""
    body = record[5:]
    return b"".join(
        record[:3] + len(piece).to_bytes(2, "big") + piece
        for piece in (body[i:i + size] for i in range(0, len(body), size)))


def anywhere():
    """An address of its own for each connection."""
    return (f"127.{random.randrange(2, 250)}.{random.randrange(1, 250)}"
            f".{random.randrange(1, 250)}")


def plain_socket():
    """One that leaves nothing in TIME_WAIT: thousands would take other tests'
    ports."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return s


def open_one(port, payload, source, to="127.0.0.1"):
    s = plain_socket()
    s.setblocking(False)
    try:
        s.bind((source, 0))
        with contextlib.suppress(BlockingIOError):
            s.connect((to, port))
        if payload:
            s.send(payload)
    except OSError:
        s.close()
        return None
    return s


def answered(s):
    """Whether something has come."""
    try:
        return s.recv(1) != b""
    except BlockingIOError:
        return False


def closed(s):
    """Whether the server has ended it; what it said is read away."""
    try:
        while s.recv(1 << 16):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


class Crowd:
    """payload: what each sends at once. sources: how many addresses they share;
    None: each has its own. hangs_up: they leave when they are answered."""

    def __init__(self, port, n, payload=b"", sources=None, hangs_up=False):
        self.port, self.n, self.payload = port, n, payload
        self.sources, self.hangs_up = sources, hangs_up
        self.opened = multiprocessing.Value("i", 0)
        self.process = multiprocessing.get_context("fork").Process(
            target=self.run, daemon=True)

    def source(self):
        if self.sources is None:
            return anywhere()
        i = self.opened.value % self.sources
        return f"127.1.{i // 250}.{1 + i % 250}"

    def run(self):
        end_with_us()
        raise_descriptor_limit()
        poll, held = select.epoll(), {}
        while True:
            for _ in range(min(BURST, self.n - len(held))):
                s = open_one(self.port, self.payload, self.source())
                if s is not None:
                    self.opened.value += 1
                    held[s.fileno()] = s
                    poll.register(s, select.EPOLLIN | select.EPOLLRDHUP)
            for fd, _ in poll.poll(0.01):
                s = held[fd]
                if closed(s) or self.hangs_up:
                    poll.unregister(fd)
                    held.pop(fd).close()

    def __enter__(self):
        self.process.start()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()


def idle_tls(server, n, burst=200, source=anywhere):
    """n TLS connections that say nothing more, so many half open at a time."""
    held = []
    while len(held) < n:
        poll, todo = select.poll(), {}
        for _ in range(min(burst, n - len(held))):
            s = plain_socket()
            s.bind((source(), 0))
            s.connect(("127.0.0.1", server.port()))
            s.setblocking(False)
            c = context().wrap_socket(s, server_hostname="localhost",
                                      do_handshake_on_connect=False)
            with contextlib.suppress(ssl.SSLWantReadError):
                c.do_handshake()
            todo[c.fileno()] = c
            poll.register(c, select.POLLIN)
        while todo:
            for fd, _ in poll.poll(1000):
                with contextlib.suppress(ssl.SSLWantReadError):
                    todo[fd].do_handshake()
                    poll.unregister(fd)
                    held.append(todo.pop(fd))
    return held


def visits(server, seconds, rate=10, **how):
    """Asks for / so often. Yields a reply, or what went wrong, and ms."""
    begin = time.monotonic()
    for i in range(int(seconds * rate)):
        time.sleep(max(0, begin + i / rate - time.monotonic()))
        at = time.monotonic()
        try:
            got = server.ask("/", **how).status
        except (OSError, EOFError, AssertionError) as e:
            got = repr(e)
        yield got, 1000 * (time.monotonic() - at)
