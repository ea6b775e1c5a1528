#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What a run of `carnation mirror` costs beside rsync from a daemon, both on
loopback, with the same bytes, interleaved: many small files and one large one
for the first time, nothing new, one file changed.

Wall time, for it is what a person waits for; servers are another process of the
same machine. The disk is synced before each run: none waits for another's
bytes. A copy that is not the same as the original ends the run.
"""
import argparse
import contextlib
import filecmp
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # the tree stays as it was
from run import compiler, free_port, progress, stop  # noqa: E402
from servers import find_carnation  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
SMALL_BYTES = 4096
IN_FOLDER = 100  # small files
RSYNC = {"rsync": (), "rsync --fsync": ("--fsync",)}
OURS = "carnation"

# case: title, limit of the ratio to rsync, to rsync --fsync
CASES = {
    "small": ("{files} files of 4 KiB, first run", 2, 0.5),
    "same": ("nothing new", None, None),
    "changed": ("one of them changed", 3, None),
    "large": ("{large} MiB in one file, first run", 1.2, None),
}
RSS_KB = 16 * 1024


class Bench:
    def __init__(self, options, work):
        self.options, self.work = options, pathlib.Path(work)
        self.carnation = str(pathlib.Path(find_carnation()).resolve())
        self.cost = build(self.work)
        self.log = open(self.work / "log", "w+b")
        self.results = {}

    def run(self, *words):
        done = subprocess.run(
            [str(w) for w in words], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        if done.returncode != 0:
            self.fail(f"{words} ended with {done.returncode}: {done.stdout}")
        return done.stdout

    def fail(self, why):
        self.log.seek(0)
        sys.exit(f"bench: {why}\n{self.log.read()[-2000:].decode()}")

    def timed(self, case, who, *words):
        """A run whose cost is noted; what it printed."""
        os.sync()
        into = self.work / "cost.json"
        said = self.run(self.cost, into, *words)
        row = json.loads(into.read_text())
        for key, value in row.items():
            self.note(case, who, key, value)
        return said

    def note(self, case, who, key, value):
        row = self.results.setdefault(case, {}).setdefault(who, {})
        row.setdefault(key, []).append(value)

    @contextlib.contextmanager
    def server(self, port, *words):
        process = subprocess.Popen(
            [str(w) for w in words], stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log)
        try:
            end = time.monotonic() + 60
            while time.monotonic() < end and process.poll() is None:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                time.sleep(0.05)
            else:
                self.fail(f"{words[0]} did not start")
            yield
        finally:
            stop(process)

    @contextlib.contextmanager
    def capsule(self, name, make, keep=False):
        """A capsule that both servers offer, and copies of it."""
        c = Capsule(self, self.work / name, keep)
        c.source.mkdir(parents=True)
        make(c.source)
        c.publish()
        with self.server(c.port, *c.serve()), \
                self.server(c.rsync_port, *c.rsyncd()):
            yield c
        shutil.rmtree(c.place)


class Capsule:
    def __init__(self, bench, place, keep):
        self.bench, self.place = bench, place
        self.source = place / "capsule"
        self.store = place / "origin"
        self.port, self.rsync_port = free_port(), free_port()
        self.url = f"gemini://localhost:{self.port}/"
        self.copies = [OURS, *RSYNC]
        self.keep, self.kept = keep, 0

    def publish(self):
        b, key = self.bench, self.place / "key"
        if not self.store.exists():
            b.run(b.carnation, "key", "new", key)
        b.run(b.carnation, "publish", self.source, self.store, "--key",
              f"{key}.sec", "--origin", self.url, "--yes")

    def serve(self):
        return [self.bench.carnation, "serve", "--host", "localhost",
                "--listen", f"127.0.0.1:{self.port}", "--certs",
                self.place / "certs", self.store]

    def rsyncd(self):
        conf = self.place / "rsyncd.conf"
        conf.write_text("use chroot = no\nreverse lookup = no\n"
                        f"[capsule]\npath = {self.source}\n")
        return ["rsync", "--daemon", "--no-detach", f"--config={conf}",
                "--address=127.0.0.1", f"--port={self.rsync_port}"]

    def copy(self, who):
        return self.place / who.replace(" ", "")

    def forget(self):
        """Small files are only moved out of the way until the end: ext4 looks
        long for an inode where many were freed a moment ago."""
        for who in self.copies:
            copy = self.copy(who)
            if self.keep and copy.exists():
                self.kept += 1
                copy.rename(self.place / f"old-{self.kept}")
            else:
                shutil.rmtree(copy, ignore_errors=True)

    def mirror(self, case):
        """Ours once more; what it tells of itself."""
        b = self.bench
        said = json.loads(b.timed(
            case, OURS, b.carnation, "mirror", self.url, self.copy(OURS),
            "--key", f"{self.place / 'key'}.pub", "--max-file", "4G",
            "--json"))
        for key in ("requests", "bytes"):
            b.note(case, OURS, key, said[key])

    def fetch(self, case, turn):
        """Each once, another one first each time."""
        for n in range(len(self.copies)):
            who = self.copies[(n + turn) % len(self.copies)]
            if who == OURS:
                self.mirror(case)
                continue
            self.bench.timed(
                case, who, "rsync", "-a", *RSYNC[who],
                f"rsync://127.0.0.1:{self.rsync_port}/capsule/",
                self.copy(who))

    def check(self):
        for who in self.copies:
            copy = self.copy(who)
            copy = copy / "current" if who == OURS else copy
            for path in self.source.rglob("*"):
                same = copy / path.relative_to(self.source)
                if path.is_file() and not filecmp.cmp(path, same, False):
                    self.bench.fail(f"{who}: {same} is another")


def build(work):
    """make's own, else compiled here."""
    made = pathlib.Path(os.environ.get("BUILD", "build/release"))
    made = made / "tests/bench/cost"
    if "BUILD" in os.environ and made.exists():
        return made.resolve()
    into = work / "cost"
    subprocess.run([*compiler(), "-std=c11", "-D_GNU_SOURCE",
                    "-O2", HERE / "cost.c", "-o", into], check=True)
    return into


