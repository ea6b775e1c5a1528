# SPDX-License-Identifier: ISC
"""Under a service manager: readiness, handed-over sockets, the unit files."""
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from binary import SANITIZED
from harness import CARNATION, TIMEOUT, ROOT, Server, tree
from life import (IS_ROOT, Plain, carnation, free_port, hup, own_network, root_only,
                  settle, wrapper)
from origin import Origin
from signed import Author, Key, check_store

PACKAGING = ROOT / "scripts/packaging"


@pytest.fixture
def root(place):
    return tree(place / "capsule", {"index.gmi": "# Hello\n"})


# -------------------------------------------------------------- readiness

class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(TIMEOUT)
        if not address.startswith("\0"):
            os.chmod(address, 0o777)

    def hears(self):
        return dict(line.split("=", 1) for line in
                    self.socket.recv(4096).decode().splitlines())

    def silent(self):
        self.socket.settimeout(0.3)
        try:
            return not self.hears()
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(TIMEOUT)


@pytest.mark.parametrize("abstract", [False, True])
def test_readiness_reload_and_stop_are_told(place, root, abstract):
    address = f"\0carnation-{os.getpid()}" if abstract else f"{place}/notify"
    manager = Manager(address)
    port = free_port()
    server = Plain("--certs", place / "certs", "--listen", f"127.0.0.1:{port}",
                   "--workers", "1", root, directory=place, ready=False,
                   env={"NOTIFY_SOCKET": address.replace("\0", "@")})
    server.ports = {4: port}
    assert manager.hears().get("READY") == "1"
    assert server.ask("/").whole, "ready means ready"
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    hup(server)
    told = manager.hears()
    assert told["RELOADING"] == "1"
    assert before <= int(told["MONOTONIC_USEC"]) <= before + 10_000_000
    assert manager.hears()["READY"] == "1"
    (place / "certs" / "localhost.key").write_text("nonsense")
    hup(server, "reload refused")
    assert manager.hears()["RELOADING"] == "1"
    assert manager.hears()["READY"] == "1", "the old one goes on"
    server.expect_workers()
    server.signal(signal.SIGTERM)
    assert manager.hears()["STOPPING"] == "1"
    assert server.process.wait(TIMEOUT) == 0
    Server.running.remove(server)
    assert manager.silent()


