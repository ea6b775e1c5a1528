# SPDX-License-Identifier: ISC
"""`carnation check --dump`: the effective configuration, as one to read."""
import re

from life import carnation, free_port
from sound import setup  # noqa: F401

EVERYTHING = {
    "listen": ["127.0.0.1:0", "[::1]:0"], "public_port": 1966, "workers": 3,
    "limits": {"connections": 100, "per_address": 10, "rate": 5, "burst": 7,
               "exempt": ["10.0.0.0/8", "fd00::/8"], "handshake": 9,
               "request": 8, "stall": 31, "drain": 11},
    "tls": {"minimum": "1.3", "suites": "TLS_AES_128_GCM_SHA256",
            "tickets": False},
    "log": {"access": "none", "format": "json", "addresses": "full",
            "query": True, "handshakes": True},
    "types": [{"extension": "foo", "type": "text/x-foo"},
              {"extension": "bar", "type": "text/x-bar"}],
}
CAPSULE = {
    "host": "example.org", "aliases": ["www.example.org"],
    "hidden": [".config"], "objects": False, "title": 'Quo"tes and \\ back', "lang": "en",
    "charset": "utf-8", "index": ["start.gmi", "index.gmi"], "listing": True,
    "paths": [{"glob": "/az/*", "lang": "az", "listing": False},
              {"glob": "*.log", "type": "text/plain",
               "charset": "iso-8859-1"}],
    "redirects": [{"from": "/old/*", "to": "/new/", "permanent": True},
                  {"from": "/x", "to": "/y", "permanent": False}],
    "gone": ["/secret.gmi", "/old2/*"], "feed": "updates.gmi",
    "order": ["index.gmi", "a.gmi"],
}


def test_the_dump_is_read_as_the_same_configuration(setup):
    setup.options = dict(EVERYTHING, capsules=[
        dict(CAPSULE, root=str(setup.root)),
        {"host": "b.example", "root": str(setup.root)}])
    setup.write()
    first = setup.check("--dump")
    assert first.returncode == 0, first.stdout + first.stderr
    for word in ("1966", "TLS_AES_128_GCM_SHA256", "iso-8859-1", "text/x-bar",
                 "fd00::/8", "www.example.org", "updates.gmi", "start.gmi",
                 'Quo\\"tes and ', "/old2/*", ".config"):
        assert word in first.stdout, word
    (setup.place / "elsewhere").mkdir()
    again = setup.place / "elsewhere" / "dump.conf"
    again.write_text(first.stdout)
    second = carnation("check", "-c", again, "--certs", setup.certs, "--dump")
    assert second.returncode == 0, second.stdout + second.stderr
    assert second.stdout == first.stdout


def test_the_dump_holds_every_default(setup):
    done = setup.check("--dump")
    assert done.returncode == 0
    text = re.sub(r"\s+", " ", done.stdout)
    for said in ("connections = 1024", "per_address = 64", "rate = 10",
                 "burst = 60", "handshake = 10", "request = 10", "stall = 30",
                 "drain = 10", 'minimum = "1.2"', "tickets = true",
                 "objects = true",
                 'access = "stderr"', 'format = "text"',
                 'addresses = "truncated"', "query = false",
                 "handshakes = false"):
        assert said in text, (said, text)


def test_the_dump_holds_the_command_line(setup):
    port = free_port()
    done = setup.check("--dump", "--listen", f"127.0.0.1:{port}", "--workers",
                       7, "--log", setup.place / "access.log")
    assert done.returncode == 0
    assert f"127.0.0.1:{port}" in done.stdout
    assert "127.0.0.1:0" not in done.stdout
    assert re.search(r"workers\s*=\s*7\b", done.stdout)
    assert str(setup.place / "access.log") in done.stdout
    done = carnation("check", "--dump", "--host", "a.example", "--host",
                     "b.example", "--listen", "127.0.0.1:0", "--certs",
                     setup.certs, setup.root)
    assert '"a.example"' in done.stdout and '"b.example"' in done.stdout
