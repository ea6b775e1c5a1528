# SPDX-License-Identifier: ISC
"""`carnation publish --retract`: a page that must not be there any more, in no
release, no archive and no object; and what servers still hold."""
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import threading
import time

import pytest

import signed
from harness import CARNATION, LONG, Server, wait_for
from life import carnation, settle
from test_crash import ROUNDS, Killer
from test_publish import CONF, PAGES, Author, last_line, look, sign

SECRET = "# Retracted\nNobody may read this sentence.\n"
NAME = "secret.gmi"


@pytest.fixture
def author(place):
    """Three releases; the last two have the page."""
    a = Author(place)
    a.first()
    a.write(NAME, SECRET)
    a.write("about.gmi", PAGES["about.gmi"] + f"=> {NAME} Secret\n")
    a.run()
    a.write("note.txt", "other\n")
    a.run()
    return a


def without(author):
    (author.src / NAME).unlink()
    author.write("about.gmi", PAGES["about.gmi"])


def releases(author):
    return sorted(int(p.name) for p in (author.store / "releases").iterdir())


def retracted(author):
    return [int(line.split()[1])
            for line in (author.store / "state").read_text().splitlines()
            if line.startswith("retracted: ")]


def holds(author, text=b"this sentence"):
    """Files of the store with that text in them."""
    return [p for p in author.store.rglob("*")
            if p.is_file() and not p.is_symlink()
            and text in p.read_bytes()]


def thing(author, text=SECRET):
    digest = signed.sha256(text.encode())
    return author.store / "objects" / digest[:2] / digest[2:]


@contextlib.contextmanager
def held(author, serial):
    """As a server holds what it may still serve."""
    fd = os.open(author.store / "releases" / str(serial), os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)


def interrupted(author, *words):
    """Killed while it waits for those who hold a release."""
    with subprocess.Popen(
            [CARNATION, "publish", author.src, author.store, "--key",
             author.key, *words], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True) as p:
        for line in p.stderr:
            if "waiting up to" in line:
                break
        wait_for(lambda: not thing(author).exists(), 20)
        p.send_signal(signal.SIGKILL)
        out = p.stdout.read()
    assert p.returncode == -signal.SIGKILL
    return out


def test_nothing_of_it_stays(author):
    assert len(holds(author)) > 2
    without(author)
    done = author.run("--retract", NAME)
    assert last_line(done).endswith("published")
    assert f"gone     {NAME}" in done.stdout
    assert "removed  release 2\nremoved  release 3\n" in done.stdout
    assert "waiting up to 2 minutes for servers" in done.stderr
    author.check(4)
    assert releases(author) == [1, 4] and retracted(author) == []
    assert holds(author) == [] and not thing(author).exists()
    # What is left is whole, and may be served again.
    done = carnation("rollback", author.store)
    assert done.returncode == 0 and "now serving 1" in done.stdout
    assert carnation("verify", author.store).returncode == 0


def test_nobody_goes_back_to_it(author):
    without(author)
    with held(author, 3):
        interrupted(author, "--retract", NAME)
        assert releases(author) == [1, 3, 4] or releases(author) == [
            1, 2, 3, 4]
        assert retracted(author) == [2, 3]
        done = carnation("rollback", author.store, 3)
        assert done.returncode == 1 and "retracted" in done.stderr
        done = carnation("rollback", author.store)
        assert done.returncode == 0 and "now serving 1" in done.stdout
        # Another publish names it, and does not fail.
        done = author.run()
        assert "release 3 was retracted, and a process still" in done.stderr
        assert retracted(author) == [3] and 2 not in releases(author)
    done = author.run()
    assert "retracted" not in done.stderr
    assert retracted(author) == [] and 3 not in releases(author)
    assert holds(author) == []


def test_prune_removes_it_too(author):
    without(author)
    with held(author, 3):
        interrupted(author, "--retract", NAME)
    assert carnation("prune", author.store, "--keep", "9").returncode == 0
    assert releases(author) == [1, 4] and retracted(author) == []
    assert holds(author) == []


def test_it_waits_for_those_who_hold_it(author):
    without(author)
    done = []
    thread = threading.Thread(
        target=lambda: done.append(author.run("--retract", NAME)))
    with held(author, 3):
        thread.start()
        # It has switched, and the page is no object any more.
        wait_for(lambda: not thing(author).exists(), 20)
        assert os.readlink(author.current) == "releases/4"
        assert 3 in releases(author)
    thread.join()
    assert done and releases(author) == [1, 4]


@pytest.mark.soak
@pytest.mark.skipif(not LONG, reason="two minutes")
def test_what_is_held_for_longer_is_named(author):
    without(author)
    start = time.monotonic()
    with held(author, 3):
        done = author.run("--retract", NAME, status=1, timeout=200)
    assert time.monotonic() - start > 119
    assert "release 3 was retracted, and a process still uses it" in done.stderr
    assert last_line(done).endswith("published")
    assert retracted(author) == [3]


def test_a_server_lets_go_of_it(place):
    a = Author(place)
    a.write(NAME, SECRET)
    a.run("--origin", "gemini://localhost")
    by_hash = "/mirror/objects/" + "".join(thing(a).parts[-2:])
    with Server(command=["--workers", "1", str(a.store)], listen=(4,),
                directory=place) as server:
        assert server.ask(f"/{NAME}").status == 20
        assert server.ask(by_hash).status == 20
        (a.src / NAME).unlink()
        a.run("--retract", NAME, timeout=200)
        assert releases(a) == [2] and holds(a) == []
        wait_for(lambda: server.ask(f"/{NAME}").status == 51, 20)
        settle(server)
        assert server.ask(by_hash).status == 51


