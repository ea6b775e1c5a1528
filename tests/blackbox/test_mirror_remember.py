# SPDX-License-Identifier: ISC
"""What `carnation mirror` remembers; many stores in one run; whose store it
is."""
import json
import os
import pwd
import re
import signal
import subprocess

import pytest

import origin as o
from harness import CARNATION, TIMEOUT, wait_for
from life import IS_ROOT, NOBODY, carnation, root_only
from mirroring import (LINE, Mirror, fresh, key, mirror,  # noqa: F401
                       origin, page, second, wait_for_exit)
from origin import Origin
from signed import CAPSULE, MANIFEST, Author, Key, make_store


def again(mirror, *words):
    """A run that is given the store alone."""
    return carnation("mirror", mirror.store, *words)


# ---------------------------------------------------------------- the options

def test_the_store_alone(mirror, origin):
    done = again(mirror)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
    assert origin.paths == [MANIFEST]
    origin.publish(page(2))
    done = again(mirror)
    assert done.returncode == 0 and LINE.fullmatch(done.stdout), done


def test_an_old_store_knows_its_origin(mirror, origin):
    """Its state was written before URLs were remembered."""
    state = mirror.store / "state"
    text = state.read_text()
    assert f"url: {origin.url()}\n" in text
    state.write_text(text.replace(f"url: {origin.url()}\n", ""))
    assert again(mirror).returncode == 0
    assert origin.paths == [MANIFEST]


def test_given_again(mirror, origin, second):
    second.serve(origin.publish(page(2)))
    origin.close()
    assert again(mirror).returncode == 1
    done = mirror.run(url=second.url())
    assert done.returncode == 0 and "serial 1 -> 2" in done.stdout, done
    second.clear()
    assert again(mirror).returncode == 0
    assert second.paths[0] == MANIFEST


def test_all_options(fresh, origin, second):
    words = ["--also", second.url(), "--max-file", "1M", "--max-bytes", "2M",
             "--max-files", "50", "--strict-tls", "--host", "me.example",
             "--contact", "me@example.org", "--stale-after", "30",
             "--limit-rate", "10M", "--proxy", "none"]
    fresh.updated("--key", fresh.pub, *words)
    first = fresh.state()
    for name, value in (
            ("url", origin.url()), ("also", second.url()),
            ("max-file", str(1 << 20)), ("max-bytes", str(2 << 20)),
            ("max-files", "50"), ("strict-tls", "yes"), ("host", "me.example"),
            ("contact", "me@example.org"), ("stale-after", str(30 * 86400)),
            ("limit-rate", str(10 << 20))):
        assert first[name] == value, name
    assert "proxy" not in first
    assert again(fresh).returncode == 0
    kept = fresh.state()
    for name in ("checked", "heard", "tried"):
        first.pop(name), kept.pop(name)
    assert kept == first
    again(fresh, "--no-strict-tls", "--limit-rate", "0", "--max-files", "60")
    now = fresh.state()
    assert "strict-tls" not in now and "limit-rate" not in now
    assert now["max-files"] == "60" and now["max-file"] == str(1 << 20)


def test_a_limit_is_kept_to(mirror, origin):
    assert again(mirror, "--max-files", "5").returncode == 0
    origin.publish(page(2))
    done = again(mirror)
    assert done.returncode == 4 and "(--max-files)" in done.stderr, done
    done = again(mirror, "--max-files", "500")
    assert done.returncode == 0 and "now serving 2" in done.stdout, done


def test_a_first_run_that_fails_remembers_nothing(fresh, origin):
    origin.close()
    fresh.fails(1, "--key", fresh.pub)
    done = again(fresh)
    assert done.returncode == 2, done
    assert "carnation mirror URL" in done.stderr and "--key" in done.stderr


def test_a_first_run_that_has_begun_is_remembered(fresh, origin):
    """Somebody is there, and a good manifest: the next run needs no words."""
    for path in ("mirror/capsule.tar", "page.gmi", "mirror/objects/*"):
        origin.on(path, o.answer("51 Not found"))
    fresh.fails(1, "--key", fresh.pub)
    origin.forget()
    done = again(fresh)
    assert done.returncode == 0 and "now serving 1" in done.stdout, done


