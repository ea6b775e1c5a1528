#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What strangers and bad luck do to a server, each with a target: a table of
number, attack, target, figure, and ok or missed. Figures are measured on the
real program with the black-box suite's own tools; where no figure says more
than yes or no, the tests that prove the point are run, and counted.

The targets are those of one worker on a small server of two CPUs that has
nothing else to do. Nothing here is a test: a missed target ends with status 1,
but times depend on the machine.
"""
import argparse
import contextlib
import os
import random
import re
import signal
import ssl
import subprocess
import sys
import time
import traceback
from pathlib import Path

sys.dont_write_bytecode = True  # the tree stays as it was
HERE = Path(__file__).resolve().parent
BLACKBOX = HERE.parent / "blackbox"
sys.path[:0] = [str(BLACKBOX), str(HERE)]
import harness  # noqa: E402
import tools  # noqa: E402
from binary import ROOT  # noqa: E402
from client import Client, context, reset  # noqa: E402
from crowd import (Crowd, anywhere, closed, hello, idle_tls,  # noqa: E402
                   open_one, visits)
from harness import Server, tree, wait_for  # noqa: E402
from life import IS_ROOT, carnation, exists, hup  # noqa: E402
from memory import descendants, is_keyd  # noqa: E402
from preload import preloaded  # noqa: E402
from soak import soak  # noqa: E402
from test_shares import unsent  # noqa: E402

harness.TIMEOUT = 60  # a thousand keys are made and proved before it is ready
KIB, MIB = 1 << 10, 1 << 20
OTHERS_MS = 250
BIG = 10 * MIB


class Figure:
    """What an attack came to."""

    def __init__(self, text, ok):
        self.text, self.ok = text, ok


class Attack:
    """What the measurements need: the options, and a directory of their own."""

    def __init__(self, options):
        self.options = options
        self.place = tools.own_directory()
        self.servers = []

    def many(self, number):
        """The number of the table, or the part of it that was asked for."""
        return max(20, int(number * self.options.part))

    @contextlib.contextmanager
    def server(self, files=None, workers=1, alive=None, env=None, **limits):
        place = tools.own_directory()
        root = tree(place / "capsule", {"index.gmi": "# Hello\n",
                                        **(files or {})})
        limits = {"rate": 0, "exempt": [], "per_address": 0, **limits}
        server = Server([{"host": "localhost", "root": str(root)}],
                        directory=place, listen=(4,), workers=workers,
                        alive=alive, env=env, options={"limits": limits})
        server.may_restart = True
        try:
            yield server
            server.scan()
        finally:
            server.kill()
            tools.remove(place)


def grown(server, before):
    return (server.memory() - before) / MIB


def p99(found):
    """Of the milliseconds of visits, and how many failed."""
    ms = sorted(ms for _, ms in found)
    bad = sum(got != 20 for got, _ in found)
    return ms[max(0, int(len(ms) * 0.99) - 1)], bad


def seen_by_others(server, seconds):
    return p99(list(visits(server, seconds, source="127.0.0.9")))


def until(true, seconds):
    """Seconds until it is so; None when it never is."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        if true():
            return time.monotonic() - begin
        time.sleep(0.05)
    return None


def held_by(server):
    """How many connections the server holds; the crowd's own ends have other
    addresses, and maybe the same port."""
    mine = f"0100007F:{server.port():04X}"
    rows = map(str.split, Path("/proc/net/tcp").read_text().splitlines())
    return sum(row[1] == mine and row[3] != "0A" and row[9] != "0"
               for row in rows)


def leave(held):
    for s in held:
        s.close()


# ------------------------------------------------------- many who are idle

def silent_crowd(a):
    n = a.many(10_000)
    with a.server(connections=n + 100) as server:
        server.ask("/")
        before = server.memory()
        held = [open_one(server.port(), b"", anywhere()) for _ in range(n)]
        begin = time.monotonic()
        most, ms, bad = grown(server, before), *seen_by_others(server, 3)
        most = max(most, grown(server, before))
        gone = until(lambda: held_by(server) == 0, 60) is not None
        took = time.monotonic() - begin
        leave(s for s in held if s)
    return Figure(f"{n}: {most:.1f} MiB, others p99 {ms:.0f} ms, {bad} bad, "
                  f"all gone {took:.0f} s after the last came",
                  most <= 10 and ms < OTHERS_MS and not bad and gone
                  and took <= 14)


def idle_crowd(a, burst):
    n = a.many(10_000)
    with a.server(connections=n + 100, request=600) as server:
        server.ask("/")
        before = server.memory()
        held = idle_tls(server, n, burst)
        most = grown(server, before)
        leave(held)
        back = until(lambda: grown(server, before) < most / 4, 60)
        left = grown(server, before)
    return most, back, left, n


