# SPDX-License-Identifier: ISC
"""What the workers' user may not read though root, who opened it, may: roots,
releases, capsule.conf. And roots that vanish while they are served."""
import os
import re

import pytest

from harness import Server, tree, wait_for
from life import hup, mark, root_only, settle
from sound import errors, setup, warnings  # noqa: F401
from test_isolation import one, two
from test_store_serve import add_release, make_store, number_of, switch

CONF = 'lang = "az";\ngone = ["/old"];\n'
CLOSED = r"user (nobody|carnation) cannot enter that directory"


def lost(server):
    return server.log().count("cannot use ")


def is_whole(server):
    """capsule.conf counts."""
    return (one(server).meta == "text/gemini; lang=az"
            and one(server, "/old").status == 52)


@root_only
def test_a_root_that_is_closed_keeps_its_capsule_conf(place):
    tree(place / "one", {"capsule.conf": CONF})
    root = place / "one"
    with two(place) as server:
        assert is_whole(server)
        root.chmod(0o700)
        server.wait_log(rf"error: one\.example: cannot use .*/one: {CLOSED}; "
                        "clients get 51 until it is fixed", 2)
        said = hup(server)
        assert re.search(rf"cannot use .*/one: {CLOSED}", said)
        assert "no index page" not in said and "not valid" not in said
        settle(server)
        assert server.ask("/").status == 20
        root.chmod(0o755)
        wait_for(lambda: one(server).status == 20)
        assert is_whole(server), "what was served last"
        (root / "capsule.conf").write_text('lang = "de";\n')
        hup(server)
        settle(server)
        assert one(server).meta == "text/gemini; lang=de"


@root_only
@pytest.mark.parametrize("mode", [0o700, 0o744, 0o600])
def test_a_start_with_a_closed_root(place, mode):
    tree(place / "one", {"index.gmi": "# One\n", "capsule.conf": CONF})
    (place / "one").chmod(mode)
    with two(place) as server:
        assert re.search(rf"one\.example: cannot use .*/one: {CLOSED}; "
                         "clients get 41", server.log())
        assert server.ask("/").status == 20
        assert one(server).status == 41
        (place / "one").chmod(0o711)
        wait_for(lambda: one(server).status == 20, 2)
        assert is_whole(server)
        settle(server)


@root_only
def test_a_capsule_conf_that_only_root_may_read(place):
    conf = tree(place / "one", {"capsule.conf": CONF}) / "capsule.conf"
    with two(place) as server:
        conf.write_text('lang = "de";\n')
        conf.chmod(0o600)
        said = hup(server)
        assert re.search(r"/one: capsule\.conf: cannot read: permission "
                         r"denied as user (nobody|carnation)", said)
        settle(server)
        assert is_whole(server), "what was served last"
        conf.chmod(0o644)
        wait_for(lambda: one(server).meta == "text/gemini; lang=de", 3)
        settle(server)


@root_only
def test_a_new_root_that_is_closed_refuses_the_reload(place):
    """As one that cannot be opened."""
    tree(place / "closed", {"index.gmi": "x"})
    (place / "closed").chmod(0o700)
    with two(place) as server:
        server.options["capsules"].append(
            {"host": "x.example", "root": str(place / "closed")})
        server.write_config()
        said = hup(server, r"^carnation serve: error: .*reload refused: ")
        assert re.search(rf"carnation\.conf:\d+: root .*closed\": {CLOSED}",
                         said)
        assert one(server).text == "# One\n"
        (place / "closed").chmod(0o755)
        hup(server)
        settle(server)


@root_only
def test_a_switch_to_a_closed_release(place):
    """A root that is a link, and a release made under umask 077."""
    tree(place / "v1", {"index.gmi": "# v1\n", "capsule.conf": CONF})
    tree(place / "v2", {"index.gmi": "# v2\n", "capsule.conf": CONF})
    (place / "v2").chmod(0o700)
    (place / "one").symlink_to("v1")
    tree(place / "good", {"index.gmi": "# Good\n"})
    with Server([{"host": "localhost", "root": str(place / "good")},
                 {"host": "one.example", "root": str(place / "one")}],
                directory=place, listen=(4,)) as server:
        (place / "new").symlink_to("v2")
        (place / "new").rename(place / "one")
        server.wait_log(rf"cannot use .*/one: {CLOSED}", 2)
        assert one(server).text == "# v1\n" and is_whole(server)
        (place / "v2").chmod(0o755)
        wait_for(lambda: one(server).text == "# v2\n", 3)
        assert is_whole(server)
        settle(server)


@root_only
def test_a_closed_release_of_a_store(place):
    store = make_store(place / "store", 1)
    add_release(store, 2)
    (store / "releases" / "2").chmod(0o700)
    tree(place / "good", {"index.gmi": "# Good\n"})
    with Server([{"host": "localhost", "root": str(store)},
                 {"host": "one.example", "root": str(place / "good")}],
                directory=place, listen=(4,)) as server:
        switch(store, 2)
        server.wait_log(rf"cannot use release 2 of .*/store: {CLOSED}; "
                        "serving release 1 instead", 2)
        assert number_of(server.ask("/")) == 1
        (store / "releases" / "2").chmod(0o755)
        wait_for(lambda: number_of(server.ask("/")) == 2, 3)
        settle(server)


@root_only
def test_a_single_closed_root_is_no_start(setup):  # noqa: F811
    setup.root.chmod(0o700)
    done = setup.check()
    assert done.returncode == 1
    error, = errors(done)
    assert re.search(rf'carnation\.conf:\d+: error: root ".*": {CLOSED}',
                     error)
    assert not warnings(done), "no index page would be a guess"


