# SPDX-License-Identifier: ISC
"""The scripts of the Debian package, in a root directory of the test's own
(DPKG_ROOT) with programs of its own, and what `make deb` says. The package
itself is built and installed by scripts/fresh-machine and tests/package."""
import hashlib
import os
import re
import subprocess

import pytest

from harness import ROOT, tree
from life import carnation

PACKAGING = ROOT / "scripts/packaging"
DEBIAN = PACKAGING / "debian"
WELCOME = (PACKAGING / "welcome.gmi").read_text()
NO_NAME = "exit 1"


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


class Machine:
    """A system in a folder; users and their directories are there already."""
    def __init__(self, place):
        self.root = tree(place / "machine", {
            "usr/share/carnation/carnation.conf.example":
                (PACKAGING / "carnation.conf").read_text(),
            "usr/share/carnation/welcome.gmi": WELCOME,
            "var/lib/carnation/certs/a.key": "key",
            "var/log/carnation/access.log": "line", "srv": None})
        self.conf = self.root / "etc/carnation/carnation.conf"
        self.pages = self.root / "srv/gemini"
        self.bin = place / "bin"
        self.log = place / "log"
        self.path = f"{self.bin}:{os.environ['PATH']}"
        self.migrate()
        for name in ("systemd-sysusers", "systemd-tmpfiles"):
            program(self.bin / name, f'echo {name} "$@" >> {self.log}')
        self.name("a.example")

    def migrate(self, status=0):
        program(self.root / "usr/share/carnation/carnation-migrate",
                f'echo carnation-migrate "$@" >> {self.log}; exit {status}')

    def name(self, full, short="echo b.example"):
        program(self.bin / "hostname", full if full == NO_NAME else
                f'[ "$*" = -f ] && printf "%s\\n" "{full}"')
        program(self.bin / "uname", f'[ "$*" = -n ] && {short}')

    def script(self, name, *words, status=0):
        text = (DEBIAN / f"carnation.{name}").read_text().replace(
            "#WELCOME#", hashlib.sha256(WELCOME.encode()).hexdigest())
        done = subprocess.run(
            ["/bin/sh", "-c", text, name, *words], capture_output=True,
            text=True, env={"PATH": str(self.path),
                            "DPKG_ROOT": str(self.root)})
        assert done.returncode == status, done
        return done.stdout + done.stderr

    def install(self, before="", status=0):
        return self.script("postinst", "configure", before, status=status)

    def host(self):
        return re.search(r'^\s*host = "(.*)";$', self.conf.read_text(),
                         re.M).group(1)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.mark.parametrize("full, short, host", [
    ("a.example", "echo b", "a.example"),
    ("Web1.Example.ORG", "echo b", "web1.example.org"),
    ("vm", "echo b", "vm"),
    (NO_NAME, "echo b", "b"),
    ("", "echo b", "b"),
    ("192.0.2.1", "echo b.example", "b.example"),
    ("under_score.example", "echo b", "b"),
    ("-a.example", "echo b", "b"),
    ("a..example", "echo b", "b"),
    ("a.example\nb.example", "echo b", "b"),
    ("a|b", "echo b", "b"),
    ("a" * 64, "echo b", "b"),
    (".".join(["a" * 49] * 6), "echo b", "b"),
    (NO_NAME, "echo under_score", "localhost"),
    (NO_NAME, "exit 1", "localhost"),
])
def test_the_configuration_has_the_name_of_the_machine(machine, full, short,
                                                       host):
    machine.name(full, short)
    assert machine.install() == ""
    assert machine.host() == host
    assert 'root = "/srv/gemini";' in machine.conf.read_text()
    assert machine.conf.stat().st_mode & 0o777 == 0o644
    assert os.listdir(machine.conf.parent) == ["carnation.conf"]


def test_the_configuration_is_the_example_but_for_the_name(machine, tmp_path):
    machine.install()
    text = machine.conf.read_text()
    example = (PACKAGING / "carnation.conf").read_text()
    assert text == example.replace('host = "localhost"', 'host = "a.example"')
    machine.conf.write_text(text.replace("/srv/gemini", str(machine.pages)))
    done = carnation("check", "-c", machine.conf, "--certs", tmp_path / "c")
    assert done.returncode == 0, done


