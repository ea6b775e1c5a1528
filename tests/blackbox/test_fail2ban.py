# SPDX-License-Identifier: ISC
"""The example of a filter for fail2ban finds in real logs what it says. Here its
expressions are read as fail2ban reads them; where there is a fail2ban, it says
the same."""
import configparser
import re
import shutil
import subprocess

import pytest

from harness import ROOT, Client, Server, tree, wait_for

FILTER = ROOT / "scripts/packaging/fail2ban-filter.conf"
JAIL = ROOT / "scripts/packaging/fail2ban-jail.conf"
# As fail2ban 1.0 has it: no names, no networks.
ADDRESS = (r"\[?(?:(?:::f{4,6}:)?(?P<ip4>(?:\d{1,3}\.){3}\d{1,3})|(?P<ip6>(?:"
           r"[0-9a-fA-F]{1,4}::?|:){1,7}(?:[0-9a-fA-F]{1,4}|(?<=:):)))\]?")
DATE = {"%Y": r"\d{4}", "%m": r"\d\d", "%d": r"\d\d", "%H": r"\d\d",
        "%M": r"\d\d", "%S": r"\d\d", "%f": r"\d{1,6}", "%z": r"Z"}


class Filter:
    def __init__(self):
        ini = configparser.ConfigParser()
        assert ini.read(FILTER)
        self.values = ini["Definition"]
        date = re.sub("%[a-zA-Z]", lambda m: DATE[m[0]],
                      self.values["datepattern"])
        self.date = re.compile(date)
        self.lines = [re.compile(line.replace("<ADDR>", ADDRESS)) for line in
                      self.values["failregex"].splitlines()]

    def address(self, line, journal=False):
        """Whom a line speaks against, or None. From a file the time is taken
        out of it; the journal adds a host and a process."""
        if journal:
            line = f"machine carnation[4711]: {line}"
        else:
            at = self.date.search(line)
            if at is None:
                return None
            line = line[:at.start()] + line[at.end():]
        found = [m for m in (x.search(line) for x in self.lines) if m]
        assert len(found) <= 1, "counted once"
        return (found[0]["ip4"] or found[0]["ip6"]) if found else None


@pytest.fixture(scope="module")
def rules():
    return Filter()


