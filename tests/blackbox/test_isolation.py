# SPDX-License-Identifier: ISC
"""One capsule never harms another: content that cannot be used concerns the
capsule that has it, and the newest content that can be used is served."""
import os
import re
import shutil
import signal
import subprocess

import pytest

from certs import pair
from harness import CARNATION, Client, Server, tree, wait_for
from life import carnation, hup, mark, refused, settle
from test_store_serve import (add_release, make_store, number_of, switch)

UNUSABLE = {
    "syntax": "title = ;\n",
    "a wrong type": "title = 7;\n",
    "a circle of redirects":
        'redirects = ({ from = "/a"; to = "/b"; },'
        ' { from = "/b"; to = "/a"; });\n',
    "too large": "# " + "x" * 300_000 + "\n",
}


def two(place, **how):
    """one.example, which is spoiled, and localhost, which never is."""
    tree(place / "good", {"index.gmi": "# Good\n"})
    tree(place / "one", {"index.gmi": "# One\n"})
    return Server([{"host": "localhost", "root": str(place / "good")},
                   {"host": "one.example", "root": str(place / "one")}],
                  directory=place, listen=(4,), **how)


def one(server, path="/"):
    with Client(server, sni="one.example") as c:
        c.send(f"gemini://one.example{path}\r\n".encode())
        return c.reply()


@pytest.mark.parametrize("conf", UNUSABLE.values(), ids=UNUSABLE)
def test_a_spoiled_capsule_conf_concerns_its_capsule_alone(place, conf):
    with two(place) as server:
        (place / "one" / "capsule.conf").write_text(conf)
        tree(place / "good", {"capsule.conf": 'lang = "de";\n'})
        said = hup(server)
        settle(server)
        assert re.search(r"error: one\.example: cannot use ", said)
        assert server.ask("/").meta == "text/gemini; lang=de", "reloaded"
        assert one(server).text == "# One\n", "its last good content"
        (place / "one" / "capsule.conf").write_text('lang = "az";\n')
        wait_for(lambda: one(server).meta == "text/gemini; lang=az")
        settle(server)


@pytest.mark.parametrize("conf", UNUSABLE.values(), ids=UNUSABLE)
def test_a_start_with_a_spoiled_capsule_among_others(place, conf):
    tree(place / "one", {"capsule.conf": conf})
    with two(place) as server:
        assert server.ask("/").status == 20
        assert one(server).status == 41
        assert one(server, "/other").status == 41
        (place / "one" / "capsule.conf").write_text('lang = "az";\n')
        wait_for(lambda: one(server).status == 20)
        settle(server)
        assert one(server).meta == "text/gemini; lang=az"


def test_a_start_without_one_of_the_roots(place):
    tree(place / "good", {"index.gmi": "# Good\n"})
    with Server([{"host": "localhost", "root": str(place / "good")},
                 {"host": "one.example", "root": str(place / "late")}],
                directory=place, listen=(4,)) as server:
        assert server.ask("/").status == 20
        assert one(server).status == 41
        tree(place / "late", {"index.gmi": "# Late\n"})
        wait_for(lambda: one(server).status == 20)
        assert one(server).text == "# Late\n"
        settle(server)


def test_a_root_that_is_lost_stops_no_reload(place):
    with two(place) as server:
        (place / "one").rename(place / "away")
        server.options["capsules"][0]["lang"] = "de"
        server.write_config()
        hup(server)
        settle(server)
        assert server.ask("/").meta == "text/gemini; lang=de"
        assert one(server).text == "# One\n"


def test_a_new_root_that_is_not_there_refuses_the_reload(place):
    with two(place) as server:
        server.options["capsules"].append(
            {"host": "x.example", "root": str(place / "nowhere")})
        server.write_config()
        said = hup(server, r"^carnation serve: error: .*reload refused: ")
        assert re.search(r"carnation\.conf:\d+: root .*nowhere", said)