def idle_crowds(a):
    texts, ok = [], True
    for burst, name in ((1, "one by one"), (200, "bursts of 200")):
        most, back, left, n = idle_crowd(a, burst)
        texts.append(f"{name} {most:.0f} MiB, then {left:.0f}")
        ok &= most <= 150 * n / 10_000 + 5 and back is not None
    return Figure(f"{n}: " + "; ".join(texts), ok)


def gone(s):
    """Whether the server has ended it; s may be a socket or TLS on one."""
    if not isinstance(s, ssl.SSLSocket):
        return closed(s)
    try:
        return s.recv(1 << 16) == b""
    except ssl.SSLWantReadError:
        return False
    except OSError:
        return True


def drip(n, server, begin, seconds, each):
    """Every second something from each, for so long or until all are gone:
    seconds until then."""
    before = server.memory()
    held = [begin() for _ in range(n)]
    started, most, sent = time.monotonic(), 0, 0
    while held and time.monotonic() - started < seconds:
        held = [s for s in held if not gone(s)]
        for s in held:
            with contextlib.suppress(OSError):
                each(s, sent)
        sent += 1
        most = max(most, grown(server, before))
        time.sleep(max(0, started + sent - time.monotonic()))
    took = time.monotonic() - started
    left = len(held)
    leave(held)
    return most, took, left


def slow_handshakes(a):
    n, text = a.many(2_000), hello()
    with a.server(connections=n + 100) as server:
        server.ask("/")
        most, took, left = drip(
            n, server, lambda: open_one(server.port(), text[:6], anywhere()),
            15, lambda s, i: s.send(text[6 + i:7 + i]))
    return Figure(f"{n}: {most:.1f} MiB, {left} left after {took:.0f} s",
                  most <= 43 and left == 0 and took <= 13)


def slow_requests(a):
    n = a.many(2_000)
    with a.server(connections=n + 100) as server:
        line = server.line("/")
        held = iter(idle_tls(server, n))

        def begin():
            return next(held)

        most, took, left = drip(n, server, begin, 16,
                                lambda s, i: s.send(line[i:i + 1]))
    return Figure(f"{n}: {left} left after {took:.0f} s",
                  left == 0 and 9 <= took <= 14)


def slow_readers(a):
    n = a.many(100)
    with a.server({"big.bin": b"x" * BIG}, stall=5) as server:
        server.ask("/")
        before, port = server.memory(), server.ports[4]
        held = [Client(server, receive_buffer=4096).ask("/big.bin")
                for _ in range(n)]
        until(lambda: unsent(port) > n * 64 * KIB, 5)
        time.sleep(0.5)
        user = (server.memory() - before) / n / KIB
        kernel = unsent(port) / n / KIB
        cut = until(lambda: len(re.findall(
            r" cut /big\.bin", server.log())) == n, 30)
        back = until(lambda: unsent(port) == 0, 5)
        leave(held)
    return Figure(f"{n}: {user:.0f} KiB each, {kernel:.0f} in the kernel, "
                  f"given back {'never' if back is None else f'{back:.1f} s'}"
                  " after the cut",
                  user <= 32 and user + kernel <= 512 and cut is not None
                  and back is not None and back <= 2)


# ---------------------------------------------------------------- floods

def flood(a, sources, **limits):
    with a.server(**limits) as server:
        server.ask("/", source="127.0.0.9")
        with Crowd(server.port(), a.many(3_000), hello(), sources) as crowd:
            wait_for(lambda: crowd.opened.value > 100)
            found = list(visits(server, a.options.seconds,
                                source="127.0.0.9"))
            opened = crowd.opened.value
    return found, opened


def flood_of_one(a):
    found, opened = flood(a, 1, per_address=64)
    ms, bad = p99(found)
    return Figure(f"{opened} handshakes begun, others p99 {ms:.0f} ms, "
                  f"{bad} bad", ms < OTHERS_MS and not bad)


def flood_of_many(a):
    found, opened = flood(a, None)
    worst = max(ms for _, ms in found)
    bad = sum(got != 20 for got, _ in found)
    return Figure(f"{opened} handshakes begun, others wait {worst:.0f} ms at "
                  f"most, {bad} bad", worst <= 1000 and not bad)


