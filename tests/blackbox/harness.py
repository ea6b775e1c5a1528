# SPDX-License-Identifier: ISC
"""The real server in a directory of its own, and a client that can misbehave.

    server = Server([{"host": "localhost", "root": tree(d / "main", {...})}])
    server.ask("/page.gmi").status              # one whole conversation
    c = Client(server, tls="1.2", family=6)     # step by step
    c.send(b"gemini://localhost/\r\n"); c.close_notify(); c.reply()

Servers started here are watched by conftest.py: after each test every one that
was used must be alive, answer, and hold no more descriptors than before.
"""
import atexit
import contextlib
import functools
import os
import re
import resource
import shutil
import signal
import ssl  # noqa: F401 -- some tests take it from here
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from binary import CARNATION, LONG, PATIENCE, ROOT, SANITIZED  # noqa: F401
from client import (ADDRESS, HOST, NOTHING, Client, Reply,  # noqa: F401
                    connect, context, reset)


# ---------------------------------------------------------------- small tools

def libconfig(value):
    """A Python value in the configuration's own syntax."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return "{ %s }" % " ".join(
            f"{k} = {libconfig(v)};" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        groups = any(isinstance(v, dict) for v in value)
        inside = ", ".join(libconfig(v) for v in value)
        return f"( {inside} )" if groups else f"[ {inside} ]"
    text = str(value)
    for char in '\\"':
        text = text.replace(char, "\\" + char)
    return f'"{text}"'


def settings(options):
    """A whole configuration file from a dict."""
    return "".join(
        f"{k} = {libconfig(v)};\n" for k, v in options.items())


def tree(root, files):
    """Makes root and its files: path -> text, bytes, or None (directory)."""
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = root / name
        if content is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            content = content.encode()
        path.write_bytes(content)
    return root


def wait_for(true, seconds=None, what="it"):
    """Calls true() until it says so; its value. Fails after some seconds."""
    deadline = time.monotonic() + (PATIENCE if seconds is None else seconds)
    while True:
        value = true()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


def parallel(*jobs):
    """Runs callables at the same time; their results, or the first failure."""
    results, failures = [None] * len(jobs), []

    def run(i, job):
        try:
            results[i] = job()
        except BaseException as e:  # pytest's failures are no Exceptions
            failures.append(e)

    threads = [threading.Thread(target=run, args=x, daemon=True)
               for x in enumerate(jobs)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise failures[0]
    return results


def raise_descriptor_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@functools.lru_cache(maxsize=None)
def tool(name):
    """A C program of tests/tools, built once per process."""
    source = ROOT / "tests" / "tools" / f"{name}.c"
    directory = tempfile.mkdtemp(prefix="carnation-tool-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    program = Path(directory) / name
    built = subprocess.run(
        ["cc", "-O1", "-D_GNU_SOURCE", "-o", program, source],
        capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return str(program)


# ----------------------------------------------------------------- the server

class Server:
    """One `carnation serve`, started and ready.

    capsules: list of dicts as in the configuration (host, root, aliases, lang,
    paths, redirects, ...); default: one capsule, localhost, with an index page.
    options: further top-level options (limits, tls, log, types, ...).
    command: instead of a configuration, these words of the command line.
    listen: families (4, 6) or whole --listen words; port 0 each.
    wrapper: words before the program. alive: what must be answered 20 after
    each test, None: do not ask.
    """

    running = []

    def __init__(self, capsules=None, *, options=None, command=None,
                 listen=(4, 6), workers=1, args=(), wrapper=(), env=None,
                 alive="/", directory=None, certs=None, ready=True):
        self.directory = Path(directory or tempfile.mkdtemp(
            prefix="carnation-"))
        self.directory.chmod(0o755)  # workers may have become nobody
        self.own_directory = directory is None
        self.certs = Path(certs or self.directory / "certs")
        self.config = self.directory / "carnation.conf"
        self.log_path = self.directory / "stderr"
        self.alive = alive
        self.may_restart = False  # a test that kills workers sets this
        self.touched = False
        self.scanned = 0
        self.process = None
        self.ports = {}
        self.families = [f for f in listen if f in ADDRESS]
        argv = [*wrapper, str(CARNATION), "serve"]
        if command is None:
            capsules = capsules or [{
                "host": HOST,
                "root": tree(self.directory / "capsule",
                             {"index.gmi": "# Home\n"})}]
            self.host = capsules[0]["host"]
            self.options = dict(options or {}, capsules=capsules)
            self.write_config()
            argv += ["-c", self.config, "--workers", workers]
        else:
            self.host = HOST
        argv += ["--certs", self.certs]
        for where in listen:
            argv += ["--listen", {4: "127.0.0.1:0", 6: "[::1]:0"}.get(
                where, where)]
        argv += [*(command or []), *args]
        self.argv = [str(a) for a in argv]
        self.env = dict(os.environ, **(env or {}))
        self.start(ready)

    def write_config(self):
        self.config.write_text(settings(self.options))

    def start(self, ready=True):
        assert CARNATION.exists(), f"{CARNATION} is not built"
        self.log_path.touch()
        self.started_at = self.log_path.stat().st_size
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.directory, env=self.env, start_new_session=True)
        Server.running.append(self)
        if not ready:
            return
        try:
            self._wait_ready()
        except BaseException:
            self.kill()
            raise
        self.expect_workers()

    def _wait_ready(self):
        def ready():
            assert self.process.poll() is None, (
                f"{' '.join(self.argv)}\nexit {self.process.returncode}\n"
                + self.log())
            return re.search(
                r"^carnation: ready: ", self.log()[self.started_at:], re.M)

        try:
            wait_for(ready, PATIENCE, "`carnation: ready:`")
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.log()}") from None
        self.ports = {}
        for address, port in re.findall(
                r"^carnation: listening on (\S+):(\d+)$",
                self.log()[self.started_at:], re.M):
            self.ports[6 if address.startswith("[") else 4] = int(port)
        for family in self.families:
            assert family in self.ports, self.log()

    def expect_workers(self):
        """Takes the workers of now, and their descriptors, as the normal."""
        if self.alive is not None and self.ports:
            for _ in range(4):
                for family in self.families:
                    self.ask(self.alive, family=family)
        # the last of these connections may still be on its way out
        counts = []
        for _ in range(8):
            counts.append(self.descriptors())
            time.sleep(0.01)
        self.expected = {
            p: n and min(c.get(p, n) for c in counts)
            for p, n in counts[-1].items()}
        self.touched = False

    # -- processes

    def pids(self):
        """Children of the parent and their states, zombies included."""
        pid, found = self.process.pid, []
        children = Path(f"/proc/{pid}/task/{pid}/children")
        try:
            stats = [f"/proc/{p}/stat" for p in children.read_text().split()]
        except FileNotFoundError:  # a kernel without that file
            stats = map(str, Path("/proc").glob("[0-9]*/stat"))
        for stat in stats:
            with contextlib.suppress(OSError):
                fields = Path(stat).read_text().rpartition(")")[2].split()
                if int(fields[1]) == pid:
                    found.append((int(stat.split("/")[2]), fields[0]))
        return found

    def workers(self):
        return sorted(pid for pid, state in self.pids() if state != "Z")

    def descriptors(self):
        """Open descriptors of the parent and each worker; None where the
        system does not let us count."""
        found = {}
        for pid in [self.process.pid, *self.workers()]:
            try:
                found[pid] = len(os.listdir(f"/proc/{pid}/fd"))
            except PermissionError:
                found[pid] = None
            except FileNotFoundError:
                pass
        return found

    def memory(self):
        """Resident bytes of all workers together."""
        total = 0
        for pid in self.workers():
            status = Path(f"/proc/{pid}/status").read_text()
            total += 1024 * int(re.search(r"VmRSS:\s+(\d+)", status)[1])
        return total

    def signal(self, number):
        self.process.send_signal(number)

    # -- what it said

    def log(self):
        return self.log_path.read_text(errors="backslashreplace")

    def wait_log(self, pattern, seconds=None, since=0):
        return wait_for(
            lambda: re.search(pattern, self.log()[since:], re.M), seconds,
            f"/{pattern}/ in the log:\n{self.log()[since:][-3000:]}")

    def access(self, since=0):
        """Access log lines (text format) as lists of fields."""
        return [line.split(" ", 9)
                for line in self.log()[since:].splitlines()
                if re.match(r"\d{4}-\d\d-\d\dT", line)]

    # -- talking to it

    def port(self, family=4):
        return self.ports[family]

    def url(self, path="/", family=4, host=None):
        return f"gemini://{host or self.host}:{self.port(family)}{path}"

    def line(self, text, family=4):
        """A request line without CRLF: a path, or anything with {H}, {P}."""
        if isinstance(text, str):
            if text.startswith("/") and not text.startswith("//"):
                text = "gemini://{H}:{P}" + text
            text = text.encode("utf-8", "surrogateescape")
        host = self.host.encode("idna")
        return text.replace(b"{H}", host).replace(
            b"{P}", str(self.port(family)).encode())

    def ask(self, text="/", *, family=4, end=b"\r\n", **how):
        """One whole conversation: connect, ask, read to the end."""
        with Client(self, family=family, **how) as c:
            c.send(self.line(text, family) + end)
            return c.reply()

    # -- is it well?

    def check(self):
        """Fails unless the server is alive, whole, and as it was. It fails
        once: the next test starts from what is left, or from a new server."""
        try:
            self._check()
        except BaseException:
            if self.process.poll() is None:
                self.expected = self.descriptors()
            else:
                Server.running.remove(self)
                self.start()
            raise
        finally:
            self.touched = False

    def _check(self):
        assert self.process.poll() is None, (
            f"the server ended: {self.process.returncode}")
        self.scan()
        if self.alive is not None:
            reply = self.ask(self.alive, family=self.families[0])
            assert reply.status == 20 and reply.clean, reply
        if self.may_restart:
            return
        pids = set(self.expected)

        def calm():
            assert {self.process.pid, *(p for p, _ in self.pids())} == pids, (
                f"workers were {pids}, are {self.pids()}")
            now = self.descriptors()
            return all(now.get(p) is None or now[p] <= n
                       for p, n in self.expected.items() if n is not None)

        try:
            wait_for(calm, 5, "descriptors to be closed")
        except AssertionError as e:
            raise AssertionError(
                f"{e}: were {self.expected}, are {self.descriptors()}") from None

    def scan(self):
        """Fails when a sanitizer or an assertion has spoken."""
        with open(self.log_path, "rb") as f:
            f.seek(self.scanned)
            new = f.read()
        self.scanned += len(new)
        bad = re.search(
            rb"Sanitizer|runtime error:|Assertion .* failed|stack smashing",
            new)
        assert not bad, new[-4000:].decode(errors="replace")

    def stop(self):
        """TERM, and what must follow: the end within seconds, status 0."""
        if self in Server.running:
            Server.running.remove(self)
        code = self.process.poll()
        if code is None:
            self.signal(signal.SIGTERM)
            try:
                code = self.process.wait(PATIENCE + 5)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError("still there after SIGTERM") from None
        self.scan()
        assert code == 0, f"exit status {code}\n{self.log()[-3000:]}"

    def kill(self):
        if self in Server.running:
            Server.running.remove(self)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def remove(self):
        if self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.check()
                self.stop()
        except BaseException:
            kind = AssertionError
            raise
        finally:
            if kind is not None:
                FAILED_LOGS.append((self, self.log()))
                self.kill()
            self.remove()


FAILED_LOGS = []  # of servers that went with a failed test, for its report
