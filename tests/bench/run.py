#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What a request costs: carnation beside the floor (floor.c), nginx and
molly-brown, on the same bytes, on this machine, in one interleaved run.

The server has one CPU and the client another; the CPU time of all the server's
processes is read from /proc, so that the client does not count. Absolute times
say little about another machine and never fail a run; the targets are ratios to
the floor and bytes. Whatever else runs only adds to a time: the lowest of all
rounds is shown, and the ratio of the medians beside it. Every answer is
compared byte for byte: a wrong one ends the run.
"""
import argparse
import collections
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # the tree stays as it was
from probe import cpu_ns, perf_counts, perf_value, profile_total  # noqa: E402
from probe import pss, tree  # noqa: E402
from servers import SERVERS, Files  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
PAGE_BYTES = 4096
BIG_BYTES = 100 << 20
SLOTS = 8
BASE_HELD = 10  # connections held in both readings: the first ones cost more
MEMORY_ROUNDS = 3  # of all: memory hardly varies
KEYD = "carnation-keyd"  # the name that the process with the keys bears

PROFILED = """
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>
int setrlimit64(int what, const void *to)
{
	(void)what;
	(void)to;
	return 0;
}
int kill(pid_t pid, int number)
{
	return (int)syscall(
	    SYS_kill, pid, number == SIGKILL ? SIGXCPU : number);
}
"""

# key, title, digits: the rows of the table
ROWS = [
    ("full_us", "full handshake + 4 KiB, CPU us/request", 0),
    ("resumed_us", "resumed + 4 KiB, CPU us/request", 0),
    ("full_kinstr", "full handshake + 4 KiB, kinstr/request", 0),
    ("resumed_kinstr", "resumed + 4 KiB, kinstr/request", 0),
    ("full_keyd_us", "of a full handshake, in keyd, CPU us", 0),
    ("full_rps", "full handshake, requests/s (client-bound)", 0),
    ("resumed_share", "connections resumed when offered, %", 0),
    ("big_mbs", "100 MiB, MB/s", 0),
    ("big_cpu", "100 MiB, CPU s/GiB", 2),
    ("base_kb", "memory at rest, PSS kB", 0),
    ("idle_bytes", "idle TLS connection, bytes", 0),
    ("silent_bytes", "silent TCP connection, bytes", 0),
]


class Bench:
    def __init__(self, options, work):
        self.options = options
        self.work = pathlib.Path(work)
        cpus = sorted(os.sched_getaffinity(0))
        self.server_cpu, self.client_cpu = cpus[0], cpus[-1]
        self.tools = build(self.work)
        self.files = Files(self.work, self.tools["floor"])
        self.results = collections.defaultdict(
            lambda: collections.defaultdict(list))
        self.perf = perf_counts()

    # -- starting and stopping

    @contextlib.contextmanager
    def running(self, server, wrapper=()):
        port = free_port()
        command = [*wrapper, *server.command(self.files, port)]
        with open(self.work / f"{server.name}.out", "ab") as out:
            process = subprocess.Popen(
                command, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                preexec_fn=pin(self.server_cpu))
        try:
            self.wait_for(server, process, port)
            yield process.pid, port
        finally:
            stop(process)

    def wait_for(self, server, process, port):
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            time.sleep(0.05)
        said = (self.work / f"{server.name}.out").read_text(errors="replace")
        sys.exit(f"bench: {server.name} did not start:\n{said[-2000:]}")

    def load(self, server, port, how, file, count, slots=SLOTS):
        done = subprocess.run(
            [self.tools["load"], server.speaks, how, str(port),
             "/" + file.name, file, str(count),
             str(self.options.seconds), str(slots)],
            stdout=subprocess.PIPE, text=True,
            preexec_fn=pin(self.client_cpu))
        if done.returncode != 0:
            sys.exit(f"bench: {server.name} gave wrong answers: {done.stdout}")
        return json.loads(done.stdout)

    def note(self, server, **values):
        for key, value in values.items():
            self.results[server.name][key].append(value)

    # -- what is measured

    def times(self, server):
        """CPU time of pages and of one large file."""
        with self.running(server) as (pid, port):
            self.load(server, port, "full", self.files.page, 100)
            for how in ("full", "resumed"):
                with self.counted(pid) as cost:
                    got = self.load(server, port, how, self.files.page,
                                    self.options.requests)
                n = got["requests"]
                self.note(server, **{f"{how}_us": cost["ns"] / 1e3 / n,
                                     f"{how}_rps": n / got["seconds"]})
                if KEYD in cost["by"]:
                    self.note(server, **{
                        f"{how}_keyd_us": cost["by"][KEYD] / 1e3 / n})
                if "instructions" in cost:
                    self.note(server, **{
                        f"{how}_kinstr": cost["instructions"] / 1e3 / n})
                if how == "resumed":
                    self.note(server, resumed_share=100 * got["resumed"]
                              / max(1, n - SLOTS))
            if server.times_only:
                return
            runs = [self.download(server, pid, port) for _ in range(5)]
            self.note(server, big_mbs=max(mbs for mbs, _ in runs),
                      big_cpu=min(cpu for _, cpu in runs))

    def download(self, server, pid, port):
        """One large file: MB/s, and CPU seconds for a GiB. It is over in a
        fifth of a second, so that whatever else runs disturbs it much: the
        best of a few stands for a round."""
        with self.counted(pid) as cost:
            got = self.load(server, port, "full", self.files.big, 1, 1)
        return (got["bytes"] / got["seconds"] / 1e6,
                cost["ns"] / 1e9 / (got["bytes"] / 2**30))

    @contextlib.contextmanager
    def counted(self, pid):
        """Costs of the tree of pid while the block runs."""
        cost = {}
        perf = self.perf and subprocess.Popen(
            ["perf", "stat", "-x,", "-e", "instructions", "-p",
             ",".join(map(str, tree(pid)))],
            stderr=subprocess.PIPE, text=True)
        before = cpu_ns(pid)
        yield cost
        time.sleep(0.1)  # the server's last farewells belong to it
        cost["by"] = cpu_ns(pid) - before
        cost["ns"] = cost["by"].total()
        if perf:
            perf.send_signal(signal.SIGINT)
            count = perf_value(perf.communicate()[1])
            if count is not None:
                cost["instructions"] = count

    def memory(self, server, what, key):
        """Bytes a held connection adds to the PSS of the tree."""
        held = {}
        for n in (BASE_HELD, BASE_HELD + self.options.held):
            with self.running(server) as (pid, port):
                if what == "idle":
                    self.load(server, port, "full", self.files.page, 20)
                    if n == BASE_HELD:
                        self.note(server, base_kb=pss(pid) / 1024)
                held[n] = self.pss_holding(pid, port, what, n)
        low, high = held.values()
        self.note(server, **{key: (high - low) / self.options.held})

    def pss_holding(self, pid, port, what, n):
        # Both readings have such a client beside them, so that what it
        # shares with the server (libcrypto) is divided alike.
        holder = subprocess.Popen(
            [self.tools["load"], what, str(port), str(n)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            preexec_fn=pin(self.client_cpu))
        if holder.stdout.readline() != "held\n":
            sys.exit(f"bench: could not hold {n} connections ({what})")
        time.sleep(0.3)
        size = pss(pid)
        holder.communicate()
        return size

    def instructions(self, server, how):
        """User instructions a request, by callgrind: the slope between two
        counts of requests, so that starting up does not count."""
        low, high = self.options.counts
        total = {n: self.callgrind(server, how, n) for n in (low, high)}
        self.note(server, **{
            f"{how}_kinstr": (total[high] - total[low]) / (high - low) / 1e3})

    def profiled(self):
        """A library that lets keyd leave its profile: it may open no file, and
        ends with a signal that valgrind does not see."""
        library = self.work / "profiled.so"
        if not library.exists():
            source = self.work / "profiled.c"
            source.write_text(PROFILED)
            subprocess.run([*compiler(), "-shared", "-fPIC", "-D_GNU_SOURCE",
                            "-o", library, source], check=True)
        return library

    def callgrind(self, server, how, count):
        into = self.work / f"callgrind.{server.name}.{how}.{count}"
        into.mkdir()
        into.chmod(0o777)  # workers drop to another user
        wrapper = ["env", f"LD_PRELOAD={self.profiled()}", "valgrind", "-q",
                   "--tool=callgrind", "--trace-children=yes",
                   f"--callgrind-out-file={into}/out.%p"]
        server.sandbox = "off"  # valgrind's own system calls are refused
        with self.running(server, wrapper) as (_, port):
            self.load(server, port, how, self.files.page, count, 4)
            time.sleep(1)
        server.sandbox = "on"
        if self.options.keep:
            shutil.copytree(into, pathlib.Path(self.options.keep) / into.name,
                            dirs_exist_ok=True)
        return sum(profile_total(p) for p in into.glob("out.*"))


def build(work):
    """floor and load: make's own, else compiled here."""
    tools = {}
    for name in ("floor", "load"):
        made = pathlib.Path(os.environ.get("BUILD", "build/release"))
        made = made / "tests/bench" / name
        if "BUILD" in os.environ and made.exists():
            tools[name] = str(made.resolve())
            continue
        tools[name] = str(work / name)
        subprocess.run(
            [*compiler(), "-std=c11", "-D_GNU_SOURCE", "-O2",
             "-g", "-fPIE", "-pie", "-fstack-protector-strong",
             HERE / f"{name}.c", "-o", tools[name], "-lssl", "-lcrypto"],
            check=True)
    return tools


