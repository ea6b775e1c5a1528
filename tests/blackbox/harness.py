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
import functools
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CARNATION = Path(os.environ.get("CARNATION", ROOT / "build" / "carnation"))
LONG = os.environ.get("CARNATION_LONG") == "1"
SANITIZED = (
    CARNATION.exists() and b"__asan_init" in CARNATION.read_bytes())
PATIENCE = 30 if SANITIZED else 10  # seconds for what should take none
HOST = "localhost"
ADDRESS = {4: "127.0.0.1", 6: "::1"}
NOTHING = object()  # "use the default", where None means something


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
    """A C program of tests/tools, built once per process; None: it is not
    there, or does not work here."""
    source = ROOT / "tests" / "tools" / f"{name}.c"
    program = Path(tempfile.mkdtemp(prefix="carnation-tool-")) / name
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


# ----------------------------------------------------------------- the client

HEADER = re.compile(
    r"(10|11|20|3[01]|4[0-4]|5[0-3]|59|6[0-2]) "
    r"([^\x00-\x20\x7f-\x9f\ufeff][^\x00-\x1f\x7f-\x9f\u2028\u2029]*)\Z")


class Reply:
    """What came back. status None: no header at all. clean: close_notify was
    seen. end: how the TCP stream ended, "fin", "rst" or "open"."""

    def __init__(self, raw, clean, end, client=None, error=None):
        self.raw, self.clean, self.end, self.error = raw, clean, end, error
        self.status, self.meta, self.body = None, None, b""
        self.version = client.tls.version() if client else None
        self.resumed = bool(client and client.tls.session_reused)
        self._tls = client.tls if client else None
        if not raw:
            return
        header, crlf, self.body = raw.partition(b"\r\n")
        assert crlf, f"header without CRLF: {raw[:200]!r}"  # 1.2.28
        found = HEADER.match(header.decode("utf-8"))  # 1.2.28-30, 1.3.33
        assert found, f"not a header of ours: {header!r}"
        self.status, self.meta = int(found[1]), found[2]
        assert len(self.meta.encode()) <= 1024, "1.2.31: META too long"
        if self.status // 10 != 2:
            assert self.body == b"", f"1.2.34: {self.status} with a body"

    @property
    def session(self):
        """What a later connection may resume."""
        return self._tls.session

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def whole(self):
        """Header, then close_notify, then FIN: rules 1.5.49 and 1.5.51."""
        return self.status is not None and self.clean and self.end == "fin"

    def __repr__(self):
        return (f"<{self.status} {self.meta} +{len(self.body)} bytes "
                f"{'clean' if self.clean else 'CUT'} {self.end} {self.error}>")


@functools.lru_cache(maxsize=None)
def context(tls=None, ciphers=None, alpn=()):
    """A client's context; sessions are resumed within one context only."""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE
    # Python asks OpenSSL to take a bare FIN for close_notify; we must not
    ctx.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    version = {None: None, "1.2": ssl.TLSVersion.TLSv1_2,
               "1.3": ssl.TLSVersion.TLSv1_3}[tls]
    if version is not None:
        ctx.minimum_version = ctx.maximum_version = version
    if ciphers:
        ctx.set_ciphers(ciphers)
    if alpn:
        ctx.set_alpn_protocols(list(alpn))
    return ctx


