# SPDX-License-Identifier: ISC
"""Reading what a tree of processes has cost: CPU time, memory, instructions."""
import collections
import contextlib
import pathlib
import shutil
import subprocess


def tree(pid):
    """pid and all its descendants."""
    children = collections.defaultdict(list)
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            stat = (entry / "stat").read_text()
            parent = int(stat[stat.rindex(")") + 2:].split()[1])
            children[parent].append(int(entry.name))
    found = [pid]
    for p in found:
        found.extend(children[p])
    return found


def cpu_ns(pid):
    """CPU time of the whole tree, by the names of its processes."""
    total = collections.Counter()
    for p in tree(pid):
        with contextlib.suppress(OSError):
            name = pathlib.Path(f"/proc/{p}/comm").read_text().strip()
            for task in pathlib.Path(f"/proc/{p}/task").glob("*/schedstat"):
                total[name] += int(task.read_text().split()[0])
    return total


def pss(pid):
    total = 0
    for p in tree(pid):
        with contextlib.suppress(OSError):
            rollup = pathlib.Path(f"/proc/{p}/smaps_rollup").read_text()
            total += sum(int(line.split()[1]) * 1024
                         for line in rollup.splitlines()
                         if line.startswith("Pss:"))
    return total


def perf_value(text):
    """The count in perf's CSV; None where the machine cannot count."""
    for line in text.splitlines():
        fields = line.split(",")
        if len(fields) > 2 and fields[2].startswith("instructions"):
            return int(fields[0]) if fields[0].isdigit() else None
    return None


def perf_counts():
    """Whether this machine has an instruction counter for us."""
    if not shutil.which("perf"):
        return False
    run = subprocess.run(["perf", "stat", "-x,", "-e", "instructions", "true"],
                         stderr=subprocess.PIPE, text=True)
    return perf_value(run.stderr) is not None


def profile_total(path):
    for line in path.read_text().splitlines():
        if line.startswith(("totals:", "summary:")):
            return int(line.split()[1])
    raise ValueError(f"no totals in {path}")
