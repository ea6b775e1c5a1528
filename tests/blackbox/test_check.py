# SPDX-License-Identifier: ISC
"""`carnation check`: every problem at once, each with its place, and in
agreement with what `serve` and a reload do."""
import json
import os
import re
import shutil
import socket
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from certs import DAY, YEAR, pair
from harness import CARNATION, tree
from life import NOBODY, carnation, refused, root_only, wrapper
from sound import errors, setup, warnings  # noqa: F401


def entries(place):
    """All that lies below a place, with sizes and times of change."""
    return {str(p): (p.lstat().st_ino, p.lstat().st_size, p.lstat().st_mtime_ns)
            for p in [place, *place.rglob("*")]}


@pytest.mark.parametrize("which", ["crt", "key"])
def test_DER_is_converted_by_the_command_that_the_error_prints(setup, which):
    file = pair(setup.certs, "localhost")[which == "key"]
    kind = {"crt": "x509", "key": "pkey"}[which]
    der = setup.place / "der"
    subprocess.run(["openssl", kind, "-in", file, "-outform", "DER",
                    "-out", der], check=True)
    file.write_bytes(der.read_bytes())
    done = setup.check()
    assert done.returncode == 1
    said, command = errors(done)[0].split("convert it: ")
    assert f"localhost.{which}: DER, not PEM" in said
    subprocess.run(command, shell=True, check=True)
    (setup.certs / f"localhost.{which}.pem").rename(file)
    assert setup.check().returncode == 0


@pytest.mark.parametrize("log", ["absent", "present", "fifo"])
def test_check_creates_and_deletes_nothing(setup, log):
    """Nor touches a log that a server makes at the same moment."""
    logs = tree(setup.place / "logs", {})
    file = logs / "access.log"
    setup.options["log"] = {"access": str(file)}
    setup.options["listen"] = [f"unix:{setup.place}/socket", "127.0.0.1:0"]
    setup.write()
    reader = None
    if log == "present":
        file.write_text("a line\n")
    elif log == "fifo":
        os.mkfifo(file)
        reader = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    before = entries(setup.place)
    done = setup.check()
    assert done.returncode == 0 and not warnings(done), done.stdout
    assert entries(setup.place) == before
    if reader is not None:
        os.close(reader)


def test_a_missing_log_in_a_closed_directory(setup):
    """What serve cannot create is an error of check."""
    logs = tree(setup.place / "logs", {})
    logs.chmod(0o555)
    for directory in (setup.place, setup.root):
        os.chmod(directory, 0o755)
    setup.options["log"] = {"access": str(logs / "access.log")}
    setup.write()
    program = shutil.copy(CARNATION, setup.place / "carnation")
    as_nobody = wrapper("user", NOBODY) if os.geteuid() == 0 else []
    done = subprocess.run(
        [*as_nobody, program, "check", "-c", setup.file, "--certs",
         setup.certs], capture_output=True, text=True, cwd=setup.place)
    assert done.returncode == 1, done.stdout
    assert any("access.log: Permission denied" in e for e in errors(done))


def test_a_sound_configuration_has_no_problem(setup):
    done = setup.check()
    assert done.returncode == 0
    assert not errors(done) and not warnings(done), done.stdout
    assert carnation("check", "--certs", setup.certs, "--listen",
                     "127.0.0.1:0", setup.root).returncode == 0


def test_all_problems_are_listed_at_once_with_their_lines(setup):
    setup.write(f"""listen = [ "127.0.0.1:0", "nonsense" ];
worker = 2;
workers = -1;
limits = {{
	rate = "many";
	requests = 10;
}};
tls = {{ minimum = "1.0"; }};
log = {{ format = "xml"; }};
capsules = (
	{{ host = "a.example"; root = "{setup.root}"; }},
	{{ host = "a.example"; root = "{setup.root}"; }},
	{{ host = "b.example"; root = "nowhere"; }},
	{{ host = "c.example"; root = "{setup.root}"; certificate = "c.crt"; }},
	{{ host = "not a host"; root = "{setup.root}"; }},
	{{ root = "{setup.root}"; }}
);
""")
    done = setup.check()
    assert done.returncode == 1
    found = {int(m[1]) for m in re.finditer(
        rf"^{re.escape(str(setup.file))}:(\d+): error: ", done.stdout, re.M)}
    assert found == {1, 2, 3, 5, 6, 8, 9, 12, 13, 14, 15, 16}, done.stdout
    assert re.search(r":2: error: .*worker.*workers", done.stdout), "nearest"
    assert re.search(r":6: error: .*requests.*request\b", done.stdout)