def reset_storm(a):
    n = a.many(20_000)
    with a.server({"big.bin": b"x" * BIG}) as server:
        pids = descendants(server.process.pid)
        ctx = context("1.3")
        session = None
        for i in range(n):
            c = Client(server, session=session, ctx=ctx)
            c.ask("/big.bin" if i % 2 else "/")
            if i % 2:
                c.read()
            if session is None:
                session = c.tls.session
            reset(c.sock)
        same = descendants(server.process.pid) == pids
        whole = server.ask("/").whole
    return Figure(f"{n} resets: {'no process ended' if same else 'ENDED'}",
                  same and whole)


# ---------------------------------------------------- crashes, descriptors

def crash(server, victims, kind):
    """Kills one; seconds until there is another."""
    pid = victims()[0]
    n = len(victims())
    os.kill(pid, signal.SIGSEGV if kind == "worker" else signal.SIGKILL)
    return until(lambda: not exists(pid) and len(victims()) == n, 10)


def crashes(a):
    texts, ok = [], True
    with a.server(workers=2) as server:
        def children():
            return descendants(server.process.pid)[1:]

        kinds = {"worker": lambda: [p for p in children() if not is_keyd(p)],
                 "keyd": lambda: [p for p in children() if is_keyd(p)]}
        for kind, victims in kinds.items():
            if not victims():
                texts.append(f"no {kind}")
                continue
            slowest = 0
            n = a.many(50 if kind == "worker" else 20) if \
                a.options.part < 1 else 50
            for _ in range(n):
                took = crash(server, victims, kind)
                slowest = max(slowest, 99 if took is None else took)
                time.sleep(1.2)  # no loop: those are held back on purpose
            alive = until(lambda: answered(server), 10) is not None
            texts.append(f"{n} {kind} crashes: back in {slowest:.2f} s")
            ok &= slowest < 1 and alive
    return Figure("; ".join(texts), ok)


def answered(server, **how):
    try:
        return server.ask("/", **how).whole
    except (OSError, EOFError, AssertionError):
        return False


def few_descriptors(a):
    with a.server(connections=1024) as server:
        worker = [p for p in descendants(server.process.pid)[1:]
                  if not is_keyd(p)][0]
        status = Path(f"/proc/{worker}/status").read_text()
        user = re.search(r"Uid:\s+(\d+)", status)[1]
        top = max(map(int, os.listdir(f"/proc/{worker}/fd")))
        subprocess.run(
            [sys.executable, BLACKBOX / "become.py", "user", user, "prlimit",
             "--pid", str(worker), f"--nofile={top + 9}:"], check=True)
        held = [open_one(server.port(), b"x", anywhere()) for _ in range(60)]
        time.sleep(0.5)
        before = sum(cpu_ticks(worker))
        time.sleep(2)
        spent = (sum(cpu_ticks(worker)) - before) / 2
        leave(s for s in held if s)
        back = until(lambda: answered(server), 5)
    return Figure(f"{spent:.0f} % CPU while full, served again after "
                  f"{-1 if back is None else back:.2f} s",
                  spent < 15 and back is not None and back < 1)


# Of the allocations of workers and keyd, once the file says so, one in 64 times
# so many fails.
MALLOC = """
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
static const volatile unsigned char *one_in;
static int dropped; /* keyd may not ask who it is */
int setresuid(uid_t r, uid_t e, uid_t s)
{
	int done = (int)syscall(SYS_setresuid, r, e, s);
	dropped = dropped || (done == 0 && e != 0);
	return done;
}
__attribute__((constructor)) static void begin(void)
{
	int fd = open(getenv("MALLOC_FAILS"), O_RDONLY | O_CLOEXEC);
	void *at = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		one_in = at;
	close(fd);
}
static int fails(void)
{
	static unsigned n;
	if (one_in == NULL || *one_in == 0 || !dropped || ++n % (64U * *one_in))
		return 0;
	errno = ENOMEM;
	return 1;
}
void *malloc(size_t n) { return fails() ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t m)
{
	return fails() ? NULL : __libc_calloc(n, m);
}
void *realloc(void *p, size_t n)
{
	return fails() ? NULL : __libc_realloc(p, n);
}
"""


def no_memory(a):
    if not IS_ROOT:
        return Figure("needs root, to tell workers by their user", None)
    library, switch = a.place / "malloc.so", a.place / "fails"
    library.with_suffix(".c").write_text(MALLOC)
    subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", library,
                    library.with_suffix(".c")], check=True)
    switch.write_bytes(b"\0")
    fd = os.open(switch, os.O_WRONLY)  # never truncated: it is mapped
    env = dict(preloaded(library), MALLOC_FAILS=str(switch))
    with a.server(env=env) as server:
        pids = descendants(server.process.pid)
        n, served = a.many(2000), 0
        for i in range(n):
            os.pwrite(fd, bytes((1 + i % 40,)), 0)
            served += answered(server, timeout=2)
        os.pwrite(fd, b"\0", 0)
        back = until(lambda: answered(server), 10) is not None
        ended = len(set(pids) - set(descendants(server.process.pid)))
    os.close(fd)
    return Figure(f"{n} requests while allocations fail: {served} answered; "
                  f"{ended} processes ended; then "
                  f"{'as before' if back else 'DOWN'}",
                  back and 0 < served < n and ended == 0)


