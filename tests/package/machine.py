# SPDX-License-Identifier: ISC
"""A Debian that boots: systemd-nspawn, with nothing but a loopback interface.
Needs root, systemd-container, and debootstrap with a package archive; or, in
CARNATION_BASE, the folder of a minimal Debian with systemd that was made before."""
import contextlib
import functools
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUITE = os.environ.get("CARNATION_SUITE", "bookworm")
# Of a machine that boots; the libraries that a package needs come with it.
INCLUDE = ("systemd", "systemd-sysv", "dbus", "libnss-systemd",
           "iproute2", "logrotate", "cron", "procps", "openssl", "make",
           "ca-certificates")
# What the program needs where no package brings it.
LIBRARIES = ("libssl3", "libmagic1", "libev4", "libconfig9", "libidn2-0",
             "libexpat1", "libseccomp2")
TIMEOUT = 300  # for what hangs: nothing here is measured
NUMBERS = itertools.count()
WATCHERS = []
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
                       "/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8",
               "DEBIAN_FRONTEND": "noninteractive"}


def why_not():
    """What is missing for a machine to boot here; None, if nothing is."""
    if os.geteuid() != 0:
        return "needs root"
    for program in ("systemd-nspawn", "nsenter", "debootstrap"):
        if not shutil.which(program):
            return f"needs {program}: scripts/deps --install soak fresh"
    return None


def wait_for(condition, what):
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.1)


def call(*words, **how):
    done = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", **how)
    assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}"
    return done.stdout


def apt(folder, *words):
    """apt-get in a folder that is not booted, with the network of this machine."""
    for name in ("resolv.conf", "hosts"):
        shutil.copy(f"/etc/{name}", folder / "etc" / name)
    call("chroot", folder, "apt-get", "-qq", *words, env=ENVIRONMENT)


def remove_at_end(folder):
    """However this process ends: those of pytest-xdist run no atexit."""
    WATCHERS.append(subprocess.Popen(
        ["sh", "-c", 'cat; exec rm -rf --one-file-system "$1"', "sh", folder],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True))


@functools.cache
def minimal():
    """A minimal Debian with systemd, made once for all tests of a process."""
    made = Path(tempfile.mkdtemp(prefix="carnation-debian-", dir="/var/tmp"))
    remove_at_end(made)
    folder = made / "root"
    prepared = os.environ.get("CARNATION_BASE")
    if prepared:
        call("cp", "-a", "--reflink=auto", prepared, folder)
    else:
        call(ROOT / "scripts/debian", folder, env=dict(
            os.environ, CARNATION_SUITE=SUITE))
    apt(folder, "update")
    apt(folder, "install", "--no-install-recommends", *INCLUDE)
    return folder


def make_base(folder, packages):
    """A minimal Debian with the packages, never booted: machines are copies."""
    call("cp", "-a", "--reflink=auto", minimal(), folder)
    apt(folder, "install", "--no-install-recommends", *packages)
    apt(folder, "clean")


@functools.cache
def build_package():
    """The package in CARNATION_DEB, or what `make deb` makes now."""
    if "CARNATION_DEB" in os.environ:
        return Path(os.environ["CARNATION_DEB"])
    return ROOT / call(ROOT / "scripts/deb").split()[-1]


