# SPDX-License-Identifier: ISC
"""A store is served as its current release, and follows its switch: no answer
is lost, cut or mixed."""
import bisect
import contextlib
import hashlib
import os
import random
import re
import shutil
import time

import pytest

from certs import pair
from harness import LONG, SANITIZED, Client, Server, tree, wait_for
from life import (NOBODY, Load, carnation, has_looked, mark, refused,
                  root_only, settle)

# After a switch, the old release is gone for good; workers with sanitizers take
# several times as long to start.
TIMEOUT_S = 10.0 if SANITIZED else 2.0
SAME = "the same in every release\n" * 100


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def add_object(store, data):
    thing = store / "objects" / sha256(data)[:2] / sha256(data)[2:]
    if not thing.exists():
        thing.parent.mkdir(exist_ok=True, parents=True)
        thing.write_bytes(data)
        thing.chmod(0o444)
    return thing


def add_release(store, serial, files=None):
    """All of its pages say which one they are of, as does the language that
    its capsule.conf sets; what it consists of are the objects' other names."""
    line = f"release {serial}\n"
    files = files or {
        "index.gmi": line * 2000, "deep/page.gmi": line * 5,
        "same.txt": SAME, "capsule.conf": f'lang = "en-x-r{serial}";\n'}
    release = store / "releases" / str(serial)
    for path, data in files.items():
        target = release / path
        target.parent.mkdir(parents=True, exist_ok=True)
        data = data if isinstance(data, bytes) else data.encode()
        os.link(add_object(store, data), target)
    tree(release / "mirror", {"MANIFEST": line, "capsule.tar": line * 3})
    return release


def switch(store, serial):
    fresh = store / "tmp" / "current"
    fresh.symlink_to(f"releases/{serial}")
    os.replace(fresh, store / "current")


def write_trace(store, text):
    fresh = store / "tmp" / "trace"
    fresh.write_text(text)
    os.replace(fresh, store / "trace")


def make_store(store, *serials, **how):
    tree(store, {"objects": None, "releases": None, "tmp": None, "lock": "",
                 "state": "serial: 1\n"})
    for serial in serials:
        add_release(store, serial, **how)
    if serials:
        switch(store, serials[-1])
        write_trace(store, f"serial: {serials[-1]}\n")
    return store


def served(place, *serials, store=None, workers=1, **how):
    store = store or make_store(place / "store", *(serials or (1,)))
    server = Server(command=["--workers", workers, str(store)], listen=(4,),
                    directory=place, **how)
    server.count = workers
    return server


def configured(place, store, **settings):
    return Server([{"host": "localhost", "root": str(store), **settings}],
                  directory=place, listen=(4,))


def number_of(reply):
    """The one release that an answer is of; None when it is mixed."""
    said = re.fullmatch(r"text/gemini; lang=en-x-r(\d+)", reply.meta or "")
    lines = reply.text.splitlines()
    if not said or set(lines) != {f"release {said[1]}"}:
        return None
    return int(said[1]) if len(lines) in (5, 2000) else None


def serves(server, serial):
    return lambda: number_of(server.ask("/")) == serial


# ------------------------------------------------------------------ what it is

def test_the_current_release_is_served_and_nothing_beside_it(place):
    with served(place, 1, 7) as server:
        assert serves(server, 7)()
        assert server.ask("/deep/page.gmi").text == "release 7\n" * 5
        assert server.ask("/mirror/MANIFEST").text == "release 7\n"
        assert server.ask("/mirror/capsule.tar").meta == "application/x-tar"
        a_page = sha256(b"release 1\n" * 5)
        for path in ("/state", "/lock", "/trace", "/current/index.gmi",
                     "/releases/7/index.gmi", "/releases/", "/objects/",
                     f"/objects/{a_page[:2]}/{a_page[2:]}", "/tmp/"):
            assert server.ask(path).status == 51, path
        assert re.search(
            r"^  capsule      \S+/store: release 7, 2 pages, 4 files, ",
            server.log(), re.M)


