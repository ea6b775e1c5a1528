# SPDX-License-Identifier: ISC
"""The operator with carnation-operate(7) in hand: the commands of that page, as
it prints them, on machines that boot (`make soak`). Firewalls, DNS and Tor are
left out: they need other machines."""
import re
import shutil

import pytest

from machine import ROOT, Machine, wait_for, why_not
from test_life import base, install, package, workshop  # noqa: F401, fixtures

pytestmark = [pytest.mark.soak, pytest.mark.xdist_group("package"),
              pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]

PAGE = (ROOT / "src/man/carnation-operate.7").read_text()
CONF = "/etc/carnation/carnation.conf"
HOSTS = "example.org", "alice.example.org", "mirror.example.org"


def section(title):
    return PAGE.split(f"\n.Sh {title}\n")[1].split("\n.Sh ")[0]


def blocks(title):
    """The literal blocks of a section, as a person would type them."""
    found = [b.replace("\\e\n", "\\\n") for b in re.findall(
        r"^\.Bd -literal.*?\n(.*?)^\.Ed$", section(title), re.M | re.S)]
    assert found, title
    return found


def block(title, word):
    """The only one that has a word in it."""
    found, = [b for b in blocks(title) if word in b]
    return found


def served(machine, host="example.org"):
    """The first line of a host's front page."""
    done = machine.enter("carnation", "fetch", f"gemini://{host}/")
    lines = [line for line in done.stdout.splitlines() if line.startswith("#")]
    return lines[0] if lines else done.stdout


def names(machine):
    """Reaches the hosts of the page at this machine."""
    with open(machine.path("/etc/hosts"), "a", encoding="ascii") as hosts:
        hosts.write("".join(f"127.0.0.1\t{name}\n" for name in HOSTS))


def configure(machine, text, status=0):
    machine.path(CONF).write_text(text)
    machine.run("systemctl", "reload", "carnation", status=status)


@pytest.fixture
def start(base, package):  # noqa: F811
    """Makes machines with the package, served as example.org."""
    made = []

    def machine(name):
        new = Machine(base, name)
        made.append(new)
        shutil.copy(package, new.path("/var/tmp/carnation.deb"))
        new.boot()
        names(new)
        install(new, package)
        return new

    yield machine
    for each in made:
        each.remove()


def name_it(machine):
    """What a person does in the editor."""
    conf = machine.path(CONF)
    conf.write_text(re.sub(r'(\thost = )"[^"]*"', r'\1"example.org"',
                           conf.read_text()))


def begin(machine):
    name_it(machine)
    machine.sh(block("INSTALLATION", "editor").replace("editor ", "test -w "))
    assert served(machine) == "# It works"
    machine.sh(block("INSTALLATION", "journalctl"))


def fingerprint(machine):
    said = machine.sh(block("CERTIFICATES", "cert show"))
    return re.search(r"certificate +(SHA256 \S+)", said)[1]