def test_the_first_syntax_error_is_reported_with_its_line(setup):
    for text, line in (('listen = [ "127.0.0.1:0" ];\nworkers = ;\n', 2),
                       ('limits = {\n  rate = 1;\n', 1),
                       ('workers = 1;\nworkers = 2;\n', 2),
                       ('workers 1;\n', 1)):
        setup.write(text)
        done = setup.check()
        assert done.returncode == 1
        error, = errors(done)  # and no guesses about what it might hold
        at = int(re.match(r".*?:(\d+): error: ", error)[1])
        assert abs(at - line) <= 1, error


def spoil_missing_file(s):
    s.file.unlink()
    return "carnation.conf"


def spoil_option(s):
    s.options["limits"] = {"burts": 3}
    s.write()
    return "burst"


def spoil_contradiction(s):
    s.options["capsules"][0]["aliases"] = ["localhost"]
    s.write()
    return "localhost"


def spoil_half_pair(s):
    s.options["capsules"][0]["key"] = "x.key"
    s.write()
    return "certificate"


def spoil_root(s):
    s.options["capsules"][0]["root"] = "nowhere"
    s.write()
    return "nowhere"


def spoil_no_capsule(s):
    del s.options["capsules"]
    s.write()
    return "capsule"


def spoil_missing_key(s):
    pair(s.certs, "localhost")
    (s.certs / "localhost.key").unlink()
    return "localhost.key"


def spoil_garbled_key(s):
    pair(s.certs, "localhost")
    (s.certs / "localhost.key").write_text("-----BEGIN NOTHING-----\n")
    return "localhost.key"


def spoil_garbled_certificate(s):
    pair(s.certs, "localhost")
    (s.certs / "localhost.crt").write_text("hello\n")
    return "localhost.crt"


def spoil_match(s):
    pair(s.certs, "localhost")
    _, other = pair(s.place / "other", "localhost")
    (s.certs / "localhost.key").write_bytes(other.read_bytes())
    return "localhost.key"


def spoil_curve(s):
    """No client offers secp256k1, in TLS 1.2 or 1.3 (RFC 8446, 4.2.7)."""
    pair(s.certs, "localhost", curve=ec.SECP256K1())
    return "localhost: no client can connect with this certificate"


def spoil_chain_length(s):
    crt, _ = pair(s.certs, "localhost")
    crt.write_text(18 * crt.read_text())
    return "localhost.crt: more than 16 certificates after the first"


def spoil_chain_order(s):
    crt, _ = pair(s.certs, "localhost")
    issuer, _ = pair(s.place / "other", "localhost")
    crt.write_text(issuer.read_text() + crt.read_text())
    return "localhost.crt: the capsule's own certificate must come first"


def spoil_locale(s):
    s.options["capsules"][0]["lang"] = "it_IT"
    s.write()
    return 'did you mean "it-IT"?'


def spoil_option_of_another_server(s):
    s.options["port"] = 1965
    s.write()
    return 'unknown option "port"; did you mean "listen"?'


def spoil_redirect_to_any_host(s):
    s.options["capsules"][0]["redirects"] = [
        {"from": "/a/*", "to": "gemini://example.org*"}]
    s.write()
    return "could name another host"


def spoil_last_comma(s):
    s.write(f"""capsules = (
	{{ host = "localhost"; root = "{s.root}"; }},
);
""")
    return "carnation.conf:2: error: ',' after the last entry"


def spoil_chain_garbled(s):
    crt, _ = pair(s.certs, "localhost")
    text = crt.read_text()
    crt.write_text(text + text.replace("MII", "!!!") + text)
    return "localhost.crt: certificate 2 cannot be read"


def spoil_secret(s):
    _, key = pair(s.place / "other", "localhost")
    (s.root / "notes.txt").write_bytes(b"see:\n" + key.read_bytes())
    return "notes.txt"


def spoil_nesting(s):
    s.certs = s.root / "certs"
    return "certs"


def spoil_capsule_conf(s):
    (s.root / "capsule.conf").write_text('title = "x";\nlanguage = "en";\n')
    return "capsule.conf:2: error: "


def spoil_capsule_conf_reach(s):
    (s.root / "capsule.conf").write_text('@include "../carnation.conf"\n')
    return "capsule.conf:1: error: "


def spoil_capsule_conf_place(s):
    (s.root / "capsule.conf").write_text('root = "/etc";\n')
    return "capsule.conf:1: error: "