def fail2ban(file):
    """The lines that fail2ban itself counts."""
    done = subprocess.run(
        ["fail2ban-regex", "--print-all-matched", file, FILTER],
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    matched = done.stdout.partition("Matched line(s):")[2]
    return re.findall(r"^\|  (.*)$", matched.partition("`-")[0], re.M)


def log_of(place, form, addresses="full"):
    """What a server wrote of good clients and of others, by address."""
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    file = place / "access.log"
    with Server([{"host": "localhost", "root": str(root)}], directory=place,
                listen=(4,), alive=None, options={
                    "limits": {"exempt": [], "rate": 1, "burst": 3},
                    "log": {"access": str(file), "format": form,
                            "handshakes": True, "addresses": addresses}},
                ) as server:
        first = len(file.read_text().splitlines())
        server.ask("/", source="127.0.0.2")
        server.ask("/44", source="127.0.0.2")
        with Client(server, source="127.0.0.3") as c:
            c.send(b"GET / HTTP/1.1\r\n")
            assert c.reply().status == 59
        # Three are allowed, and one more for each second that this takes.
        asked = 1
        while server.ask("/", source="127.0.0.4").status != 44:
            asked += 1
            assert asked < 1000
        subprocess.run(
            ["/usr/bin/python3", "-c", "import socket, sys\n"
             "s = socket.create_connection(('127.0.0.1', int(sys.argv[1])),"
             " source_address=('127.0.0.5', 0))\n"
             "s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')\n"
             "while s.recv(100): pass", str(server.ports[4])],
            check=False, stderr=subprocess.DEVNULL)
        wait_for(lambda: len(file.read_text().splitlines()) >= first + 4 + asked)
        return file


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_clients_do_wrong_is_found_in_both_formats(place, rules, form):
    file = log_of(place, form)
    lines = file.read_text().splitlines()
    want = ["127.0.0.3", "127.0.0.4", "127.0.0.5"]
    for journal in (False, True):
        assert [a for a in (rules.address(x, journal) for x in lines)
                if a] == want, lines
    if shutil.which("fail2ban-regex"):
        assert fail2ban(file) == [x for x in lines if rules.address(x)]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("addresses", ["truncated", "none"])
def test_without_whole_addresses_nobody_is_found(
        place, rules, form, addresses):
    file = log_of(place, form, addresses)
    for line in file.read_text().splitlines():
        assert not rules.address(line) and not rules.address(line, True), line


T = "2026-11-30T20:51:45.123Z"
J = f'{{"time":"{T}","address":"2001:db8::5","host":"example.org","status":'
REST = ',"bytes":4,"ms":4,"tls":"TLSv1.3","resumed":false,"complete":true,"path":'


@pytest.mark.parametrize("line, address", [
    (f"{T} 2001:db8::5 example.org 59 41 4 TLSv1.3 new complete -",
     "2001:db8::5"),
    (f"{T} ::1 example.org 44 4 4 TLSv1.2 resumed cut /x", "::1"),
    (f"{T} 2001:db8::5 - - 0 41 - new cut - timed out", "2001:db8::5"),
    (f'{J}59{REST}""}}', "2001:db8::5"),
    (f'{J}0{REST}"","handshake":"not TLS"}}', "2001:db8::5"),
    (f"{T} unix example.org 59 41 4 TLSv1.3 new complete -", None),
    (f"{T} 192.0.2.0/24 example.org 59 41 4 TLSv1.3 new complete -", None),
    (f"{T} 192.0.2.7 example.org 20 59 44 TLSv1.3 new complete /59", None),
    # The server's own fault.
    (f'{J}0{REST}"","handshake":"no signature from keyd"}}', None),
    (f"{T} 192.0.2.7 - - 0 3 - new cut - out of memory", None),
    (f"{T} 192.0.2.7 - - 0 3 - new cut - malloc failure", None),
    (f"{T} 192.0.2.7 - - 0 3 - new cut - Cannot allocate memory", None),
    (f'{J}0{REST}"","handshake":"internal error"}}', None),
    # A request that the client broke off.
    (f"{T} 192.0.2.7 - - 0 44 TLSv1.3 new cut -", None),
    (f'{J}0{REST}"/"}}', None),
    # What a client writes into its path.
    (f"{T} 192.0.2.7 example.org 20 9 4 TLSv1.3 new complete "
     f"/%20198.51.100.1 x 59 1 1 TLSv1.3 new complete -", None),
    (f'{J}51{REST}"/\\",\\"address\\":\\"198.51.100.1\\",\\"host\\":\\"\\",'
     '\\"status\\":59,"}', None),
    (f"carnation: ready: {T} 192.0.2.7 - 59 1 1 x new complete -", None),
])
def test_lines_and_whom_they_speak_against(rules, line, address):
    assert rules.address(line) == address
    assert rules.address(line, journal=True) == address


def test_reasons_that_the_filter_knows_are_those_of_the_server(rules):
    """It excludes some by their wording."""
    sources = "".join(f.read_text() for f in sorted((ROOT / "src").rglob("*.c")))
    for reason in ("the server was too busy", "closed by the server",
                   "no signature from keyd"):
        assert f'"{reason}"' in sources, reason
        line = f"{T} 192.0.2.7 - - 0 9 - new cut - {reason}"
        assert rules.address(line) is None


def test_the_jail_is_for_this_filter_and_our_log(rules):
    ini = configparser.ConfigParser()
    ini.read(JAIL)
    jail = ini["carnation"]
    assert jail["port"] == "1965" and jail["filter"] == "carnation"
    rotated = (ROOT / "scripts/packaging/carnation.logrotate").read_text()
    assert jail["logpath"].rpartition("/")[0] + "/*.log" in rotated
    assert rules.values["journalmatch"] == "_SYSTEMD_UNIT=carnation.service"
    assert 'addresses = "full"' in FILTER.read_text()
