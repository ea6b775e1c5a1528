# SPDX-License-Identifier: ISC
"""Small tools: configuration texts, trees of files, waiting, and directories
that do not outlive the run."""
import ctypes
import fcntl
import functools
import os
import resource
import shutil
import signal
import subprocess
import struct
import tempfile
import termios
import threading
import time
from pathlib import Path

from binary import TIMEOUT, ROOT

# ---------------------------------------------------------------- directories

BASE = Path(tempfile.gettempdir()) / f"carnation-tests-{os.getpid()}"


def own_directory():
    """A new directory that everybody can enter, as workers may have become
    nobody; removed when the run ends."""
    BASE.mkdir(exist_ok=True)
    BASE.chmod(0o755)
    directory = Path(tempfile.mkdtemp(dir=BASE))
    directory.chmod(0o755)
    return directory


def remove(directory):
    """Also what was made unreadable."""
    shutil.rmtree(directory, ignore_errors=True)
    if directory.exists():
        subprocess.run(["chmod", "-R", "u+rwX", directory], check=False)
        shutil.rmtree(directory, ignore_errors=True)


def sweep():
    """Removes what runs that were killed have left."""
    for left in BASE.parent.glob("carnation-tests-*"):
        pid = left.name.rpartition("-")[2]
        if left.stat().st_uid == os.geteuid() and not Path(
                "/proc", pid).exists():
            remove(left)


# ---------------------------------------------------------------------- others

_libc = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def end_with_us():
    """A server's preexec_fn: it does not outlive a run that is killed."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


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


def wait_for(true, seconds=0, what="it", every=0.01):
    """Calls true() until it says so; its value. Fails after TIMEOUT, or more
    seconds if need be: a busy machine is no failure."""
    deadline = time.monotonic() + max(TIMEOUT, seconds or 0)
    while True:
        value = true()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(every)


def arrived(sock):
    """Waits until the kernel of the other side has all that was sent."""
    def unsent():
        return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ,
                                              bytes(4)))[0]
    wait_for(lambda: unsent() == 0, what="what was sent has arrived")


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
    program = own_directory() / name
    built = subprocess.run(
        ["cc", "-O1", "-D_GNU_SOURCE", "-o", program, source],
        capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return str(program)
