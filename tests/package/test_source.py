# SPDX-License-Identifier: ISC
"""A machine with systemd and fail2ban, installed from source by the commands that
`make install` prints; abusers are banned; `make uninstall` ends it (`make soak`)."""
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from machine import (LIBRARIES, ROOT, Machine, call, make_base, wait_for,
                     why_not)

CONF = "/etc/carnation/carnation.conf"
LOG = "/var/log/carnation/access.log"
PACKAGES = (*LIBRARIES, "fail2ban", "python3-systemd")
MAKE = "make -C /root/carnation -o build/carnation"
# From one address, with TLS or without.
ABUSE = r"""
import socket, ssl, sys
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
for number in range(40):
    s = socket.create_connection(("127.0.0.1", 1965),
                                 source_address=(sys.argv[1], 0))
    if number % 2:
        s = tls.wrap_socket(s)
    s.sendall(b"GET / HTTP/1.0\r\n\r\n")
    try:
        while s.recv(1000):
            pass
    except OSError:
        pass
    s.close()
"""
# Nothing is to be closed here; and all addresses of this machine are its own.
JAIL = """[DEFAULT]
banaction = dummy
ignoreself = false
[sshd]
enabled = false
"""

pytestmark = [pytest.mark.soak, pytest.mark.xdist_group("package"),
              pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]


@pytest.fixture(scope="module")
def machine():
    folder = Path(tempfile.mkdtemp(prefix="carnation-source-", dir="/var/tmp"))
    make_base(folder / "base", PACKAGES)
    m = Machine(folder / "base", "capsule.example.org")
    shutil.rmtree(folder)
    m.path("/etc/fail2ban/jail.d/zz.local").write_text(JAIL)
    call("make", "-C", ROOT, "build/carnation")
    m.copy_source("/root/carnation", ROOT / "build/carnation")
    m.path("/root/abuse.py").write_text(ABUSE)
    m.boot()
    yield m
    m.remove()


def front_page(m):
    fetch = "carnation fetch --known-hosts /root/known gemini://localhost/"
    wait_for(lambda: m.enter("sh", "-c", fetch).returncode == 0, "the page")
    return m.sh(fetch + " 2>/dev/null")


@pytest.fixture(scope="module")
def installed(machine):
    """By the commands that are printed, with an editor's work in between."""
    m = machine
    m.sh("mkdir -p /srv/gemini; echo '# Hello' > /srv/gemini/index.gmi")
    lines = re.findall(r"^    (.*?)(?: +#.*)?$", m.sh(f"{MAKE} install 2>&1"),
                       re.M)
    assert lines == [f"editor {CONF}", f"carnation check -c {CONF}",
                     "systemctl enable --now carnation"]
    log = f'access = "{LOG}"; handshakes = true; addresses = "full";'
    conf = m.path(CONF)
    conf.write_text(re.sub(r"log = \{.*?\};\n\n", f"log = {{ {log} }};\n\n",
                           conf.read_text(), flags=re.S))
    for line in lines[1:]:
        m.sh(line)
    assert front_page(m) == "# Hello\n"
    return m


def banned(m):
    return m.sh("fail2ban-client get carnation banned")


def abuse(m, address):
    m.sh("systemctl restart fail2ban")
    wait_for(lambda: m.enter("fail2ban-client", "status",
                             "carnation").returncode == 0, "the jail")
    m.sh(f"python3 /root/abuse.py {address}")
    assert front_page(m) == "# Hello\n"
    wait_for(lambda: address in banned(m), f"{address} is banned")
    assert "127.0.0.1" not in banned(m) and "::1" not in banned(m)


def test_abusers_are_banned_from_the_file_and_from_the_journal(installed):
    m = installed
    m.sh("cp -r /usr/local/share/carnation/fail2ban /etc/")
    abuse(m, "127.0.0.5")
    m.sh(f"sed -i 's|access = \"{LOG}\"|access = \"stderr\"|' {CONF}; "
         "sed -i -e '/^logpath/d' -e 's/^# backend = /backend = /' "
         "/etc/fail2ban/jail.d/carnation.conf; "
         "grep -qx 'backend = systemd' /etc/fail2ban/jail.d/carnation.conf; "
         "systemctl restart carnation")
    abuse(m, "127.0.0.6")


def test_uninstall_stops_the_service_and_leaves_no_link(installed):
    m = installed
    key = m.sh("cat /var/lib/carnation/certs/localhost.key")
    said = m.sh(f"{MAKE} uninstall")
    assert m.enter("pgrep", "-x", "carnation").returncode != 0
    assert "removed: /etc/systemd/system/multi-user.target.wants/" \
        "carnation.service\n" in said
    for name in ("/etc/carnation", "/var/lib/carnation", "/var/log/carnation",
                 "/etc/fail2ban/jail.d/carnation.conf", "user carnation-keys"):
        assert re.search(f"^    {name} ", said, re.M), said
    assert m.sh("cat /var/lib/carnation/certs/localhost.key") == key
    assert m.sh("systemctl list-units --all --no-legend 'carnation*'") == ""
    m.reboot()
    assert m.sh("systemctl --failed --no-legend") == ""