def spoil_log(s):
    s.options["log"] = {"access": str(s.place / "no/such/dir/log")}
    s.write()
    return "no/such/dir/log"


def spoil_log_link(s):
    (s.place / "target").write_text("")
    (s.place / "access.log").symlink_to("target")
    s.options["log"] = {"access": str(s.place / "access.log")}
    s.write()
    return "symbolic link"


def spoil_log_dangling_link(s):
    (s.place / "access.log").symlink_to("target")
    s.options["log"] = {"access": str(s.place / "access.log")}
    s.write()
    return "symbolic link"


def spoil_log_device(s):
    s.options["log"] = {"access": "/dev/zero"}
    s.write()
    return "neither a regular file nor a pipe"


def spoil_log_directory(s):
    (s.place / "logs").mkdir()
    s.options["log"] = {"access": str(s.place / "logs")}
    s.write()
    return "irectory"


def spoil_log_in_root(s):
    s.options["log"] = {"access": str(s.root / "access.log")}
    s.write()
    return f"carnation.conf:{s.line('log =')}: error: log.access: "


def spoil_log_in_root_by_a_link(s):
    (s.place / "way").symlink_to(s.root)
    (s.root / "access.log").write_text("")
    s.options["log"] = {"access": str(s.place / "way/access.log")}
    s.write()
    return f"carnation.conf:{s.line('log =')}: error: log.access: "


SPOILERS = [v for k, v in sorted(globals().items()) if k.startswith("spoil_")]


@pytest.mark.parametrize("spoil", SPOILERS, ids=lambda f: f.__name__[6:])
def test_each_error_stops_check_and_serve_alike(setup, spoil):
    expected = spoil(setup)
    done = setup.check()
    assert done.returncode == 1, done.stdout
    assert any(expected in e for e in errors(done)), done.stdout
    said = refused("-c", setup.file, "--certs", setup.certs, cwd=setup.place)
    assert expected.replace("error: ", "") in said, said
    dry = carnation("serve", "-n", "-c", setup.file, "--certs", setup.certs,
                    cwd=setup.place)
    assert dry.returncode == 1 and dry.stdout == done.stdout


@pytest.mark.parametrize("capsule, missing", [
    ({"redirects": [{"to": "/y/"}]}, ["redirects.from"]),
    ({"redirects": [{"from": "/y/"}]}, ["redirects.to"]),
    ({"redirects": [{}]}, ["redirects.from", "redirects.to"]),
    ({"paths": [{"lang": "de"}]}, ["paths.glob"]),
    ({"paths": [{"type": "text/plain", "listing": True}]}, ["paths.glob"]),
    ({"paths": [{}]}, ["paths.glob"]),
])
def test_a_missing_text_is_the_only_error(setup, capsule, missing):
    setup.options["capsules"][0].update(capsule)
    setup.write()
    done = setup.check()
    assert done.returncode == 1
    assert len(errors(done)) == len(missing), done.stdout
    for name in missing:
        assert f'missing option "{name}"' in done.stdout


@pytest.mark.parametrize("options", [
    {"types": [{"type": "text/x-a"}]}, {"types": [{"extension": "gmi"}]}])
def test_a_missing_text_of_a_type_is_the_only_error(setup, options):
    setup.options.update(options)
    setup.write()
    done = setup.check()
    assert done.returncode == 1
    assert len(errors(done)) == 1, done.stdout


@root_only
def test_roots_and_keys_that_cannot_be_read_are_errors(setup):
    """As nobody: root can read everything."""
    program = shutil.copy(CARNATION, setup.place / "carnation")
    pair(setup.certs, "localhost")  # root's, 0600
    (setup.place / "closed").mkdir(mode=0o700)
    setup.options["capsules"].append(
        {"host": "b.example", "root": str(setup.place / "closed"),
         "certificate": str(setup.certs / "localhost.crt"),
         "key": str(setup.certs / "localhost.key")})
    setup.write()
    done = subprocess.run(
        [*wrapper("user", NOBODY), program, "check", "-c", setup.file,
         "--certs", setup.certs], capture_output=True, text=True)
    assert done.returncode == 1
    assert any("localhost.key" in e for e in errors(done)), done.stdout
    assert any("closed" in e for e in errors(done)), done.stdout


def warn_expired(s):
    pair(s.certs, "localhost", start=-2 * YEAR, end=-DAY)
    return "localhost.*expired"


def warn_expiring(s):
    pair(s.certs, "localhost", end=29 * DAY)
    return "localhost.*expires.* (28|29) days"


