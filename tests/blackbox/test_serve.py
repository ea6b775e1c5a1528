# SPDX-License-Identifier: ISC
"""`carnation serve`: its options, what it refuses, and how it says so."""
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from certs import pair
from harness import CARNATION, TIMEOUT, Server, tree, wait_for
from life import (IS_ROOT, Plain, ask_unix, carnation, free_port, own_network,
                  refused, root_only, wrapper)

QUIET = ("--listen", "127.0.0.1:0")  # in nobody's way


@pytest.fixture
def root(place):
    return tree(place / "capsule", {"index.gmi": "# Hello\n"})


def serve(place, root, *words, **how):
    return Plain("--certs", place / "certs", *words, root, directory=place,
                 **how)


# ------------------------------------------------------------- exit statuses

@pytest.mark.parametrize("words", [
    (), ("--listen",), ("--workers", "none", "DIR"),
    ("--workers", "-1", "DIR"),
    ("--cert", "x.crt", "DIR"), ("--key", "x.key", "DIR"),
    ("--certs", "x", "--cert", "x.crt", "--key", "x.key", "DIR"),
    ("--listen", "nowhere", "DIR"), ("--listen", "127.0.0.1:70000", "DIR"),
    ("DIR", "DIR"), ("--nonsense", "DIR"), ("--host", "", "DIR"),
], ids=" ".join)
def test_wrong_usage_is_status_2(place, root, words):
    said = refused(*[str(root) if w == "DIR" else w for w in words], status=2,
                   cwd=place)
    assert "carnation" in said


@pytest.mark.parametrize("words, nearest", [
    (("serve", "--lisen", "127.0.0.1:0", "x"), "--listen"),
    (("serve", "--worker=2", "x"), "--workers"),
    (("check", "--jason", "x"), "--json"),
    (("serv", "x"), "serve"),
    (("chek",), "check"),
])
def test_an_unknown_word_is_answered_with_the_nearest(words, nearest):
    done = carnation(*words)
    assert done.returncode == 2
    assert nearest in done.stderr.split()[-1] or re.search(
        rf"{nearest}\b", done.stderr.splitlines()[0])
    assert done.stdout == ""


def test_help_and_version():
    for words in (("help",), ("help", "serve"), ("help", "check")):
        done = carnation(*words)
        assert done.returncode == 0 and "carnation" in done.stdout
    assert carnation("help", "nonsense").returncode == 2
    done = carnation("--version")
    assert done.returncode == 0
    assert "OpenSSL 3" in done.stdout and "libmagic" in done.stdout
    assert carnation().returncode == 2


# ---------------------------------------------------------------- refused

def test_a_missing_root_is_refused(place):
    said = refused("--certs", place / "certs", *QUIET, place / "nowhere")
    assert str(place / "nowhere") in said
    (place / "file").write_text("no directory")
    said = refused("--certs", place / "certs", *QUIET, place / "file")
    assert str(place / "file") in said
    assert not (place / "certs").exists(), "nothing is made for nothing"


@pytest.mark.parametrize("where", ["x.key", "deep/er/notes.txt", ".hid/k.pem"])
def test_a_root_that_holds_a_private_key_is_refused(place, root, where):
    _, key = pair(place / "elsewhere", "localhost")
    (root / where).parent.mkdir(parents=True, exist_ok=True)
    (root / where).write_bytes(key.read_bytes())
    said = refused("--certs", place / "certs", *QUIET, root)
    assert where in said and "private key" in said


def test_a_root_that_contains_the_certificates_is_refused(place, root):
    said = refused("--certs", root / "certs", *QUIET, root)
    assert "certs" in said
    assert not (root / "certs").exists(), "no key was laid into the capsule"
    (root / "certs").mkdir()
    refused("--certs", root / "certs", *QUIET, root)
    assert list((root / "certs").iterdir()) == []


def test_a_root_that_lies_in_the_certificates_is_refused(place):
    certs = place / "certs"
    certs.mkdir(mode=0o700)
    inside = tree(certs / "capsule", {"index.gmi": "# Hello\n"})
    refused("--certs", certs, *QUIET, inside)
    refused("--certs", certs, *QUIET, certs)
    (place / "link").symlink_to(inside)
    refused("--certs", certs, *QUIET, place / "link")


# ------------------------------------------------------------ the port

def test_a_taken_port_is_told_with_its_holder_and_what_to_do(place, root):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        said = refused("--certs", place / "certs", "--listen",
                       f"127.0.0.1:{port}", root)
    assert f"127.0.0.1:{port}" in said
    assert f"process {os.getpid()}" in said, said
    assert "--listen" in said, "what to do"


def test_a_second_server_does_not_take_over_the_first(place, root):
    with serve(place, root, "--listen", "127.0.0.1:0") as server:
        said = refused("--certs", place / "certs", "--listen",
                       f"127.0.0.1:{server.port()}", root)
        if IS_ROOT:  # nobody else sees into a server that holds keys
            assert f"carnation (process {server.process.pid}" in said
        assert server.ask("/").status == 20


def listening(server, port):
    """Addresses that have a TCP socket listening on a port, as the kernel says."""
    rows = [line.split() for name in ("tcp", "tcp6")
            for line in Path(f"/proc/{server.process.pid}/net", name).read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows
            if row[3] == "0A" and int(row[1].partition(":")[2], 16) == port}


LOOPBACK = {"0100007F", "00000000000000000000000001000000"}