def test_a_store_among_the_capsules_of_a_configuration(place):
    store = make_store(place / "store", 1)
    plain = tree(place / "plain", {
        "index.gmi": "# Plain\n", "mirror/trace": "its own\n"})
    with Server([{"host": "localhost", "root": "store"},
                 {"host": "b.example", "root": str(plain)}],
                directory=place, listen=(4,)) as server:
        assert serves(server, 1)()
        other = "gemini://b.example:{P}"
        assert server.ask(other + "/", sni="b.example").text == "# Plain\n"
        assert server.ask(other + "/mirror/trace",
                          sni="b.example").text == "its own\n"
        assert server.ask("/mirror/trace").text == "serial: 1\n"
        add_release(store, 2)
        switch(store, 2)
        wait_for(serves(server, 2), TIMEOUT_S)
        settle(server)


def test_what_capsule_conf_says_goes_before_the_stores_own_files(place):
    store = make_store(place / "store")
    add_release(store, 1, {"index.gmi": "# 1\n", "capsule.conf":
                           'gone = ["/mirror/trace"]; charset = "utf-8";\n'
                           'redirects = ( { from = "/mirror/objects/*"; '
                           'to = "/"; } );\n'})
    switch(store, 1)
    write_trace(store, "serial: 1\n")
    with served(place, store=store) as server:
        assert server.ask("/mirror/trace").status == 52
        assert server.ask("/mirror/objects/" + "a" * 64).status == 30


# ------------------------------------------------------------------- the trace

def test_the_trace_is_seen_as_it_changes(place):
    store = make_store(place / "store")
    add_release(store, 1, {"index.gmi": "# 1\n",
                           "capsule.conf": 'charset = "utf-8";\n'})
    switch(store, 1)
    with served(place, store=store) as server:
        workers = server.workers()
        assert server.ask("/mirror/trace").status == 51
        for text in ("serial: 1\n", "serial: 1\nstale: yes\n"):
            write_trace(store, text)
            reply = server.ask("/mirror/trace")
            assert (reply.meta, reply.text) == (
                "text/plain; charset=utf-8", text)
        assert server.workers() == workers


# ----------------------------------------------------------------- the objects

def test_objects_are_served_by_their_hash(place):
    store = make_store(place / "store", 1, 2)
    page = b"release 2\n" * 5
    old = b"release 1\n" * 5
    lonely = b"<html>in no release, and not looked at</html>\n"
    add_object(store, lonely)
    with served(place, store=store) as server:
        for data in (page, old, lonely, SAME.encode()):
            reply = server.ask(f"/mirror/objects/{sha256(data)}")
            assert reply.whole and reply.body == data
            assert reply.meta == "application/octet-stream"
        late = b"fetched while it serves\n"
        add_object(store, late)
        assert server.ask(f"/mirror/objects/{sha256(late)}").body == late


def test_nothing_else_is_below_the_objects(place):
    store = make_store(place / "store", 1)
    name = sha256(SAME.encode())
    with configured(place, store, listing=True) as server:
        assert server.ask(f"/mirror/objects/{name}").status == 20
        for path in ("", "/", f"/{name.upper()}", f"/{name[:63]}",
                     f"/{name}0", f"/{name[:2]}/{name[2:]}", f"/{name[:2]}",
                     f"/{name[:2]}/", f"/{name}/", f"/{name[:-1]}g",
                     f"/../objects/{name[:63]}", f"/x/../{name[:63]}",
                     "/..%2f..%2fstate", f"/%2e%2e%2fstate", "/" + "0" * 64,
                     f"/{name};x=1"):
            reply = server.ask(f"/mirror/objects{path}")
            assert reply.status == 51, (path, reply)
        assert server.ask(f"/mirror/objects/../objects/{name}").status == 20
        assert server.ask("/mirror/objects/../../state").status == 51


def test_objects_can_be_turned_off(place):
    store = make_store(place / "store", 1)
    with configured(place, store, objects=False) as server:
        name = sha256(SAME.encode())
        assert server.ask(f"/mirror/objects/{name}").status == 51
        assert server.ask("/mirror/trace").status == 20
        assert server.ask("/same.txt").text == SAME