def test_what_src_still_has_is_refused(author):
    """The next publish would bring it back."""
    before = look(author.store)
    done = author.run("--retract", NAME, status=3)
    assert f"{author.src}/{NAME}: still there: the next publish" in done.stderr
    done = author.run("--retract", "atom.xml", status=3)
    assert "made of the pages" in done.stderr
    assert look(author.store) == before
    # It need not be removed where capsule.conf says that it is gone.
    author.write("capsule.conf", CONF + f'gone = ["/{NAME}"];')
    done = author.run("--retract", NAME)
    assert f"link to {NAME}: retracted with this release" in done.stderr
    assert releases(author) == [1, 4] and holds(author) == []


def test_links_to_it_are_named_and_not_in_the_way(author):
    (author.src / NAME).unlink()
    author.run(status=1)  # without --retract it is an error
    done = author.run("--retract", f"/{NAME}")
    assert (f"about.gmi:3: link to {NAME}: retracted with this release"
            in done.stderr)
    assert "goes, and" not in done.stderr
    assert holds(author) == []


@pytest.mark.parametrize("words, said", [
    (["--retract", "other.gmi"], "--retract other.gmi: no release has such"),
    (["--retract", NAME, "other.gmi"], "other.gmi: no release has such"),
    (["--retract", "../x"], "--retract: ../x: "),
    ([NAME], f"too many arguments: {NAME}"),
    (["--retract"], "missing value")])
def test_wrong_usage(author, words, said):
    without(author)
    before = look(author.store)
    done = author.run(*words, status=2)
    assert said in done.stderr
    assert look(author.store) == before


def test_several_at_once(author):
    without(author)
    author.write("index.gmi", PAGES["index.gmi"].replace(
        "=> night.gmi The night\n", ""))
    author.write("about.gmi", "# About\n")
    author.write("updates.gmi", "# U\n=> about.gmi 2026-01-03 About\n")
    (author.src / "night.gmi").unlink()
    done = author.run("--retract", NAME, "night.gmi", "--json")
    said = json.loads(done.stdout)
    assert said["retracted"] == [1, 2, 3] and said["published"]
    assert releases(author) == [4]
    assert json.loads(author.run("--json").stdout)["retracted"] == []


def test_the_same_bytes_under_another_name(author):
    """An older release has them too, and goes; the new one is what the author
    makes it."""
    author.write("copy.txt", SECRET)
    without(author)
    author.run("--yes")
    (author.src / "copy.txt").unlink()
    author.run()
    author.run("--retract", NAME)
    assert releases(author) == [1, 5, 6] and holds(author) == []
    author.write("note.txt", SECRET)
    author.write("copy.txt", SECRET)
    author.run()
    (author.src / "copy.txt").unlink()
    done = author.run("--retract", "copy.txt")
    assert "note.txt: the same bytes as copy.txt, and stays" in done.stderr
    assert releases(author) == [1, 5, 6, 8] and thing(author).exists()


def test_what_nobody_can_read_goes_too(author):
    manifest = author.store / "releases/1/mirror/MANIFEST"
    manifest.unlink()
    manifest.write_text("")
    without(author)
    done = author.run("--retract", NAME)
    assert "nobody can tell what release 1 has" in done.stderr
    assert releases(author) == [4]


def test_a_dry_run_and_a_list_change_nothing(author):
    without(author)
    before = look(author.store)
    done = author.run("--retract", NAME, "--dry-run", "--json")
    assert json.loads(done.stdout)["retracted"] == [2, 3]
    assert look(author.store) == before
    out = author.place / "list"
    author.run("--unsigned", out, "--retract", NAME, key=False)
    assert look(author.store) == before
    author.run("--signed", sign(author), "--retract", NAME, key=False)
    assert releases(author) == [1, 4] and holds(author) == []


def test_killed_before_the_switch(author):
    """The state has it already: the next publish does the rest."""
    state = author.store / "state"
    text = state.read_text()
    without(author)
    state.write_text(text + "retracted: 2\nretracted: 3\n")
    assert carnation("prune", author.store).returncode in (0, 1)
    assert 3 in releases(author), "the current one"
    author.run("--yes")
    assert releases(author) == [1, 4] and retracted(author) == []


def test_a_store_that_is_new_has_nothing_to_retract(place):
    a = Author(place)
    done = a.first("--retract", NAME, status=2)
    assert "no release has such a file" in done.stderr
    assert not a.store.exists()


@pytest.mark.soak
def test_killed_at_any_time(author):
    """Whatever it had come to: the next publish does the rest, or, when the state
    knows nothing of it yet, the same command."""
    without(author)
    words = ("publish", author.src, author.store, "--key", author.key, "--yes")
    retract = (*words, "--retract", NAME)
    kept = author.place / "kept"
    subprocess.run(["cp", "-a", author.store, kept], check=True)
    killer = Killer(*retract)
    for _ in range(ROUNDS):
        shutil.rmtree(author.store)
        subprocess.run(["cp", "-a", kept, author.store], check=True)
        if not killer.run(author.store, *retract):
            begun = "serial: 4\n" in (author.store / "state").read_text()
            assert carnation(*(words if begun else retract)).returncode == 0
        assert retracted(author) == [] and holds(author) == [], killer.seed
        assert {2, 3}.isdisjoint(releases(author))
        done = carnation("verify", author.store)
        assert done.returncode == 0, (killer.seed, done.stderr)
    assert killer.killed > 0
