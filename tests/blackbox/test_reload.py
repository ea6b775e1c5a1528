# SPDX-License-Identifier: ISC
"""HUP: the next generation, or nothing at all."""
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time

import pytest

from certs import pair
from crowd import answered, hello, open_one
from harness import CARNATION, LONG, Client, Server, tree, wait_for
from life import (NOBODY, PYTHON, Load, Plain, carnation, exists, free_port, hup,
                  hup_refused, mark, refused, root_only, settle, wrapper)


def site(place, workers=1, **options):
    root = tree(place / "capsule", {"index.gmi": "# One\n"})
    return Server([{"host": "localhost", "root": str(root)}], workers=workers,
                  directory=place, listen=(4,), options=options)


def test_a_reload_brings_new_workers_and_the_new_configuration(place):
    with site(place) as server:
        before = server.workers()
        other = tree(place / "other", {"index.gmi": "# Two\n"})
        server.options["capsules"][0]["root"] = str(other)
        server.options["capsules"].append(
            {"host": "b.example", "root": str(other)})
        server.options["log"] = {"access": str(place / "access.log")}
        server.write_config()
        said = hup(server)
        assert re.search(r"^carnation: reloaded: 1 worker", said, re.M)
        settle(server)
        assert server.workers() != before
        assert server.ask("/").text == "# Two\n"
        reply = server.ask("gemini://b.example:{P}/", sni="b.example")
        assert reply.status == 20
        assert (server.certs / "b.example.key").exists()
        wait_for((place / "access.log").read_text)


def test_a_certificate_that_was_replaced_is_served(place):
    with site(place) as server:
        crt, _ = pair(server.certs, "localhost")
        with Client(server) as c:
            assert ssl.DER_cert_to_PEM_cert(c.certificate()).split() != \
                crt.read_text().split()
        hup(server)
        settle(server)
        with Client(server) as c:
            assert ssl.DER_cert_to_PEM_cert(c.certificate()).split() == \
                crt.read_text().split()


def test_listeners_come_and_go_and_stay(place):
    with Server(listen=(), directory=place, alive=None, options={
            "listen": ["127.0.0.1:0", "127.0.0.2:0"]}) as server:
        first, second = (int(p) for p in re.findall(
            r"listening on 127\.0\.0\.\d:(\d+)", server.log()))
        server.options["listen"] = ["127.0.0.1:0", "127.0.0.3:0"]
        server.write_config()
        said = hup(server)
        settle(server)
        told = re.search(r"listening on 127\.0\.0\.3:(\d+)$", said, re.M)
        assert told, "where it listens now"
        third = int(told[1])
        for address, port, there in (("127.0.0.1", first, True),
                                     ("127.0.0.2", second, False),
                                     ("127.0.0.3", third, True)):
            with socket.socket() as s:
                assert (s.connect_ex((address, port)) == 0) == there, address


def test_who_waits_at_a_listener_that_is_removed_is_answered(place):
    with Server(listen=(), directory=place, alive=None, options={
            "listen": ["127.0.0.1:0", "127.0.0.2:0"]}) as server:
        _, port = re.findall(
            r"listening on 127\.0\.0\.\d:(\d+)", server.log())
        worker, = server.workers()
        os.kill(worker, signal.SIGSTOP)
        waiting = [open_one(int(port), hello(), "127.0.0.1", "127.0.0.2")
                   for _ in range(50)]
        server.options["listen"] = ["127.0.0.1:0"]
        server.write_config()
        hup(server)
        os.kill(worker, signal.SIGCONT)
        for s in waiting:
            wait_for(lambda: answered(s))
            s.close()
        settle(server)


def test_a_removed_listener_is_closed_without_close_range(place):
    """A kernel before Linux 5.9, or a container that forbids the call."""
    with Server(listen=(), directory=place, alive=None,
                wrapper=wrapper("no-close-range"), options={
                    "listen": ["127.0.0.1:0", "127.0.0.2:0"]}) as server:
        ports = [int(p) for p in re.findall(
            r"listening on 127\.0\.0\.\d:(\d+)", server.log())]
        server.options["listen"] = ["127.0.0.1:0", "127.0.0.3:0"]
        server.write_config()
        hup(server)
        settle(server)
        for address, port, there in (("127.0.0.1", ports[0], True),
                                     ("127.0.0.2", ports[1], False)):
            with socket.socket() as s:
                assert (s.connect_ex((address, port)) == 0) == there, address


