# SPDX-License-Identifier: ISC
"""scripts/deps beside an apt, a sudo and a disk that are played: what it does when
they fail, what it says, and what it does not even try."""
import os
import re
import shutil
import subprocess

import pytest

from harness import ROOT

PLAN = """Reading package lists...
Need to get 54.8 MB of archives.
After this operation, 227 MB of additional disk space will be used.
Do you want to continue? [Y/n] N
Abort.
"""
UNKNOWN = "E: Unable to locate package gcc\n"
CUT = """W: Failed to fetch http://deb.example/debian/dists/x/InRelease  \
Temporary failure resolving 'deb.example'
W: Some index files failed to download. They have been ignored.
"""
ELSEWHERE = CUT.replace("deb.example", "other.example")
LOCKED = """E: Could not get lock /var/lib/apt/lists/lock. \
It is held by process 4711 (apt-get)
E: Unable to lock directory /var/lib/apt/lists/
"""
FULL = """dpkg: error processing archive /var/cache/apt/archives/gcc.deb (--unpack):
 cannot copy extracted data: failed to write (No space left on device)
E: Sub-process /usr/bin/dpkg returned an error code (1)
"""

# Each call is a line in the file `calls`; FILE.N (or FILE) is what call number N
# answers, FILE.N.status how it ends.
TOOLS = {
    "apt-get": r'''
case "$*" in
*--print-uris*) name=uris ;;
*--assume-no*) name=plan ;;
*update*) name=update ;;
*) name=install ;;
esac
echo "apt-get $name ${http_proxy:-}" >> calls
n=$(grep -c "^apt-get $name " calls)
for answer in "$name.$n" "$name"; do
	[ -e "$answer" ] || continue
	case $name in
	plan | uris) cat "$answer" ;;
	*) cat "$answer" >&2 ;;
	esac
	exit "$(cat "$answer.status" 2>/dev/null || echo 0)"
done
''',
    "apt-config": "cat config\n",
    "dpkg-query": "[ ! -e present ] || echo installed\n",
    "df": r'''
for place; do :; done
echo "Filesystem 1024-blocks Used Available Capacity Mounted on"
cat "df$(echo "$place" | tr / .)" 2>/dev/null || cat df
''',
    "id": "cat user\n",
    "sudo": r'''
echo "sudo $*" >> calls
if [ -e refused ]; then
	echo "sudo: 3 incorrect password attempts" >&2
	exit 1
fi
unset http_proxy
echo 0 > user
exec "$@"
''',
    # Pauses take no time; a ticker must not become a flood.
    "sleep": '[ "$1" -lt 15 ] || exec /bin/sleep "$1"\necho "sleep $1" >> calls\n',
}


class Machine:
    def __init__(self, place):
        self.place = place
        self.bin = place / "bin"
        self.bin.mkdir()
        for name, text in TOOLS.items():
            self.tool(name, f"cd '{place}'\n{text}")
        self.put("user", "0\n")
        self.put("df", "/dev/x 9999999 0 9999999 0% /\n")
        self.put("plan", PLAN)
        self.put("uris", "'http://deb.example/debian/pool/gcc.deb' gcc.deb 1 x\n")
        self.put("config", "")
        self.put("calls", "")

    def tool(self, name, text):
        file = self.bin / name
        file.write_text(f"#!/bin/sh\n{text}")
        file.chmod(0o755)

    def put(self, name, text, status=0):
        (self.place / name).write_text(text)
        (self.place / f"{name}.status").write_text(str(status))

    def run(self, *words, path=None, **env):
        path = path or f"{self.bin}:/usr/bin:/bin"
        env = {"PATH": path, "HOME": str(self.place), **env}
        return subprocess.run(
            ["/bin/sh", ROOT / "scripts/deps", *words], env=env, text=True,
            capture_output=True, check=False, timeout=120)

    def install(self, *sets, **env):
        """Its own lines after the list of packages; whether it succeeded."""
        done = self.run("--install", *(sets or ("build",)), **env)
        said = re.sub(r"^scripts/deps: installing with .*\n(  .*\n)*", "",
                      done.stderr)
        return said, done.returncode == 0

    def calls(self):
        return [" ".join(line.split()[:2])
                for line in (self.place / "calls").read_text().splitlines()
                if not line.startswith("sleep")]

    def did(self, what):
        return self.calls().count(f"apt-get {what}")


@pytest.fixture
def machine(place):
    return Machine(place)


def test_missing_packages_are_installed_with_new_lists(machine):
    said, good = machine.install()
    assert good, said
    assert said == ("scripts/deps: asking the package archive for its "
                    "lists\n")
    assert (machine.did("update"), machine.did("install")) == (1, 1)
    assert "sudo" not in str(machine.calls())