def list_files(store, serial):
    """A manifest that lists what a release consists of."""
    release = store / "releases" / str(serial)
    lines = [f"{sha256(f.read_bytes())}  {f.relative_to(release)}\n"
             for f in sorted(release.rglob("*"))
             if f.is_file() and f.parent != release / "mirror"]
    (release / "mirror/MANIFEST").write_text("# a list\n" + "".join(lines))


def test_a_hidden_file_is_not_served_by_its_hash(place):
    """Whoever published it had another idea of what is hidden. In a release
    that is not current, too; but for a file that is shown by another name."""
    store = make_store(place / "store")
    add_release(store, 1, {"index.gmi": "1\n", ".gone": "was hidden\n"})
    add_release(store, 2, {
        "index.gmi": "# Home\n", ".plan": "hidden\n", "a/.b/c": "deep\n",
        "a/.again": "hidden\n", "open.txt": "shown\n", ".open": "shown\n",
        ".well-known/x": "known\n"})
    for serial in (1, 2):
        list_files(store, serial)
    switch(store, 2)

    def by_hash(text):
        return server.ask(f"/mirror/objects/{sha256(text.encode())}").status

    with served(place, store=store) as server:
        for text in ("was hidden\n", "hidden\n", "deep\n"):
            assert by_hash(text) == 51, text
        for text in ("# Home\n", "1\n", "shown\n", "known\n"):
            assert by_hash(text) == 20, text
        # The next release shows one and hides another.
        add_release(store, 3, {"index.gmi": "3\n", "plan": "hidden\n",
                               ".late": "late\n"})
        list_files(store, 3)
        switch(store, 3)
        wait_for(lambda: server.ask("/").text == "3\n", TIMEOUT_S)
        settle(server)
        assert by_hash("hidden\n") == 20
        assert by_hash("late\n") == by_hash("deep\n") == 51
    with configured(place, store, hidden=[".late"]) as server:
        assert by_hash("late\n") == 20
        assert by_hash("deep\n") == 51


# -------------------------------------------------------------- what is refused

def test_a_store_without_a_release_is_refused_clearly(place):
    store = make_store(place / "store")
    words = ("--certs", place / "certs", "--listen", "127.0.0.1:0", store)
    told = "nothing has been published into this store yet"
    assert told in refused(*words)
    done = carnation("check", *words)
    assert done.returncode == 1 and told in done.stdout
    (store / "current").symlink_to("releases/3")
    assert "releases/3" in refused(*words)


def test_check_of_a_store(place):
    store = make_store(place / "store", 3)
    words = ("--certs", place / "certs", "--listen", "127.0.0.1:0", store)
    done = carnation("check", *words)
    assert done.returncode == 0, done.stdout
    assert "0 errors, 0 warnings" in done.stderr
    (store / "releases/3/index.gmi").unlink()
    assert "has no index page" in carnation("check", *words).stdout
    (store / "releases/3/capsule.conf").unlink()
    (store / "releases/3/capsule.conf").write_text("lang = 7;\n")
    done = carnation("check", *words)
    assert done.returncode == 1
    assert "store/current/capsule.conf:1: error: " in done.stdout


@pytest.mark.parametrize("where", [
    "capsule-1.sec", "keys/deep.pem", "objects/ab/" + "c" * 62,
    "releases/1/key.txt"])
def test_a_key_in_a_store_is_refused(place, where):
    store = make_store(place / "store", 1)
    _, key = pair(place / "keys", "localhost")
    (store / where).parent.mkdir(exist_ok=True)
    shutil.copy(key, store / where)
    said = refused("--certs", place / "certs", "--listen", "127.0.0.1:0",
                   store)
    assert "holds a private key: " in said and where.split("/")[-1] in said


def test_a_store_and_the_certificates_are_kept_apart(place):
    store = make_store(place / "store", 1)
    said = refused("--certs", store / "certs", "--listen", "127.0.0.1:0",
                   store)
    assert "must not contain each other" in said


def test_the_feed_is_not_made_in_a_store(place):
    store = make_store(place / "store", 1)
    done = carnation("feed", store)
    assert done.returncode == 1 and "is a store" in done.stderr
    assert not (store / "capsule.txt").exists()