@root_only
def test_a_worker_that_cannot_close_descriptors_ends(place):
    root = tree(place / "capsule", {"index.gmi": "x"})
    said = refused("--certs", place / "certs", "--listen", "127.0.0.1:0", root,
                   wrapper=[*wrapper("no-proc"), *wrapper("no-close-range")])
    assert "close" in said and "descriptors" in said, said


def free_of_warnings(done):
    assert done.returncode == 0, done.stdout
    assert "warning: " not in done.stdout, done.stdout


@pytest.mark.parametrize("before, after", [
    ("127.0.0.1", "*"), ("*", "127.0.0.1")])
def test_a_reload_to_another_address_of_the_same_port(place, before, after):
    """check agrees, and a second server is still refused."""
    port = free_port()
    with Server(listen=(), directory=place, options={
            "listen": [f"{before}:{port}"]}) as server:
        server.ports, server.families = {4: port}, [4]
        server.expect_workers()
        server.options["listen"] = [f"{after}:{port}"]
        server.write_config()
        check = ("check", "-c", server.config, "--certs", server.certs)
        free_of_warnings(carnation(*check))
        hup(server)
        settle(server)
        for _ in range(4):
            assert server.ask("/").status == 20
        free_of_warnings(carnation(*check))
        assert f"{port} is in use by carnation" in refused(
            "-c", server.config, "--certs", server.certs)
        with socket.socket() as s:
            assert (s.connect_ex(("127.0.0.2", port)) == 0) == (after == "*")


@root_only
@pytest.mark.parametrize("proc", ["whole", "hidden"])
@pytest.mark.parametrize("checker", ["same", "root"])
def test_check_knows_the_port_of_its_own_server(place, checker, proc):
    """As a unit's ExecReload runs it: as the server's user, who cannot look
    into the server, with a /proc that may show nothing of it."""
    program = shutil.copy(CARNATION, place / "carnation")
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    certs = tree(place / "certs", {})
    os.chown(certs, NOBODY, NOBODY)
    port = free_port()
    words = ("--certs", certs, "--listen", f"*:{port}", root)
    nobody = wrapper("user", NOBODY)
    hide = wrapper("hide-proc") if proc == "hidden" else []
    with Plain(*words, directory=place, program=program, families=(4, 6),
               wrapper=nobody) as server:
        who = [*hide, *(nobody if checker == "same" else [])]
        free_of_warnings(subprocess.run(
            [*who, program, "check", *words], capture_output=True, text=True))
        server.ask("/")


HOLD = """import socket, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
print(s.getsockname()[1], flush=True)
time.sleep(600)
"""


@root_only
@pytest.mark.parametrize("uid", [0, NOBODY])
def test_check_warns_of_a_port_that_another_program_holds(place, uid):
    program = shutil.copy(CARNATION, place / "carnation")
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    who = wrapper("user", uid)
    with subprocess.Popen([*who, PYTHON, "-c", HOLD], text=True,
                          stdout=subprocess.PIPE) as holder:
        address = f"127.0.0.1:{holder.stdout.readline().strip()}"
        done = subprocess.run(
            [*who, program, "check", "--certs", place / "certs",
             "--listen", address, root], capture_output=True, text=True)
        holder.kill()
    assert f"warning: {address} is in use by python" in done.stdout, done


def break_syntax(s, place):
    s.config.write_text(s.config.read_text() + "limits = {\n")
    return r"carnation\.conf:\d+: "


def break_option(s, place):
    s.options["lisen"] = ["127.0.0.1:0"]
    s.write_config()
    return r"carnation\.conf:\d+: .*listen"


def break_root(s, place):
    s.options["capsules"][0]["root"] = str(place / "nowhere")
    s.write_config()
    return r"carnation\.conf:\d+: .*nowhere"


def break_everything(s, place):
    s.config.unlink()
    return r"carnation\.conf"


def break_key(s, place):
    _, other = pair(place / "other", "localhost")
    (s.certs / "localhost.key").write_bytes(other.read_bytes())
    return r"localhost\.key"


def break_configuration_by_a_pipe(s, place):
    """Nobody writes into it: who waits for it waits forever."""
    s.config.unlink()
    os.mkfifo(s.config)
    return r"carnation\.conf: .*not a regular file"


def break_configuration_by_a_device(s, place):
    s.config.unlink()
    s.config.symlink_to("/dev/zero")
    return r"carnation\.conf: .*not a regular file"


