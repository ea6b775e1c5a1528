# SPDX-License-Identifier: ISC
"""`carnation mirror` after a run that was killed, or could not write, between
the switch to a release and the state that remembers it; and what failed runs
leave."""
import os

import pytest

import origin as o
from life import carnation
from mirroring import fresh, key, mirror, origin, page  # noqa: F401
from signed import MANIFEST, Author, Key, object_path, sha256


def forgetting(mirror, run):
    """What run does, but the state is left as it was: killed just then."""
    state = mirror.store / "state"
    before = state.read_bytes() if state.exists() else None
    run()
    if before is None:
        state.unlink()
    else:
        state.write_bytes(before)


def rotate(origin):
    """A serial that announces the next key; gives that key's author."""
    new = Key.new("capsule-2")
    origin.publish(page(2), next_key=new.public)
    old = origin.author
    return Author(new, old.origin, old.files, serial=old.serial)


def test_nothing_new_there(mirror, origin):
    origin.publish(page(2))
    forgetting(mirror, mirror.updated)
    done = mirror.run()
    assert (done.returncode, done.stdout) == (0, ""), done
    assert "serial 2 is in the store" in done.stderr
    assert mirror.state()["serial"] == "2"
    mirror.silent()


def test_the_source_has_gone_back(mirror, origin):
    """To what the state still says, and is no news any more. The store has that
    release: nothing is wrong with it."""
    old = origin.files
    origin.publish(page(2))
    forgetting(mirror, mirror.updated)
    origin.serve(old)
    done = mirror.run()
    assert (done.returncode, done.stdout) == (0, ""), done
    assert mirror.state()["serial"] == "2" and mirror.serving() == 2


def test_another_of_the_same_serial(mirror, origin):
    origin.publish(page(2))
    forgetting(mirror, mirror.updated)
    origin.author.serial = 1
    origin.publish(page(3), serial=2)
    assert "equivocation" in mirror.refused()


def test_the_key_that_it_announced(mirror, origin):
    """Is pinned all the same, and may be given."""
    author = rotate(origin)
    forgetting(mirror, mirror.updated)
    origin.author = author
    origin.publish(page(3))
    mirror.key = author.key
    pub = author.key.write(mirror.store.parent)[0]
    done = mirror.run("--key", pub)
    assert done.returncode == 0 and "serial 2 -> 3" in done.stdout, done
    assert mirror.serving() == 3 and mirror.state()["serial"] == "3"


def test_a_first_run(fresh, origin):
    for n in (2, 3, 4):
        old = origin.files
        origin.publish(page(n))
    forgetting(fresh, fresh.first)
    said = fresh.fails(4)
    assert "no state" in said and "--key" in said
    origin.serve(old)
    assert "older than 4 (rollback)" in fresh.refused("--key", fresh.pub)
    assert fresh.state()["serial"] == "4"


def test_a_first_run_and_a_retired_key(fresh, origin):
    """Which signed none of what is there: not trusted because it is given."""
    old, pub = origin.files, fresh.pub
    origin.author = rotate(origin)
    origin.publish(page(3))
    fresh.key = origin.author.key
    fresh.pub = fresh.key.write(fresh.store.parent)[0]
    forgetting(fresh, fresh.first)
    origin.serve(old)
    said = fresh.fails(4, "--key", pub)
    assert "release 3 is current" in said
    assert not (fresh.store / "state").exists()
    fresh.refused("--key", fresh.pub)
    assert fresh.state()["serial"] == "3"


def test_a_rotten_manifest(mirror, origin):
    origin.publish(page(2))
    forgetting(mirror, mirror.updated)
    manifest = mirror.store / "current/mirror/MANIFEST"
    data = bytearray(manifest.read_bytes())
    data[-2] ^= 1
    manifest.chmod(0o644)
    manifest.write_bytes(data)
    said = mirror.fails(4)
    assert "release 2 is current, but not in" in said
    assert mirror.state()["serial"] == "1"


def test_what_failed_runs_fetched_does_not_pile_up(mirror, origin):
    """It stays for the manifest that lists it, and no longer."""
    origin.on("z.gmi", o.answer("51 No"))
    origin.on("mirror/objects/*", o.answer("51 No"))
    origin.publish({"a.gmi": "# One\n", "b.gmi": "# B\n", "z.gmi": "# Z\n"})
    mirror.fails(1)
    one, b = (object_path(mirror.store, sha256(data))
              for data in (b"# One\n", b"# B\n"))
    assert one.exists() and b.exists()
    origin.publish({"a.gmi": "# Two\n"})
    origin.clear()
    mirror.fails(1)
    assert not one.exists() and b.exists()
    assert "b.gmi" not in origin.paths


# ------------------------------------------------------ a release that has rotted

def lose(path):
    path.unlink()