def test_where_there_is_no_store(place):
    done = carnation("mirror", place / "nothing")
    assert done.returncode == 2 and done.stdout == "", done
    assert "carnation mirror URL" in done.stderr
    assert not (place / "nothing").exists()


@pytest.mark.parametrize("words", [
    ("--stale-after", "0"), ("--stale-after", "soon"), ("--deadline", "0"),
    ("--proxy", "http://localhost:1/"), ("--limit-rate", "fast"),
    ("--origin", "gemini://localhost/page.gmi"), ("--all", "x")])
def test_wrong_words(mirror, words):
    done = mirror.run(*words)
    assert done.returncode == 2 and done.stdout == "", done
    assert done.stderr.count("\n") == 2


# ---------------------------------------------------------------- many stores

@pytest.fixture
def many(place, mirror, origin):
    """Beside the mirror: one whose origin is gone, one that is refused, an
    author's, one that nothing is in, and what is no store."""
    stores = mirror.store.parent / "all"
    stores.mkdir()
    made = {}
    for name in ("c-refused", "b-gone"):
        (place / name).mkdir()
        with Origin(place / name) as other:
            other.author = Author(mirror.key, other.url())
            other.publish()
            made[name] = Mirror(stores, other, mirror.key, name)
            assert made[name].first().returncode == 0
            if name == "c-refused":
                port = other.port
    mirror.store.rename(stores / "a-good")
    author = make_store(stores / "d-author", [origin.files])
    (author / "state").write_text(
        f"carnation-store: 1\norigin: {origin.url()}\nserial: 1\n"
        f"manifest: {'5' * 64}\n")
    (author / "lock").touch()
    (stores / "e-folder").mkdir()
    (stores / "f.txt").touch()
    with Origin(place / "c-refused", port=port) as other:
        other.author = Author(Key.new("capsule-1"), other.url(), serial=8)
        other.publish()
        yield stores


def test_all(many, origin):
    origin.publish(page(2))
    done = carnation("mirror", "--all", many)
    assert done.returncode == 3, done
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done
    assert "serial 1 -> 2" in lines[0] and "now serving 2" in lines[0]
    assert "REFUSED serial" in lines[1] or "REFUSED" in lines[1]
    assert f"{many}/d-author: skipped: its author publishes into it\n" in \
        done.stderr
    assert "no source answered with a manifest" in done.stderr


def test_all_with_a_lost_state(many):
    """What was mirrored is not passed over in silence."""
    subprocess.run(["rm", "-r", many / "b-gone", many / "c-refused"],
                   check=True)
    (many / "a-good/state").unlink()
    done = carnation("mirror", "--all", many)
    assert done.returncode == 4 and done.stdout == "", done
    assert (f"error: {many}/a-good has a release but no state: carnation "
            f"mirror URL {many}/a-good --key KEY" in done.stderr)
    assert f"{many}/a-good: {many}/a-good" not in done.stderr


def test_all_with_nothing_new(many, origin):
    """A line each, though nobody looks."""
    subprocess.run(["rm", "-r", many / "c-refused"], check=True)
    done = carnation("mirror", "--all", many)
    assert done.returncode == 1, done
    assert re.fullmatch(r"mirror: \S+: serial 1: no change; now serving 1",
                        done.stdout.splitlines()[0])
    subprocess.run(["rm", "-r", many / "b-gone"], check=True)
    assert carnation("mirror", "--all", many).returncode == 0
    done = carnation("mirror", "--all", many, "--json")
    assert json.loads(done.stdout)["result"] == "same"


def test_one_fault_does_not_stop_the_others(many, origin):
    """Nor does a state that cannot be read."""
    (many / "a-bad").mkdir()
    for name in ("objects", "releases"):
        (many / "a-bad" / name).mkdir()
    (many / "a-bad/lock").touch()
    (many / "a-bad/state").write_text("rubbish\n")
    origin.publish(page(2))
    done = carnation("mirror", "--all", many)
    assert done.returncode == 4 and "now serving 2" in done.stdout, done


