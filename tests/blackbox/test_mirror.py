# SPDX-License-Identifier: ISC
"""`carnation mirror` when all goes well: what it takes, asks, says and keeps."""
import os
import re
import signal
import subprocess
import time

import pytest

import origin as o
from harness import CARNATION, LONG, TIMEOUT, SANITIZED, wait_for
from life import carnation
from mirroring import (LINE, AtOnce, fresh, key, mirror,  # noqa: F401
                       origin, page, singly, wait_for_exit)
from signed import (CAPSULE, MANIFEST, Key, check, make_store, object_path,
                    sha256)
from test_fetch_terminal import Terminal
from tools import wait_for

FILES = len(CAPSULE)


# ------------------------------------------------------------------- the runs

def test_first_run(fresh, origin):
    done = fresh.updated("--key", fresh.pub)
    assert (done["before"], done["serial"], done["new"]) == (
        None, "1", str(FILES))
    assert done["host"] == f"localhost:{origin.port}"
    assert int(done["requests"]) == len(origin.log) == 2
    # both fingerprints, in the form that `cert show` and fetch have
    assert len(re.findall(r"SHA256 (?:[0-9A-F]{2}:){31}[0-9A-F]{2}\n",
                          done["said"])) == 2
    assert fresh.visible()[1] == origin.files  # the archive too
    state = fresh.state()
    assert state["origin"] == state["upstream"] == origin.url()
    assert state["mirror"] == "yes" and state["serial"] == "1"


def test_nothing_new_is_one_request_and_silence(mirror, origin):
    before = mirror.visible()
    mirror.silent()
    assert origin.paths == [MANIFEST]
    assert mirror.visible() == before


def test_one_changed_file_is_two_requests(mirror, origin):
    origin.publish(page(2))
    done = mirror.updated()
    assert origin.paths == [MANIFEST, "page.gmi"]
    assert (done["before"], done["serial"], done["new"], done["gone"],
            done["kept"]) == ("1", "2", "1", "0", str(FILES - 1))
    assert done["requests"] == "2"


def test_what_is_gone_is_gone_and_one_hash_is_fetched_once(mirror, origin):
    origin.publish({"page.gmi": None, "twin/a.txt": "the same\n",
                    "twin/b.txt": "the same\n",
                    "copy.txt": CAPSULE["robots.txt"]})
    done = mirror.updated()
    assert (done["new"], done["gone"]) == ("3", "1")
    assert len(origin.log) == 2  # the twins once, the copy not at all
    assert not (mirror.store / "current/page.gmi").exists()


def test_two_at_a_time_and_sessions_resumed(fresh, origin):
    origin.publish({f"many/{n}.txt": f"{n}\n" for n in range(40)})
    busy = AtOnce()
    origin.on("*", busy)
    singly(origin)
    fresh.updated("--key", fresh.pub)
    assert busy.most == 2
    # the first, and perhaps the second, which set out before a ticket came
    assert origin.resumed >= len(origin.log) - 2
    assert fresh.json()["requests"] == 1


def test_two_at_once_are_as_fast_as_that(fresh, origin):
    """Neither waits for the other: a slow file holds one connection only, and
    comes when all others have come."""
    origin.publish({"a-slow.bin": b"x" * 4000,
                    **{f"many/{n}.txt": f"{n}\n" for n in range(20)}})

    def last(talk):
        wait_for(lambda: sum(p.startswith("many/") for p in origin.paths) == 20)
        talk.answer()

    origin.on("a-slow.bin", last)
    fresh.updated("--key", fresh.pub)


@pytest.mark.skipif(SANITIZED, reason="what is freed is kept for a while")
def test_flat_memory(fresh, origin):
    """Fifty times the bytes, no more memory."""
    def peak(*words):
        done = carnation(*fresh.words(*words), wrapper=[
            "/usr/bin/python3", "-c", "import os, resource, subprocess, sys;"
            "r = subprocess.run(sys.argv[1:]);"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss,"
            " file=sys.stderr); sys.exit(r.returncode)"])
        assert done.returncode == 0, done
        return int(done.stderr.split()[-1])

    origin.publish({"big.bin": os.urandom(1 << 20)})
    small = peak("--key", fresh.pub)
    origin.publish({"big.bin": os.urandom(48 << 20)})
    large = peak()
    assert large < small + 4096, (small, large)  # KiB
    fresh.sound()


def test_of_many_releases_the_newest_are_kept_and_two_older(mirror, origin):
    """Old ones are let go, but never all that are of another time."""
    for n in range(2, 10):
        origin.publish(page(n))
        mirror.updated()
    # those that were served a moment ago stay for a while
    releases = mirror.store / "releases"
    assert set(os.listdir(releases)) == {str(n) for n in range(1, 10)}
    now = time.time()
    for serial, days in enumerate((90, 60, 40, 20, 10, 1, 1, 1), 1):
        os.utime(releases / str(serial), (now, now - days * 86400))
    origin.publish(page(10))
    mirror.updated()
    assert sorted(map(int, os.listdir(releases))) == [3, 4, 8, 9, 10]
    mirror.sound()