def connect(server, family=4, *, source=None, receive_buffer=None,
            timeout=None):
    """A plain TCP connection to the server."""
    server.touched = True
    sock = socket.socket(
        {4: socket.AF_INET, 6: socket.AF_INET6}[family], socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout or PATIENCE)
        if receive_buffer:
            sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            sock.bind((source, 0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect((ADDRESS[family], server.port(family)))
    except BaseException:
        sock.close()
        raise
    return sock


def reset(sock):
    """Closes with RST instead of FIN."""
    sock.setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Client:
    """One TLS connection in full control; each send() is one TLS record."""

    def __init__(self, server, *, tls=None, family=4, sni=NOTHING,
                 session=None, ctx=None, handshake=True, **how):
        self.sock = connect(server, family, **how)
        self.server, self.family = server, family
        self.timeout = how.get("timeout") or PATIENCE
        self.inward, self.outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = server.host if sni is NOTHING else sni
        self.tls = (ctx or context(tls)).wrap_bio(
            self.inward, self.outward, server_hostname=name, session=session)
        self.clean = False  # close_notify came
        self.end = "open"   # of the TCP stream, their side
        self.error = None
        self.records = []   # (type, length) of each TLS record received
        self._unparsed = b""
        if handshake:
            try:
                self.handshake()
            except BaseException:
                self.sock.close()
                raise

    def handshake(self):
        self._step(self.tls.do_handshake)
        return self

    def _step(self, step):
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self.flush()
                self.fill()
            finally:
                self.flush()

    def flush(self):
        """Sends what TLS wants sent."""
        data = self.outward.read()
        if data:
            self.write_tcp(data)

    def write_tcp(self, data):
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.end = "rst"

    def fill(self):
        """Receives some bytes, or the end."""
        try:
            data = self.sock.recv(1 << 18)
        except ConnectionResetError:
            data, self.end = b"", "rst"
        if not data:
            if self.end == "open":
                self.end = "fin"
            self.inward.write_eof()
            return
        self._note_records(data)
        self.inward.write(data)

    def _note_records(self, data):
        self._unparsed += data
        while len(self._unparsed) >= 5:
            length = int.from_bytes(self._unparsed[3:5], "big")
            if len(self._unparsed) < 5 + length:
                break
            self.records.append((self._unparsed[0], length))
            self._unparsed = self._unparsed[5 + length:]

    # -- sending

    def send(self, data):
        """data as one TLS record (several when over 16 KiB)."""
        self.tls.write(data)
        self.flush()
        return self

    def send_pieces(self, pieces, delay=0):
        for piece in pieces:
            self.send(piece)
            if delay:
                time.sleep(delay)
        return self

    def seal(self, data):
        """The bytes of the record(s) that carry data, not yet sent."""
        self.flush()
        self.tls.write(data)
        return self.outward.read()

    def close_notify(self):
        """Ends our side of TLS; theirs goes on."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        self.flush()
        return self

    def fin(self):
        """Ends our side of TCP."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
        return self

    def ask(self, text="/", end=b"\r\n"):
        return self.send(self.server.line(text, self.family) + end)

    # -- receiving

    def read(self, size=1 << 16):
        """Decrypted bytes of one record at most; b"" at the end."""
        while True:
            try:
                data = self.tls.read(size)
            except ssl.SSLWantReadError:
                self.flush()
                self.fill()
                continue
            except ssl.SSLZeroReturnError:
                data = b""
            except ssl.SSLEOFError as e:
                self.error = e
                return b""
            except ssl.SSLError as e:  # an alert, a bad record
                self.error = e
                return b""
            if not data:
                self.clean = True
            return data

    def nothing_for(self, seconds):
        """True when for so long neither a byte nor an end comes."""
        deadline = time.monotonic() + seconds
        try:
            while True:
                self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
                with contextlib.suppress(ssl.SSLWantReadError):
                    self.early = self.tls.read(1)
                    return False
                self.fill()
                if self.end != "open":
                    return False
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(self.timeout)

    def wait_end(self, seconds=None):
        """Reads on, after TLS has ended, to the end of TCP."""
        self.sock.settimeout(seconds or self.timeout)
        try:
            while self.end == "open":
                self.fill()
        except TimeoutError:
            pass
        return self.end

    def reply(self):
        """All that is left to come, parsed."""
        data = self.reply_rest()
        return Reply(data, self.clean, self.end, self, self.error)

    def reply_rest(self):
        """All bytes that are left to come, unparsed."""
        data = b"".join(iter(self.read, b""))
        if self.clean:
            self.wait_end(3)
        return data

    def certificate(self):
        """The server's, as DER."""
        return self.tls.getpeercert(binary_form=True)

    def reset(self):
        reset(self.sock)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