def test_each_has_its_deadline(many, origin):
    origin.on(MANIFEST, o.silence())
    done = carnation("mirror", "--all", many, "--deadline", "3s")
    assert done.returncode == 3, done
    assert "the deadline" in done.stderr and "REFUSED" in done.stdout


def test_all_is_interrupted(many, origin):
    """The run that is under way ends well, and no other begins."""
    origin.on(MANIFEST, o.silence())
    run = subprocess.Popen(
        [str(CARNATION), "mirror", "--all", str(many)], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: origin.paths)
    status, out, err = wait_for_exit(run, signal.SIGTERM)
    assert status == 1 and out == "" and "interrupted" in err, (out, err)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT,
                                    signal.SIGHUP])
def test_all_with_its_children_is_interrupted(many, origin, number):
    """As by systemd, or from a terminal: each of them has the signal, and is not
    ended by a second one."""
    origin.on(MANIFEST, o.silence())
    for _ in range(10):
        origin.clear()
        run = subprocess.Popen(
            [str(CARNATION), "mirror", "--all", str(many)], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True)
        wait_for(lambda: origin.paths)
        os.killpg(run.pid, number)
        out, err = run.communicate(timeout=TIMEOUT)
        assert run.returncode == 1 and "interrupted" in err, (out, err)


@pytest.mark.parametrize("words", [
    (), ("--key", "x"), ("--also", "gemini://localhost/"),
    ("--allow-serial", "3"), ("--survey",)])
def test_all_of_nothing(place, words):
    done = carnation("mirror", "--all", place, *words)
    assert done.returncode == (2 if words else 4), done


# ---------------------------------------------------------- somebody's store

def owners(store):
    return {p.lstat().st_uid for p in [store, *store.rglob("*")]}


def give_away(store):
    """To somebody who can come to it."""
    for p in [store, *store.rglob("*")]:
        os.chown(p, NOBODY, pwd.getpwuid(NOBODY).pw_gid,
                 follow_symlinks=False)
    for p in store.parents:
        if p.stat().st_uid == os.getuid() and str(p).startswith("/tmp/"):
            p.chmod(0o755)


@root_only
def test_root_in_a_users_store(mirror, origin):
    """Runs as that user, whose next run can go on."""
    give_away(mirror.store)
    origin.publish({**page(2), "new.txt": "new\n"})
    done = again(mirror)
    assert done.returncode == 0 and "serial 1 -> 2" in done.stdout, done
    assert owners(mirror.store) == {NOBODY}
    origin.publish(page(3))
    done = carnation("mirror", "--all", mirror.store.parent)
    assert done.returncode == 0 and "serial 2 -> 3" in done.stdout, done
    assert owners(mirror.store) == {NOBODY}


@root_only
@pytest.mark.parametrize("verb", ["prune", "rollback"])
def test_root_in_a_users_copy(mirror, origin, verb):
    """It came without lock and tmp, as a copy does."""
    origin.publish(page(2))
    mirror.updated()
    (mirror.store / "lock").unlink()
    (mirror.store / "tmp").rmdir()
    give_away(mirror.store)
    done = carnation(verb, mirror.store)
    assert done.returncode == 0, done
    assert owners(mirror.store) == {NOBODY}


@root_only
def test_root_brings_a_key_that_the_user_may_not_read(mirror, place):
    public = Key.new("capsule-2").write(place)[0]
    public.chmod(0o600)
    give_away(mirror.store)
    for words in (("--add-key", public), ("--drop-key", public)):
        done = carnation("mirror", *words, mirror.store)
        assert done.returncode == 0, done
    assert owners(mirror.store) == {NOBODY}


@root_only
def test_root_fills_a_users_folder(fresh):
    uid, gid = NOBODY, pwd.getpwuid(NOBODY).pw_gid
    fresh.store.mkdir()
    os.chown(fresh.store, uid, gid)
    for p in fresh.store.parents:
        if str(p).startswith("/tmp/"):
            p.chmod(0o755)
    done = fresh.first()
    assert done.returncode == 0, done
    assert owners(fresh.store) == {uid}