def test_the_commands_of_one_machine(start):
    machine = start("machine.example.org")
    begin(machine)
    first = fingerprint(machine)

    # Users and directories.
    machine.run("useradd", "--create-home", "alice")
    write, home = blocks("USERS AND DIRECTORIES")
    assert "0 errors" in machine.sh(write)
    machine.sh("echo '# Hers' > /srv/gemini/index.gmi; "
               "chmod 600 /srv/gemini/index.gmi", user="alice")
    assert machine.enter("sh", "-c", write).returncode == 1
    machine.run("chmod", "644", "/srv/gemini/index.gmi")
    wait_for(lambda: served(machine) == "# Hers", "alice's page")
    machine.sh("mkdir /home/alice/capsule; chmod 755 /home/alice; "
               "echo '# At home' > /home/alice/capsule/index.gmi")
    at_home = machine.path(CONF).read_text().replace(
        "/srv/gemini", "/home/alice/capsule")
    before = machine.path(CONF).read_text()
    configure(machine, at_home, status=1)
    assert "Permission denied" in machine.journal()
    assert served(machine) == "# Hers"
    machine.sh(home)
    assert served(machine) == "# At home"
    configure(machine, before)
    wait_for(lambda: served(machine) == "# Hers", "the page of before")

    # DNS: a name that is known here.
    assert "127.0.0.1" in machine.sh(block("DNS", "getent"))

    # A name that is added later, with a certificate of its own.
    names(machine)
    row = block("CERTIFICATES", "host =")
    machine.sh("echo 127.0.0.1 www.example.org >> /etc/hosts")
    configure(machine, before.replace("capsules = (\n",
                                      f"capsules = (\n{row.rstrip()},\n"))
    wait_for(lambda: served(machine, "www.example.org") == "# Hers",
             "the other name")
    configure(machine, before)

    # Upgrades, with sockets that stay.
    machine.sh(block("UPGRADE", "restart"))
    machine.sh(block("UPGRADE", "carnation.socket"))
    assert served(machine) == "# Hers"
    machine.run("systemctl", "disable", "--now", "carnation.socket")
    machine.run("systemctl", "restart", "carnation")

    # Logs.
    file, = re.findall(r"^\.Ic log\.access\nbe\n\.Pa (\S+) \.$",
                       section("LOGS"), re.M)
    configure(machine, before.replace('access = "stderr"',
                                      f'access = "{file}"'))
    machine.enter("carnation", "fetch", "gemini://example.org/nothing.gmi")
    wait_for(lambda: served(machine) == "# Hers"
             and "nothing" in machine.path(file).read_text(), "the log")
    said = machine.sh(block("LOGS", "awk"))
    assert re.search(r"^51 1$", said, re.M)
    assert re.search(r"^ +1 /nothing.gmi$", said, re.M)
    machine.sh(block("LOGS", "journalctl"))
    copy = block("LOGS", "fail2ban").splitlines()[0]
    machine.sh(copy)
    assert machine.path("/etc/fail2ban/filter.d/carnation.conf").exists()

    # Another port for a proxy, and several capsules.
    proxy = block("TOR AND PROXIES", "public_port")
    configure(machine, re.sub(r"^listen = .*\n", lambda _: proxy, before,
                              flags=re.M))
    wait_for(lambda: "53 " in machine.enter(
        "carnation", "fetch", "gemini://example.org:19650/").stdout,
        "the port behind the proxy")
    machine.sh(block("SEVERAL CAPSULES", "install -d"))
    machine.sh("mkdir -p /var/lib/carnation-mirror/example; "
               "echo '# Copy' > /var/lib/carnation-mirror/example/index.gmi; "
               "echo '# Alice' > /srv/alice/index.gmi")
    configure(machine, re.sub(r"^capsules = .*", lambda _: block(
        "SEVERAL CAPSULES", "capsules ="), before, flags=re.M | re.S))
    wait_for(lambda: [served(machine, host) for host in HOSTS] ==
             ["# Hers", "# Alice", "# Copy"], "three capsules")

    # Disaster: what shows why, and a key that was stolen.
    assert "carnation" in machine.sh(block("DISASTER", "ss -ltnp"))
    assert fingerprint(machine) == first
    machine.sh(block("DISASTER", "mv "))
    assert fingerprint(machine) != first


def test_a_backup_and_a_move_keep_the_certificate(start):
    old, new = start("old.example.org"), start("new.example.org")
    begin(old)
    first = fingerprint(old)
    # Another number for the same user, as it may be.
    new.sh("systemctl stop carnation; usermod --uid 870 carnation; "
           "groupmod --gid 870 carnation; "
           "chown -R carnation:carnation /var/lib/carnation; "
           "systemctl start carnation")

    save, restore = blocks("BACKUP AND RESTORE")
    old.sh(f"cd /root; {save}")
    archive = old.path("/root/carnation-backup.tar.gz")
    assert archive.stat().st_mode & 0o777 == 0o600
    shutil.copy(archive, new.path("/root"))
    new.sh(f"cd /root; {restore}")
    assert fingerprint(new) == first
    assert served(new) == "# It works"

    send, look = blocks("ANOTHER MACHINE")
    old.sh("echo '# Moved' > /srv/gemini/index.gmi")
    # ssh(1) with the network left out.
    old.path("/usr/local/bin/ssh").write_text(
        '#!/bin/sh\nprintf %s "$2" > /root/command\ncat > /root/stream\n')
    old.path("/usr/local/bin/ssh").chmod(0o755)
    old.sh(send)
    for name in ("command", "stream"):
        shutil.copy(old.path(f"/root/{name}"), new.path("/root"))
    new.sh("sh /root/command < /root/stream")
    assert first in new.sh(look)
    assert served(new) == "# Moved"


@pytest.mark.parametrize("command", ["apt remove", "apt purge"])
def test_what_is_left(start, command):
    machine = start("machine.example.org")
    begin(machine)
    assert f".Ql {command} carnation\n" in section("REMOVAL")
    machine.run(*command.replace("apt", "apt-get --yes").split(), "carnation")
    left = machine.path("/var/lib/carnation/certs/example.org.key").exists()
    assert left == (command == "apt remove")
    assert machine.path(CONF).exists() == left