def test_a_manager_that_reads_nothing_holds_nothing_up(place, root):
    """Its queue is full: the server reloads and ends all the same."""
    manager = Manager(f"{place}/notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
        filler.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                filler.sendto(b"x", f"{place}/notify")
    server = Plain("--certs", place / "certs", "--listen", "127.0.0.1:0",
                   "--workers", "1", root, directory=place,
                   env={"NOTIFY_SOCKET": f"{place}/notify"})
    hup(server)
    settle(server)
    server.stop()
    manager.socket.close()


def test_a_start_that_fails_is_never_ready(place, root):
    manager = Manager(f"{place}/notify")
    (root / "capsule.conf").write_text("nonsense")
    server = Plain("--certs", place / "certs", "--listen", "127.0.0.1:0", root,
                   directory=place, ready=False,
                   env={"NOTIFY_SOCKET": f"{place}/notify"})
    Server.running.remove(server)
    assert server.process.wait(TIMEOUT) == 1
    assert manager.silent()


def test_nobody_listens_to_readiness(place, root):
    """A NOTIFY_SOCKET that leads nowhere stops nothing."""
    with Plain("--certs", place / "certs", "--listen", "127.0.0.1:0", root,
               directory=place,
               env={"NOTIFY_SOCKET": f"{place}/nowhere"}) as server:
        assert server.ask("/").whole


# ------------------------------------------------------ sockets handed over

@own_network
def test_a_socket_that_was_handed_over_is_served_instead(place, root):
    with Plain("--certs", place / "certs", "--workers", "1", root,
               directory=place,
               wrapper=wrapper("inherit", "127.0.0.1:4321")) as server:
        assert server.ports == {4: 4321}
        assert server.ask("/").whole
        with socket.socket() as s:
            assert s.connect_ex(("127.0.0.1", 1965)) != 0
        hup(server)
        settle(server)
        assert server.ask("/").whole, "kept over a reload"


@own_network
def test_handed_over_on_ipv6(place, root):
    with Plain("--certs", place / "certs", "--workers", "1", root,
               directory=place, families=(6,),
               wrapper=wrapper("inherit", "[::1]:4321")) as server:
        assert server.ports == {6: 4321}
        assert server.ask("/", family=6).whole


def test_sockets_meant_for_another_process_are_not_taken(place, root):
    with Plain("--certs", place / "certs", "--listen", "127.0.0.1:0", root,
               directory=place,
               env={"LISTEN_FDS": "1", "LISTEN_PID": "1"}) as server:
        assert server.ask("/").whole


def test_a_handed_over_file_that_is_no_socket(place, root):
    """Refused with a message, or passed over; never accepted from."""
    env = {"LISTEN_FDS": "1"}
    launcher = ["sh", "-c", 'exec 3</dev/null; LISTEN_PID=$$ exec "$@"', "sh"]
    server = Plain("--certs", place / "certs", "--listen", "127.0.0.1:0", root,
                   directory=place, ready=False, wrapper=launcher, env=env)
    server.wait_log("^carnation serve: (error|warning): .*descriptor 3|not.*listen")
    server.kill()


@pytest.mark.skipif(not shutil.which("systemd-socket-activate"),
                    reason="no systemd here")
def test_systemd_socket_activate(place, root):
    port = free_port()
    server = Plain("--certs", place / "certs", "--workers", "1", root,
                   directory=place, ready=False,
                   wrapper=["systemd-socket-activate", "-l",
                            f"127.0.0.1:{port}"])
    server.ports = {4: port}
    server.wait_log("Listening on")
    assert server.ask("/").whole, "it waited in the queue of the socket"
    server.wait_log("^carnation: ready: ")
    server.expect_workers()
    server.check()
    server.stop()
    server.remove()


# -------------------------------------------------------------- the units

@pytest.fixture
def units(place):
    """The files of scripts/packaging as `make install` fills them in."""
    where = place / "units"
    where.mkdir()
    for file in filter(Path.is_file, PACKAGING.iterdir()):
        text = file.read_text()
        for name, value in (("BINDIR", str(CARNATION.parent.resolve())),
                            ("SYSCONFDIR", str(place))):
            text = text.replace(f"@{name}@", value)
        assert not re.search("@[A-Z]+@", text), file
        (where / file.name).write_text(text)
    return where


UNITS = ("carnation.service", "carnation.socket", "carnation-mirror@.service",
         "carnation-mirror@.timer", "carnation-mirrors.service",
         "carnation-mirrors.timer")
systemd_only = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="no systemd here")


@systemd_only
@pytest.mark.parametrize("unit", [
    "carnation.service", "carnation-mirror@.service",
    "carnation-mirrors.service"])
def test_the_units_are_hardened(units, unit):
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager",
         "--threshold=11", units / unit],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    score = float(re.search(r"Overall exposure level.*?: ([\d.]+)",
                            done.stdout)[1])
    assert score <= 1.1


def calls(name):
    """The system calls in a set of systemd's, or one by its name."""
    if not name.startswith("@"):
        return {name}
    done = subprocess.run(["systemd-analyze", "syscall-filter", name],
                          capture_output=True, text=True, check=True)
    found = set()
    for line in map(str.strip, done.stdout.splitlines()[1:]):
        if line and not line.startswith("#"):
            found |= calls(line)
    return found


def filtered(units, unit):
    """A file of what SystemCallFilter= leaves; systemd itself always adds
    @default and execve (systemd.exec(5))."""
    left = calls("@default") | {"execve"}
    for line in unit_value(units, "SystemCallFilter", unit):
        names = set().union(*map(calls, line.lstrip("~").split()))
        left = left - names if line.startswith("~") else left | names
    if SANITIZED:
        left.add("ptrace")  # LeakSanitizer's, at the end of each process
    file = units / f"{unit}.calls"
    file.write_text("\n".join(sorted(left)))
    return file


@systemd_only
def test_the_server_starts_within_the_filter_of_its_unit(units, place, root):
    """As its user, with no more calls than the unit leaves: keys apart, and the
    same sandbox as without."""
    user = wrapper("user", 65534) if IS_ROOT else []
    place.chmod(0o777)
    said = []
    for inner in ([], wrapper("calls", filtered(units, "carnation.service"))):
        with Plain("--certs", place / "certs", "--workers", "1", "--listen",
                   "127.0.0.1:0", root, directory=place,
                   wrapper=[*user, *inner]) as server:
            assert server.ask("/").whole
            hup(server)
            settle(server)
            assert server.ask("/").whole
            said.append(re.search("^  sandbox .*", server.log()[
                server.started_at:], re.M)[0])
    assert said[0] == said[1]


