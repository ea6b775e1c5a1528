# SPDX-License-Identifier: ISC
"""The OpenRC script, on a Debian that sysvinit and OpenRC boot, without systemd
(`make soak`): installed by the commands that `make install` prints."""
import gzip
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from machine import (LIBRARIES, ROOT, Machine, apt, call, make_base, wait_for,
                     why_not)

CONF = "/etc/carnation/carnation.conf"
LOGS = "/var/log/carnation"
CERTS = "/var/lib/carnation/certs"
FETCH = "carnation fetch --known-hosts /root/known gemini://localhost/"

pytestmark = [pytest.mark.soak, pytest.mark.xdist_group("package"),
              pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]


class OpenRC(Machine):
    def is_up(self):
        # The runlevel is named when its services begin to start.
        return self.enter("sh", "-c", (
            '[ "$(rc-status --runlevel)" = default ] && '
            "! pgrep -f '/etc/init.d/rc( |$)|^openrc( |$)'")).returncode == 0

    def check_boot(self):
        assert self.run("cat", "/proc/1/comm") == "init\n"
        assert self.enter("systemctl").returncode != 0, "not on this machine"

    def power_off(self):
        self.enter("telinit", "0")

    def reboot(self):
        self.enter("telinit", "6")
        self.process.wait(300)
        self.boot()

    def journal(self):
        return self.console() + self.enter(
            "sh", "-c", f"tail -n 30 {LOGS}/*; ps axf").stdout

    def status(self):
        return self.enter("rc-service", "carnation", "status").stdout

    def front_page(self):
        wait_for(lambda: self.enter("sh", "-c", FETCH).returncode == 0,
                 "the front page\n" + self.journal())
        return self.sh(FETCH + " 2>/dev/null")

    def server(self):
        """The parent process; None without one."""
        pids = self.enter("pgrep", "-o", "-x", "carnation").stdout.split()
        return pids[0] if pids else None

    def mode(self, name):
        return self.sh(f"stat -c '%a %U:%G' {name}").strip()

    def logged(self):
        return self.sh(f"cat {LOGS}/access.log").count(" complete ")


@pytest.fixture(scope="module")
def machine():
    """Installed as a person would install it."""
    folder = Path(tempfile.mkdtemp(prefix="carnation-openrc-", dir="/var/tmp"))
    make_base(folder / "base", LIBRARIES)
    apt(folder / "base", "install", "--no-install-recommends", "openrc",
        "sysvinit-core", "systemd-", "systemd-sysv-", "libnss-systemd-")
    box = OpenRC(folder / "base", "capsule.example.org")
    shutil.rmtree(folder)
    call("make", "-C", ROOT, "build/carnation")
    box.copy_source("/root/carnation", ROOT / "build/carnation")
    inittab = box.path("/etc/inittab")
    inittab.write_text("".join(  # no terminals here
        line for line in inittab.read_text().splitlines(True)
        if "getty" not in line))
    box.boot()
    yield box
    box.remove()


def follow(machine, said):
    """Runs the commands that are printed, but for the editor."""
    lines = re.findall(r"^    (.*?)(?: +#.*)?$", said, re.M)
    for line in lines:
        if not line.startswith("editor "):
            machine.sh(line)
    return lines


@pytest.fixture(scope="module")
def installed(machine):
    make = "make -C /root/carnation -o build/carnation install 2>&1"
    machine.sh("mkdir -p /srv/gemini; echo '# Hello' > /srv/gemini/index.gmi")
    lines = follow(machine, machine.sh(make))
    assert sum(line.startswith("useradd ") for line in lines) == 2
    assert lines[-3:] == [
        "cp /usr/local/share/carnation/carnation.openrc /etc/init.d/carnation",
        "rc-update add carnation", "rc-service carnation start"]
    assert machine.front_page() == "# Hello\n"
    again = machine.sh(make)
    assert "useradd" not in again
    machine.sh(f"sed -i 's|access = \"stderr\"|access = \"{LOGS}/access.log\"|'"
               f" {CONF}")
    assert "rc-service carnation restart" in follow(machine, again)
    assert machine.front_page() == "# Hello\n"
    return machine


def test_it_runs_as_its_user_and_keeps_its_things_in_order(installed):
    m = installed
    assert "started" in m.status()
    assert m.sh(f"stat -c %U /proc/{m.server()}") == "carnation\n"
    assert m.mode("/var/lib/carnation") == "700 carnation:carnation"
    assert m.mode(CERTS + "/localhost.key") == "600 carnation:carnation"
    assert m.mode(LOGS) == "2750 carnation:adm"
    for log in ("messages", "access.log"):
        assert m.mode(f"{LOGS}/{log}") == "640 carnation:adm"
    said = m.sh(f"cat {LOGS}/messages")
    assert "\ncarnation: ready" in said
    assert re.search("^  stop +rc-service carnation stop$", said, re.M), said