def test_lint_of_a_release_asks_for_robots_to_be_kept_out(place):
    store = make_store(place / "store", 1)
    for where in (store, store / "current"):
        assert "R007 robots.txt: warning: " in carnation("lint", where).stdout
    plain = tree(place / "plain", {"index.gmi": "# Plain\n"})
    assert "R007" not in carnation("lint", plain).stdout


# ------------------------------------------------------------------- the switch

def test_a_switch_is_followed_forth_and_back(place):
    with served(place, 1) as server:
        store = place / "store"
        for serial in (2, 3):
            add_release(store, serial)
        for serial in (2, 3, 2, 1, 3):
            since = mark(server)
            switch(store, serial)
            wait_for(serves(server, serial), TIMEOUT_S, f"release {serial}")
            server.wait_log(rf"/store: serving release {serial}$",
                            since=since)
        settle(server)


@pytest.mark.parametrize("to", ["objects", "releases/1/deep", "..", "/"])
def test_a_link_to_what_is_no_release_is_not_followed(place, to):
    with served(place, 1) as server:
        store = place / "store"
        since = mark(server)
        fresh = store / "tmp" / "current"
        fresh.symlink_to(to)
        os.replace(fresh, store / "current")
        server.wait_log(r"not one of its releases", since=since)
        has_looked(server)
        assert server.log()[since:].count("not one of its releases") == 1
        assert serves(server, 1)()
        add_release(store, 2)
        switch(store, 2)
        wait_for(serves(server, 2), TIMEOUT_S)
        settle(server)


def test_a_key_in_a_new_release_is_not_followed(place):
    with served(place, 1) as server:
        store = place / "store"
        _, key = pair(place / "keys", "localhost")
        shutil.copy(key, add_release(store, 2) / "oops.txt")
        since = mark(server)
        switch(store, 2)
        server.wait_log(r"holds a private key: oops\.txt", since=since)
        assert serves(server, 1)()
        switch(store, 1)
        settle(server)


def test_a_release_that_was_refused_and_mended_is_followed(place):
    """Also when, before anybody looked, another was served by a reload."""
    with served(place, 1) as server:
        store = place / "store"
        _, key = pair(place / "keys", "localhost")
        add_release(store, 2)
        oops = add_release(store, 3) / "oops.txt"
        shutil.copy(key, oops)
        since = mark(server)
        switch(store, 3)
        server.wait_log(
            r"cannot use release 3 of .*oops\.txt.* release 1 instead", since=since)
        assert number_of(server.ask("/")) == 1
        oops.unlink()
        switch(store, 2)
        server.signal(1)
        server.wait_log(r"serving release 2$", since=since)
        switch(store, 3)
        wait_for(serves(server, 3), TIMEOUT_S)
        settle(server)


def test_a_download_outlives_its_release(place):
    """A release that is pruned while it is sent: who has begun, ends."""
    body = bytes(range(256)) * 50_000
    store = make_store(place / "store")
    add_release(store, 1, {"index.gmi": "# 1\n", "big.bin": body})
    switch(store, 1)
    with served(place, store=store) as server:
        name = sha256(body)
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Client(
                server, receive_buffer=65536)) for _ in range(2)]
            clients[0].ask("/big.bin")
            clients[1].ask(f"/mirror/objects/{name}")
            got = [bytearray(c.read()) for c in clients]
            add_release(store, 2)
            switch(store, 2)
            wait_for(serves(server, 2), TIMEOUT_S)
            shutil.rmtree(store / "releases/1")
            (store / "objects" / name[:2] / name[2:]).unlink()
            for c, g in zip(clients, got):
                g += c.reply_rest()
                assert g == b"20 application/octet-stream\r\n" + body
                assert c.clean
        settle(server)


class Watched:
    """Switches, and what an answer may be of: whole, and of a release that
    was the current one at some moment of TIMEOUT_S before."""

    def __init__(self, store, serial=1):
        self.store = store
        self.times, self.serials = [time.monotonic()], [serial]

    def switch(self, serial):
        switch(self.store, serial)
        self.times.append(time.monotonic())
        self.serials.append(serial)

    def good(self, reply, began):
        if reply.status != 20:
            return "not a page"
        if reply.text in (SAME, "serial: 1\n"):
            return None
        number = number_of(reply)
        if number is None:
            return "mixed"
        first = bisect.bisect(self.times, began - TIMEOUT_S) - 1
        if number not in self.serials[max(0, first):]:
            return f"release {number} was current too long before"