@root_only
def test_check_reads_as_the_workers_do(setup):  # noqa: F811
    """Run by root, it says what the user of the configuration cannot read."""
    conf = setup.root / "capsule.conf"
    conf.write_text(CONF)
    conf.chmod(0o600)
    done = setup.check()
    assert done.returncode == 1
    error, = errors(done)
    assert re.search(r"capsule\.conf.*(nobody|carnation)", error)
    os.chown(conf, 1, 1)
    assert setup.check().returncode == 1
    setup.options["user"] = "daemon"
    setup.write()
    done = setup.check()
    assert done.returncode == 0, done.stdout
    assert not errors(done) and not warnings(done)
    setup.root.chmod(0o700)
    assert re.search("user daemon cannot enter that directory",
                     setup.check().stdout)
    os.chown(setup.root, 1, 1)
    assert setup.check().returncode == 0


@root_only
def test_check_passes_on_what_its_child_finds(setup):  # noqa: F811
    """What it finds comes with its place, warnings too."""
    (setup.root / "index.gmi").unlink()
    (setup.root / "capsule.conf").write_text('lang = "az";\ntitel = "x";\n')
    done = setup.check()
    error, = errors(done)
    assert re.search(r'capsule\.conf:2: error: unknown option "titel"', error)
    (setup.root / "capsule.conf").write_text('gone = ["/a\\\\x1b"];\n'
                                             'lang = "\\x1b";\n')
    error, = errors(setup.check())
    assert "\\x1b" in error and "x5cx1b" not in error, "escaped once"
    (setup.root / "capsule.conf").unlink()
    done = setup.check()
    assert done.returncode == 0
    warning, = warnings(done)
    assert re.search(r"carnation\.conf:\d+: warning: root .*index\.gmi",
                     warning)


@root_only
@pytest.mark.parametrize("option, at", [
    ('user = "no-such-user";', "user"), ('group = "no-such-group";', "group"),
    ('user = "root";', "user"), ('group = "root";', "group")])
def test_a_user_that_cannot_be_is_an_error_of_check(setup, option, at):  # noqa: F811
    setup.write(f'listen = ["127.0.0.1:0"];\n{option}\ncapsules = '
                f'({{ host = "localhost"; root = "{setup.root}"; }});\n')
    done = setup.check()
    assert done.returncode == 1
    error, = errors(done)
    assert re.search(rf"carnation\.conf:2: error: {at}: ", error)


@root_only
def test_a_store_that_mirrors_cannot_enter(place):
    """Its pages are served; a warning says that nobody can mirror it."""
    store = make_store(place / "store", 1)
    store.chmod(0o700)
    with Server([{"host": "localhost", "root": str(store)}],
                directory=place, listen=(4,)) as server:
        assert number_of(server.ask("/")) == 1
        assert re.search(r'warning: .*"[^"]*/store": user (nobody|carnation) '
                         "cannot enter it: nobody can mirror it",
                         server.log())


# ------------------------------------------------------------ what vanishes

def test_a_root_that_leads_nowhere_is_told_once(place):
    for name in ("v1", "v2"):
        tree(place / name, {"index.gmi": f"# {name}\n"})
    (place / "now").symlink_to("v1")

    def link(name):
        (place / "new").symlink_to(name)
        (place / "new").rename(place / "now")

    with Server([{"host": "localhost", "root": str(place / "now")}],
                directory=place, listen=(4,)) as server:
        for times in (1, 2):
            link("nowhere")
            wait_for(lambda: lost(server) == times, 3)
            assert re.search(
                r"error: localhost: cannot use .*/now: No such file or "
                r"directory; its last good content is still served",
                server.log())
            wait_for(lambda: server.ask("/").text == "# v1\n")
            if times == 1:
                link("nowhere2")
                link("v1")
                server.wait_log(r"localhost: .*/now is available again", 3)
        link("v2")
        wait_for(lambda: server.ask("/").text == "# v2\n", 3)
        settle(server)
        assert lost(server) == 2
        since = mark(server)
        link("v1")
        wait_for(lambda: server.ask("/").text == "# v1\n", 3)
        settle(server)
        assert "cannot" not in server.log()[since:]


def test_a_root_that_is_moved_away_or_deleted(place):
    with two(place) as server:
        (place / "one").rename(place / "away")
        server.wait_log(r"one\.example: cannot use .*/one: No such file", 3)
        assert one(server).text == "# One\n"
        hup(server)
        settle(server)
        assert one(server).text == "# One\n"
        (place / "away").rename(place / "one")
        server.wait_log("^carnation: reloaded: 1 worker$", 3,
                        server.log().rindex("reloaded"))
        settle(server)
        before = lost(server)
        (place / "one" / "index.gmi").unlink()
        (place / "one").rmdir()
        since = mark(server)
        server.wait_log(r"one\.example: cannot use .*/one: No such file or "
                        "directory; it was deleted: clients get 51", 3, since)
        assert one(server).status == 51
        assert lost(server) == before + 1


def test_a_release_that_is_not_there(place):
    store = make_store(place / "store", 1)
    add_release(store, 7).rename(place / "late")
    with Server([{"host": "localhost", "root": str(store)}],
                directory=place, listen=(4,)) as server:
        switch(store, 7)
        server.wait_log(r"cannot use release 7 of .*/store: .*releases/7, is "
                        "not there .*; serving release 1 instead", 3)
        assert number_of(server.ask("/")) == 1
        (place / "late").rename(store / "releases" / "7")
        wait_for(lambda: number_of(server.ask("/")) == 7, 3)
        settle(server)
        assert lost(server) == 1
