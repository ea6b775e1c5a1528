# SPDX-License-Identifier: ISC
"""What the tests of processes, limits and configuration need beyond
harness.py: other verbs, processes, load, networks of their own."""
import contextlib
import ctypes
import functools
import os
import random
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import harness
from harness import CARNATION, Client, Server, wait_for

IS_ROOT = os.geteuid() == 0
NOBODY = 65534
root_only = pytest.mark.skipif(not IS_ROOT, reason="needs root")
PYTHON = sys.executable


def wrapper(*words):
    return [PYTHON, str(Path(__file__).with_name("become.py")),
            *map(str, words)]


# ------------------------------------------------------------ the other verbs

def carnation(*words, wrapper=(), env=None, cwd=None, timeout=60):
    """Runs a verb to its end; stdout, stderr and returncode."""
    return subprocess.run(
        [*wrapper, CARNATION, *map(str, words)], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, errors="backslashreplace", cwd=cwd,
        env=dict(os.environ, **(env or {})), timeout=timeout)


def refused(*words, status=1, **how):
    """What `carnation serve` said when it would not start."""
    try:
        done = carnation("serve", *words, timeout=harness.TIMEOUT, **how)
    except subprocess.TimeoutExpired as e:
        raise AssertionError(f"it serves: {e.stderr}") from None
    assert done.returncode == status, (done.returncode, done.stderr)
    assert "ready:" not in done.stderr
    return done.stderr


class Plain(Server):
    """`carnation serve` with exactly these words."""

    def __init__(self, *words, wrapper=(), env=None, families=(4,),
                 alive="/", host="localhost", directory=None, ready=True,
                 program=None):
        self.host = host
        self.prepare(directory, alive, list(families))
        self.launch([*wrapper, program or CARNATION, "serve", *words], env,
                    ready)


# ----------------------------------------------------------------- processes

def status(pid):
    """/proc/PID/status as a dict."""
    text = Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines()
                if ":\t" in line)