def cpu_ticks(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]), int(fields[12])


# ------------------------------------------------------- configurations

def mutations(text, n):
    """n broken or unbroken variants of a configuration, seeded."""
    rng = random.Random(19)
    for _ in range(n):
        new = bytearray(text.encode())
        at = rng.randrange(len(new))
        if rng.randrange(3) == 0:
            del new[at:at + rng.randrange(1, 12)]
        elif rng.randrange(2):
            new[at] = rng.randrange(32, 127)
        else:
            new[at:at] = bytes((rng.choice(b'{}();=",[]x'),))
        yield bytes(new)


def mutated_configurations(a):
    n, disagree, down = a.many(200), 0, 0
    with a.server(alive="/") as server:
        good = server.config.read_bytes()
        where = r"^carnation: reloaded: |reload refused: "
        for text in mutations(good.decode(), n):
            server.config.write_bytes(text)
            words = server.argv[server.argv.index("serve") + 1:]
            checked = carnation("check", *words).returncode == 0
            said = hup(server, where, 30)
            disagree += checked != ("reload refused: " not in said)
            down += server.process.poll() is not None
            server.config.write_bytes(good)
            hup(server, where, 30)
    return Figure(f"{n}: check and reload disagree {disagree} times, "
                  f"down {down} times", not disagree and not down)