def warn_name(s):
    s.options["capsules"][0]["aliases"] = ["www.example.org"]
    s.write()
    pair(s.certs, "localhost")
    return r"www\.example\.org"


def warn_address(s):
    """An address in the common name is nothing to a strict client."""
    s.options["capsules"][0]["host"] = "192.0.2.7"
    s.write()
    pair(s.certs, "192.0.2.7", ["192.0.2.70"])
    return r'name "192\.0\.2\.7"'


def warn_mode(s):
    pair(s.certs, "localhost", mode=0o644)
    return "localhost.*key.*read"


def warn_index(s):
    (s.root / "index.gmi").unlink()
    return r"index\.gmi"


def warn_port(s):
    s.socket = socket.socket()
    s.socket.bind(("127.0.0.1", 0))
    s.socket.listen()
    port = s.socket.getsockname()[1]
    s.options["listen"] = [f"127.0.0.1:{port}"]
    s.write()
    return f"127.0.0.1:{port}"


WARNERS = [v for k, v in sorted(globals().items()) if k.startswith("warn_")]


@pytest.mark.parametrize("warn", WARNERS, ids=lambda f: f.__name__[5:])
def test_each_warning_leaves_status_0(setup, warn):
    expected = warn(setup)
    done = setup.check()
    assert done.returncode == 0, done.stdout
    assert any(re.search(expected, w) for w in warnings(done)), done.stdout
    assert len(warnings(done)) == 1, done.stdout
    assert not errors(done)


@pytest.mark.parametrize("curve", [ec.SECP384R1, ec.SECP521R1])
def test_curves_that_clients_offer_are_no_problem(setup, curve):
    pair(setup.certs, "localhost", curve=curve())
    assert not warnings(setup.check())
    assert setup.check().returncode == 0


def test_31_days_before_the_end_nobody_is_warned(setup):
    pair(setup.certs, "localhost", end=31 * DAY)
    assert not warnings(setup.check())


def test_errors_and_warnings_come_together(setup):
    (setup.root / "index.gmi").unlink()
    pair(setup.certs, "localhost", end=-DAY, start=-YEAR, mode=0o644)
    setup.options["capsules"].append(
        {"host": "b.example", "root": str(setup.place / "nowhere")})
    setup.write()
    done = setup.check()
    assert done.returncode == 1
    assert len(errors(done)) == 1 and len(warnings(done)) == 3, done.stdout


@pytest.mark.parametrize("conf, expected", [
    (None, 1), ('lang = "en";\n', 1),
    ('lang = 7;\n', 1),
    ('lang = 7;\nlisting = true;\n', 0),
    ('lang = ;\n', 0),  # nothing of it is read
])
def test_check_and_lint_agree_about_the_index_page(setup, conf, expected):
    (setup.root / "index.gmi").unlink()
    if conf is not None:
        (setup.root / "capsule.conf").write_text(conf)
    found = [w for w in warnings(setup.check()) if "index page" in w]
    done = carnation("lint", "-c", setup.file, setup.root)
    assert len(found) == expected, found
    assert done.stdout.count("C012 .: no index page") == expected, done.stdout


def test_json(setup):
    (setup.root / "index.gmi").unlink()
    setup.options["workrs"] = 3
    setup.write()
    done = setup.check("--json")
    assert done.returncode == 1
    problems = json.loads(done.stdout)
    if isinstance(problems, dict):
        problems = problems["problems"]
    by_level = {p["level"]: p for p in problems}
    assert set(by_level) == {"error", "warning"}
    error = by_level["error"]
    assert error["file"] == str(setup.file)
    assert error["line"] == setup.line("workrs")
    assert "workers" in error["text"]
    assert "index.gmi" in by_level["warning"]["text"]
    setup.options.pop("workrs")
    (setup.root / "index.gmi").write_text("# Hello\n")
    setup.write()
    done = setup.check("--json")
    assert done.returncode == 0
    problems = json.loads(done.stdout)
    assert (problems if isinstance(problems, list)
            else problems["problems"]) == []


@pytest.mark.parametrize("words", [(), ("--listen",), ("--nonsense", "x")])
def test_wrong_usage(words):
    assert carnation("check", *words).returncode == 2


def test_messages_are_safe_to_show(place):
    """A name with an escape sequence does not reach the terminal."""
    name = "bad\x1b[31m\x07"
    tree(place / name, {"index.gmi": "# x\n", "capsule.conf": "nonsense = 1;"})
    done = carnation("check", "--certs", place / "certs", place / name)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout + done.stderr
    assert "\x07" not in done.stdout + done.stderr