def test_what_is_there_needs_neither_apt_nor_sudo(machine):
    machine.put("present", "")
    machine.put("user", "1000\n")
    assert machine.install() == ("", True)
    assert machine.calls() == []


def test_one_call_of_sudo_does_all(machine):
    machine.put("user", "1000\n")
    said, good = machine.install(http_proxy="http://proxy.example:3128")
    assert good, said
    calls = (machine.place / "calls").read_text()
    assert calls.count("sudo ") == 1
    assert "apt-get update http://proxy.example:3128\n" in calls
    assert "apt-get install http://proxy.example:3128\n" in calls


def test_a_refusal_of_sudo_ends_it_at_once(machine):
    """Wrong password, a user who may not: asked once, and one line."""
    machine.put("user", "1000\n")
    machine.put("refused", "")
    said, good = machine.install()
    assert not good
    sudo, ours = said.splitlines()
    assert sudo == "sudo: 3 incorrect password attempts"
    assert ours.startswith("scripts/deps: sudo failed, so nothing was "
                           "installed; as root, please: apt install gcc ")
    assert ours.endswith(" libseccomp-dev")
    assert str(machine.calls()).count("sudo") == 1
    assert machine.did("update") == machine.did("install") == 0


def without(machine, tool):
    """A PATH with everything but that tool and apt's."""
    machine.bin.joinpath(tool).unlink()
    for name in ("awk", "cat", "df", "dirname", "env", "grep", "paste", "sed",
                 "sh", "readlink", "sleep", "sort", "tail", "date", "tr"):
        if not machine.bin.joinpath(name).exists():
            machine.bin.joinpath(name).symlink_to(shutil.which(name))
    return str(machine.bin)