def many_hosts(a):
    n = min(1000, a.many(1000))
    place = tools.own_directory()
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    hosts = [f"h{i}.example" for i in range(n)]
    begin = time.monotonic()
    server = Server([{"host": h, "root": str(root)} for h in hosts],
                    directory=place, listen=(4,), alive=None)
    started = time.monotonic() - begin
    wrong = 0
    try:
        for host in hosts[:: max(1, n // 50)]:
            with Client(server, sni=host) as c:
                wrong += host.encode() not in c.certificate()
                c.send(f"gemini://{host}:{server.port()}/\r\n".encode())
                wrong += c.reply().status != 20
        with Client(server, sni=hosts[0]) as c:
            c.send(f"gemini://other.example:{server.port()}/\r\n".encode())
            wrong += c.reply().status != 53
        server.scan()
    finally:
        server.kill()
        tools.remove(place)
    return Figure(f"{n} hosts, {started:.0f} s with their keys: {wrong} wrong",
                  wrong == 0)


# ---------------------------------------------------------- in other hands

def tests(*names, expression=None, long=False):
    """The tests of these files (and of this -k expression), run."""
    def run(a):
        words = [sys.executable, "-m", "pytest", "-q", "-n", "2",
                 "--dist", "loadgroup", "-p", "no:cacheprovider",
                 *(BLACKBOX / n for n in names)]
        if expression:
            words += ["-k", expression]
        env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
        if long and a.options.part >= 1:
            env["CARNATION_LONG"] = "1"
        done = subprocess.run(list(map(str, words)), env=env, cwd=ROOT,
                              capture_output=True, text=True)
        last = done.stdout.strip().splitlines()[-1] if done.stdout else "?"
        counts = re.findall(r"\d+ (?:passed|failed|skipped|errors?)", last)
        return Figure("tests: " + ", ".join(counts or [last]),
                      done.returncode == 0)
    return run


def fuzzed(a):
    program = ROOT / "build/fuzz/tests/fuzz/fuzz_conn"
    if not program.exists():
        return Figure("not built: make VARIANT=fuzz fuzz-programs", None)
    n, scratch = a.many(20_000), a.place / "corpus"
    scratch.mkdir()
    done = subprocess.run(
        [program, f"-runs={n}", "-print_final_stats=1", f"-artifact_prefix="
         f"{a.place}/", scratch, HERE.parent / "fuzz/corpus/conn"],
        capture_output=True, text=True, errors="replace")
    found = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    return Figure(f"{found[1] if found else '?'} connections under "
                  "sanitizers", done.returncode == 0)


def short_soak(a):
    result = soak(a.options.soak, out=open(os.devnull, "w"))
    return Figure(f"{a.options.soak} s: {result.text}", result.ok)


ATTACKS = [
    (1, "10,000 silent TCP connections",
     "10 MiB, others p99 < 250 ms, gone after 10 s", silent_crowd),
    (2, "10,000 idle after the handshake",
     "150 MiB, given back within 60 s", idle_crowds),
    (3, "slow handshakes, a byte a second", "43 MiB, gone after 10 s",
     slow_handshakes),
    (4, "slow requests, a byte a second", "gone 10 s after the handshake",
     slow_requests),
    (5, "readers who stop",
     "32 KiB each, 512 with the kernel's, none 2 s after the cut",
     slow_readers),
    (6, "handshake flood, one source", "others p99 < 250 ms", flood_of_one),
    (7, "handshake flood, many sources", "nobody waits > 1 s",
     flood_of_many),
    (8, "renegotiation, KeyUpdates, alerts", "16 KiB before a request",
     tests("test_hostile.py", "test_rough.py",
           expression="KeyUpdate or renegotiation or alerts or one_byte")),
    (9, "huge client certificate", "never asked for",
     tests("test_tls.py", expression="client_certificate")),
    (10, "path traversal", "never a byte from outside",
     tests("test_paths.py", "test_hostile.py",
           expression="test_paths and not swapped or random_request")),
    (11, "a directory swapped for a link", "0 bytes from outside",
     tests("test_paths.py", expression="swapped", long=True)),
    (12, "FIFO, device, file that shrinks", "51; cut, and logged",
     tests("test_paths.py", "test_connection.py",
           expression="A49 or B23 or other_changes")),
    (13, "no descriptors left", "no busy loop, back in < 1 s",
     few_descriptors),
    (14, "no memory left", "that connection ends, not the worker",
     no_memory),
    (15, "resets in mid-body", "no process ends", reset_storm),
    (16, "log disk full, log rotated", "serving goes on",
     tests("test_signals.py", "test_log.py", expression="usr1 or log")),
    (17, "crashes of workers and keyd", "back in < 1 s", crashes),
    (18, "certificate expired, replaced, wrong", "old pair kept, exit says so",
     tests("test_server_certificate.py", "test_check.py",
           expression="warned or pair or key or certificate")),
    (19, "mutated configurations", "old one goes on; check agrees",
     mutated_configurations),
    (20, "the clock jumps", "deadlines do not move",
     tests("test_hung.py", "test_log.py",
           expression="paused or milliseconds")),
    (21, "clients that vanish", "freed by the deadlines",
     tests("test_connection.py", expression="B22 or B21 or timeout")),
    (22, "mutated TLS", "no crash, no leak", fuzzed),
    (23, "log injection", "escaped, one line",
     tests("test_hostile.py", "test_log.py",
           expression="control_bytes or harmless")),
    (24, "1,000 hosts, SNI of all kinds", "the right certificate; 53",
     many_hosts),
    (25, "close_notify late, never, first", "answered; 2 s or 1 MiB",
     tests("test_connection.py", expression="B1 or B2_ or R1_5_5")),
    (26, "requests in pieces, too long, doubled", "as the tables say",
     tests("test_requests.py", "test_diagnostics.py")),
    (27, "hostile files for libmagic", "64 KiB looked at, in the worker",
     tests("test_types.py", expression="prefix or looked or type_of")),
    (28, "soak", "RSS and descriptors flat, no request lost", short_soak),
]


def run_one(a, number, attack, target, measure):
    try:
        figure = measure(a)
    except Exception as e:  # one that breaks is missed, and the rest go on
        if a.options.verbose:
            traceback.print_exc()
        figure = Figure(f"{type(e).__name__}: {str(e)[:200]}", False)
    word = {True: "ok", False: "missed", None: "-"}[figure.ok]
    print(f"{number:>3}  {attack:40} {target:48} {word}\n"
          f"       {figure.text}", flush=True)
    return figure.ok


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", type=int, action="append", metavar="NUMBER")
    parser.add_argument("--part", type=float, default=1.0,
                        help="of the table's numbers: 0.1 is a quick look")
    parser.add_argument("--seconds", type=float, default=10,
                        help="that a flood lasts")
    parser.add_argument("--soak", type=float, default=60, metavar="SECONDS")
    parser.add_argument("-v", "--verbose", action="store_true")
    return parser.parse_args()


def main():
    a = Attack(arguments())
    tools.raise_descriptor_limit()
    os.umask(0o022)
    results = []
    try:
        print(f"{'#':>3}  {'attack':40} {'target':48} result\n       figure")
        for row in ATTACKS:
            if not a.options.only or row[0] in a.options.only:
                results.append(run_one(a, *row))
    finally:
        tools.remove(tools.BASE)
    missed = results.count(False)
    print(f"{results.count(True)} ok, {missed} missed, "
          f"{results.count(None)} not measured")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