def small_files(source, count):
    for n in range(count):
        folder = source / f"folder-{n // IN_FOLDER}"
        folder.mkdir(exist_ok=True)
        line = f"A line of file {n}, of which there are as many as it takes.\n"
        text = line * (SMALL_BYTES // len(line) + 1)
        (folder / f"page-{n}.txt").write_text(text[:SMALL_BYTES - 1] + "\n")
    (source / "index.gmi").write_text("# Home\n")


def large_file(source, mib):
    with open(source / "large.bin", "wb") as out:
        for _ in range(mib):
            out.write(os.urandom(1 << 20))
    (source / "index.gmi").write_text("# Home\n")


def measure(bench):
    o = bench.options
    with bench.capsule("small", lambda s: small_files(s, o.files),
                       keep=True) as c:
        for n in range(o.rounds):
            progress(f"small files, round {n + 1} of {o.rounds}")
            c.forget()
            c.fetch("small", n)
            c.check()
            c.fetch("same", n)
            page = c.source / "folder-0" / "page-0.txt"
            page.write_text(page.read_text() + f"Changed {n}\n")
            c.publish()
            time.sleep(2)  # the server looks twice a second
            c.fetch("changed", n)
            c.check()
    with bench.capsule("large", lambda s: large_file(s, o.large)) as c:
        for n in range(o.rounds):
            progress(f"a large file, round {n + 1} of {o.rounds}")
            c.forget()
            c.fetch("large", n)
            c.check()
    progress("")


def medians(results):
    return {case: {who: {key: statistics.median(v) for key, v in row.items()}
                   for who, row in rows.items()}
            for case, rows in results.items()}


def print_table(mid, options):
    names = [OURS, *RSYNC]
    print(f"{'seconds (CPU seconds, peak MiB)':36}"
          + "".join(f"{n:>24}" for n in names) + f"{'requests':>10}")
    for case, row in mid.items():
        title = CASES[case][0].format(files=options.files,
                                      large=options.large)
        cells = [f"{c['seconds']:.3f} ({c['cpu']:.2f}, {c['kb'] / 1024:5.1f})"
                 for c in map(row.get, names)]
        print(f"{title:36}" + "".join(f"{c:>24}" for c in cells)
              + f"{row[OURS]['requests']:>10g}")


def targets(mid):
    """(what, measured, limit, met)"""
    rows = []
    for case, (_, *limits) in CASES.items():
        ours = mid[case][OURS]
        for who, limit in zip(RSYNC, limits):
            if limit is not None:
                ratio = ours["seconds"] / mid[case][who]["seconds"]
                rows.append((f"{case}, time x {who}", ratio, limit))
        rows.append((f"{case}, peak kB", ours["kb"], RSS_KB))
        if case in ("small", "same"):
            rows.append((f"{case}, requests", ours["requests"],
                         5 if case == "small" else 1))
    return [(what, value, limit, value <= limit)
            for what, value, limit in rows]


def print_targets(rows):
    for what, value, limit, met in rows:
        print(f"target: {what:40} <= {limit:<6g}  measured {value:>7.4g}  "
              f"{'met' if met else 'MISSED'}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true",
                        help="a short run, to see that it works")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.files = 500 if options.quick else 10000
    options.large = 16 if options.quick else 1024
    return options


def main():
    options = arguments()
    if not shutil.which("rsync"):
        sys.exit("bench: rsync is not here (scripts/deps bench)")
    with tempfile.TemporaryDirectory(prefix="carnation-bench-") as work:
        os.chmod(work, 0o755)  # workers drop to another user
        bench = Bench(options, work)
        measure(bench)
    mid = medians(bench.results)
    print_table(mid, options)
    print(f"medians of {options.rounds}")
    rows = targets(mid)
    print_targets(rows)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(
            {"medians": mid, "all": bench.results, "targets": rows},
            indent=1) + "\n")


if __name__ == "__main__":
    main()