@own_network
def test_a_directory_alone_is_served_on_1965_of_loopback(place, root):
    with serve(place, root, families=(4, 6)) as server:
        assert server.ports == {4: 1965, 6: 1965}
        assert re.search("^  open +gemini://localhost/$", server.log(), re.M)
        assert re.search("^  for +this machine only; --host", server.log(), re.M)
        assert listening(server, 1965) == LOOPBACK
        for family in (4, 6):
            assert server.ask("gemini://localhost/", family=family).whole


@own_network
def test_a_directory_with_a_host_is_served_on_1965_everywhere(place, root):
    with serve(place, root, "--host", "localhost", families=(4, 6)) as server:
        assert server.ports == {4: 1965, 6: 1965}
        assert "this machine only" not in server.log()
        assert listening(server, 1965) == {"00000000", "0" * 32}
        for family in (4, 6):
            assert server.ask("gemini://localhost/", family=family).whole


def test_a_host_without_ipv6_gets_a_warning_and_a_server(place, root):
    port = free_port()
    with serve(place, root, "--listen", f"*:{port}",
               wrapper=wrapper("no-ipv6")) as server:
        assert re.search(r"^carnation serve: warning: \[::\]:", server.log(), re.M)
        assert server.ask("/").status == 20


def test_an_address_of_its_own_listens_there_only(place, root):
    with serve(place, root, "--listen", "127.0.0.7:0",
               alive=None) as server:
        with pytest.raises(ConnectionRefusedError):
            server.ask("/")
        with socket.create_connection(("127.0.0.7", server.port())):
            pass


def test_several_listeners(place, root):
    with serve(place, root, "--listen=127.0.0.1:0", "--listen", "[::1]:0",
               f"--listen=unix:{place}/socket", families=(4, 6)) as server:
        for family in (4, 6):
            assert server.ask("/", family=family).whole
        got, clean = ask_unix(place / "socket")
        assert got.startswith(b"20 text/gemini\r\n# Hello") and clean
        assert f"listening on unix:{place}/socket" in server.log()


def test_the_unix_socket_of_another_server_is_left(place, root):
    """A server whose file was removed, and made again by another, ends."""
    where = place / "socket"
    words = ("--certs", place / "certs", f"--listen=unix:{where}",
             "--workers=1", root)
    first = Plain(*words, directory=place, families=(), alive=None)
    where.unlink()
    with Plain(*words, directory=place, families=(), alive=None):
        first.stop()
        assert ask_unix(where)[0].startswith(b"20 ")
    assert not where.exists()


def test_a_stale_unix_socket_is_replaced_a_living_one_is_not(place, root):
    listen = f"--listen=unix:{place}/socket"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(f"{place}/socket")  # bound, then abandoned
    with serve(place, root, listen, families=(), alive=None):
        assert ask_unix(place / "socket")[1]
        said = refused("--certs", place / "certs", listen, root)
        assert f"{place}/socket" in said
        assert ask_unix(place / "socket")[1], "still the first one's"
    (place / "socket").unlink(missing_ok=True)
    (place / "socket").write_text("precious")
    refused("--certs", place / "certs", listen, root)
    assert (place / "socket").read_text() == "precious"


# ------------------------------------------------------------- other options

@pytest.mark.parametrize("number", [1, 3])
def test_workers(place, root, number):
    with serve(place, root, "--listen", "127.0.0.1:0", "--workers",
               number) as server:
        assert f"carnation: ready: {number} worker" in server.log()
        assert len(server.workers()) == number


def test_one_worker_a_processor_by_default(place, root):
    with serve(place, root, "--listen", "127.0.0.1:0") as server:
        assert len(server.workers()) == len(os.sched_getaffinity(0))


def test_the_log_goes_where_it_is_sent(place, root):
    with serve(place, root, "--listen", "127.0.0.1:0", "--log",
               place / "access.log") as server:
        server.ask("/")
        wait_for(lambda: (place / "access.log").read_text().count("\n") >= 1)
        assert server.access() == []
    with serve(place, root, "--listen", "127.0.0.1:0", "--log", "-") as server:
        server.ask("/")
        server.wait_log(r" complete /$")


def test_n_lists_the_problems_and_serves_nothing(place, root):
    (root / "index.gmi").unlink()
    done = carnation("serve", "-n", "--certs", place / "certs", "--listen",
                     "127.0.0.1:0", root)
    assert done.returncode == 0 and "warning: " in done.stdout
    same = carnation("check", "--certs", place / "certs", "--listen",
                     "127.0.0.1:0", root)
    assert done.stdout == same.stdout
    done = carnation("serve", "-n", "--certs", place / "certs",
                     place / "nowhere")
    assert done.returncode == 1 and "error: " in done.stdout
    assert not (place / "certs").exists()


def test_dash_dash_ends_the_options(place):
    tree(place / "--odd", {"index.gmi": "# Odd\n"})
    with Plain("--certs=certs", "--listen=127.0.0.1:0", "--", "--odd",
               directory=place) as server:
        assert server.ask("/").text == "# Odd\n"


@root_only
def test_stdin_stdout_and_stderr_may_be_closed(place, root):
    """No socket ends up as descriptor 2, where messages would go to it."""
    port = free_port()
    process = subprocess.Popen(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", str(CARNATION), "serve",
         "--certs", str(place / "certs"), "--listen", f"127.0.0.1:{port}",
         "--log", "-", str(root)], start_new_session=True)
    try:
        def answers():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0
        wait_for(answers, TIMEOUT)
        probe = Server.__new__(Server)
        probe.host, probe.ports, probe.touched = "localhost", {4: port}, False
        for _ in range(5):
            assert probe.ask("/").whole
        for fd in range(3):
            at = os.readlink(f"/proc/{process.pid}/fd/{fd}")
            assert at == "/dev/null", (fd, at)
    finally:
        process.terminate()
        assert process.wait(TIMEOUT) == 0