def test_a_single_directory_must_be_usable(place):
    root = tree(place / "c", {"index.gmi": "x", "capsule.conf": "title = 7;\n"})
    said = refused("--certs", place / "certs", "--listen", "127.0.0.1:0", root)
    assert re.search(r"capsule\.conf:1: title", said)


def test_a_stray_key_stops_no_renewal(place):
    """Certificates and log are renewed while a key lies in a root; the key is not
    served, and when it is gone what came with it is."""
    access = place / "access.log"
    with two(place, args=("--log", access)) as server:
        before = (server.certs / "localhost.crt").read_bytes()
        _, key = pair(place / "stray", "stray")
        tree(place / "fresh", {"index.gmi": "# Two\n"})
        shutil.copy(key, place / "fresh" / "oops.pem")
        (place / "one").rename(place / "old")
        (place / "fresh").rename(place / "one")
        server.wait_log(r"cannot use .*/one: it holds a private key: oops")
        assert one(server).text == "# One\n"
        assert one(server, "/oops.pem").status == 51
        crt, key = pair(place / "renewed", "localhost")
        for file, name in ((crt, "localhost.crt"), (key, "localhost.key")):
            shutil.copy(file, server.certs / name)
        hup(server)
        settle(server)
        assert (server.certs / "localhost.crt").read_bytes() != before
        with Client(server) as c:
            assert c.certificate() == pem_der(crt)
        access.rename(place / "access.log.1")
        since = mark(server)
        server.signal(signal.SIGUSR1)
        server.wait_log("^carnation: reloaded: ", since=since)
        settle(server)
        assert server.ask("/").status == 20
        wait_for(lambda: " 20 " in access.read_text())
        (place / "one" / "oops.pem").unlink()
        wait_for(lambda: one(server).text == "# Two\n")
        settle(server)


def pem_der(path):
    return subprocess.run(
        ["openssl", "x509", "-in", path, "-outform", "DER"],
        check=True, capture_output=True).stdout


def test_a_worker_comes_back_with_the_snapshot(place):
    """capsule.conf is half written when a worker dies: its successor has what
    the generation began with."""
    tree(place / "one", {"capsule.conf": 'gone = ["/a", "/b"];\n'})
    with two(place) as server:
        assert one(server, "/b").status == 52
        for half in ('gone = ["/a"', 'gone = ["/a"];\n', ""):
            (place / "one" / "capsule.conf").write_text(half)
            server.may_restart = True
            victim, = server.workers()
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda: len(server.workers()) == 1
                     and victim not in server.workers())
            assert one(server, "/b").status == 52
        server.expect_workers()


def test_a_switch_that_fails_is_not_tried_forever(place):
    """But again when the root is switched again."""
    for name in ("v1", "v2", "v3"):
        tree(place / name, {"index.gmi": f"# {name}\n"})

    def link(name):
        (place / "new").symlink_to(name)
        (place / "new").rename(place / "now")

    def refusals():
        assert "reload refused" not in server.log(), "nobody asked for one"
        return server.log().count("switch refused: see above")

    link("v1")
    logs = place / "logs"
    logs.mkdir()
    with Server([{"host": "localhost", "root": str(place / "now")}],
                directory=place, listen=(4,),
                args=("--log", logs / "access")) as server:
        logs.rename(place / "away")
        link("v2")
        wait_for(lambda: refusals() == 1)
        link("v3")
        wait_for(lambda: refusals() >= 2)
        assert refusals() == 2
        assert server.ask("/").text == "# v1\n"
        (place / "away").rename(logs)
        link("v2")
        wait_for(lambda: server.ask("/").text == "# v2\n")
        settle(server)


