# SPDX-License-Identifier: ISC
"""`make install` and `make uninstall`, below a folder that stands for a machine."""
import os
import re
import shutil
import stat
import subprocess

import pytest

from harness import ROOT, tree
from life import IS_ROOT, wrapper

UNITS = {"carnation.service", "carnation.socket", "carnation-mirror@.service",
         "carnation-mirror@.timer", "carnation-mirrors.service",
         "carnation-mirrors.timer"}
TOOL = """#!/bin/sh
echo "${0##*/} $*" >> "$TOOLS/calls"
[ ! -e "$TOOLS/${0##*/}-fails" ]
"""
SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >> "$TOOLS/calls"
case $1 in
is-active) [ -e "$TOOLS/active" ] ;;
list-units) cat "$TOOLS/active" 2>/dev/null ;;
show) echo "${TOOLS%/tools}/usr/lib/systemd/system/$4" ;;
esac
"""


class Machine:
    """A tree without a program, and a root with tools that note their calls."""

    def __init__(self, place):
        self.place = place
        for name in ("Makefile", "src", "scripts", "tests"):
            (place / name).symlink_to(ROOT / name)
        tree(place / "build", {"carnation": "not built here\n"})
        tree(place / "tools", {"sysusers": TOOL, "tmpfiles": TOOL,
                               "systemctl": SYSTEMCTL})
        for tool in (place / "tools").iterdir():
            tool.chmod(0o755)
        (place / "run/systemd/system").mkdir(parents=True)
        self.conf = place / "etc/carnation/carnation.conf"
        self.share = place / "usr/share/carnation"
        self.units = place / "usr/lib/systemd/system"

    def make(self, goal, *words, inside=True, wrapper=()):
        clean = {k: v for k, v in os.environ.items()
                 if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR", "V")}
        tools = self.place / "tools"
        done = subprocess.run(
            [*wrapper, "make", "-o", "build/carnation", goal,
             f"PREFIX={self.place}/usr", f"SYSCONFDIR={self.place}/etc",
             f"MACHINE_ROOT={self.place if inside else ''}",
             *(f"{tool.upper()}={tools / tool}"
               for tool in ("sysusers", "tmpfiles", "systemctl")), *words],
            cwd=self.place, env={**clean, "TOOLS": str(tools),
                                 "ROOT": "/what/others/call/so"},
            capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.errors = done.stderr
        return done.stdout

    def calls(self):
        file = self.place / "tools/calls"
        text = file.read_text() if file.exists() else ""
        file.unlink(missing_ok=True)
        return [re.sub(rf"{self.place}/\S*/", "", line)
                for line in text.splitlines()]

    def files(self):
        """What is installed, without what a test has put in /etc/systemd."""
        return {str(f.relative_to(self.place)) for top in ("usr", "etc")
                for f in (self.place / top).rglob("*")
                if not f.is_dir() and "etc/systemd" not in str(f)}


@pytest.fixture
def machine(place):
    return Machine(place)


def mode(file):
    return stat.S_IMODE(file.stat().st_mode)


# ---------------------------------------------------------------- the files

def test_what_is_installed_and_where(machine):
    os.umask(0o077)
    try:
        machine.make("install")
    finally:
        os.umask(0o022)
    share = "usr/share/carnation/"
    assert machine.files() == {
        "usr/bin/carnation", "etc/carnation/carnation.conf",
        "etc/logrotate.d/carnation", "usr/lib/sysusers.d/carnation.conf",
        "usr/lib/tmpfiles.d/carnation.conf",
        *(f"usr/lib/systemd/system/{unit}" for unit in UNITS),
        *(f"usr/share/man/man{page[-1]}/{page}" for page in
          (page.name for page in (ROOT / "src/man").glob("*.[0-9]"))),
        share + "carnation.conf.example", share + "carnation.openrc",
        share + "carnation-mirror.cron", share + "carnation-migrate",
        share + "fail2ban/filter.d/carnation.conf",
        share + "fail2ban/jail.d/carnation.conf"}
    for name in machine.files():
        file = machine.place / name
        runs = file.name in ("carnation-migrate", "carnation.openrc") or \
            file.parent.name == "bin"
        assert mode(file) == (0o755 if runs else 0o644), name
        assert not re.search("@[A-Z]+@", file.read_text()), name


def test_one_configuration_and_one_example(machine):
    machine.make("install")
    assert [f.name for f in machine.conf.parent.iterdir()] == [
        "carnation.conf"]
    example = machine.share / "carnation.conf.example"
    assert machine.conf.read_text() == example.read_text()


def test_an_older_installation_is_tidied_and_its_configuration_kept(machine):
    machine.conf.parent.mkdir(parents=True)
    machine.conf.write_text("mine\n")
    machine.conf.chmod(0o640)
    old = machine.conf.with_name("carnation.conf.example")
    old.write_text("the example of an older version\n")
    assert "# kept as it was" in machine.make("install")
    assert machine.conf.read_text() == "mine\n" and mode(machine.conf) == 0o640
    assert not old.exists()


def test_below_a_destdir_nothing_else_happens(machine, place):
    dest = place / "dest"
    assert machine.make("install", f"DESTDIR={dest}") == ""
    assert machine.errors == "" and machine.calls() == []
    assert not (place / "usr").exists()
    assert (dest / str(machine.conf)[1:]).exists()
    link = place / "etc/systemd/system/multi-user.target.wants"
    link.mkdir(parents=True)
    (link / "carnation.service").symlink_to(machine.units / "carnation.service")
    assert machine.make("uninstall", f"DESTDIR={dest}") == ""
    assert machine.errors == "" and machine.calls() == []
    assert (link / "carnation.service").is_symlink()
    assert not [f for f in dest.rglob("*") if not f.is_dir()]


# ------------------------------------------------------------- the machine

def test_users_directories_units_in_this_order(machine):
    machine.make("install")
    calls = machine.calls()
    assert calls[:2] == ["sysusers carnation.conf",
                         "tmpfiles --create carnation.conf"]
    assert calls[2] == "systemctl daemon-reload"
    assert machine.errors == ""


def test_what_an_older_version_left_is_moved(machine, place):
    """State and logs of a service with DynamicUser=, and the links to them;
    before systemd-tmpfiles, which reports a link where it makes a directory.
    systemd-sysusers makes a user beside that of the running service."""
    tree(place / "tools", {
        "sysusers": TOOL + '[ "$SYSTEMD_NSS_DYNAMIC_BYPASS" = 1 ]\n',
        "tmpfiles": TOOL + f"[ ! -h '{place}/var/log/carnation' ]\n"})
    tree(place, {"var/lib/private/carnation/certs/a.key": "secret",
                 "var/log/private/carnation/access.log": "line\n",
                 "etc/passwd": f"carnation:x:{os.getuid()}:{os.getgid()}::/:\n",
                 "etc/group": ""})
    for name in ("lib", "log"):
        (place / "var" / name / "carnation").symlink_to("private/carnation")
    assert machine.make("install").count("moved ") == 2
    assert machine.errors == ""
    state = place / "var/lib/carnation"
    assert not state.is_symlink()
    assert (state / "certs/a.key").read_text() == "secret"


@pytest.mark.skipif(not shutil.which("systemd-sysusers"),
                    reason="no systemd here")
def test_make_install_makes_the_user(machine, place):
    """Or the units would end with 217/USER."""
    (place / "etc").mkdir()
    machine.make("install", f"SYSUSERS=systemd-sysusers --root={place}")
    passwd = (place / "etc/passwd").read_text()
    for unit in UNITS:
        for user in re.findall("^User=(.*)", (
                machine.units / unit).read_text(), re.M):
            assert re.search(f"^{user}:", passwd, re.M), unit


def test_the_next_commands_are_printed(machine, place):
    out = machine.make("install")
    assert f"installed: {place}/usr/bin/carnation." in out
    for words in (f"editor {machine.conf} ", "mkdir /srv/gemini ",
                  f"carnation check -c {machine.conf} ",
                  f"systemctl enable --now {machine.units}/carnation.service"):
        assert f"    {words}" in out, out
    (place / "srv/gemini").mkdir(parents=True)
    assert "mkdir" not in machine.make("install")
    machine.conf.write_text("mine\n")
    (place / "tools/active").write_text("")
    out = machine.make("install")
    assert "editor" not in out and "    systemctl restart carnation" in out


def test_the_units_have_their_short_name_where_systemd_finds_them(machine):
    for folder in ("/usr/local/lib/systemd/system", "/lib/systemd/system"):
        out = subprocess.run(
            [ROOT / "scripts/packaging/after-install"], text=True, check=True,
            env={**os.environ, "UNITDIR": folder, "ROOT": str(machine.place),
                 "SYSTEMCTL": "false", "SYSUSERS": "true", "TMPFILES": "true",
                 **{x: "/nowhere" for x in ("BINDIR", "DATADIR", "SYSCONFDIR",
                                            "SYSUSERSDIR", "TMPFILESDIR")}},
            capture_output=True).stdout
        assert out.endswith("    systemctl enable --now carnation\n"), out


def test_the_next_commands_with_openrc(machine, place):
    tree(place, {"sbin/openrc-run": ""})
    words = ("SYSUSERS=", "TMPFILES=", "SYSTEMCTL=")
    out = machine.make("install", *words)
    for line in (f"cp {machine.share}/carnation.openrc /etc/init.d/carnation",
                 "rc-update add carnation", "rc-service carnation start"):
        assert f"    {line}\n" in out
    tree(place, {"etc/init.d/carnation": ""})
    assert "    rc-service carnation restart\n" in machine.make(
        "install", *words)
    assert machine.calls() == []


def test_what_could_not_be_done_is_printed(machine, place):
    for tool in ("sysusers", "tmpfiles"):
        tree(place / "tools", {f"{tool}-fails": ""})
    machine.make("install")
    assert machine.errors.startswith("make install: to run as a service")
    for line in (f"sysusers {place}/usr/lib/sysusers.d/carnation.conf",
                 f"tmpfiles --create {place}/usr/lib/tmpfiles.d/carnation.conf"):
        assert line in machine.errors
    machine.make("install", "SYSUSERS=")
    for user in ("carnation", "carnation-keys"):
        assert re.search(f"^    (useradd|addgroup) .*{user}$", machine.errors,
                         re.M), machine.errors
    tree(place, {"etc/passwd": "carnation:x:\ncarnation-keys:x:\n"})
    machine.make("install", "SYSUSERS=")
    assert "useradd" not in machine.errors and "addgroup" not in machine.errors


def test_without_root_nothing_is_done_to_the_machine(machine, place):
    user = wrapper("user", 65534) if IS_ROOT else []
    place.chmod(0o777)
    machine.make("install", inside=False, wrapper=user)
    assert not [c for c in machine.calls() if "is-active" not in c]
    assert "as root:" in machine.errors
    assert f"sysusers {place}/usr/lib/sysusers.d/carnation.conf\n" \
        in machine.errors
    machine.make("uninstall", inside=False, wrapper=user)
    assert not [c for c in machine.calls()
                if "is-active" not in c and "list-units" not in c]
    assert machine.files() == set()


# ---------------------------------------------------------------- uninstall

def enable(place, name, target):
    link = place / "etc/systemd/system" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)
    return link


def test_uninstall_leaves_nothing_but_what_it_names(machine, place):
    machine.make("install")
    machine.calls()
    (place / "tools/active").write_text(
        "carnation.service loaded active running carnation\n"
        "carnation-mirror@home.timer loaded active waiting a look\n")
    wants = "multi-user.target.wants"
    ours = [enable(place, f"{wants}/carnation.service",
                   machine.units / "carnation.service"),
            enable(place, "timers.target.wants/carnation-mirror@home.timer",
                   machine.units / "carnation-mirror@.timer")]
    # Of the package, and of an older one that is gone.
    others = [enable(place, f"{wants}/carnation-mirrors.timer", place),
              enable(place, "sockets.target.wants/carnation.socket",
                     "/nowhere/carnation.socket")]
    tree(place, {"var/lib/carnation/certs/a.key": "", "var/log/carnation/x": "",
                 "etc/passwd": "carnation:x:\n", "etc/init.d/carnation": "",
                 "etc/carnation/mirror-home.conf": ""})
    out = machine.make("uninstall")
    assert machine.calls()[-3:] == [
        "systemctl stop carnation.service",
        "systemctl stop carnation-mirror@home.timer",
        "systemctl daemon-reload"]
    assert machine.files() == {"etc/passwd", "etc/init.d/carnation",
                               "etc/carnation/mirror-home.conf"}
    for link in ours:
        assert f"removed: {link}\n" in out and not link.is_symlink()
    for link in others:
        assert link.is_symlink()
    for name in ("etc/carnation", "etc/init.d/carnation", "var/lib/carnation",
                 "var/log/carnation"):
        assert f"    {place}/{name} " in out and (place / name).exists()
    assert "    user carnation " in out and "carnation-keys" not in out
    assert "mirror " not in out


def test_uninstall_with_nothing_left_says_nothing(machine, place):
    machine.make("install")
    assert machine.make("uninstall") == "" and machine.errors == ""
    assert machine.files() == set()
    left = {f.name for f in place.rglob("carnation*")}
    assert left == {"carnation"}, "the program that was not built"


def test_uninstall_keeps_a_configuration_that_was_changed(machine):
    machine.make("install")
    machine.conf.write_text("mine\n")
    assert f"    {machine.conf.parent} " in machine.make("uninstall")
    assert machine.conf.read_text() == "mine\n"


def test_uninstall_leaves_the_services_of_a_package_alone(machine, place):
    machine.make("install")
    (place / "tools/active").write_text(
        "carnation.service loaded active running carnation\n")
    machine.calls()
    machine.make("uninstall", f"UNITDIR={place}/another")
    assert not [c for c in machine.calls() if " stop " in c]


# ---------------------------------------------------------------- containers

def test_the_container_has_what_the_program_needs():
    """Its second stage: every library, and a user who owns the volume."""
    makefile = (ROOT / "Makefile").read_text()
    libraries, = re.findall(r"^ldlibs *= (.*)$", makefile, re.M)
    stage = (ROOT / "scripts/packaging/Containerfile").read_text().split(
        "\nFROM ")[2]
    for name in libraries.split():
        package = {"-lcrypto": "ssl"}.get(name, name[2:])
        assert re.search(rf" lib{package}[-0-9]", stage), name
    number, = re.findall(r"useradd --uid (\d+) ", stage)
    assert number == "1965" and "\nUSER carnation\n" in stage
    folder, = re.findall(r"^VOLUME (.*)$", stage, re.M)
    assert f"-m 0700 {folder}\n" in stage and f'"{folder}/certs"' in stage


def test_the_container_has_what_scripts_deps_calls():
    """It is run before the other scripts are copied."""
    text = (ROOT / "scripts/packaging/Containerfile").read_text()
    copied, = re.findall(r"^COPY (.*) scripts/\nRUN scripts/deps ", text, re.M)
    called = set(re.findall(r'"\$here/([a-z-]+)"',
                            (ROOT / "scripts/deps").read_text()))
    assert "with-progress" in called
    assert {f"scripts/{name}" for name in called | {"deps"}} == set(
        copied.split())