def test_a_thief_of_the_key_pushes_no_good_release_out(mirror, origin):
    for n in range(2, 12):
        origin.publish(page(n))
        mirror.updated()
        for release in (mirror.store / "releases").iterdir():
            os.utime(release, (0, time.time() - 600))
    assert (mirror.store / "releases/1").exists()
    carnation("rollback", mirror.store, "1")
    assert mirror.serving() == 1


def test_the_origins_own_objects_help(mirror, origin):
    """The page was published again, and is wanted as it was."""
    origin.publish(page(2))
    origin.on("page.gmi", o.instead(b"# Version 3\n"))
    mirror.updated()
    assert origin.paths[-2:] == [
        "page.gmi", f"mirror/objects/{sha256(b'# Version 2' + bytes([10]))}"]


# -------------------------------------------------------------- interruptions

@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM,
                                    signal.SIGKILL])
def test_interrupted_and_gone_on_with(fresh, origin, number):
    origin.publish({f"many/{n:02}.txt": f"{n}\n" for n in range(40)})
    origin.on("many/2?.txt", o.silence())
    singly(origin)
    run = fresh.start("--key", fresh.pub)
    wait_for(lambda: "many/20.txt" in origin.paths)
    status, out, err = wait_for_exit(run, number)
    if number == signal.SIGKILL:
        assert status == -number
    else:
        assert status == 1 and out == ""
        assert "interrupted; the next run resumes here" in err
        assert not list(fresh.store.glob("tmp/*"))
    assert fresh.serving() == 0
    origin.forget()
    came = set(origin.paths)
    origin.clear()
    fresh.updated("--key", fresh.pub)
    again = came & set(origin.paths)
    # all but what was on its way
    assert MANIFEST in again and len(again) <= 3, again
    assert not list(fresh.store.glob("tmp/*"))


def test_interrupted_while_waiting(mirror, origin):
    """At once, whatever it waits for."""
    origin.on(MANIFEST, o.silence())
    run = mirror.start()
    wait_for(lambda: origin.paths)
    assert wait_for_exit(run)[0] == 1


def test_locked(mirror, origin):
    origin.on(MANIFEST, o.delay(1))
    run = mirror.start()
    wait_for(lambda: origin.paths)
    said = mirror.fails(1)
    assert "in use by another run" in said and "still serving 1" in said
    assert run.wait(TIMEOUT) == 0


def test_rotten_left_over_is_not_taken(mirror, origin):
    """An object of no release is hashed before it is used."""
    origin.publish(page(2))
    thing = object_path(mirror.store, sha256(b"# Version 2\n"))
    thing.parent.mkdir(exist_ok=True)
    thing.write_bytes(b"# Version X\n")
    mirror.updated()
    assert origin.paths == [MANIFEST, "page.gmi"]
    assert thing.read_bytes() == b"# Version 2\n"


def test_a_missing_release_is_built_again(mirror, origin):
    """The same serial, and nothing to show for it."""
    (mirror.store / "current").unlink()
    mirror.repaired()
    assert origin.paths == [MANIFEST] and mirror.serving() == 1


# --------------------------------------------------------------- what is said

def test_terminal(fresh, origin):
    origin.publish({f"many/{n:02}.txt": b"x" * 2000 for n in range(3)}
                   | {f"more/{n:02}.txt": f"{n}\n" * 900 for n in range(30)})
    origin.on("more/*", o.delay(0.05))
    singly(origin)
    t = Terminal([*map(str, fresh.words("--key", fresh.pub))], os.environ)
    t.read_until(b" s left")
    assert t.finish() == 0
    progress = re.search(
        rb"\r(\d+) of \d+ files, [\d.]+ (?:B|KiB) of [\d.]+ KiB, "
        rb"[\d.]+ \w*B/s, \d+ s left\x1b\[K", t.seen)
    assert progress, t.seen
    assert t.seen.endswith(b"\r\n") and LINE.search(
        t.seen.decode().replace("\r\n", "\n"))
    t = Terminal([*map(str, fresh.words())], os.environ)
    assert t.finish() == 0
    assert re.fullmatch(rb"mirror: \S+: serial 2: no change; now serving 2\r\n",
                        t.seen), t.seen


def test_no_progress_where_nobody_looks(fresh, origin):
    origin.on("page.gmi", o.delay(1))
    done = fresh.first()
    assert "\r" not in done.stderr and "files" not in done.stderr