def replace(path):
    """The same bytes, but not the object itself."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)


def shorten(path):
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("path, fault, fetched", [
    ("page.gmi", lose, 0), ("page.gmi", replace, 0), ("page.gmi", shorten, 1),
    ("mirror/capsule.tar", lose, 0), ("mirror/MANIFEST", shorten, 0),
    ("mirror/MANIFEST", lose, 0)])
def test_a_release_that_is_not_whole(mirror, origin, path, fault, fetched):
    """Is as good as none: made again from what is there, and fetched where that
    is not enough. The next run has nothing to do."""
    thing = object_path(mirror.store, sha256(origin.files["page.gmi"]))
    fault(mirror.store / "current" / path)
    if fetched:  # names and sizes alone say so
        thing.unlink()
    mirror.repaired()
    assert origin.paths == [MANIFEST] + fetched * ["page.gmi"]
    assert mirror.visible()[1] == origin.files
    mirror.silent()


def test_a_file_that_verify_found_wrong(mirror, origin):
    """Of the same size, so that a run without news does not notice."""
    thing = object_path(mirror.store, sha256(origin.files["page.gmi"]))
    data = bytearray(thing.read_bytes())
    data[5] ^= 1
    thing.chmod(0o644)
    thing.write_bytes(data)
    mirror.silent()
    assert carnation("verify", mirror.store).returncode == 3
    origin.clear()
    mirror.repaired()
    assert origin.paths == [MANIFEST, "page.gmi"]
    assert carnation("verify", mirror.store).returncode == 0
    mirror.silent()


def test_rotten_files_that_a_release_needs(mirror, origin):
    """They stay from the one before, and are fetched again by the same run."""
    wrong = ["robots.txt", "picture.png", "index.gmi"]
    for path in wrong:
        file = mirror.store / "current" / path
        file.chmod(0o644)
        file.write_bytes(bytes(len(origin.files[path])))
    origin.publish(page(2))
    mirror.updated()
    assert sum(path.startswith("mirror/objects/") or path in wrong
               for path in origin.paths) == len(wrong)


def test_an_older_release_that_verify_found_wrong(mirror, origin):
    old = origin.files["page.gmi"]
    second = origin.publish(page(2))
    mirror.updated()
    thing = object_path(mirror.store, sha256(old))
    thing.chmod(0o644)
    thing.write_bytes(b"x" * len(old))
    assert carnation("verify", mirror.store).returncode == 3
    done = mirror.run()
    assert done.returncode == 0 and "older releases lack 1 file" in done.stderr
    assert not thing.exists()
    origin.serve({**second, "old.gmi": old})  # somebody has it by its hash
    carnation("verify", mirror.store)
    done = mirror.run()
    assert done.returncode == 0 and thing.read_bytes() == old, done
    assert carnation("verify", mirror.store).returncode == 0


def test_a_rolled_back_release_that_is_not_whole(mirror, origin):
    """Is mended, and not given up for the newest."""
    first = origin.files
    origin.publish(page(2))
    mirror.updated()
    assert carnation("rollback", mirror.store).returncode == 0
    (mirror.store / "current/robots.txt").unlink()
    done = mirror.run()
    assert done.returncode == 0 and mirror.serving() == 1, done
    assert (mirror.store / "current/robots.txt").read_bytes() == \
        first["robots.txt"]
    assert mirror.state()["serial"] == "2"


def test_a_rolled_back_release_of_a_retired_key(mirror, origin):
    """Is as good as any other that the store keeps."""
    author = rotate(origin)
    mirror.updated()
    origin.author, mirror.key = author, author.key
    origin.publish(page(3))
    mirror.updated()
    for _ in range(2):
        assert carnation("rollback", mirror.store).returncode == 0
    assert mirror.serving() == 1
    mirror.silent()
    (mirror.store / "current/robots.txt").unlink()
    done = mirror.run()
    assert (done.returncode, done.stderr) == (0, ""), done
    assert (mirror.store / "current/robots.txt").exists()


@pytest.mark.parametrize("put", [
    lambda wrong: wrong.symlink_to("/etc/passwd"),
    lambda wrong: (wrong / "x").mkdir(parents=True),
    lambda wrong: wrong.write_bytes(b"x" * (8 << 20)),
    lambda wrong: wrong.write_bytes(bytes(range(256))),
    os.mkfifo,
], ids=["link", "directory", "long", "noise", "pipe"])
@pytest.mark.parametrize("verb", ["mirror", "verify"])
def test_no_list_of_what_is_wrong(mirror, put, verb):
    """Is in nobody's way, and goes."""
    wrong = mirror.store / "wrong"
    put(wrong)
    done = carnation(verb, mirror.store)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert not os.path.lexists(wrong)
    assert list((mirror.store / "tmp").iterdir()) == []
    mirror.silent()


def test_news_while_a_release_is_made_whole(mirror, origin):
    """Are followed, as by any run."""
    old = sha256(origin.files["page.gmi"])
    (mirror.store / "current/page.gmi").unlink()
    object_path(mirror.store, old).unlink()

    def again(talk):
        origin.forget()
        origin.publish(page(2))
        talk.answer(b"# Version 2\n")

    origin.on("page.gmi", again)
    origin.on("mirror/objects/*", o.answer("51 No"))
    assert mirror.updated()["serving"] == "2"
