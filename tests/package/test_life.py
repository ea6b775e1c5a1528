# SPDX-License-Identifier: ISC
"""The package in the life of a machine: installed, upgraded, booted again,
removed and purged, in a Debian that boots in a folder (`make soak`)."""
import json
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from machine import (Machine, build_package, call, make_base, wait_for,
                     why_not)

NAME = "capsule.example.org"
URL = f"gemini://{NAME}/"
CONF = "/etc/carnation/carnation.conf"
LOG = "/var/log/carnation/access.log"
OLD = Path(__file__).with_name("0.1")

# One after the other, in one process: they share what is built once.
pytestmark = [pytest.mark.soak, pytest.mark.xdist_group("package"),
              pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]


# ------------------------------------------------------- packages, machines

@pytest.fixture(scope="module")
def workshop():
    folder = Path(tempfile.mkdtemp(prefix="carnation-package-", dir="/var/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def package():
    return build_package()


@pytest.fixture(scope="module")
def base(workshop, package):
    depends = call("dpkg-deb", "--field", package, "Depends")
    make_base(workshop / "base", re.findall(r"(?:^|, )([a-z0-9.+-]+)", depends))
    return workshop / "base"


@pytest.fixture
def machine(base):
    machine = Machine(base, NAME)
    yield machine
    machine.remove()


def old_files(tree, program, prefix, units):
    """What version 0.1 installed below PREFIX, with its unit. The program is
    the present one: what the old one wrote has tests of its own."""
    for name, place in (
            ("carnation.service", f"{units}/carnation.service"),
            ("carnation-mirror@.service", f"{units}/carnation-mirror@.service"),
            ("carnation.sysusers", f"{prefix}/lib/sysusers.d/carnation.conf"),
            ("carnation.logrotate", "etc/logrotate.d/carnation"),
            ("carnation.conf", "etc/carnation/carnation.conf"),
            ("carnation.conf", "etc/carnation/carnation.conf.example")):
        (tree / place).parent.mkdir(parents=True, exist_ok=True)
        (tree / place).write_text(
            (OLD / name).read_text().replace("@BINDIR@", f"/{prefix}/bin")
            .replace("@SYSCONFDIR@", "/etc"))
    (tree / prefix / "bin").mkdir(parents=True, exist_ok=True)
    shutil.copy(program, tree / prefix / "bin/carnation")


@pytest.fixture(scope="module")
def program(workshop, package):
    call("dpkg-deb", "--extract", package, workshop / "new")
    return workshop / "new/usr/bin/carnation"


@pytest.fixture(scope="module")
def old_package(workshop, package, program):
    """As a packager may have made one of version 0.1: without scripts."""
    tree = workshop / "old"
    old_files(tree, program, "usr", "lib/systemd/system")
    fields = {"Package": "carnation", "Version": "0.1.0-1",
              "Architecture": call("dpkg", "--print-architecture").strip(),
              "Maintainer": "A packager <packager@example.org>",
              "Depends": call("dpkg-deb", "--field", package,
                              "Depends").strip(),
              "Description": "a Gemini capsule server"}
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(
        "".join(f"{key}: {value}\n" for key, value in fields.items()))
    (tree / "DEBIAN/conffiles").write_text(
        "/etc/carnation/carnation.conf\n/etc/carnation/carnation.conf.example\n"
        "/etc/logrotate.d/carnation\n")
    call("dpkg-deb", "--root-owner-group", "--build", tree,
         workshop / "old.deb")
    return workshop / "old.deb"


def install(machine, package):
    shutil.copy(package, machine.path("/var/tmp/carnation.deb"))
    return machine.run("apt-get", "install", "--yes", "/var/tmp/carnation.deb")


# ------------------------------------------------------ what a visitor sees

def fetch(machine, status=0):
    """The front page. The client remembers the certificate from visit to visit,
    as people's clients do, and refuses another."""
    return machine.sh(f"exec carnation fetch {URL} 2>/dev/null", status=status)


def fingerprint(machine):
    pair, = json.loads(machine.run("carnation", "cert", "show", "--json", NAME))
    return pair["sha256"]


def write_capsule(machine, text):
    machine.path("/srv/gemini").mkdir(exist_ok=True)
    machine.path("/srv/gemini/index.gmi").write_text(text)


# --------------------------------------------- what the administrator expects

def check_service(machine):
    assert machine.run("systemctl", "is-active", "carnation") == "active\n"
    assert machine.run("systemctl", "is-enabled", "carnation") == "enabled\n"
    assert machine.run("systemctl", "show", "--property=NRestarts",
                       "carnation") == "NRestarts=0\n"
    check_no_failure(machine)


def check_no_failure(machine):
    assert machine.run("systemctl", "list-units", "--failed",
                       "--no-legend") == ""


def check_closed(machine):
    done = machine.enter("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/1965")
    assert done.returncode != 0, "somebody still listens"


def stat(machine, *paths):
    """Owner, group and mode of each, as "user:group mode kind"."""
    return machine.run("stat", "--format=%U:%G %a %F", *paths).splitlines()


def check_state(machine):
    """Where a backup looks for it, and nobody else."""
    assert stat(machine, "/var/lib/carnation", "/var/lib/carnation/certs") == [
        "carnation:carnation 700 directory"] * 2
    assert stat(machine, f"/var/lib/carnation/certs/{NAME}.key") == [
        "carnation:carnation 600 regular file"]
    assert not machine.path("/var/lib/private/carnation").exists()
    assert re.search("^carnation:", machine.path("/etc/passwd").read_text(),
                     re.M)


def check_logs(machine, *names):
    folder = "/var/log/carnation"
    assert stat(machine, folder) == ["carnation:adm 2750 directory"]
    assert not machine.path("/var/log/private/carnation").exists()
    for name in names:
        assert stat(machine, f"{folder}/{name}") == [
            "carnation:adm 640 regular file"]
        assert machine.run("zcat", "-f", f"{folder}/{name}", user="reader")
        machine.run("cat", f"{folder}/{name}", user="nobody", status=1)


def log_to_file(machine, access=LOG):
    conf = machine.path(CONF)
    conf.write_text(re.sub("^(\taccess = ).*", rf'\1"{access}";',
                           conf.read_text(), flags=re.M))


def rotate(machine):
    """A day's work of logrotate.timer, and the next line has arrived."""
    machine.run("logrotate", "--force", "/etc/logrotate.d/carnation")

    def arrives():
        fetch(machine)
        return machine.path(LOG).exists() and machine.path(LOG).read_text()
    wait_for(arrives, "a line in the new log")


def inventory(machine):
    """Every file that is not the machine's own business."""
    own = ("/proc", "/sys", "/dev", "/run", "/tmp", "/var/tmp", "/var/cache",
           "/var/log/journal", "/var/log/apt", "/var/lib/dpkg", "/var/lib/apt",
           "/root", "/var/lib/systemd", "/etc/passwd", "/etc/shadow",
           "/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/subgid",
           "/etc/.pwd.lock", "/var/lib/logrotate")
    words = machine.run("find", "/", "-xdev", "(", *" -o ".join(
        f"-path {path}" for path in own).split(), ")", "-prune", "-o",
        "-print").splitlines()
    return {word for word in words if not re.match(
        r"/(etc/(passwd|shadow|group|gshadow|subuid|subgid)-|"
        r"var/log/(dpkg.log|alternatives.log|wtmp|btmp|lastlog|faillog))", word)}


@pytest.fixture
def booted(machine):
    machine.boot()
    machine.run("useradd", "--system", "--user-group", "--groups=adm",
                "--no-create-home", "reader")
    return machine


# ------------------------------------------------------------------ the lives

def test_from_the_installation_to_the_purge(booted, package):
    machine = booted
    before = inventory(machine)
    install(machine, package)

    # The first page, without a word of configuration.
    page = fetch(machine)
    assert page.startswith("# "), page
    assert page == machine.path("/srv/gemini/index.gmi").read_text()
    assert f'host = "{NAME}";' in machine.path(CONF).read_text()
    assert machine.run("ls", "-A", "/etc/carnation") == "carnation.conf\n"
    first = fingerprint(machine)
    check_service(machine)
    check_state(machine)
    check_logs(machine)
    assert machine.sh("ps -C carnation -o user= | sort -u") == "carnation\n"
    machine.run("systemctl", "is-enabled", "carnation.socket", status=1)

    # Confined as without the unit, and with the right word on how to stop it.
    report = json.loads(machine.run("carnation", "check", "--json", "-c", CONF))
    said = machine.run("journalctl", "--unit=carnation", "--output=cat")
    assert report["sandbox"] == "on"
    if report["landlock"]:
        assert f"files: Landlock {report['landlock']}; " in said
    assert "system calls: seccomp" in said
    assert re.search("^ *stop +systemctl stop carnation$", said, re.M)
    assert not re.search("error|warning", said)

    # A log in a file, by a reload; a broken configuration changes nothing.
    log_to_file(machine)
    machine.run("systemctl", "reload", "carnation")
    rotate(machine)
    rotate(machine)
    rotate(machine)
    check_logs(machine, "access.log", "access.log.1", "access.log.2.gz")
    assert "0 errors, 0 warnings\n" in machine.journal()
    good = machine.path(CONF).read_text()
    machine.path(CONF).write_text(good + "nonsense\n")
    assert "Job for carnation.service failed" in machine.run(
        "systemctl", "reload", "carnation", status=1)
    wait_for(lambda: "reload refused" in machine.journal(), "the refusal")
    assert fetch(machine) == page
    machine.path(CONF).write_text(good)
    machine.run("systemctl", "reload", "carnation")

    machine.reboot()
    assert fetch(machine) == page
    assert fingerprint(machine) == first
    check_service(machine)

    # A naive backup has the certificate, and is all that is needed.
    machine.run("tar", "-C", "/", "-cpf", "/var/tmp/backup.tar",
                "var/lib/carnation", "etc/carnation")
    assert f"var/lib/carnation/certs/{NAME}.key" in machine.run(
        "tar", "-tf", "/var/tmp/backup.tar").split()
    machine.run("apt-get", "purge", "--yes", "carnation")
    machine.run("tar", "-C", "/", "-xpf", "/var/tmp/backup.tar")
    write_capsule(machine, "# My own\n")
    install(machine, package)
    assert fetch(machine) == "# My own\n"
    assert fingerprint(machine) == first
    check_state(machine)
    check_service(machine)

    # Removed, everything of the administrator's stays; so it can come back.
    machine.run("apt-get", "remove", "--yes", "carnation")
    check_closed(machine)
    for path in (CONF, f"/var/lib/carnation/certs/{NAME}.key",
                 "/srv/gemini/index.gmi"):
        assert machine.path(path).exists(), path
    check_no_failure(machine)
    machine.reboot()
    install(machine, package)
    assert fetch(machine) == "# My own\n"
    assert fingerprint(machine) == first

    # Purged, nothing is left but the pages.
    machine.run("apt-get", "purge", "--yes", "carnation")
    assert machine.path("/srv/gemini/index.gmi").exists()
    shutil.rmtree(machine.path("/srv/gemini"))
    assert inventory(machine) - before == set()
    machine.reboot()


def test_a_welcome_page_that_nobody_changed_goes_with_the_package(booted,
                                                                  package):
    before = inventory(booted)
    install(booted, package)
    booted.run("apt-get", "purge", "--yes", "carnation")
    assert inventory(booted) - before == set()


# ------------------------------------------------------------------- upgrades

def old_installation(machine):
    """A capsule with a certificate that its readers know, and a log."""
    write_capsule(machine, "# Since 0.1\n")
    conf = machine.path(CONF)
    conf.write_text(conf.read_text().replace('"localhost"', f'"{NAME}"'))
    log_to_file(machine)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "enable", "--now", "carnation")
    assert fetch(machine) == "# Since 0.1\n"
    assert machine.path("/var/lib/carnation").is_symlink()
    assert machine.path("/var/log/carnation").is_symlink()
    return fingerprint(machine), conf.read_text()


def check_upgraded(machine, before):
    assert fetch(machine) == "# Since 0.1\n"
    assert (fingerprint(machine), machine.path(CONF).read_text()) == before
    check_state(machine)
    check_service(machine)
    check_logs(machine, "access.log")


@pytest.mark.parametrize("user", ["fixed", "dynamic"])
def test_an_upgrade_keeps_certificate_configuration_and_logs(
        booted, package, old_package, user):
    """The user carnation was made by hand, or lived as long as the service."""
    machine = booted
    install(machine, old_package)
    if user == "fixed":
        machine.run("systemd-sysusers")
    before = old_installation(machine)
    assert machine.sh("grep -c ^carnation: /etc/passwd || :") == (
        "1\n" if user == "fixed" else "0\n")
    lines = machine.path("/var/log/private/carnation/access.log").read_text()
    assert lines

    said = install(machine, package)
    assert "moved /var/lib/private/carnation to /var/lib/carnation\n" in said
    check_upgraded(machine, before)
    assert machine.path(LOG).read_text().startswith(lines)
    assert machine.run("ls", "-A", "/etc/carnation") == "carnation.conf\n"
    rotate(machine)
    check_logs(machine, "access.log", "access.log.1")
    assert "carnation-migrate" not in machine.run(
        "dpkg-reconfigure", "--frontend=noninteractive", "carnation"), \
        "nothing is left to do"

    machine.reboot()
    check_upgraded(machine, before)
    machine.run("apt-get", "purge", "--yes", "carnation")
    left = machine.sh("find / -xdev -name '*carnation*' -not -path '/proc/*' "
                      "-not -path '/var/tmp/*' -not -path '/root/*'").split()
    assert left == [], left
    assert machine.path("/srv/gemini/index.gmi").exists()


def test_make_install_moves_what_an_older_one_left(booted, program):
    machine = booted
    old_files(machine.root, program, "usr/local", "usr/local/lib/systemd/system")
    machine.run("ldconfig")
    before = old_installation(machine)
    machine.copy_source("/usr/src/carnation", program)
    make = ["make", "-C", "/usr/src/carnation", "-o", "build/carnation"]
    said = machine.run(*make, "install")
    assert "moved /var/lib/private/carnation to /var/lib/carnation\n" in said
    assert "systemctl restart carnation" in said
    assert "already exists" not in said and "first, as root:" not in said
    assert fetch(machine) == "# Since 0.1\n", "the old service goes on"
    machine.run("systemctl", "restart", "carnation")
    check_upgraded(machine, before)
    machine.reboot()
    check_upgraded(machine, before)
    rotate(machine)
    check_logs(machine, "access.log", "access.log.1")

    machine.run("systemctl", "disable", "--now", "carnation")
    machine.run(*make, "uninstall")
    check_closed(machine)
    check_no_failure(machine)
    for path in (CONF, f"/var/lib/carnation/certs/{NAME}.key", LOG):
        assert machine.path(path).exists(), path


def test_no_client_is_turned_away_with_systemds_sockets(booted, package):
    """While the package is installed again, as by an upgrade."""
    machine = booted
    install(machine, package)
    machine.sh("systemctl stop carnation; "
               "systemctl enable --now carnation.socket; "
               "systemctl start carnation")
    machine.sh("""
        systemd-run --quiet --unit=visitor sh -c '
            while ! [ -e /run/enough ]; do
                carnation fetch --known-hosts /run/known -o - "$1" \
                    >/dev/null 2>&1 || echo failed >> /run/visits
                echo visit >> /run/visits
            done' sh """ + URL)

    def visits():
        file = machine.enter("cat", "/run/visits").stdout.splitlines()
        return file.count("visit")

    for _ in range(3):
        count = visits()
        wait_for(lambda: visits() > count + 3, "visits before the upgrade")
        main = machine.run("systemctl", "show", "--property=MainPID",
                           "carnation")
        machine.run("apt-get", "install", "--yes", "--reinstall",
                    "/var/tmp/carnation.deb")
        assert main != machine.run("systemctl", "show", "--property=MainPID",
                                   "carnation"), "it was restarted"
    count = visits()
    wait_for(lambda: visits() > count + 3, "visits after the upgrade")
    machine.run("touch", "/run/enough")
    assert "failed" not in machine.run("cat", "/run/visits")
    check_no_failure(machine)


# -------------------------------------------------------------------- mirrors

MIRROR = "mirror.example.org"
STORES = "/var/lib/carnation-mirror"


def publish(machine, text):
    write_capsule(machine, text)
    machine.run("carnation", "publish", "/srv/gemini", "/srv/store", "--key",
                "/root/key.sec", "--origin", URL)
    wait_for(lambda: fetch(machine) == text, "the new release")


def serve(machine, **roots):
    """The configuration: where the page of each host is."""
    hosts = {"origin": NAME, "mirror": MIRROR}
    capsules = ",\n".join(f'\t{{ host = "{hosts[host]}"; root = "{root}"; }}'
                          for host, root in roots.items())
    machine.path(CONF).write_text(
        f'listen = [ "*:1965" ];\ncapsules = (\n{capsules}\n);\n')


def mirrored(machine):
    return machine.enter("sh", "-c", "exec carnation fetch "
                         f"gemini://{MIRROR}/ 2>/dev/null").stdout


def check_mirror(machine):
    assert not machine.path(STORES).is_symlink()
    owners = machine.run("find", f"{STORES}/home", "-printf", "%u:%g\\n")
    assert set(owners.split()) == {"carnation:carnation"}
    check_no_failure(machine)


def test_mirrors_go_on_over_upgrade_reboot_and_purge(booted, package,
                                                     old_package):
    machine = booted
    with open(machine.path("/etc/hosts"), "a", encoding="ascii") as hosts:
        hosts.write(f"127.0.1.1\t{MIRROR}\n")
    install(machine, old_package)
    machine.run("systemd-sysusers")
    machine.run("carnation", "key", "new", "/root/key")
    shutil.copy(machine.path("/root/key.pub"), machine.path("/etc/carnation"))
    machine.path("/srv/gemini").mkdir()
    serve(machine, origin="/srv/store")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "enable", "carnation")
    write_capsule(machine, "# One\n")
    machine.run("carnation", "publish", "/srv/gemini", "/srv/store", "--key",
                "/root/key.sec", "--origin", URL)
    machine.run("systemctl", "start", "carnation")
    # As version 0.1 wanted it.
    machine.path("/etc/carnation/mirror-home.conf").write_text(
        f"URL={URL}\nKEY=/etc/carnation/key.pub\n"
        f"OPTIONS=--host {MIRROR}\n")
    machine.run("systemctl", "start", "carnation-mirror@home")
    serve(machine, origin="/srv/store", mirror=f"{STORES}/home")
    machine.run("systemctl", "reload", "carnation")
    wait_for(lambda: mirrored(machine) == "# One\n", "the mirror's page")

    install(machine, package)
    publish(machine, "# Two\n")
    machine.run("systemctl", "start", "carnation-mirror@home")
    wait_for(lambda: mirrored(machine) == "# Two\n", "the second release")
    check_mirror(machine)
    publish(machine, "# Three\n")
    machine.run("systemctl", "start", "carnation-mirrors")
    wait_for(lambda: mirrored(machine) == "# Three\n", "the third release")
    check_mirror(machine)
    publish(machine, "# Four\n")
    machine.run("systemctl", "start", "carnation-mirror@home")
    wait_for(lambda: mirrored(machine) == "# Four\n", "the fourth release")
    check_mirror(machine)
    machine.run("systemctl", "enable", "carnation-mirrors.timer",
                "carnation-mirror@home.timer")

    machine.reboot()
    assert mirrored(machine) == "# Four\n"
    check_mirror(machine)
    timers = machine.run("systemctl", "list-timers", "--no-legend")
    assert "carnation-mirrors.timer" in timers
    assert "carnation-mirror@home.timer" in timers

    said = machine.run("apt-get", "purge", "--yes", "carnation")
    assert f"kept: {STORES}" in said
    assert machine.path(f"{STORES}/home/current").exists(), "a last copy, maybe"
    check_no_failure(machine)
    assert "carnation" not in machine.run(
        "systemctl", "list-unit-files", "--no-legend")
    machine.reboot()