@systemd_only
def test_the_units_are_without_fault(units):
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no",
         *(units / unit for unit in UNITS)], capture_output=True, text=True)
    ours = [x for x in done.stderr.splitlines() if "carnation" in x]
    assert done.returncode == 0 and not ours, done.stderr


@pytest.mark.skipif(not shutil.which("systemd-sysusers"),
                    reason="no systemd here")
def test_the_user_can_be_made(units, place):
    (place / "root/etc").mkdir(parents=True)
    done = subprocess.run(
        ["systemd-sysusers", f"--root={place}/root",
         units / "carnation.sysusers"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search("^carnation:", (place / "root/etc/passwd").read_text(),
                     re.M)


def test_the_logs_directory_is_one(units):
    """What systemd-tmpfiles makes, the service may write and logrotate empties,
    with the group that reads it."""
    rule, = re.findall("^d .*", (units / "carnation.tmpfiles").read_text(), re.M)
    _, path, mode, user, group, _ = rule.split()
    assert (mode, group) == ("2750", "adm")
    assert unit_value(units, "User") == [user]
    assert unit_value(units, "ReadWritePaths") == ["-" + path]
    rotated = (units / "carnation.logrotate").read_text()
    assert set(re.findall("^/.*/", rotated, re.M)) == {path + "/"}
    assert set(re.findall("su (.*)", rotated)) == {f"{user} {group}"}
    # LogsDirectory= would give it to the user's own group at each start, and
    # UMask=0077 would keep files from the group.
    assert unit_value(units, "LogsDirectory") == []
    assert unit_value(units, "UMask") == ["0027"]
    assert unit_value(units, "DynamicUser") == []


def test_what_a_mirrors_unit_counts_as_success(units):
    """Later is not a failure, staleness is; the run ends itself in time."""
    for name in ("carnation-mirror@.service", "carnation-mirrors.service"):
        assert unit_value(units, "SuccessExitStatus", name) == ["1"]
        assert unit_value(units, "ConditionPathExists", name) == []
        # Of one run, and of as many as there are stores.
        assert unit_value(units, "TimeoutStartSec", name) == [
            "6h 5min" if "@" in name else "infinity"]
    assert "(6h)" in carnation("help", "mirror").stdout


@root_only
def test_what_root_does_by_hand_the_service_can_go_on_with(place):
    """The first run of carnation-mirrors.service, as its file says."""
    place.chmod(0o755)
    key = Key.new()
    public, _ = key.write(place)
    text = (PACKAGING / "carnation-mirrors.service").read_text()
    block = text.split("a copy of:\n#\n")[1].split("\n[Unit]")[0]
    make, run = re.sub(r"^#\s*", "", block, flags=re.M).replace(
        "\\\n", "").splitlines()
    stores = place / "var/lib/carnation-mirror"
    with Origin(place) as origin:
        origin.author = Author(key, origin.url())
        origin.publish()
        for line in (make, run):
            for old, new in (("/var/lib/", f"{place}/var/lib/"),
                             ("-o carnation -g carnation", "-o 65534 -g 65534"),
                             ("capsule-1.pub", str(public)),
                             ("gemini://example.org/", origin.url())):
                line = line.replace(old, new)
            done = subprocess.run(
                ["sh", "-euc", f'carnation() {{ {CARNATION.resolve()} "$@"; }}\n'
                 + line], capture_output=True, text=True)
            assert done.returncode == 0, done
        assert {p.stat().st_uid for p in stores.rglob("*")} == {65534}
        origin.publish({"page.gmi": "# News\n"})
        done = carnation("mirror", "--all", stores,
                         wrapper=wrapper("user", "65534"))
    assert done.returncode == 0 and "now serving 2" in done.stdout, done
    assert check_store(stores / "NAME", [key.public]).serial == 2


def unit_value(units, key, unit="carnation.service"):
    text = (units / unit).read_text().replace("\\\n", " ")
    return re.findall(rf"^{key}=(.*)$", text, re.M)


def test_the_words_of_the_unit_are_ours(units, place, root):
    """What ExecStart and ExecReload say, this program understands."""
    (place / "carnation").mkdir()
    (place / "carnation/carnation.conf").write_text(
        re.sub('^(\t*root = ").*"', rf'\1{root}"',
               (units / "carnation.conf").read_text(), flags=re.M)
        .replace("*:1965", "127.0.0.1:0"))
    start, = unit_value(units, "ExecStart")
    # A check that fails must not keep the signal back, but has to be seen.
    kill, check = unit_value(units, "ExecReload")
    assert kill == "/bin/kill -HUP $MAINPID"
    words = check.replace("%S", str(place / "state")).split()
    words[0] = str(CARNATION)
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " warning: " not in done.stdout
    words = start.replace("%S", str(place / "state")).split()
    assert words[1] == "serve"
    with Plain(*words[2:], "--workers=1", directory=place) as server:
        assert server.ask("/").whole
        assert (place / "state/carnation/certs/localhost.key").exists()


def test_the_words_of_the_mirrors_unit_and_cron_line_are_ours(units, place):
    """As systemd and cron would run them, with the words of its
    configuration."""
    key = Key.new()
    public, _ = key.write(place)
    with Origin(place) as origin:
        origin.author = Author(key, origin.url())
        origin.publish()
        start, = unit_value(units, "ExecStart", "carnation-mirror@.service")
        for name, value in (
                ("$URL", origin.url()),
                ("$OPTIONS", f"--key {public} --host mirror.example "
                             "--contact me"),
                ("%S", str(place / "state")), ("%i", "home")):
            assert name in start, start
            start = start.replace(name, value)
        store = place / "state/carnation-mirror/home"
        store.mkdir(parents=True)  # as StateDirectory= does
        inside = (wrapper("calls", filtered(units, "carnation-mirror@.service"))
                  if shutil.which("systemd-analyze") else [])
        done = subprocess.run([*inside, CARNATION, *start.split()[1:]],
                              cwd=place, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert check_store(store, [key.public]).serial == 1
        assert "contact: me\n" in (store / "trace").read_text()
        origin.publish({"page.gmi": "# News\n"})
        # As it is without an entry in EnvironmentFile=, and from cron.
        again = unit_value(units, "ExecStart", "carnation-mirror@.service")[0]
        for name, value in (("$OPTIONS $URL ", ""), ("%i", "home"),
                            ("%S", str(place / "state"))):
            again = again.replace(name, value)
        done = subprocess.run([CARNATION, *again.split()[1:]], cwd=place,
                              capture_output=True, text=True)
        assert done.returncode == 0 and "now serving 2" in done.stdout, done
        for serial in (3, 4):
            origin.publish({"page.gmi": f"# {serial}\n"})
            done = cron_line(units, store.parent, quiet=serial == 4)
            assert done.returncode == 0, done
            assert ("now serving 3" in done.stdout) == (serial == 3), done
            assert check_store(store, [key.public]).serial == serial
    for quiet in (False, True):  # the origin is gone
        done = cron_line(units, store.parent, quiet)
        assert (done.stdout + done.stderr == "") == quiet, done
    (store / "state").write_text("nonsense\n")
    assert "line 1" in cron_line(units, store.parent, quiet=True).stdout


def cron_line(units, stores, quiet):
    """Runs what is installed for cron, or its form that speaks only when a
    person is wanted."""
    *lines, user, line = (
        units / "carnation-mirror.cron").read_text().splitlines()
    assert user == "MAILTO=root"
    assert re.match(r"[\d*/ ]+ carnation ", line) and "%" not in line
    line = line.split(" carnation ", 1)[1]
    if quiet:
        last = lines[-1].removeprefix("# ")
        assert last.startswith("out=$(") and "%" not in last
        line = line.split("; ")[0] + "; " + last
    for name, value in (("-i 0-3000", "-i 0-0"),
                        ("/srv/mirrors", str(stores))):
        assert name in line, line
        line = line.replace(name, value)
    return subprocess.run(["sh", "-uc", line], capture_output=True, text=True)


def alarm(place):
    """The recipe of carnation-mirror(7), in files: what each of them is called
    there, and what it holds."""
    text = (ROOT / "src/man/carnation-mirror.7").read_text()
    text = text.split("\n.Ss Alarms\n")[1].split("\n.Ss ")[0]
    found = re.findall(
        r"^\.Pa /etc/systemd/system/(\S+)(?: :)?\n(?:\(.*\n.*\) :\n)?"
        r"\.Bd -literal\n(.*?)^\.Ed$", text.replace("\\e\n", "\\\n"),
        re.M | re.S)
    for name, lines in found:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(lines)
    return [name for name, _ in found]


@systemd_only
def test_the_recipe_for_alarms_is_without_fault(place, units):
    """Together with the unit that fails, whose name it is given."""
    names = alarm(units)
    assert sorted(names) == ["carnation-alarm@.service",
                             "carnation-mirror@.service.d/alarm.conf"]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no",
         "carnation-mirror@home.service",
         "carnation-alarm@carnation-mirror@home.service.service"],
        env=dict(os.environ, SYSTEMD_UNIT_PATH=f"{units}:"),
        capture_output=True, text=True)
    ours = [x for x in done.stderr.splitlines() if "carnation" in x]
    assert done.returncode == 0 and not ours, done.stderr
    drop_in = (units / names[0]).read_text()
    assert drop_in == "[Unit]\nOnFailure=carnation-alarm@%n.service\n"


def test_the_alarm_mails_the_end_of_the_journal(place, units):
    alarm(units)
    start, = unit_value(units, "ExecStart", "carnation-alarm@.service")
    assert start.startswith("/bin/sh -c '") and "$" not in start
    start = start.replace("%i", "carnation-mirror@home.service")
    start = start.replace("%H", "here")
    assert "%" not in start
    bin_ = tree(place / "bin", {
        "journalctl": '#!/bin/sh\necho "said by $2"\n',
        "mail": '#!/bin/sh\n{ echo "$@"; cat; } > "$OUT"\n'})
    for program in bin_.iterdir():
        program.chmod(0o755)
    subprocess.run(start, shell=True, check=True, env=dict(
        os.environ, OUT=str(place / "out"), PATH=f"{bin_}:/bin:/usr/bin"))
    assert (place / "out").read_text() == (
        "-s carnation-mirror@home.service failed on here root\n"
        "said by carnation-mirror@home.service\n")


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="no shellcheck")
def test_the_openrc_script_is_a_sound_script(units):
    done = subprocess.run(["shellcheck", units / "carnation.openrc"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert (units / "carnation.openrc").read_text().startswith(
        "#!/sbin/openrc-run\n")


@root_only
@pytest.mark.parametrize("readable", [True, False])
def test_the_openrc_script_checks_as_the_user_of_the_service(
        units, place, root, readable):
    """What only root can read is an error before the start, not at it."""
    program = shutil.copy(CARNATION, place / "program")
    config = place / "c.conf"
    config.write_text('listen = ["127.0.0.1:0"];\n'
                      f'capsules = ({{ host = "a.example"; root = "{root}"; }}'
                      ');\n')
    config.chmod(0o644 if readable else 0o600)
    (place / "units").chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", f'cfgfile="{config}" certs="{place}/certs"; '
         f'. "{units}/carnation.openrc"; command="{program}" '
         'command_user=nobody:nogroup; checkconfig'],
        capture_output=True, text=True, cwd=place)
    assert done.returncode == (0 if readable else 1), done
    assert readable or "Permission denied" in done.stdout, done