def test_the_welcome_page(machine):
    machine.install()
    assert (machine.pages / "index.gmi").read_text() == WELCOME
    assert os.listdir(machine.pages) == ["index.gmi"]
    assert machine.pages.stat().st_mode & 0o777 == 0o755
    assert (machine.pages / "index.gmi").stat().st_mode & 0o777 == 0o644
    assert os.listdir(machine.root / "srv") == ["gemini"]


def test_the_welcome_page_has_no_findings(tmp_path):
    pages = tree(tmp_path / "pages", {"index.gmi": WELCOME})
    done = carnation("lint", pages)
    assert done.returncode == 0, done
    findings = re.findall(r"^(\S+) .*: (?:error|warning):", done.stdout, re.M)
    assert findings == ["C001"], done  # a language: for the owner to say


def test_what_is_there_already_stays(machine):
    tree(machine.root, {"etc/carnation/carnation.conf": "mine",
                        "srv/gemini/page.gmi": "mine"})
    machine.install()
    assert machine.conf.read_text() == "mine"
    assert os.listdir(machine.pages) == ["page.gmi"]


def test_pages_elsewhere_need_no_welcome(machine):
    tree(machine.root, {"etc/carnation/carnation.conf": "mine"})
    machine.install()
    assert not machine.pages.exists()


@pytest.mark.parametrize("what", ["srv/gemini",
                                  "etc/carnation/carnation.conf"])
def test_a_link_that_leads_nowhere_stays(machine, what):
    tree(machine.root, {"etc/carnation": None})
    (machine.root / what).symlink_to("/nonexistent")
    machine.install()
    assert os.readlink(machine.root / what) == "/nonexistent"


def test_an_upgrade_makes_nothing_again(machine):
    machine.install(before="0.1.0")
    assert not machine.conf.exists() and not machine.pages.exists()
    assert "carnation-migrate" in machine.log.read_text()


def test_an_installation_that_was_interrupted_is_completed(machine):
    tree(machine.root, {"etc/carnation/carnation.conf.dpkg-new": "half",
                        "srv/gemini.dpkg-new/index.gmi": "half",
                        "srv/gemini.dpkg-new/other.gmi": "half"})
    machine.install()
    assert machine.host() == "a.example"
    assert (machine.pages / "index.gmi").read_text() == WELCOME
    assert os.listdir(machine.pages) == ["index.gmi"]
    assert os.listdir(machine.root / "srv") == ["gemini"]


def test_twice_is_once(machine):
    machine.install()
    before = machine.conf.read_text()
    machine.name("c.example")
    machine.install()
    assert machine.conf.read_text() == before


def test_users_first_then_the_older_state_then_directories(machine):
    machine.install()
    at = f"--root={machine.root}"
    assert machine.log.read_text().splitlines() == [
        f"systemd-sysusers {at} carnation.conf",
        f"carnation-migrate {machine.root}",
        f"systemd-tmpfiles {at} --create carnation.conf"]


@pytest.mark.parametrize("result", [0, 9, 1])
def test_without_systemd_users_are_made_by_hand(machine, result):
    """9: there is such a user already."""
    for name in ("systemd-sysusers", "systemd-tmpfiles"):
        (machine.bin / name).unlink()
    for name in ("cat", "grep", "sed", "tr", "timeout", "mkdir", "chmod", "mv",
                 "rm", "install"):
        (machine.bin / name).symlink_to(f"/usr/bin/{name}")
    program(machine.bin / "useradd",
            f'echo useradd "$@" >> {machine.log}; exit {result}')
    machine.path = machine.bin
    machine.install(status=1 if result == 1 else 0)
    users = [line.split()[-1] for line in machine.log.read_text().splitlines()
             if line.startswith(f"useradd --root {machine.root} --system ")]
    assert users == ["carnation", "carnation-keys"][:1 if result == 1 else 2]
    assert machine.conf.exists() == (result != 1)


@pytest.mark.parametrize("certificates", [True, False])
def test_a_state_that_cannot_be_moved(machine, certificates):
    """It stops the installation where the service would find no certificate
    and make another; where it has one, what is left can wait."""
    machine.migrate(status=1)
    if not certificates:
        (machine.root / "var/lib/carnation/certs/a.key").unlink()
        (machine.root / "var/lib/carnation/certs").rmdir()
    machine.install("0.1.0", status=0 if certificates else 1)


