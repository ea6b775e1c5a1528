# SPDX-License-Identifier: ISC
"""A Gemini server in Python for what an honest one never does: an origin or a
mirror whose every answer is under a test's control.

    origin = Origin(place)                 # nothing served yet: all is 51
    origin.author = Author(key, origin.url())
    origin.publish()                       # serial 1 of the author's files
    origin.on("page.gmi", flip(3))         # this path, as often as it is asked
    origin.on("*", answer("44 5"), times=2)
    origin.on(lambda talk: talk.number == 7, cut(10))
    origin.log[-1].path, origin.most, origin.resumed
    origin.close()                         # `with Origin(place) as origin` too

What is served is origin.files (path without a leading slash -> bytes), or a
directory: Origin(place, root=DIR). Each fault below is a function that is given
a Talk and sends what it likes; it returns False for no close_notify.
"""
import contextlib
import fcntl
import fnmatch
import mimetypes
import re
import socket
import ssl
import struct
import termios
import threading
import time
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import certs
from signed import ARCHIVE, MANIFEST, sha256

TIMEOUT = 30  # for a client that says nothing; tests end long before


class Talk:
    """One connection: what was asked, and how it is answered."""

    def __init__(self, origin, conn, line, number):
        self.origin, self.conn, self.number = origin, conn, number
        self.line = line
        self.at = time.monotonic()
        self.path = unquote(urlsplit(line).path).lstrip("/")
        self.resumed = conn.session_reused
        self.sent = 0  # bytes of header and body

    @property
    def meta(self):
        if self.path.startswith("mirror/objects/"):
            return "application/octet-stream"
        if self.path.endswith(".gmi"):
            return "text/gemini"
        return (mimetypes.guess_type(self.path)[0]
                or "application/octet-stream")

    @property
    def body(self):
        """The honest one, or None."""
        return self.origin.find(self.path)

    def send(self, data):
        self.conn.sendall(data)
        self.sent += len(data)

    def header(self, text):
        self.send(text.encode() + b"\r\n")

    def answer(self, body=None):
        """The honest answer, or this body instead."""
        body = self.body if body is None else body
        if body is None:
            return self.header("51 Not found")
        self.header(f"20 {self.meta}")
        return self.send(body)


# ----------------------------------------------------------------- the faults

def flip(at=0):
    """The byte at (counted from the end, if negative) with one bit changed."""
    def fault(talk):
        body = bytearray(talk.body)
        body[at] ^= 1
        talk.answer(bytes(body))
    return fault


def instead(body):
    """Other bytes."""
    return lambda talk: talk.answer(body)


def added(data=b"x"):
    """More bytes behind the last."""
    return lambda talk: talk.answer(talk.body + data)