def test_too_few_descriptors_are_noticed_at_the_start(place):
    """Not at the first reload."""
    capsules = "".join(
        f'{{ host = "h{i}.example"; root = "{tree(place / f"c{i}", {})}"; }},'
        for i in range(40))
    conf = place / "carnation.conf"
    conf.write_text(f"capsules = ({capsules[:-1]});\n")
    words = ("-c", conf, "--certs", place / "certs",
             "--listen", "127.0.0.1:0")
    for verb in ("serve", "check"):
        said = subprocess.run(
            ["prlimit", "--nofile=150", CARNATION, verb, *words],
            capture_output=True, text=True)
        assert said.returncode == 1
        assert re.search(r"carnation\.conf: (error: )?40 capsules need \d+ file "
                         r"descriptors, but the limit is 150",
                         said.stdout + said.stderr)


# ------------------------------------------------------------------- stores

def store_of(place, *serials):
    store = make_store(place / "store", 1)
    for serial in serials:
        add_release(store, serial)
    return store


def spoil(store, serial, conf="title = 7;\n"):
    file = store / "releases" / str(serial) / "capsule.conf"
    file.unlink(missing_ok=True)
    file.write_text(conf)


def with_store(place, store, **how):
    tree(place / "good", {"index.gmi": "# Good\n"})
    return Server([{"host": "localhost", "root": str(store)},
                   {"host": "one.example", "root": str(place / "good")}],
                  directory=place, listen=(4,), **how)


def test_a_release_that_cannot_be_used_is_not_switched_to(place):
    store = store_of(place, 2, 3)
    spoil(store, 2)
    with with_store(place, store) as server:
        since = mark(server)
        switch(store, 2)
        server.wait_log(r"cannot use release 2 of .*serving release 1 instead",
                        since=since)
        assert number_of(server.ask("/")) == 1
        tree(place / "good", {"capsule.conf": 'lang = "de";\n'})
        hup(server)
        settle(server)
        assert number_of(server.ask("/")) == 1
        assert one(server).meta == "text/gemini; lang=de"
        switch(store, 3)
        wait_for(lambda: number_of(server.ask("/")) == 3)
        settle(server)


@pytest.mark.parametrize("broken", [(3,), (3, 2), ()])
def test_a_start_takes_the_newest_release_that_can_be_used(place, broken):
    store = store_of(place, 2, 3)
    for serial in broken:
        spoil(store, serial)
    switch(store, 3)
    if not broken:
        shutil.rmtree(store / "releases" / "3")  # it leads nowhere
    with with_store(place, store) as server:
        assert number_of(server.ask("/")) == (1 if 2 in broken else 2)
        assert re.search(r"cannot use release 3 of ", server.log())


def test_a_start_never_takes_what_was_rolled_back(place):
    store = store_of(place, 2, 3)
    spoil(store, 2)
    switch(store, 2)
    with with_store(place, store) as server:
        assert number_of(server.ask("/")) == 1


def test_an_option_of_a_newer_version(place):
    """In a store a warning, in one's own directory an error."""
    conf = 'lang = "en-x-r1";\nshiny = true;\n'
    store = store_of(place)
    spoil(store, 1, conf)
    with with_store(place, store) as server:
        assert number_of(server.ask("/")) == 1
        assert re.search(r"warning: .*capsule\.conf:2: unknown option "
                         '"shiny"', server.log())
    own = tree(place / "own", {"index.gmi": "x", "capsule.conf": conf})
    checked = carnation("check", "--certs", place / "certs", "--listen",
                        "127.0.0.1:0", own)
    assert checked.returncode == 1
    assert re.search(r'capsule\.conf:2: error: unknown option "shiny"',
                     checked.stdout)


def test_a_served_release_is_held(place):
    """By a shared flock, from start to switch, so that nobody removes it."""
    store = store_of(place, 2)
    with with_store(place, store) as server:
        def held(serial):
            return subprocess.run(
                ["flock", "-n", "-x", store / "releases" / str(serial),
                 "true"]).returncode != 0
        assert held(1) and not held(2)
        switch(store, 2)
        wait_for(lambda: number_of(server.ask("/")) == 2)
        settle(server)
        assert held(2)
        wait_for(lambda: not held(1))