def compiler():
    """$CC in words: it may be "ccache gcc"."""
    return os.environ.get("CC", "cc").split()


def pin(cpu):
    return lambda: os.sched_setaffinity(0, {cpu})


def free_port():
    """Below the range that outgoing connections take theirs from, so that
    none of them can take it before the server does."""
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("", port))
            return port


def stop(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        for pid in tree(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def signature_us():
    """What a P-256 signature costs where it is made without keyd."""
    done = subprocess.run(
        ["openssl", "speed", "-seconds", "1", "ecdsap256"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        preexec_fn=pin(sorted(os.sched_getaffinity(0))[0]))
    found = re.search(r"nistp256\)\s+\S+s\s+\S+s\s+([\d.]+)", done.stdout)
    return 1e6 / float(found[1]) if found else None


# -- the report

def medians(results):
    return {name: {key: statistics.median(v) for key, v in row.items()}
            for name, row in results.items()}


def best(results):
    """The least disturbed of each: times are the lowest, speeds the highest;
    the others are medians."""
    pick = {"us": min, "cpu": min, "rps": max, "mbs": max}
    return {name: {key: pick.get(key.rpartition("_")[2],
                                 statistics.median)(v)
                   for key, v in row.items()}
            for name, row in results.items()}


def print_table(got):
    names = list(got)
    print(f"{'':42}" + "".join(f"{n:>18}" for n in names))
    for key, title, digits in ROWS:
        cells = []
        for name in names:
            value, floor = got[name].get(key), got["floor"].get(key)
            if value is None:
                cells.append(f"{'-':>18}")
            elif floor and name != "floor":
                cells.append(f"{value:>9.{digits}f} ({value / floor:5.2f}x)")
            else:
                cells.append(f"{value:>9.{digits}f}         ")
        print(f"{title:42}" + "".join(f"{c:>18}" for c in cells))


TARGETS = [
    # what, how to get it (see measured), sign, limit
    ("full handshake, CPU us, x floor", ("ratio", "full_us"), "<=", 0.90),
    ("the same without keyd (estimate)", ("apart",), "<=", 0.82),
    ("resumed, CPU us, x floor", ("ratio", "resumed_us"), "<=", 0.82),
    ("full handshake, instructions, x floor",
     ("ratio", "full_kinstr"), "<=", 0.86),
    ("resumed, instructions, x floor",
     ("ratio", "resumed_kinstr"), "<=", 0.78),
    ("100 MiB, MB/s, x floor", ("ratio", "big_mbs"), ">=", 0.95),
    ("idle TLS connection, bytes", ("bytes", "idle_bytes"), "<=", 14848),
    ("silent TCP connection, bytes", ("bytes", "silent_bytes"), "<=", 512),
    ("2 workers, full, CPU us, x one", ("two", "full_us"), "<=", 1.05),
    ("2 workers, resumed, CPU us, x one", ("two", "resumed_us"), "<=", 1.05),
]


def measured(got, how, key=None):
    """A target's figure; None if it was not measured. Without keyd its CPU
    time would be that of a signature."""
    ours, floor = got.get("carnation", {}), got["floor"]
    try:
        if how == "ratio":
            return ours[key] / floor[key]
        if how == "two":
            return got["2 workers"][key] / ours[key]
        if how == "apart":
            return (ours["full_us"] - ours["full_keyd_us"]
                    + got["signature"]) / floor["full_us"]
        return ours[key]
    except KeyError:
        return None


def targets(lowest, mid, signature):
    """(what, measured, of the medians, limit, ok) for each."""
    if signature:
        lowest = dict(lowest, signature=signature)
        mid = dict(mid, signature=signature)
    rows = []
    for what, how, sign, limit in TARGETS:
        value = measured(lowest, *how)
        ok = None if value is None else (
            value <= limit if sign == "<=" else value >= limit)
        rows.append((what, value, measured(mid, *how), f"{sign} {limit:g}",
                     ok))
    return rows


def print_targets(rows):
    def shown(value):
        return "-" if value is None else f"{value:.3f}" \
            if value < 100 else f"{value:,.0f}"

    words = {True: "ok", False: "missed", None: "not measured"}
    for what, value, median, limit, ok in rows:
        print(f"target: {what:38} {limit:>8}  measured {shown(value):>7} "
              f"(medians {shown(median)})  {words[ok]}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true",
                        help="a short run, to see that it works")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--keep", metavar="DIR",
                        help="keep the callgrind profiles there")
    parser.add_argument("--only", metavar="NAME", action="append",
                        help="these servers only (the floor always)")
    options = parser.parse_args()
    quick = options.quick
    options.rounds = options.rounds or (2 if quick else 12)
    options.requests = 300 if quick else 800
    options.held = 300 if quick else 1000
    options.counts = (20, 60) if quick else (50, 250)
    options.seconds = 60
    return options


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def measure(bench, servers):
    rounds = bench.options.rounds
    for n in range(rounds):
        for server in servers:
            progress(f"round {n + 1} of {rounds}: {server.name}")
            bench.times(server)
            if n < MEMORY_ROUNDS and not server.times_only:
                bench.memory(server, "idle", "idle_bytes")
                bench.memory(server, "silent", "silent_bytes")
    if not bench.perf and shutil.which("valgrind"):
        for server in servers:
            for how in ("full", "resumed") if server.callgrind else ():
                progress(f"callgrind: {server.name}, {how}")
                bench.instructions(server, how)
    progress("")


def main():
    options = arguments()
    servers = [s for s in SERVERS if s.name == "floor" or not options.only
               or s.name in options.only]
    missing = [s.name for s in servers if not s.installed()]
    servers = [s for s in servers if s.installed()]
    with tempfile.TemporaryDirectory(prefix="carnation-bench-") as work:
        os.chmod(work, 0o755)  # workers drop to another user
        bench = Bench(options, work)
        bench.files.make(PAGE_BYTES, BIG_BYTES)
        measure(bench, servers)
    mid, lowest = medians(bench.results), best(bench.results)
    print_table(lowest)
    counter = "hardware counter, user and kernel" if bench.perf else \
        "callgrind, user only, its own idea of a CPU"
    signature = signature_us()
    print(f"instructions: {counter}; {options.rounds} rounds; server on "
          f"CPU {bench.server_cpu}, client on CPU {bench.client_cpu}; all "
          "processes of a server are counted")
    if signature:
        print(f"openssl speed: {signature:.1f} us a P-256 signature")
    if missing:
        print("not here: " + ", ".join(missing))
    rows = targets(lowest, mid, signature)
    print_targets(rows)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(
            {"lowest": lowest, "medians": mid, "all": bench.results,
             "targets": rows, "counter": counter}, indent=1) + "\n")


if __name__ == "__main__":
    main()