def test_json(fresh, origin):
    first = fresh.json("--key", fresh.pub)
    assert first["result"] == "updated" and first["serial"] == 1
    assert first["before"] == 0 and first["serving"] == 1
    assert first["new"] == FILES and first["requests"] == 2
    assert first["origin"] == first["source"] == origin.url()
    assert first["bytes"] >= sum(map(len, CAPSULE.values()))
    assert first["stale"] is False and first["why"] == ""
    assert fresh.json()["result"] == "same"
    origin.publish(page(2), serial=1)
    other = fresh.json(status=3)
    assert other["result"] == "refused" and "equivocation" in other["why"]
    origin.close()
    later = fresh.json(status=1)
    assert later["result"] == "later" and later["serving"] == 1


def test_trace(mirror, origin):
    trace = mirror.trace()
    m = check(origin.files[MANIFEST], [mirror.key.public])
    assert trace["origin"] == trace["upstream"] == origin.url()
    assert trace["serial"] == "1" and trace["software"].startswith("carnation")
    assert trace["manifest"] == sha256(
        origin.files[MANIFEST].split(b"\n", 2)[2])
    assert "host" not in trace and "stale" not in trace and m.serial == 1
    mirror.silent("--host", "Mirror.Example.", "--contact", "a@example.org, é")
    mirror.silent()  # remembered
    trace = mirror.trace()
    assert trace["host"] == "mirror.example"
    assert trace["contact"] == "a@example.org, é"


def test_a_trace_that_cannot_be_written(mirror, origin):
    """Is a warning: the release is there."""
    (mirror.store / "trace").unlink()
    (mirror.store / "trace").mkdir()
    (mirror.store / "trace/x").touch()
    origin.publish(page(2))
    done = mirror.run()
    assert done.returncode == 0 and "now serving 2" in done.stdout, done
    assert "the trace is not written" in done.stderr
    assert mirror.run().returncode == 0


def test_checked_and_synced(mirror, origin):
    state = (mirror.store / "state")
    old = re.sub(r"(checked|synced): .*", r"\1: 2020-01-01T00:00:00Z",
                 state.read_text())
    state.write_text(old)
    mirror.silent()
    assert mirror.trace()["synced"] == "2020-01-01T00:00:00Z"
    assert mirror.trace()["checked"] > "2026"
    state.write_text(old)
    origin.close()
    mirror.fails(1)
    assert mirror.state()["checked"] == "2020-01-01T00:00:00Z"


def test_stale_is_served_on(fresh, origin):
    origin.publish(created=1500000000, refresh=1600000000)
    fresh.updated("--key", fresh.pub)
    assert fresh.trace()["stale"] == "yes"
    assert fresh.json()["stale"] is True
    origin.publish(created=1500000001, refresh=None, final=True)
    fresh.updated()
    assert "stale" not in fresh.trace()
    assert fresh.json()["stale"] is False


def test_a_copy_becomes_stale_though_nobody_answers(fresh, origin):
    # Long enough for the first run, however slow the machine is now.
    for seconds in (2, 8, 32):
        origin.publish(refresh=int(time.time()) + seconds)
        fresh.updated("--key", fresh.pub)
        if "stale" not in fresh.trace():
            break
    assert "stale" not in fresh.trace()
    checked = fresh.trace()["checked"]
    origin.close()

    def stale():
        fresh.fails(1)
        return "stale" in fresh.trace()
    wait_for(stale)
    assert fresh.trace()["checked"] == checked


def test_words_that_nobody_gets(mirror, origin):
    origin.publish(page(2))
    for words in ((), ("--json",)):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [CARNATION, *mirror.words(*words)], stdout=full, text=True,
                stderr=subprocess.PIPE)
        assert done.returncode == 1 and "standard output" in done.stderr
        origin.publish(page(3))
    assert mirror.sound().serial == 3


# ---------------------------------------------------------------- wrong usage

@pytest.mark.parametrize("words", [
    [], ["gemini://localhost/"], ["https://localhost/", "store"],
    ["gemini://localhost/page.gmi", "store"],
    ["gemini://a@localhost/", "store"], ["gemini://localhost/?x", "store"],
    ["gemini://localhost/", "store", "more"],
    ["gemini://localhost/", "store", "--also", "x"],
    ["gemini://localhost/", "store", "--allow-serial", "0"],
    ["gemini://localhost/", "store", "--max-file", "12Q"],
    ["gemini://localhost/", "store", "--max-file", "0"],
    ["gemini://localhost/", "store", "--max-bytes", "M"],
    ["gemini://localhost/", "store", "--max-files", "100001"],
    ["gemini://localhost/", "store", "--host", "a b"],
    ["gemini://localhost/", "store", "--contact", "a\x1b[31mb"],
    ["gemini://localhost/", "store", "--wat"],
])
def test_wrong_usage(place, words):
    done = carnation("mirror", *words, cwd=place)
    assert done.returncode == 2 and done.stdout == "", done
    assert done.stderr.endswith("See 'carnation help mirror'.\n")
    assert not (place / "store").exists()