PATHS = ("/", "/deep/page.gmi", "/same.txt", "/mirror/trace",
         f"/mirror/objects/{sha256(SAME.encode())}")


@pytest.mark.soak
def test_switches_under_load_mix_and_lose_nothing(place):
    rng = random.Random(1990)
    times = 200 if LONG else 20
    store = make_store(place / "store", 1)
    for serial in range(2, 11):
        add_release(store, serial)
    watched = Watched(store)
    with served(place, store=store, workers=2) as server:
        with Load(server, watched.good, PATHS, clients=2) as load:
            for _ in range(times):
                serial = rng.randrange(1, 11)  # rollbacks among them
                watched.switch(serial)
                if LONG:
                    wait_for(serves(server, serial), TIMEOUT_S)
                else:
                    load.more(rng.choice((6, 20, 40, 100)))
            watched.switch(2)
            wait_for(serves(server, 2), TIMEOUT_S)
        settle(server)


@pytest.mark.soak
def test_publishing_every_200_ms_is_followed(place):
    """More switches than generations: there is one change at a time, and it is
    to the newest. Old releases are pruned as a publisher does, late enough."""
    times = 100 if LONG else 12
    store = make_store(place / "store", 1)
    watched = Watched(store)
    with served(place, store=store, workers=2) as server:
        since = mark(server)
        began = time.monotonic()
        with Load(server, watched.good, PATHS, clients=2):
            for serial in range(2, 2 + times):
                add_release(store, serial)
                watched.switch(serial)
                time.sleep(0.2)
            wait_for(serves(server, 1 + times), TIMEOUT_S)
        took = time.monotonic() - began
        changes = server.log()[since:].count("carnation: reloaded: ")
        assert 2 <= changes <= took / 0.5 + 1, changes
        settle(server)


@pytest.mark.soak
def test_slow_readers_hold_back_no_switch(place):
    """Every generation has somebody who is still being sent something, and so
    stays; the newest release is served all the same."""
    store = make_store(place / "store", 1)
    big = b"x" * 8_000_000
    add_object(store, big)
    path = f"/mirror/objects/{sha256(big)}"
    with served(place, store=store) as server:
        with contextlib.ExitStack() as stack:
            clients = []
            for serial in range(2, 12):
                c = stack.enter_context(Client(server, receive_buffer=65536))
                clients.append((c, c.ask(path).read()))
                add_release(store, serial)
                switch(store, serial)
                wait_for(serves(server, serial), TIMEOUT_S)
            assert len(server.workers()) == 11
            for c, first in clients:
                assert len(first + c.reply_rest()) == len(
                    b"20 application/octet-stream\r\n" + big)
                assert c.clean
        settle(server)


# --------------------------------------------------------------- who serves it

@root_only
def test_workers_who_gave_up_root_follow_a_switch(place):
    store = make_store(place / "store", 1)
    with configured(place, store) as server:
        for serial in (2, 3):
            add_release(store, serial)
            switch(store, serial)
            wait_for(serves(server, serial), TIMEOUT_S)
            write_trace(store, f"serial: {serial}\n")
            assert server.ask("/mirror/trace").text == f"serial: {serial}\n"
            assert server.ask(PATHS[-1]).text == SAME
        settle(server)
        for pid in server.workers():
            with open(f"/proc/{pid}/status", encoding="ascii") as f:
                assert re.search(rf"^Uid:\s+{NOBODY}\s", f.read(), re.M)


def test_reload_and_log_signals_leave_the_store_as_it_is(place):
    store = make_store(place / "store", 1, 2)
    with configured(place, store) as server:
        for number in (1, 10):  # HUP, USR1
            since = mark(server)
            server.signal(number)
            server.wait_log(r"reloaded: ", since=since)
            settle(server)
            assert serves(server, 2)()
            assert "serving release" not in server.log()[since:]
            assert server.ask(PATHS[-1]).text == SAME