def exists(pid):
    """Not gone, and no zombie."""
    try:
        return status(pid)["State"][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def at_rest(pid):
    """Whether it sleeps, and no signal is pending."""
    found = status(pid)
    return found["State"][0] == "S" and not int(found["ShdPnd"], 16)


def cpu(pid):
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def busy(pids, seconds=1.2):
    """Share of one processor that pids use together for so long."""
    before = sum(map(cpu, pids))
    time.sleep(seconds)
    return (sum(map(cpu, pids)) - before) / seconds


def has_looked(server):
    """Waits until the parent has looked at the roots again, twice at least: of
    four times a second that it wakes two are for them."""
    def woken():
        return int(status(server.process.pid)["voluntary_ctxt_switches"])

    before = woken()
    wait_for(lambda: woken() >= before + 6, what="looks at the roots")


def connections(server):
    """How many TCP connections the server holds: those that still wait in the
    kernel's queue, or that it has closed, have no inode."""
    def rows(name):
        table = Path(f"/proc/{server.process.pid}/net", name).read_text()
        return [line.split() for line in table.splitlines()[1:]]

    ports = {f"{port:04X}" for port in server.ports.values()}
    return sum(row[1].rpartition(":")[2] in ports and row[3] != "0A" and
               row[9] != "0" for name in ("tcp", "tcp6") for row in rows(name))


def expect_rest(pids):
    """They have done what there was to do (filled the sockets of downloads, say)
    and wait for something to happen: a loop that spins never comes to it."""
    wait_for(lambda: busy(pids, 0.4) < 0.1, what="an end of the work")


def holder(server, client):
    """The worker that has accepted a client's connection (IPv4)."""
    here = client.sock.getsockname()[1]
    there = client.sock.getpeername()[1]
    inode = None
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ports = [int(f.split(":")[1], 16) for f in fields[1:3]]
        if ports == [there, here]:
            inode = fields[9]
    assert inode, "no such connection"
    for pid in server.workers():
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if os.readlink(fd) == f"socket:[{inode}]":
                    return pid
    return None


def rest(client):
    """Reads what is left of an answer: bytes, and whether it ended well."""
    got = 0
    while True:
        data = client.read()
        if not data:
            return got, client.clean
        got += len(data)


def sparse(path, size):
    """A big file of zeroes that takes no room. More than socket buffers hold,
    if it is to be still under way when something happens."""
    path.parent.mkdir(exist_ok=True)
    with open(path, "wb") as f:
        f.truncate(size)


def limit(pid, name):
    """(soft, hard) of a process's limit, as /proc names it."""
    text = Path(f"/proc/{pid}/limits").read_text()
    found = re.search(rf"^{name} +(\S+) +(\S+)", text, re.M)
    return found[1], found[2]


def mark(server):
    """A place in the log, for since=."""
    return len(server.log())


def hup(server, expect=r"^carnation: reloaded: ", seconds=None):
    """Reloads and waits for the answer; returns what was said meanwhile."""
    since = mark(server)
    server.signal(1)
    server.wait_log(expect, seconds, since)
    return server.log()[since:]


def hup_refused(server):
    workers = server.workers()
    said = hup(server, r"^carnation serve: error: .*reload refused: ")
    assert "the old configuration stays in use" in said
    assert server.workers() == workers
    assert server.ask("/").status == 20
    return said


def settle(server):
    """After a change of generation: waits until only the new one is left, and
    takes it as the normal."""
    count = getattr(server, "count", 1)
    wait_for(lambda: len(server.workers()) == count
             and len(server.keyds()) == 1,
             what="the old generation to end")
    server.expect_workers()


# ---------------------------------------------------------------------- load

class Load:
    """Clients that ask without a pause, each on new connections, until the
    `with` ends; every failed answer is kept. good(reply, began) says what is
    wrong with an answer, or None."""

    def __init__(self, server, good, paths=("/",), clients=2):
        self.server, self.good, self.paths = server, good, paths
        self.failures, self.answers = [], 0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(
            target=self._run, args=(i,), daemon=True) for i in range(clients)]

    def _run(self, number):
        session, count = None, number
        ctx = harness.context(("1.2", "1.3")[number % 2])
        while not self._stop.is_set():
            path = self.paths[count % len(self.paths)]
            began = time.monotonic()
            try:
                with Client(self.server, session=session, ctx=ctx) as c:
                    reply = c.ask(path).reply()
                wrong = None if reply.whole else "not whole"
                wrong = wrong or self.good(reply, began)
                session = reply.session if count % 3 else None
            except Exception as e:  # whatever it is, the client saw it
                reply, wrong, session = None, repr(e), None
            count += 1
            with self._lock:
                self.answers += 1
                if wrong:
                    self.failures.append((path, wrong, reply))

    def more(self, answers):
        """Waits until so many more answers have come."""
        enough = self.answers + answers
        wait_for(lambda: self.answers >= enough, what=f"{answers} answers")

    def __enter__(self):
        for t in self._threads:
            t.start()
        return self

    def __exit__(self, kind, *_):
        self._stop.set()
        for t in self._threads:
            t.join(60)
        if kind is None:
            assert not self.failures, (
                len(self.failures), self.answers, self.failures[:5])
            assert self.answers > 0


# -------------------------------------------------------- namespaces, sockets

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def own_network(test):
    """The test runs in a network of its own, where port 1965 is free and lo is
    up. A namespace belongs to a thread; its children inherit it."""
    @functools.wraps(test)
    def run(*args, **kwargs):
        def inside():
            if _libc.unshare(CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "unshare")
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            test(*args, **kwargs)
        harness.parallel(inside)
    return root_only(run)


def ask_unix(path, request=b"gemini://localhost/\r\n"):
    """One conversation over a unix socket: all bytes, and was it clean?"""
    with socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(harness.TIMEOUT)
        plain.connect(str(path))
        with harness.context().wrap_socket(
                plain, server_hostname="localhost",
                suppress_ragged_eofs=False) as s:
            s.sendall(request)
            return read_all(s)


def read_all(s):
    got = b""
    while True:
        try:
            piece = s.recv(65536)
        except ssl.SSLError:
            return got, False
        if not piece:
            return got, True
        got += piece


def free_port():
    """A port that was free a moment ago, and that no client is ever given."""
    while True:
        port = random.randrange(10000, 30000)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("", port))
            return port


def silent(server, source=None, family=4, first=b"\x16"):
    """A TCP connection that says no more than the first byte of a hello: one
    that says nothing stays in the kernel for a second or more."""
    sock = harness.connect(server, family, source=source)
    with contextlib.suppress(OSError):
        sock.sendall(first)
    return sock


def ended(sock, seconds=1.0):
    """Whether the server has closed it, or does within so long."""
    sock.settimeout(seconds)
    try:
        while True:
            if not sock.recv(65536):
                return True
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