class Machine:
    def __init__(self, base, name):
        self.folder = Path(tempfile.mkdtemp(prefix="carnation-machine-",
                                            dir="/var/tmp"))
        self.root = self.folder / "root"
        # A name as hostname(7) has them, which mkdtemp's need not be.
        self.id = f"carnation-{os.getpid()}-{next(NUMBERS)}"
        call("cp", "-a", "--reflink=auto", base, self.root)
        (self.root / "etc/hostname").write_text(name.split(".")[0] + "\n")
        # As Debian's installer writes it.
        (self.root / "etc/hosts").write_text(
            "127.0.0.1\tlocalhost\n"
            f"127.0.1.1\t{name}\t{name.split('.')[0]}\n"
            "::1\tlocalhost ip6-localhost ip6-loopback\n")
        (self.root / "etc/resolv.conf").write_text("")
        (self.root / "etc/machine-id").write_text("")
        self.process = self.leader = None

    # ------------------------------------------------------------- its life

    def cgroups(self):
        """Where no systemd gives each machine a cgroup of its own, two would
        share one, and each end the processes of the other."""
        if Path("/run/systemd/system").exists():
            return []
        lines = Path("/proc/self/mounts").read_text().splitlines()
        found = [words[1] for words in map(str.split, lines)
                 if words[2] == "cgroup2" or "name=systemd" in words[3]]
        return [Path(where) / self.id for where in found]

    def boot(self):
        groups = self.cgroups()
        for group in groups:
            group.mkdir(exist_ok=True)
        enter = "".join(f"echo $$ > {group}/cgroup.procs; " for group in groups)
        words = ["systemd-nspawn", "--quiet", f"--directory={self.root}",
                 f"--machine={self.id}", "--register=no", "--private-network",
                 # What programs confine themselves with, systemd-nspawn 252
                 # would refuse.
                 "--system-call-filter=landlock_create_ruleset "
                 "landlock_add_rule landlock_restrict_self",
                 *(["--keep-unit"] if groups else []), "--boot"]
        with open(self.folder / "console", "ab") as console:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "sh", "-c",
                 enter + 'exec "$@"', "sh", *words],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        wait_for(self.has_booted, "the boot")
        self.check_boot()

    def console(self):
        return (self.folder / "console").read_text(errors="replace")

    def has_booted(self):
        assert self.process.poll() is None, self.console()
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}"
                        "/children").read_text().split()
        self.leader = children[-1] if children else None
        return self.leader and self.is_up()

    def is_up(self):
        return self.enter("systemctl", "is-system-running",
                          "--wait").stdout.strip() in ("running", "degraded")

    def check_boot(self):
        assert self.run("systemctl", "is-system-running") == "running\n"

    def power_off(self):
        self.enter("systemctl", "poweroff")

    def reboot(self):
        self.enter("systemctl", "reboot")
        self.process.wait(TIMEOUT)
        self.boot()

    def remove(self):
        if self.process and self.process.poll() is None:
            if self.leader:
                self.power_off()
            else:
                self.process.terminate()
            self.process.wait(TIMEOUT)
        for group in self.cgroups():
            for folder in sorted(group.glob("**/"), reverse=True):
                with contextlib.suppress(OSError):
                    folder.rmdir()
        shutil.rmtree(self.folder)

    # ----------------------------------------------------------- what it does

    def enter(self, *words, user=None):
        """Runs a program in the machine; its end, whatever it is."""
        inside = ["nsenter", f"--target={self.leader}", "--all",
                  "env", "--chdir=/"]
        if user:
            inside += ["setpriv", f"--reuid={user}", "--init-groups",
                       f"--regid={user}"]
        return subprocess.run(
            [*inside, *map(str, words)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", env=ENVIRONMENT, timeout=TIMEOUT)

    def run(self, *words, status=0, user=None):
        """Its output; the exit status must be this one."""
        done = self.enter(*words, user=user)
        assert done.returncode == status, \
            f"{words}: {done.returncode}\n{done.stdout}\n{self.journal()}"
        return done.stdout

    def sh(self, script, **how):
        return self.run("sh", "-euc", script, **how)

    def journal(self):
        return self.enter("journalctl", "--no-pager", "--lines=60").stdout

    def copy_source(self, place, program):
        """What `make install` needs; the program is not compiled again."""
        source = self.path(place)
        (source / "build").mkdir(parents=True)
        shutil.copy(program, source / "build/carnation")
        for name in ("Makefile", "scripts", "src"):
            call("cp", "-a", ROOT / name, source)

    def path(self, name):
        """A file of the machine, without following a link out of it."""
        return self.root / name.lstrip("/")
