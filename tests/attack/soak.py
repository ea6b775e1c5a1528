#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""soak.py SECONDS [RATE]: a server under a constant load of full and resumed
handshakes, of both TLS versions, while what happens to servers in years happens
every minute: a reload, now and then with a renewed certificate, a crash of a
worker and of keyd, a log that is moved away. Memory and descriptors must stay
as they were, and no request may fail but those that a killed worker had in
hand, and full handshakes while there was no keyd.
"""
import contextlib
import os
import signal
import ssl
import statistics
import sys
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True  # the tree stays as it was
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "blackbox"))
import certs  # noqa: E402
import tools  # noqa: E402
from client import Client, context  # noqa: E402
from harness import Server, tree  # noqa: E402
from memory import descendants, is_keyd  # noqa: E402

RATE = 100
THREADS = 10
GROWTH = 1 << 20  # bytes of resident memory, for each kind of process
UNDER_WAY = {"worker": 2}  # connections that a sample may have met
# A request that failed so long after a kill (s) may have failed by it.
AFTER_KEYD = 2.5  # a second until keyd is back, a second's pause of workers
AFTER_WORKER = 0.2
PAGE = "# Hello\n" + "A line of text, as pages have them.\n" * 100


class Result:
    def __init__(self, text, ok):
        self.text, self.ok = text, ok


class Visitor(threading.Thread):
    """Asks every `each` seconds, whatever happens. Two of three connections
    offer the session of the one before."""

    def __init__(self, soaked, number, each):
        super().__init__(daemon=True)
        self.soaked, self.each = soaked, each
        self.ctx = context(("1.2", "1.3")[number % 2])
        self.first = number * each / THREADS

    def run(self):
        begin, n, session = time.monotonic() + self.first, 0, None
        while not self.soaked.over.wait(
                max(0, begin + n * self.each - time.monotonic())):
            session = self.ask(session if n % 3 else None)
            n += 1

    def ask(self, session):
        started, resumed = time.monotonic(), False
        try:
            with Client(self.soaked.server, session=session, ctx=self.ctx,
                        timeout=10) as c:
                reply = c.ask("/").reply()
                resumed = reply.resumed
            wrong = None if reply.whole and reply.text == PAGE else repr(reply)
            session = reply.session
        except Exception as e:  # whatever it is, a visitor saw it
            wrong, session = repr(e), None
        self.soaked.note(started, time.monotonic(), resumed, wrong)
        return session


class Soak:
    def __init__(self, place):
        self.place, self.over = place, threading.Event()
        self.lock = threading.Lock()
        self.answers = self.resumed = 0
        self.failures = []  # (started, ended, what)
        self.kills = {"worker": [], "keyd": []}
        self.samples = []  # {kind: (bytes, descriptors)}
        self.counts = {"reloads": 0, "rotations": 0, "renewals": 0}
        self.wrong = []
        self.log = place / "access.log"
        self.renew()
        root = tree(place / "capsule", {"index.gmi": PAGE})
        self.server = Server(
            [{"host": "localhost", "root": str(root)}], directory=place,
            listen=(4,), workers=2, alive=None,
            options={"log": {"access": str(self.log)}})
        self.server.may_restart = True

    def note(self, started, ended, resumed, wrong):
        with self.lock:
            self.answers += 1
            self.resumed += resumed
            if wrong:
                self.failures.append((started, ended, wrong))

    # -- what happens

    def children(self, keyd):
        return [p for p in descendants(self.server.process.pid)[1:]
                if is_keyd(p) == keyd]

    def renew(self):
        self.crt = certs.pair(self.place / "certs", "localhost")[0]

    def reload(self):
        since = len(self.server.log())
        self.server.signal(signal.SIGHUP)
        self.server.wait_log(r"^carnation: reloaded: ", 60, since)
        self.counts["reloads"] += 1

    def reload_renewed(self):
        self.renew()
        self.reload()
        self.counts["renewals"] += 1
        served = self.crt.read_text()
        with Client(self.server) as c:
            if ssl.DER_cert_to_PEM_cert(c.certificate()) != served:
                self.wrong.append("the old certificate after a renewal")

    def kill(self, keyd, number):
        victims = self.children(keyd)
        if not victims:
            return
        self.kills["keyd" if keyd else "worker"].append(time.monotonic())
        with contextlib.suppress(ProcessLookupError):
            os.kill(victims[-1], number)

    def rotate(self):
        number = self.counts["rotations"]
        self.log.rename(self.log.with_suffix(f".{number}"))
        self.server.signal(signal.SIGUSR1)
        self.counts["rotations"] += 1
        tools.wait_for(self.log.exists, what="a new log")

    def sample(self):
        """Before a reload only one generation is there."""
        found = {}
        parent = self.server.process.pid
        for pid in descendants(parent):
            kind = ("parent" if pid == parent else
                    "keyd" if is_keyd(pid) else "worker")
            with contextlib.suppress(OSError):
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                size = pages * os.sysconf("SC_PAGESIZE")
                found.setdefault(kind, []).append(
                    (size, descriptors(pid)))
        self.samples.append({
            kind: (statistics.mean(s for s, _ in v), max(d for _, d in v),
                   len(v)) for kind, v in found.items()})

    def minute(self, n, length):
        """Everything once, spread over so many seconds."""
        begin = time.monotonic()

        def at(share):
            return max(0, begin + share * length - time.monotonic())

        time.sleep(at(0.2))
        self.kill(False, signal.SIGSEGV if n % 2 else signal.SIGKILL)
        time.sleep(at(0.45))
        self.rotate()
        time.sleep(at(0.6))
        self.kill(True, signal.SIGKILL)
        time.sleep(at(0.9))
        self.sample()
        (self.reload_renewed if n % 5 == 2 else self.reload)()
        time.sleep(at(1))

    # -- what came of it

    def excused(self, failure):
        """The kind of kill that a failed request met; None: it is a fault."""
        started, ended, _ = failure
        for kind, grace in (("worker", AFTER_WORKER), ("keyd", AFTER_KEYD)):
            if any(started - grace <= at <= ended for at in self.kills[kind]):
                return kind
        return None

    def lines(self):
        logs = [self.log, *self.place.glob("access.*")]
        return sum(p.read_text().count(" complete /\n") for p in set(logs))

    def growth(self):
        """kind -> (bytes more, descriptors more): of the last third, compared
        with the second sixth; what is before that warms up."""
        n = len(self.samples)
        early = self.samples[n // 6:max(n // 3, n // 6 + 1)]
        late = self.samples[-max(1, n // 3):]
        found = {}
        for kind in ("parent", "keyd", "worker"):
            both = [[s[kind] for s in part if kind in s]
                    for part in (early, late)]
            if all(both):
                sizes = [statistics.median(s[0] for s in part)
                         for part in both]
                fds = [min(s[1] for s in part) for part in both]
                found[kind] = (sizes[1] - sizes[0], fds[1] - fds[0], sizes[1])
        return found

    def result(self):
        met = [self.excused(f) for f in self.failures]
        faults = [f for f, kind in zip(self.failures, met) if kind is None]
        growth = self.growth()
        flat = all(more <= GROWTH and fds <= UNDER_WAY.get(kind, 0)
                   for kind, (more, fds, _) in growth.items())
        text = (f"{self.answers} requests ({self.resumed} resumed), "
                f"{len(faults)} failed without a cause, "
                f"{met.count('worker')} by {len(self.kills['worker'])} kills "
                f"of workers, {met.count('keyd')} by "
                f"{len(self.kills['keyd'])} of keyd; "
                + ", ".join(f"{v} {k}" for k, v in self.counts.items())
                + "; " + "; ".join(
                    f"{k} {size / 1024:.0f} KiB ({more / 1024:+.0f}), "
                    f"{fds:+d} descriptors"
                    for k, (more, fds, size) in growth.items()))
        if self.wrong:
            text += "; " + ", ".join(self.wrong)
        for _, _, what in faults[:5]:
            text += f"\n       failed: {what}"
        lost = self.answers - len(self.failures) - self.lines()
        text += f"; {max(0, lost)} lines missing in the logs"
        return Result(text, not faults and flat and not self.wrong
                      and self.answers > 0)


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def soak(seconds, rate=RATE, out=sys.stdout):
    """The whole of it; a minute is a tenth of what is shorter than ten."""
    place = tools.own_directory()
    s = Soak(place)
    length = min(60, max(6, seconds / 10))
    visitors = [Visitor(s, i, THREADS / rate) for i in range(THREADS)]
    begin = time.monotonic()
    try:
        for v in visitors:
            v.start()
        n = 0
        while time.monotonic() - begin + length <= seconds + 1:
            s.minute(n, length)
            n += 1
            if n % 5 == 0:
                print(f"{time.monotonic() - begin:.0f} s: {s.result().text}",
                      file=out, flush=True)
        s.over.set()
        for v in visitors:
            v.join(30)
        s.server.scan()
        result = s.result()
        s.server.stop()
        return result
    finally:
        s.over.set()
        if s.server in Server.running:
            s.server.kill()
        tools.remove(place)


def main():
    tools.raise_descriptor_limit()
    os.umask(0o022)
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3600
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else RATE
    try:
        result = soak(seconds, rate)
    finally:
        tools.remove(tools.BASE)
    print(f"{seconds:.0f} s at {rate:.0f} a second: {result.text}")
    print("ok" if result.ok else "missed")
    return 0 if result.ok else 1


if __name__ == "__main__":
    sys.exit(main())