@pytest.mark.parametrize("words", [["store"], ["--survey"]])
def test_a_key_that_cannot_be_used(place, words):
    """What is wrong must not scroll away above a long usage."""
    (place / "page").write_text("# A page\n")
    for name, status, why in (("none", 4, "No such file"),
                              (".", 4, "Is a directory"),
                              ("page", 2, "not a signify key")):
        done = carnation("mirror", "gemini://localhost/", *words, "--key",
                         name, cwd=place)
        assert done.returncode == status and done.stdout == ""
        assert re.fullmatch(rf"carnation mirror: error: --key: {re.escape(name)}: "
                            rf".*{why}.*\n", done.stderr)
    assert not (place / "store").exists()


def test_no_key(fresh):
    said = fresh.fails(2)
    assert "missing the author's public key: use --key" in said
    assert not fresh.store.exists()


def test_other_key(mirror, place):
    stranger = Key.new("stranger").write(place)[0]
    assert "the store pins other keys" in mirror.fails(4, "--key", stranger)
    mirror.silent("--key", mirror.pub)
    mirror.silent("--key", mirror.pub.read_text().splitlines()[1])


def test_an_origins_store(place, fresh, origin):
    make_store(fresh.store, [origin.files])
    (fresh.store / "state").write_text(
        f"carnation-store: 1\norigin: {origin.url()}\nserial: 1\n"
        f"manifest: {'1' * 64}\n")
    assert "is an author's store" in fresh.fails(4, "--key", fresh.pub)


def test_a_folder_of_somebody_else(fresh):
    fresh.store.mkdir()
    (fresh.store / "letter.txt").write_text("dear\n")
    fresh.fails(4, "--key", fresh.pub)
    assert os.listdir(fresh.store) == ["letter.txt"]


# ------------------------------------------------------- published meanwhile

def busy(mirror, origin, seconds, statuses):
    """Runs while something new is published every 200 ms. Each run ends with
    one of the statuses, and what is served is whole and never older."""
    served = [1]
    origin.on("*.gmi", o.delay(0.05))
    origin.keep_publishing(0.2, lambda n: {
        "page.gmi": f"# Version {n}\n", "index.gmi": f"# Home {n}\n",
        f"news/{n % 20}.gmi": f"# {n}\n"})
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(served) < 3:
        done = mirror.run()
        assert done.returncode in statuses, done
        served.append(mirror.sound().serial)
        assert served[-1] >= served[-2]
    origin.stop_publishing()
    assert mirror.run().returncode == 0
    assert mirror.sound().serial == origin.author.serial
    return served


@pytest.mark.soak
def test_published_every_200_ms(mirror, origin):
    """Files take their time, so that the manifest is old before all are here:
    it converges, or fails whole."""
    busy(mirror, origin, 60 if LONG else 4, (0, 1))


@pytest.mark.soak
def test_published_every_200_ms_by_an_origin_that_keeps(mirror, origin):
    """An origin that still has the files of its last releases by their hash, as
    carnation serve has: no run is in vain."""
    kept = {}

    def remember(talk):
        for data in list(talk.origin.files.values()):
            kept[sha256(data)] = data
        talk.answer()

    def by_hash(talk):
        data = kept.get(talk.path.rpartition("/")[2])
        talk.answer(data) if data else talk.header("51 Not found")

    origin.on(MANIFEST, remember)
    origin.on("mirror/objects/*", by_hash)
    served = busy(mirror, origin, 60 if LONG else 4, (0,))
    assert served[-1] > 1


def test_the_next_manifest_is_gone_on_with(mirror, origin):
    """Published again between manifest and file: one run, the newer serial."""
    def again(talk):
        origin.forget()
        origin.publish(page(3))
        talk.answer()

    origin.publish(page(2))
    origin.on("page.gmi", again)
    done = mirror.updated()
    assert done["serial"] == done["serving"] == "3"
    assert origin.paths.count(MANIFEST) == 2


def test_not_forever(mirror, origin):
    """An origin that is always ahead is not run after forever."""
    def again(talk):
        n = origin.author.serial + 1
        origin.publish(page(n))
        talk.answer()

    def ahead(talk):
        talk.answer(b"other bytes\n")

    origin.publish(page(2))
    origin.on(MANIFEST, o.in_turn(None, again))
    origin.on("page.gmi", ahead)
    origin.on("mirror/objects/*", o.answer("51 no"))
    said = mirror.fails(1)
    assert "publishes faster than its files come" in said
    assert origin.paths.count(MANIFEST) <= 7