def break_include_by_a_pipe(s, place):
    os.mkfifo(place / "part.conf")
    s.config.write_text('@include "part.conf"\n' + s.config.read_text())
    return r"part\.conf: .*not a regular file"


def break_key_by_a_pipe(s, place):
    (s.certs / "localhost.key").unlink()
    os.mkfifo(s.certs / "localhost.key")
    return r"localhost\.key"


def break_pair(s, place):
    s.options["capsules"].append(
        {"host": "x.example", "root": str(place / "capsule"),
         "certificate": "missing.crt", "key": "missing.key"})
    s.write_config()
    return r"missing\.(crt|key)"


BREAKERS = [v for k, v in sorted(globals().items()) if k.startswith("break_")]


@pytest.mark.parametrize("spoil", BREAKERS, ids=lambda f: f.__name__[6:])
def test_a_broken_configuration_changes_nothing_and_is_reported(place, spoil):
    with site(place) as server:
        good = server.config.read_text()
        key = (server.certs / "localhost.key").read_bytes()
        expected = spoil(server, place)
        for _ in range(2):
            said = hup_refused(server)
            assert re.search("^carnation.*: error: .*" + expected, said, re.M)
        assert carnation(
            "check", "-c", server.config, "--certs", server.certs,
            "--listen", "127.0.0.1:0").returncode == 1, "check agrees"
        # and mended, it goes on
        server.config.unlink(missing_ok=True)
        server.config.write_text(good)
        (server.certs / "localhost.key").unlink()
        (server.certs / "localhost.key").write_bytes(key)
        hup(server)
        settle(server)


def test_a_taken_port_refuses_the_reload(place):
    with socket.socket() as taken, Server(
            listen=(), directory=place, alive=None,
            options={"listen": ["127.0.0.1:0"]}) as server:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server.ports[4] = int(re.search(
            r"listening on \S+:(\d+)", server.log())[1])
        server.options["listen"].append(f"127.0.0.1:{port}")
        server.write_config()
        assert f"127.0.0.1:{port}" in hup_refused(server)


def test_a_broken_capsule_conf_refuses_the_start(place):
    root = tree(place / "capsule", {"index.gmi": "x", "capsule.conf": "x\n"})
    said = refused("--certs", place / "certs", "--listen", "127.0.0.1:0", root)
    assert re.search(r"capsule\.conf:[12]: ", said)


def test_a_download_outlives_its_generation(place):
    """The old workers stop accepting and finish what they send."""
    with site(place) as server:
        body = bytes(range(256)) * 100_000
        tree(place / "capsule", {"big.bin": body})
        old = server.workers()
        with Client(server, receive_buffer=65536) as c:
            c.ask("/big.bin")
            got = bytearray(c.read())
            hup(server)
            assert server.ask("/").status == 20
            assert all(exists(p) for p in old)
            while True:
                more = c.read()
                if not more:
                    break
                got += more
            assert got == b"20 application/octet-stream\r\n" + body
            assert c.clean
        settle(server)
        assert not any(exists(p) for p in old)


def test_an_idle_visitor_does_not_hold_up_a_reload(place):
    """A client between handshake and request may still ask."""
    with site(place) as server:
        with Client(server) as c:
            hup(server)
            assert c.ask("/").reply().whole
        settle(server)


def test_reloads_that_pile_up_all_end_in_one_configuration(place):
    with site(place) as server:
        since = mark(server)
        for n in range(20):
            (place / "capsule" / "index.gmi").write_text(f"# {n}\n")
            server.signal(1)
        server.wait_log(r"reloaded: ", since=since)
        # Refused, the last one starts nothing, nor does one that still waits.
        (place / "carnation.conf").write_text("nonsense\n")
        hup(server, r"^carnation serve: error: .*reload refused: ")
        settle(server)
        assert server.ask("/").text == "# 19\n"


@pytest.mark.soak
def test_reloads_under_load_lose_no_request(place):
    times = 200 if LONG else 50
    bodies = {"/": "# One\n" * 4, "/a.gmi": "a" * 50000}

    def good(reply, began):
        if reply.status != 20 or reply.text not in bodies.values():
            return "not the page"

    with site(place, workers=2) as server:
        tree(place / "capsule", {"index.gmi": bodies["/"],
                                 "a.gmi": bodies["/a.gmi"]})
        server.count = 2
        with Load(server, good, tuple(bodies), clients=2) as load:
            for n in range(times):
                hup(server, seconds=30)
                wait_for(lambda: load.answers > n)
        assert server.log().count("carnation: reloaded: 2 workers") == times
        settle(server)