def test_without_sudo_it_says_what_root_would_type(machine):
    machine.put("user", "1000\n")
    done = machine.run("--install", "build", path=without(machine, "sudo"))
    assert done.returncode != 0
    assert done.stderr.startswith("scripts/deps: not root, and there is no "
                                  "sudo; as root, please: apt install gcc ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("user", ["0\n", "1000\n"])
def test_a_full_disk_is_noticed_first(machine, user):
    machine.put("user", user)
    machine.put("df", "/dev/x 9999999 0 12000 99% /\n")
    said, good = machine.install()
    assert not good
    assert said == ("scripts/deps: the disk is too full: the packages need "
                    "about 305 MB on / (12 MB free); nothing was installed\n")
    assert set(machine.calls()) == {"apt-get plan"}


def test_each_file_system_is_looked_at(machine):
    machine.put("df.usr", "/dev/y 9999999 0 12000 99% /usr\n")
    said, good = machine.install()
    assert not good
    assert " about 250 MB on /usr (12 MB free);" in said
    machine.put("df.usr", "/dev/y 9999999 0 300000 99% /usr\n")
    machine.put("df.var", "/dev/z 9999999 0 10000 99% /var\n")
    said, good = machine.install()
    assert not good
    assert " about 55 MB on /var (10 MB free);" in said
    machine.put("df.var", "/dev/z 9999999 0 60000 99% /var\n")
    said, good = machine.install()
    assert good, said


@pytest.mark.parametrize("config, sets, mb", [
    ("", ["build"], 450), ("", ["fresh"], 160),
    ('Acquire::GzipIndexes "true";\n', ["build"], 320)])
def test_a_full_disk_is_noticed_without_lists(machine, config, sets, mb):
    machine.put("plan", UNKNOWN)
    machine.put("config", config)
    machine.put("df", "/dev/x 9999999 0 12000 99% /\n")
    said, good = machine.install(*sets)
    assert not good
    assert said == (
        "scripts/deps: the disk is too full: apt's lists and the packages "
        f"need about {mb} MB on / (12 MB free); nothing was installed\n")
    assert machine.did("update") == 0


def test_room_is_asked_for_again_when_apt_has_its_lists(machine):
    machine.put("plan.1", UNKNOWN)
    machine.put("plan", PLAN.replace("227 MB", "1.2 GB"))
    machine.put("df", "/dev/x 9999999 0 500000 99% /\n")
    said, good = machine.install()
    assert not good
    assert "the packages need about 1376 MB on / (512 MB free)" in said
    assert (machine.did("update"), machine.did("install")) == (1, 0)


def test_a_disk_that_fills_up_is_no_fault_of_the_network(machine):
    machine.put("install", FULL, 100)
    said, good = machine.install()
    assert not good
    assert said.splitlines()[-1] == (
        "scripts/deps: the disk is full (cannot copy extracted data: failed "
        "to write (No space left on device))")
    assert "network" not in said
    assert machine.did("install") == 1


@pytest.mark.parametrize("status", [0, 100])
@pytest.mark.parametrize("plan", [PLAN, UNKNOWN])
def test_offline_takes_one_line(machine, plan, status):
    """apt's own status of an update that got nothing is 0."""
    machine.put("plan", plan)
    machine.put("update", CUT, status)
    said, good = machine.install()
    assert not good
    assert said.splitlines()[1:] == [
        "scripts/deps: cannot reach the package archive; is the network up? "
        "(Temporary failure resolving 'deb.example')"]
    assert machine.did("install") == 0
    assert machine.did("update") <= 2


def test_what_took_long_to_find_out_is_not_asked_again(machine):
    """A name server that does not answer: apt waits for it each time."""
    machine.put("update", CUT)
    machine.tool("date", f"echo x >> {machine.place}/clock\n"
                 f"wc -l < {machine.place}/clock | awk '{{ print 20 * $1 }}'\n")
    said, good = machine.install()
    assert not good
    assert "cannot reach the package archive" in said
    assert machine.did("update") == 1


def test_another_archive_that_is_away_does_no_harm(machine):
    machine.put("update", ELSEWHERE)
    said, good = machine.install()
    assert good, said
    assert (machine.did("update"), machine.did("install")) == (1, 1)


def test_a_fault_of_a_moment_is_survived(machine):
    machine.put("update.1", CUT)
    machine.put("install.1", "E: Failed to fetch http://deb.example/x.deb  "
                             "404  Not Found\n", 100)
    said, good = machine.install()
    assert good, said
    assert said.splitlines()[-2:] == [
        "scripts/deps: that failed; once more, with new lists",
        "scripts/deps: asking the package archive for its lists"]
    assert (machine.did("update"), machine.did("install")) == (3, 2)


def test_another_apt_is_waited_for(machine):
    machine.put("update.1", LOCKED, 100)
    machine.put("update.2", LOCKED, 100)
    said, good = machine.install()
    assert good, said
    waiting, = [line for line in said.splitlines() if "waiting" in line]
    assert "process 4711 (apt-get)" in waiting
    assert (machine.did("update"), machine.did("install")) == (3, 1)


def test_what_apt_alone_can_say_is_shown(machine):
    machine.put("plan", "E: Unable to locate package libev-dev\n")
    said, good = machine.install()
    assert not good
    assert said.splitlines()[1:] == [
        "E: Unable to locate package libev-dev",
        "scripts/deps: apt could not install what is missing: see above"]
    assert machine.did("install") == 0


@pytest.mark.parametrize("tool, command", [
    ("apk", "apk add gcc musl-dev "), ("dnf", "dnf install gcc glibc-devel "),
    ("pacman", "pacman -S gcc glibc ")])
def test_names_that_nobody_tried_are_called_untested(machine, tool, command):
    machine.tool(tool, "exit 1\n")
    machine.tool("rpm", "exit 1\n")
    done = machine.run("--install", "build", path=without(machine, "apt-get"))
    assert done.returncode != 0
    assert done.stderr.startswith(
        f"scripts/deps: please install (untested names): {command}")
    assert done.stderr.count("\n") == 1


def test_the_table_says_what_was_tried(machine):
    table = machine.run("table").stdout
    comments = [line for line in table.splitlines() if line.startswith("#")]
    assert "apt's names are tested" in comments[0]
    assert "Untested: the names for apk" in comments[1]
    assert machine.run("--missing", "#").returncode == 2


def test_a_set_for_packages_is_whole(machine):
    build = machine.run("--missing", "build").stdout.split()
    assert len(build) > 8
    package = machine.run("--missing", "package").stdout.split()
    assert package == build + ["debhelper", "dpkg-dev"]


def test_two_sets_name_a_package_once(machine):
    both = machine.run("--missing", "test", "bench").stdout.split()
    assert "molly-brown" in both
    assert len(both) == len(set(both))


SCRIPTS = [file for file in sorted((ROOT / "scripts").iterdir())
           if file.is_file() and re.match(r"#!.*sh$", file.read_text(
               errors="replace").partition("\n")[0])]


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_scripts_know_where_they_are(file):
    """By a symbolic link in another folder, and whatever CDPATH holds."""
    for line in file.read_text().splitlines():
        assert not re.search(r'dirname "\$0"', line), line


def test_run_works_through_a_link(place):
    """Called by a link from elsewhere: installs, builds and serves."""
    tree = place / "tree"
    for name, text in {"scripts/run": (ROOT / "scripts/run").read_text(),
                       "scripts/deps": '#!/bin/sh\necho "deps $*"\n',
                       "build/carnation": '#!/bin/sh\necho "serving $*"\n',
                       "Makefile": "all:\n\t@echo built\n"}.items():
        file = tree / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
    link = place / "elsewhere" / "go"
    link.parent.mkdir()
    link.symlink_to("../tree/scripts/run")
    clean = {k: v for k, v in os.environ.items()
             if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run([link, "--listen", "127.0.0.1"], cwd=link.parent,
                          env={**clean, "CDPATH": f"{place}:/"}, text=True,
                          capture_output=True, check=True)
    assert done.stdout.splitlines() == [
        "deps --install build", "built",
        "serving serve --certs certs --listen 127.0.0.1 capsule"]


def test_a_release_that_apt_does_not_know_is_named(place):
    (place / "apt-get").write_text(
        "#!/bin/sh\necho http://deb.example/debian/ bookworm main key Debian\n")
    (place / "apt-get").chmod(0o755)
    done = subprocess.run(
        [ROOT / "scripts/debian", place / "folder"], capture_output=True,
        text=True, check=False, env=dict(
            os.environ, PATH=f"{place}:/usr/bin:/bin",
            CARNATION_SUITE="trixie"))
    assert done.returncode == 1 and not (place / "folder").exists()
    assert done.stderr.startswith(
        "scripts/debian: apt on this machine has no source for trixie (")


# ------------------------------------------------------- signs of life

# A second of these tests is much shorter; each pause is written down.
QUICK_SLEEP = """#!/bin/sh
echo "$1" >> {place}/slept
exec /bin/sleep "$(awk -v s="$1" 'BEGIN {{ print s / 100 }}')"
"""
# Does nothing until the pauses make a minute.
SLOW = """minute() {{
	end=$(($(awk '{{ n += $1 }} END {{ print n + 0 }}' {place}/slept) + 60))
	for _ in $(seq 600); do
		[ "$(awk '{{ n += $1 }} END {{ print n + 0 }}' {place}/slept)" \\
		    -ge "$end" ] && return 0
		/bin/sleep 0.1
	done
	echo "silent for too long: $1" >> {place}/silent
}}
minute "$*"
"""


class Small:
    """A tree with one of the project's scripts, beside steps that are slow."""

    def __init__(self, place, script):
        self.place, self.tree = place, place / "tree"
        self.bin = place / "bin"
        self.slow = "#!/bin/sh\n" + SLOW.format(place=place)
        (place / "slept").touch()
        self.put(self.bin / "sleep", QUICK_SLEEP.format(place=place))
        for name in (script, "scripts/with-progress"):
            self.put(self.tree / name, (ROOT / name).read_text())

    def put(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def run(self, *words, **env):
        clean = {k: v for k, v in os.environ.items() if k not in (
            "MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "MAKELEVEL",
            "CARNATION_QUICK", "SAN", "V", "QUIET", "RESULT")}
        path = f"{self.bin}:{os.environ['PATH']}"
        done = subprocess.run(words, cwd=self.tree, text=True, check=False,
                              env={**clean, "PATH": path, **env},
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=300)
        assert not (self.place / "silent").exists(), (
            (self.place / "silent").read_text() + done.stdout)
        slept = [int(n) for n in
                 (self.place / "slept").read_text().split()]
        signs = done.stdout.count("  ...  ")
        assert signs >= sum(slept) // 20 - 2, (signs, slept, done.stdout)
        return done.stdout


def test_check_shows_signs_of_life(place):
    """While Python compiles the tests, while they run, and while the programs
    beside them do."""
    small = Small(place, "scripts/check")
    folder = small.tree / "build/release"
    small.put(small.tree / "tests/unit/test_slow.c", "")
    small.put(folder / "tests/unit/test_slow", small.slow.replace(
        "minute \"$*\"", f"""
until [ -e {place}/over ]; do /bin/sleep 0.1; done
minute a program"""))
    small.put(small.bin / "python", small.slow + f"""
case $* in *--collect-only*) exit 0 ;; esac
echo "2 passed in 60 s"
: > {place}/over
""")
    said = small.run("scripts/check", "build/release", PYTHON="python")
    assert said.splitlines()[-1] == "3 passed, 0 failed"


def test_test_shows_signs_of_life(place):
    """While compilers and lint are silent; check has its own."""
    small = Small(place, "scripts/test")
    small.put(small.tree / "scripts/deps", "#!/bin/sh\n")
    small.put(small.tree / "scripts/lint", "#!/bin/sh\n")
    small.put(small.tree / "step", small.slow)
    results = ("release/check", "address-undefined/check", "lint")
    for name in results:
        (small.tree / "build" / name).parent.mkdir(parents=True, exist_ok=True)
    small.put(small.tree / "Makefile", """
all:
	@./step compilers
programs lint: all
check:
	@echo '2 passed, 0 failed' > build/$(if $(SAN),address-undefined,release)/check.result
lint:
	@echo '1 passed, 0 failed' > build/lint.result
""")
    said = small.run("scripts/test")
    assert said.splitlines()[-1] == "5 passed, 0 failed"