def cut(at=None, clean=False, end=None):
    """Only the first bytes, or half; without close_notify, unless clean, or
    with this end."""
    def fault(talk):
        body = talk.body
        talk.answer(body[:len(body) // 2 if at is None else at])
        return end(talk) if end else clean
    return fault


def endless(piece=bytes(1 << 16), most=1 << 30, header=None):
    """A body, of whatever answer, that goes on until the client has enough."""
    def fault(talk):
        talk.header(header or f"20 {talk.meta}")
        while talk.sent < most and not talk.origin.closing.is_set():
            talk.send(piece)
        return False
    return fault


def drip(seconds=1.0, size=1, header=True):
    """size bytes of the honest answer each so many seconds. header: it comes
    at once."""
    def fault(talk):
        data = f"20 {talk.meta}\r\n".encode()
        if header:
            talk.send(data)
            data = b""
        data += talk.body
        while data and not talk.origin.closing.wait(seconds):
            talk.send(data[:size])
            data = data[size:]
        return not data
    return fault


def silence(seconds=3600):
    """Not a byte, then the end."""
    def fault(talk):
        talk.origin.closing.wait(seconds)
        return False
    return fault


def delay(seconds):
    """The honest answer, later."""
    def fault(talk):
        talk.origin.closing.wait(seconds)
        talk.answer()
    return fault


def no_close_notify(talk):
    """All of it, then FIN and nothing else."""
    talk.answer()
    return False


def rst(talk):
    """A connection's end by a reset, once all that was sent has come."""
    while any(fcntl.ioctl(talk.conn, termios.TIOCOUTQ, bytes(4))):
        talk.origin.closing.wait(0.001)
    talk.conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                         struct.pack("ii", 1, 0))
    return False


def stay(talk):
    """No end: it is held open."""
    talk.origin.closing.wait(3600)
    return False


def then(end):
    """All of it, then this end."""
    def fault(talk):
        talk.answer()
        return end(talk)
    return fault


def answer(header, body=b""):
    """This header ("44 5", "51 Not found"), or whatever stands there."""
    def fault(talk):
        talk.header(header)
        talk.send(body)
    return fault


def raw(data):
    """These bytes and nothing else."""
    return lambda talk: talk.send(data)


def redirect(to, status=30):
    """To a path, a URL, or what to(talk) says."""
    def fault(talk):
        talk.header(f"{status} {to(talk) if callable(to) else to}")
    return fault


def loop(talk):
    """A redirect to where one is."""
    talk.header(f"30 {talk.line}")


def hang_up(talk):
    """The end before a byte."""
    return False


def in_turn(*faults):
    """The first time the first, and so on; then the last forever. None is the
    honest answer."""
    left, lock = list(faults), threading.Lock()

    def fault(talk):
        with lock:
            this = left.pop(0) if len(left) > 1 else left[0]
        return this(talk) if this else talk.answer()
    return fault


# ----------------------------------------------------------------- the server

class Origin:
    """A server of its own on 127.0.0.1 (host: the name it goes by)."""

    def __init__(self, place, files=None, *, root=None, host="localhost",
                 address="127.0.0.1", port=0, pair=None, author=None,
                 tickets=2):
        self.host, self.address = host, address
        self.files, self.root = dict(files or {}), root and Path(root)
        self.author = author
        self.log, self.rules = [], []
        self.now = self.most = self.connections = self.handshakes = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.num_tickets = tickets
        self.renew(pair or certs.pair(Path(place) / "origin-certs", host))
        self.port = port
        self.listener = None
        self.listen()
        self.publishing = None

    def renew(self, pair):
        """Another certificate from now on."""
        self.pair = pair
        self.context.load_cert_chain(*pair)

    # -- what is served

    def url(self, path="", host=None):
        return f"gemini://{host or self.host}:{self.port}/{quote(path)}"

    def find(self, path):
        with self.lock:
            files = self.files
        if path in files:
            return files[path]
        if path.startswith("mirror/objects/"):
            digest = path.removeprefix("mirror/objects/")
            return next((d for p, d in files.items()
                         if p not in (MANIFEST, ARCHIVE)
                         and sha256(d) == digest), None)
        if self.root and not re.search(r"(^|/)\.\.?(/|$)", path):
            with contextlib.suppress(OSError):
                return (self.root / path).read_bytes()
        return None

    def publish(self, changes=None, **fields):
        """The author's next serial takes the place of the last, all at once.
        What is served now."""
        files = self.author.publish(changes, **fields)
        with self.lock:
            self.files = files
        return files

    def serve(self, files):
        """Exactly these: an older release, somebody else's."""
        with self.lock:
            self.files = files

    def keep_publishing(self, seconds=0.2, changes=None, most=1000):
        """A new serial each so many seconds, until stop_publishing. changes(n)
        are those of the nth."""
        changes = changes or (lambda n: {"page.gmi": f"# Version {n}\n"})
        self.publishing = threading.Event()

        def run():
            for n in range(1, most):
                if self.publishing.wait(seconds) or self.closing.is_set():
                    return
                self.publish(changes(n))

        self.publisher = threading.Thread(target=run, daemon=True)
        self.publisher.start()

    def stop_publishing(self):
        self.publishing.set()
        self.publisher.join()

    # -- faults

    def on(self, which, fault, times=None):
        """From now on: answers to which (a path, a pattern of fnmatch, or a
        function of the Talk) come from fault; times: only the first so many.
        The newest rule that fits counts. The rule, for forget()."""
        rule = [which, fault, times]
        with self.lock:
            self.rules.insert(0, rule)
        return rule

    def forget(self, rule=None):
        """Honest again, wholly or but for other rules."""
        with self.lock:
            self.rules = [r for r in self.rules
                          if rule is not None and r is not rule]

    def fault(self, talk):
        with self.lock:
            for rule in self.rules:
                which, fault, times = rule
                fits = (which(talk) if callable(which)
                        else fnmatch.fnmatchcase(talk.path, which))
                if fits and times != 0:
                    if times is not None:
                        rule[2] -= 1
                    return fault
        return None

    # -- connections

    def listen(self):
        """Takes connections (again, on the same port)."""
        if self.listener:
            return
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((self.address, self.port))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, args=(self.listener,),
                         daemon=True).start()

    def refuse(self):
        """Connections are refused from now on."""
        listener, self.listener = self.listener, None
        if listener:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def run(self, listener):
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.converse, args=(conn,),
                             daemon=True).start()

    def converse(self, conn):
        with self.lock:
            self.connections += 1
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            conn.settimeout(TIMEOUT)
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(OSError), self.context.wrap_socket(
                    conn, server_side=True) as c:
                self.one(c)
        finally:
            conn.close()
            with self.lock:
                self.now -= 1

    def one(self, c):
        with self.lock:
            self.handshakes += 1
        line = b""
        while not line.endswith(b"\r\n") and len(line) <= 1026:
            piece = c.recv(2048)
            if not piece:
                return
            line += piece
        with self.lock:
            talk = Talk(self, c, line.decode(errors="replace").rstrip(),
                        len(self.log) + 1)
            self.log.append(talk)
        fault = self.fault(talk)
        good = fault(talk) if fault else talk.answer()
        if good is not False:
            c.settimeout(2)  # a client need not say good-bye in return
            c.unwrap()

    # -- what was seen

    @property
    def paths(self):
        """What was asked, in order."""
        return [talk.path for talk in self.log]

    @property
    def resumed(self):
        """How many conversations began with a resumed session."""
        return sum(talk.resumed for talk in self.log)

    def clear(self):
        """Forgets what it has seen."""
        with self.lock:
            self.log = []
            self.most, self.connections, self.handshakes = self.now, 0, 0

    def close(self):
        self.closing.set()
        self.refuse()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