def test_units_of_make_install_are_reported(machine):
    assert machine.install() == ""
    tree(machine.root, {"usr/local/lib/systemd/system/carnation.service": ""})
    assert 'make uninstall' in machine.install("0.2.0")


@pytest.mark.parametrize("words", [
    ("postinst", "abort-upgrade", "0.3.0"), ("postinst", "abort-remove"),
    ("postinst", "abort-deconfigure", "in-favour", "a", "1"),
    ("postinst", "triggered", "a"),
    ("postrm", "remove"), ("postrm", "upgrade", "0.3.0"),
    ("postrm", "failed-upgrade", "0.1.0"), ("postrm", "abort-install"),
    ("postrm", "abort-upgrade", "0.1.0"), ("postrm", "disappear", "a", "1"),
    ("prerm", "remove"), ("prerm", "upgrade", "0.3.0"),
    ("prerm", "failed-upgrade", "0.1.0"),
    ("prerm", "deconfigure", "in-favour", "a", "1"),
])
def test_all_but_configure_and_purge_change_nothing(machine, words):
    machine.install()
    def state():
        return {p: p.read_bytes() for p in machine.root.rglob("*")
                if p.is_file()}
    before = state()
    assert machine.script(*words) == ""
    assert state() == before


def test_purge_removes_all(machine):
    machine.install()
    tree(machine.root, {
        "etc/systemd/system/timers.target.wants/carnation-mirror@a.timer": "",
        "var/lib/systemd/timers/stamp-carnation-mirror@a.timer": "",
        "var/lib/carnation-mirror": None})
    assert machine.script("postrm", "purge") == ""
    left = [str(p.relative_to(machine.root)) for p in machine.root.rglob("*")
            if "carnation" in str(p.relative_to(machine.root))
            and "usr/share" not in str(p)]
    assert left == []
    assert not machine.pages.exists()
    assert machine.script("postrm", "purge") == ""


@pytest.mark.parametrize("change", [
    lambda pages: (pages / "index.gmi").write_text(WELCOME + "mine"),
    lambda pages: (pages / "more.gmi").write_text("mine"),
    lambda pages: (pages / ".hidden").write_text("mine"),
    lambda pages: (pages / "index.gmi").unlink(),
    lambda pages: ((pages / "index.gmi").rename(pages / "../index.gmi"),
                   (pages / "index.gmi").symlink_to("../index.gmi")),
    lambda pages: (pages.rename(pages.parent / "other"),
                   pages.symlink_to("other")),
], ids=["changed", "another", "hidden", "removed", "link", "linked"])
def test_purge_keeps_pages_of_the_administrator(machine, change):
    machine.install()
    change(machine.pages)
    before = {p: p.lstat().st_mtime_ns for p in machine.pages.rglob("*")}
    machine.script("postrm", "purge")
    assert machine.pages.exists()
    assert before == {p: p.lstat().st_mtime_ns
                      for p in machine.pages.rglob("*")}


def test_purge_keeps_mirrors_and_says_so(machine):
    copy = tree(machine.root, {"var/lib/carnation-mirror/a/current": "copy"})
    kept = machine.script("postrm", "purge")
    assert "kept: " in kept and "var/lib/carnation-mirror" in kept
    assert (copy / "var/lib/carnation-mirror/a/current").exists()


def test_the_package_is_built_with_what_scripts_deps_names():
    control = (DEBIAN / "control").read_text().split("Build-Depends:")[1]
    named = set(re.findall(r"^ (lib\S+-dev),", control, re.M))
    build = subprocess.run([ROOT / "scripts/deps", "build"], check=True,
                           capture_output=True, text=True).stdout
    needed = {line.split()[0] for line in build.splitlines()}
    assert named == {n for n in needed if re.fullmatch("lib.*-dev", n)} - {
        "libc6-dev"}


def test_make_deb_names_what_is_not_installed(tmp_path):
    """Without changing anything, not even an older package."""
    program(tmp_path / "bin/dpkg-query", 'case "$*" in *debhelper*|*libev-dev*)'
            " exit 1 ;; esac; echo installed")
    done = subprocess.run(
        [ROOT / "scripts/deb"], capture_output=True, text=True, cwd=tmp_path,
        env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})
    assert done.returncode == 1, done
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "make deb: not installed: libev-dev debhelper",
        "make deb: on Debian or Ubuntu: apt install libev-dev debhelper",
        "make deb: or: scripts/deps --install package"]
