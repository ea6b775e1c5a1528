# SPDX-License-Identifier: ISC
"""bind -> certificates, roots and database, keys apart -> inspection -> fork ->
drop -> sandbox -> first accept: the order that the whole design rests upon, seen by
strace."""
import functools
import json
import re
import shutil
from pathlib import Path

import pytest

from certs import pair
from harness import Server, tree, wait_for
from life import carnation, hup, root_only, settle

pytestmark = [root_only, pytest.mark.skipif(
    not shutil.which("strace"), reason="no strace here")]

CALLS = ("bind,listen,openat,openat2,open,clone,clone3,fork,vfork,setuid,"
         "setresuid,setgroups,setgid,setresgid,prctl,accept,accept4,execve,"
         "landlock_restrict_self,seccomp,kill")


class Trace:
    """Events of a trace file, in the order of their beginning: (pid, text)."""

    def __init__(self, file):
        self.events, half = [], {}
        for line in Path(file).read_text(errors="replace").splitlines():
            pid, text = line.split(None, 1)
            resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", text)
            if resumed and pid in half:
                at = half.pop(pid)
                self.events[at] = (int(pid), self.events[at][1] + resumed[1])
                continue
            if text.endswith("<unfinished ...>"):
                half[pid] = len(self.events)
                text = text[:-len("<unfinished ...>")]
            self.events.append((int(pid), text))

    def find(self, pid, pattern):
        """Positions of a process's calls that match."""
        return [i for i, (p, text) in enumerate(self.events)
                if (pid is None or p == pid) and re.match(pattern, text)]

    def done(self, pid, pattern):
        """The same, of those that succeeded."""
        return [i for i in self.find(pid, pattern)
                if " = -1 " not in self.events[i][1]]


@pytest.fixture
def traced(place):
    root = tree(place / "capsule", {
        "index.gmi": "# Hello\n", "capsule.conf": 'lang = "en";\n',
        "unknown-type": bytes(range(256))})
    pair(place / "certs", "localhost")
    file = place / "trace"
    with Server([{"host": "localhost", "root": str(root)}], workers=2,
                directory=place, listen=(4,), wrapper=[
                    "strace", "-DD", "-f", "-o", file, "-e", f"trace={CALLS}"],
                env={"ASAN_OPTIONS": "detect_leaks=0"}) as server:
        server.file = file
        assert server.ask("/").meta == "text/gemini; lang=en"
        server.ask("/unknown-type")
        yield server


@functools.lru_cache(maxsize=None)
def confined():
    """Whether this kernel has both; check asks it."""
    found = json.loads(carnation("check", "--json", "/").stdout)
    return found["landlock"] > 0 and found["seccomp"]


def worker_order(trace, parent, worker):
    """The steps of one worker, each after the one before it."""
    fork = trace.done(parent, rf"(clone3?|v?fork)\(.*= {worker}$")
    assert fork, "forked by the parent itself"
    steps = [("fork", fork[0])]
    for name, pattern in (("setgroups", r"setgroups\("),
                          ("setgid", r"set(res)?gid\("),
                          ("setuid", r"set(res)?uid\(")):
        found = trace.done(worker, pattern)
        assert found, f"{name} never happened"
        steps.append((name, found[0]))
    regain = r"set(res)?uid\((0|-1, 0|0, 0)"
    assert trace.find(worker, regain) and not trace.done(worker, regain), (
        "that root does not come back was tried, and failed")
    assert not trace.find(worker, r'openat2?\(\d+, "capsule\.conf"'), (
        "a worker has what the inspection read")
    for name, pattern in (("files", r"landlock_restrict_self\("),
                          ("calls", r"seccomp\(SECCOMP_SET_MODE_FILTER, 0,")):
        found = trace.done(worker, pattern)
        assert found or not confined(), f"{name} were not confined"
        steps += [(name, at) for at in found[:1]]
    accept = trace.find(worker, r"accept4?\(")
    assert accept, "every worker accepts"
    steps += [("accept", accept[0])]
    assert steps == sorted(steps, key=lambda s: s[1]), steps
    return steps[0][1]