@root_only
@pytest.mark.skipif(not shutil.which("setsid"), reason="no setsid")
def test_the_openrc_script_lends_no_terminal_to_the_user(units, place):
    """Other processes of that user may trace the one that checks, and could
    type commands into the terminal at which root started the service. The su
    of BusyBox keeps it, as this one does."""
    tree(place, {"program": "#!/bin/sh\n"
                            "if (: < /dev/tty) 2>/dev/null\n"
                            "then echo a terminal; else echo none; fi\n"
                            "exit 7\n",
                 "su": '#!/bin/sh\nexec /bin/sh -c "$4"\n'})
    for program in ("program", "su"):
        (place / program).chmod(0o755)
    place.chmod(0o755)
    master, slave = pty.openpty()
    try:
        done = subprocess.run(
            ["setsid", "--ctty", "--wait", "sh", "-c",
             f': < /dev/tty || exit 1; . "{units}/carnation.openrc"; '
             f'command="{place}/program" command_user=nobody:nogroup; '
             'checkconfig; exit $?'],
            stdin=slave, capture_output=True, text=True, cwd=place,
            env={**os.environ, "PATH": f"{place}:{os.environ['PATH']}"})
    finally:
        os.close(master)
        os.close(slave)
    assert (done.stdout, done.returncode) == ("none\n", 7), done
