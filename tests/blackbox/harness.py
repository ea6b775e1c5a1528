# SPDX-License-Identifier: ISC
"""The real server in a directory of its own, and a client that can misbehave.

    server = Server([{"host": "localhost", "root": tree(d / "main", {...})}])
    server.ask("/page.gmi").status              # one whole conversation
    c = Client(server, tls="1.2", family=6)     # step by step
    c.send(b"gemini://localhost/\r\n"); c.close_notify(); c.reply()

Servers started here are watched by conftest.py: after each test every one that
was used must be alive, answer, and hold no more descriptors than before.
"""
import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from binary import CARNATION, LONG, TIMEOUT, ROOT, SANITIZED  # noqa: F401
from client import (ADDRESS, HOST, NOTHING, Client, Reply,  # noqa: F401
                    connect, context, reset)
from tools import (arrived, end_with_us, own_directory,  # noqa: F401
                   parallel, remove, settings, tool, tree, wait_for)


KEYD = "carnation-keyd"  # the name of the process that holds the keys


# ----------------------------------------------------------------- the server

class Server:
    """One `carnation serve`, started and ready.

    capsules: list of dicts as in the configuration (host, root, aliases, lang,
    paths, redirects, ...); default: localhost with an index page.
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
        self.prepare(directory, alive, [f for f in listen if f in ADDRESS])
        self.certs = Path(certs or self.directory / "certs")
        self.config = self.directory / "carnation.conf"
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
        self.launch(argv, env, ready)

    def prepare(self, directory, alive, families):
        """What is so before the first start."""
        self.own_directory = directory is None
        self.directory = Path(directory or own_directory())
        self.log_path = self.directory / "stderr"
        self.alive, self.families = alive, families
        self.may_restart = False  # a test that kills workers sets this
        self.touched = False
        self.scanned, self.ports = 0, {}
        self.process = None

    def launch(self, argv, env, ready):
        """The first start. Whatever fails, nothing is left behind."""
        self.argv = [str(a) for a in argv]
        self.env = dict(os.environ, **(env or {}))
        try:
            self.start(ready)
        except BaseException:
            self.remove()
            raise

    def write_config(self):
        self.config.write_text(settings(self.options))

    def start(self, ready=True):
        assert CARNATION.exists(), f"{CARNATION} is not built"
        self.log_path.touch()
        self.started_at = self.log_path.stat().st_size
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.directory, env=self.env, start_new_session=True,
                preexec_fn=end_with_us)
        Server.running.append(self)
        if not ready:
            return
        try:
            self._wait_ready()
            self.expect_workers()
        except BaseException:
            FAILED_LOGS.append((self, self.log()))
            self.kill()
            raise

    def _wait_ready(self):
        def ready():
            assert self.process.poll() is None, (
                f"{' '.join(self.argv)}\nexit {self.process.returncode}\n"
                + self.log())
            return re.search(
                r"^carnation: ready: ", self.log()[self.started_at:], re.M)

        try:
            wait_for(ready, TIMEOUT, "`carnation: ready:`")
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
        self.greetings = 0
        before = self.descriptors()
        if self.alive is not None and self.ports:
            for _ in range(2 * len(self.workers())):  # each of them, likely
                for family in self.families:
                    self.ask(self.alive, family=family)
                    self.greetings += 1
        self.expected = self.settled(before)
        self.touched = False

    def settled(self, before):
        """The descriptors, when the last connection is no longer on its way
        out: as many as before, or the fewest of some counts."""
        now = self.descriptors()
        for _ in range(5):
            if all(n is None or n <= before.get(p, 0)
                   for p, n in now.items()):
                break
            time.sleep(0.01)
            again = self.descriptors()
            now = {p: n and min(now.get(p, n), n) for p, n in again.items()}
        return now

    # -- processes

    def children(self):
        """Children of the parent: pid, state and name, zombies included."""
        pid, found = self.process.pid, []
        children = Path(f"/proc/{pid}/task/{pid}/children")
        try:
            stats = [f"/proc/{p}/stat" for p in children.read_text().split()]
        except FileNotFoundError:  # a kernel without that file
            stats = map(str, Path("/proc").glob("[0-9]*/stat"))
        for stat in stats:
            with contextlib.suppress(OSError):
                head, _, rest = Path(stat).read_text().rpartition(")")
                fields = rest.split()
                if int(fields[1]) == pid:
                    found.append((int(stat.split("/")[2]), fields[0],
                                  head.partition("(")[2]))
        return found

    def pids(self):
        """All children but those that hold keys, and their states."""
        return [(pid, state) for pid, state, name in self.children()
                if name != KEYD]

    def workers(self):
        return sorted(pid for pid, state in self.pids() if state != "Z")

    def keyds(self):
        """The processes that hold keys: one, or more while those that a reload
        has replaced still serve the old workers."""
        return sorted(pid for pid, state, name in self.children()
                      if name == KEYD and state != "Z")

    def keyd(self):
        """The only one."""
        found, = self.keyds()
        return found

    def descriptors(self):
        """Open descriptors of the parent, each worker and keyd; None where the
        system does not let us count."""
        found = {}
        for pid in [self.process.pid, *self.workers(), *self.keyds()]:
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
            now = self.descriptors()
            return {self.process.pid,
                    *(p for p, *_ in self.children())} == pids \
                and all(now.get(p) is None or now[p] <= n
                       for p, n in self.expected.items() if n is not None)

        try:
            wait_for(calm, what="the same workers, all descriptors closed:")
        except AssertionError as e:
            raise AssertionError(
                f"{e}: were {self.expected}, are {self.descriptors()}, "
                f"{self.children()}") from None

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
                code = self.process.wait(TIMEOUT + 5)
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
            remove(self.directory)

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