KEY = r'openat2?\(.*localhost\.key"'


def keys_read(trace, parent, keyd):
    """Where the key was opened: by the process that holds keys, forked by the
    parent and confined after that, and by nobody else."""
    reads = trace.done(None, KEY)
    assert {trace.events[i][0] for i in reads} == {keyd}
    assert trace.done(parent, rf"(clone3?|v?fork)\(.*= {keyd}$")[0] < reads[0]
    assert reads[-1] < trace.done(keyd, r"set(res)?uid\(")[0]
    return reads


def inspected(trace, parent, workers):
    """Where capsule.conf was read last: by a process of its own that had dropped
    its privileges. The search for keys, another process, looks at all files."""
    reads = trace.done(None, r'openat2?\(\d+, "capsule\.conf"')
    pids = [trace.events[i][0] for i in reads]
    assert parent not in pids and not set(pids) & set(workers)
    dropped = [i for i, pid in zip(reads, pids)
               if any(drop < i for drop in trace.done(
                   pid, r"set(res)?uid\("))]
    assert dropped
    return dropped[-1]


def test_the_order_of_a_start(traced):
    parent, workers = traced.process.pid, traced.workers()
    wait_for(lambda: all(Trace(traced.file).find(w, r"accept4?\(")
                         for w in workers))
    trace = Trace(traced.file)
    before = [trace.done(parent, pattern) for pattern in (
        r'bind\(\d+, \{sa_family=AF_INET',
        r'openat2?\(.*localhost\.crt"',
        rf'openat2?\(.*"{re.escape(str(traced.directory))}/capsule/?"',
        r'openat\(.*magic\.mgc"')]
    assert all(before), before
    assert before[0][0] < before[1][0], "a taken port makes no certificate"
    keys = keys_read(trace, parent, *traced.keyds())
    first_fork = min(worker_order(trace, parent, w) for w in workers)
    assert inspected(trace, parent, workers) < first_fork
    assert all(found[0] < first_fork for found in before)
    assert keys[-1] < first_fork
    assert not trace.find(parent, r"accept4?\("), (
        "the parent meets no stranger")


def test_workers_open_nothing_but_the_capsule(traced):
    for _ in range(3):
        traced.ask("/")
    trace = Trace(traced.file)
    for worker in traced.workers():
        drop = trace.find(worker, r"accept4?\(")[0]
        opened = [trace.events[i][1] for i in trace.done(
            worker, r"open(at2?)?\(") if i > drop]
        for text in opened:
            assert re.match(r'openat2?\(\d+, "[^/]', text), text
        everything = [trace.events[i][1] for i in trace.find(
            worker, r"open(at2?)?\(")]
        assert not [x for x in everything if ".key" in x or ".mgc" in x]
        assert not trace.find(worker, r"execve\(")
        assert not trace.find(worker, r"(clone3?|v?fork)\("), "no threads"
        refused = [trace.events[i][1] for i in trace.find(worker, r".*EPERM")
                   if i > drop]
        assert not refused, "nothing depends on what it gave up"


def test_the_order_of_a_reload(traced):
    """The parent opens everything again, then forks; no socket is bound."""
    parent, old = traced.process.pid, traced.workers()
    bound = len(Trace(traced.file).find(None, r"bind\(\d+, \{sa_family=AF_IN"))
    hup(traced)
    traced.count = 2
    settle(traced)
    wait_for(lambda: all(Trace(traced.file).find(w, r"accept4?\(")
                         for w in traced.workers()))
    trace = Trace(traced.file)
    assert not set(traced.workers()) & set(old)
    forks = [worker_order(trace, parent, w) for w in traced.workers()]
    assert inspected(trace, parent, traced.workers()) < min(forks)
    certs = trace.done(parent, r'openat2?\(.*localhost\.crt"')
    assert certs[-1] < min(forks) and len(certs) > 1
    keys_read(trace, parent, *traced.keyds())
    assert len(trace.find(
        None, r"bind\(\d+, \{sa_family=AF_IN")) == bound