def test_a_reload_reads_the_configuration_again(installed):
    m = installed
    before = m.server()
    m.sh("mkdir /srv/new; echo '# New' > /srv/new/index.gmi; "
         f"sed -i 's|\"/srv/gemini\"|\"/srv/new\"|' {CONF}; "
         "rc-service carnation reload")
    wait_for(lambda: m.front_page() == "# New\n", "the new root is served")
    m.sh(f"sed -i 's|capsules|capsulez|' {CONF}")
    assert 'did you mean "capsules"' in m.sh("rc-service carnation reload")
    assert m.front_page() == "# New\n", "the old configuration stays"
    assert m.enter("rc-service", "carnation", "checkconfig").returncode != 0
    m.sh(f"sed -i 's|capsulez|capsules|; s|\"/srv/new\"|\"/srv/gemini\"|' {CONF}"
         "; rc-service carnation reload")
    wait_for(lambda: m.front_page() == "# Hello\n", "the first root again")
    assert m.server() == before


def test_logs_are_rotated_and_no_line_is_lost(installed):
    """Twice: what was the log is then compressed."""
    m = installed
    before = m.logged()
    message = m.sh(f"head -n 1 {LOGS}/messages")
    for _ in range(2):
        m.sh("logrotate --force /etc/logrotate.d/carnation")
        m.front_page()
        wait_for(lambda: m.logged() > 0, "a line in the new log")
    logs = {f.name: f for f in m.path(LOGS).iterdir()}
    assert {"access.log", "access.log.1", "access.log.2.gz", "messages",
            "messages.1.gz"} <= set(logs)
    assert logs["access.log.1"].read_text().count(" complete ") > 0
    assert gzip.decompress(logs["access.log.2.gz"].read_bytes()).decode(
        ).count(" complete ") == before
    assert message in "".join(
        gzip.decompress(f.read_bytes()).decode() for name, f in logs.items()
        if name.startswith("messages."))
    for name in logs:
        assert m.mode(f"{LOGS}/{name}") == "640 carnation:adm", name
    m.sh("rc-service carnation reload")
    wait_for(lambda: m.sh(f"cat {LOGS}/messages"), "messages of the reload")


def test_it_is_started_again_when_it_falls(installed):
    m = installed
    before = m.server()
    m.sh(f"kill -KILL {before}")
    wait_for(lambda: m.server() not in (None, before), "another server")
    assert m.front_page() == "# Hello\n" and "started" in m.status()


def test_stop_start_and_a_reboot_keep_the_certificate(installed):
    m = installed
    certificate = m.sh(f"cat {CERTS}/localhost.crt")
    m.sh("rc-service carnation stop")
    assert "stopped" in m.status() and m.server() is None
    assert m.enter("rc-service", "carnation", "reload").returncode != 0
    m.sh("rc-service carnation start")
    assert m.front_page() == "# Hello\n"
    m.reboot()
    assert m.front_page() == "# Hello\n"  # its key is the known one
    assert "started" in m.status()
    assert m.sh(f"cat {CERTS}/localhost.crt") == certificate


def test_a_wrong_configuration_is_named_at_the_start(installed):
    m = installed
    m.sh(f"sed -i 's|capsules|capsulez|' {CONF}")
    said = m.enter("rc-service", "carnation", "restart").stdout
    assert 'did you mean "capsules"' in said
    wait_for(lambda: "stopped" in m.status() or "crashed" in m.status(),
             "no more attempts")
    m.sh(f"sed -i 's|capsulez|capsules|' {CONF}; rc-service carnation zap; "
         "rc-service carnation start")
    assert m.front_page() == "# Hello\n"


def test_only_directories_of_its_own_are_given_away(installed):
    """Certificates in a place of the administrator's choice."""
    m = installed
    m.sh("mkdir -m 755 /srv/tls; mkdir -p /etc/conf.d; echo certs=/srv/tls/certs > "
         "/etc/conf.d/carnation; rc-service carnation restart; "
         "rm /root/known")
    assert m.front_page() == "# Hello\n"
    assert m.mode("/srv/tls") == "755 root:root"
    assert m.mode("/srv/tls/certs") == "700 carnation:carnation"
    m.sh("rm /etc/conf.d/carnation /root/known; rc-service carnation restart")
    assert m.front_page() == "# Hello\n"


def test_uninstall_names_the_script_of_openrc(installed):
    m = installed
    said = m.sh("make -C /root/carnation uninstall")
    assert "    /etc/init.d/carnation " in said
    assert "rc-update del carnation" in said
    m.sh("rc-service carnation stop; rc-update del carnation; "
         "rm /etc/init.d/carnation")
    assert m.server() is None
    assert m.sh("find / -xdev -path /root -prune -o -name 'carnation*' "
                "-not -path '/var/*' -print").split() == ["/etc/carnation", CONF]
