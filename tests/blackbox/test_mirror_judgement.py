# SPDX-License-Identifier: ISC
"""What `carnation mirror` makes of what its sources say: who is behind, who is
not to be trusted, whether the author was heard, and how a run ends."""
import re
import shlex
import signal
import time

import pytest

import origin as o
from harness import CARNATION, wait_for
from life import carnation
from mirroring import (Mirror, fresh, key, mirror, origin,  # noqa: F401
                       page, second, wait_for_exit)
from origin import Origin
from signed import CAPSULE, MANIFEST, Author, Key

DAY = 86400


def unseen(origin, serial):
    """The files of a release that no mirror has had."""
    now, at = origin.files, origin.author.serial
    origin.publish(page(f"{serial} for nobody"), serial=serial)
    old = origin.files
    origin.serve(now)
    origin.author.serial = at
    return old


@pytest.fixture
def third(mirror, origin, second):
    """Serial 3 at the origin and at second, and the mirror has it."""
    origin.publish(page(2))
    origin.publish(page(3))
    second.serve(origin.files)
    mirror.updated()
    mirror.run("--also", second.url(), url=second.url())  # its certificate
    mirror.run(url=origin.url())
    origin.clear()
    second.clear()
    return mirror


def when(days):
    """So many days ago, as it is written."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ",
                         time.gmtime(time.time() - days * DAY))


def ago(mirror, days):
    """The author was last heard so many days ago."""
    state = mirror.store / "state"
    then = when(days)
    text, n = re.subn(r"(?m)^heard: .*$", f"heard: {then}", state.read_text())
    assert n == 1
    state.write_text(text)
    return then


# ------------------------------------------------------------- lower serials

def test_a_source_that_is_behind(third, origin, second):
    """Lags, or is kept back: nothing to do."""
    second.serve(unseen(origin, 2))
    third.silent(url=second.url())
    origin.close()
    done = third.run(url=second.url())
    assert (done.returncode, done.stdout) == (0, ""), done
    assert third.serving() == 3


def test_nothing_to_show_and_all_are_behind(third, origin, second):
    second.serve(unseen(origin, 2))
    origin.close()
    (third.store / "current").unlink()
    done = third.run(url=second.url())
    assert done.returncode == 1, done
    assert "no release is there, and no source has serial 3" in done.stderr


def test_a_rollback_at_the_origin_alone(third, origin, second):
    origin.serve(unseen(origin, 2))
    second.close()
    assert "serial 2: older than 3 (rollback)" in third.refused()


def test_a_rollback_and_others_that_are_behind(third, origin, second):
    old = unseen(origin, 2)
    origin.serve(old)
    second.serve(old)
    assert "serial 2: older than 3 (rollback)" in third.refused()
    assert MANIFEST in second.paths


def test_a_rollback_and_one_that_has_what_we_have(third, origin, second):
    origin.serve(unseen(origin, 2))
    for _ in range(2):  # told every time
        done = third.run()
        assert (done.returncode, done.stdout) == (0, ""), done
        assert f"{origin.url()}: refused: older than 3 (rollback)" in done.stderr


def test_a_rollback_and_news_elsewhere(third, origin, second):
    second.serve(origin.publish(page(4)))
    origin.author.serial = 2
    origin.serve(unseen(origin, 2))
    done = third.updated()
    assert (done["serial"], third.state()["upstream"]) == ("4", second.url())
    assert "refused: older than 3 (rollback)" in done["said"]


def test_what_the_store_has_is_never_suspicious(mirror, origin):
    """Its author has rolled back to a release that the mirror keeps."""
    first = origin.files
    origin.publish(page(2))
    mirror.updated()
    origin.serve(first)
    heard = ago(mirror, 3)
    mirror.silent()
    assert mirror.serving() == 2
    assert mirror.state()["heard"] == heard  # an old one may be replayed


def test_the_way_out_of_a_rollback_is_named(third, origin, second):
    old = unseen(origin, 2)
    origin.serve(old)
    second.serve(old)
    done = third.run()
    command = f"carnation mirror {third.store} --allow-serial 2"
    assert done.returncode == 3 and command in done.stderr, done
    done = carnation(*shlex.split(command)[1:])
    assert done.returncode == 0 and "serial 3 -> 2" in done.stdout, done


# ---------------------------------------------- equivocation and forgery

def test_a_forger_and_the_origin(third, origin, second):
    """The origin comes next, before other mirrors."""
    second.author = Author(Key.new("capsule-1"), origin.url(), serial=40)
    second.publish()
    origin.publish(page(4))
    done = third.updated("--also", "gemini://nothing.invalid/",
                         url=second.url())
    assert done["serial"] == "4"
    assert f"{second.url()}: refused: signed by key" in done["said"]
    assert "nothing.invalid" not in done["said"]


def test_equivocation_elsewhere(third, origin, second):
    second.serve(origin.publish(page(9), serial=3))
    origin.author.serial = 3
    origin.serve(origin.publish(page(4)))
    done = third.updated(url=second.url())
    assert done["serial"] == "4"
    assert f"{second.url()}: refused: equivocation" in done["said"]


def test_a_retired_key_is_a_forgers(mirror, origin, second, key):
    new = Key.new("capsule-2")
    origin.publish(page(2), next_key=new.public)
    mirror.updated()
    old, origin.author.key = origin.author.key, new
    mirror.key = new
    origin.publish(page(3))
    mirror.updated()
    now = origin.files
    origin.author.key = old
    second.serve(origin.publish(page(4)))
    origin.serve(now)
    done = mirror.run(url=second.url())
    assert (done.returncode, done.stdout) == (0, ""), done
    assert f"{second.url()}: refused: " in done.stderr
    assert "retired" in done.stderr


def test_a_refusal_names_keys_and_ways_out(mirror, origin, key):
    other = Key.new("capsule-1")
    origin.author.key = other
    origin.publish(page(2))
    done = mirror.run()
    assert done.returncode == 3
    for k in (key, other):
        number = re.search(r"[0-9a-fA-F]{16}", carnation(
            "key", "show", k.public).stdout)[0]
        assert number in done.stdout, done
    assert f"carnation mirror {mirror.store} --add-key KEY" in done.stderr
    # the reason is the last line, and no usage is above it
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("higher", [False, True])
def test_two_good_manifests_of_one_serial(place, fresh, origin, second, higher):
    """At a first run nobody can say which is the author's; unless both are
    old."""
    (place / "third").mkdir()
    second.serve(origin.files)
    with Origin(place / "third") as other:
        origin.publish(page(2), serial=1)
        other.serve(origin.publish(page(3)) if higher else second.files)
        origin.serve(origin.files if not higher else
                     origin.publish(page(4), serial=1))
        words = ("--also", second.url(), "--also", other.url())
        if higher:
            done = fresh.updated("--key", fresh.pub, *words)
            assert done["serial"] == "2"
        else:
            assert "different manifests" in fresh.refused(
                "--key", fresh.pub, *words)


# ------------------------------------------------------------ a first origin

@pytest.fixture
def elsewhere(place, key):
    """A mirror of a capsule whose origin is gone."""
    with Origin(place) as copy:
        copy.author = Author(key, "gemini://gone.invalid/")
        copy.publish()
        yield copy


def test_an_origin_that_nobody_named(place, elsewhere, key):
    """May be another capsule of the author's, in the place of this one."""
    mirror = Mirror(place, elsewhere, key)
    done = mirror.first()
    assert done.returncode == 3 and not (mirror.store / "current").exists()
    assert "it is a copy of gemini://gone.invalid/" in done.stdout
    command = re.search(r"carnation mirror (\S.*--origin \S+?)[;\s]",
                        done.stdout)[1]
    done = carnation("mirror", *shlex.split(command))
    assert done.returncode == 0 and "now serving 1" in done.stdout, done
    assert mirror.state()["origin"] == "gemini://gone.invalid/"
    # it is pinned now
    elsewhere.publish(page(2))
    assert "serial 1 -> 2" in mirror.run().stdout


def test_an_origin_named_by_also(place, elsewhere, key):
    mirror = Mirror(place, elsewhere, key)
    done = mirror.first("--also", "gemini://gone.invalid:1966/")
    assert done.returncode == 0, done


def test_another_origin_once_it_has_news(mirror, origin):
    """Its author has moved: what was named before that is not remembered."""
    url, new = origin.url(), "gemini://elsewhere.example/"
    said = mirror.refused("--origin", new)
    assert f"no news of {new}; it stays a copy of {url}" in said
    assert mirror.state()["origin"] == url
    mirror.silent()
    assert carnation("verify", mirror.store).returncode == 0
    origin.publish(page(2), origin=new)
    assert "its origin is" in mirror.refused()
    done = mirror.run("--origin", new)
    assert (done.returncode, mirror.serving()) == (0, 2), done
    assert mirror.state()["origin"] == new


def test_another_origin_than_the_one_named(place, elsewhere, key):
    mirror = Mirror(place, elsewhere, key)
    said = mirror.refused("--key", mirror.pub, "--origin",
                          "gemini://other.invalid/")
    assert "its origin is gemini://gone.invalid/" in said


# --------------------------------------------------- whether the author is heard

def trace(of, **fields):
    """What a mirror says of itself."""
    text = "".join(f"{name}: {value}\n" for name, value in fields.items())
    return {**of, "mirror/trace": text.encode()}


@pytest.mark.parametrize("upstream, words, counts", [
    ("origin", (), True),
    ("gemini://other.example/", ("--host", "me.example"), True),
    ("gemini://me.example/", ("--host", "me.example"), False),
    ("gemini://other.example/", (), False),  # that may be us
    (None, (), False),
], ids=["of the origin", "of another", "of us", "of whom", "no trace"])
def test_a_mirror_that_has_what_we_have(third, origin, second, upstream, words,
                                        counts):
    if upstream:
        second.serve(trace(origin.files, origin=origin.url(), serial=3,
                           upstream=upstream if ":" in upstream
                           else origin.url()))
    origin.close()
    heard = ago(third, 3)
    assert third.run(*words).returncode == 0
    assert (third.state()["heard"] != heard) is counts
    assert second.paths == [MANIFEST, "mirror/trace"]


def test_the_origin_counts_and_no_trace_is_asked_for(third, origin, second):
    heard = ago(third, 3)
    third.silent(url=second.url())
    assert third.state()["heard"] != heard
    assert second.paths == origin.paths == [MANIFEST]


def test_news_count_wherever_they_come_from(third, origin, second):
    second.serve(origin.publish(page(4)))
    origin.close()
    heard = ago(third, 20)
    third.updated()
    assert third.state()["heard"] > heard
    assert third.run().returncode == 0


def held(origin, serial):
    """A release whose new page its source keeps back."""
    files = dict(origin.publish(page(serial)))
    del files["page.gmi"]
    return files


def test_held_at_news_that_nobody_has(third, origin, second):
    """The origin is further by now."""
    second.serve(held(origin, 4))
    origin.publish(page(5))
    assert third.updated(url=second.url())["serial"] == "5"


def test_news_without_their_files_are_none(third, origin, second):
    second.serve(held(origin, 4))
    origin.close()
    heard = ago(third, 20)
    done = third.run(url=second.url())
    assert (done.returncode, third.state()["heard"]) == (5, heard), done


def test_not_for_long(third, origin, second):
    """Each run says so, and ends with its own status."""
    origin.close()
    heard = ago(third, 20)[:10]
    for _ in range(2):
        done = third.run()
        assert done.returncode == 5, done
        assert re.fullmatch(
            rf"mirror: \S+: STALE serial 3: its author was last heard on {heard}, "
            r"20 days ago \(--stale-after\); still serving 3\n", done.stdout)
    assert third.json(status=5)["result"] == "stale"
    # nor is "try again later" what such a run ends with
    second.close()
    done = third.run()
    assert done.returncode == 5
    assert "no source answered with a manifest" in done.stderr
    # a refusal stays one, and is told as well
    second.author = Author(Key.new("capsule-1"), origin.url(), serial=40)
    second.publish()
    second.closing.clear()
    second.listen()
    done = third.run()
    assert done.returncode == 3 and f"last heard on {heard}" in done.stderr, done


def test_stale_after(third, origin, second):
    origin.close()
    ago(third, 13)
    assert third.run().returncode == 0
    assert third.run("--stale-after", "12").returncode == 5
    assert third.run().returncode == 5  # remembered
    assert third.run("--stale-after", "never").returncode == 0
    ago(third, 4000)
    assert third.run().returncode == 0


def test_stale_after_never_though_nobody_answers(third, origin, second):
    origin.close()
    second.close()
    ago(third, 100)
    assert third.run().returncode == 5
    assert third.run("--stale-after", "never").returncode == 1
    assert third.run().returncode == 1


def test_not_held_up_for_ever(mirror, origin):
    """Whoever lets each run reach its deadline does not keep it quiet."""
    origin.on(MANIFEST, o.silence())
    ago(mirror, 20)
    done = mirror.run("--deadline", "1s")
    assert done.returncode == 5 and "the deadline" in done.stderr, done


def test_the_last_word_is_not_waited_for(mirror, origin):
    origin.publish(page(2), final=True, refresh=None)
    mirror.updated()
    ago(mirror, 4000)
    origin.close()
    assert mirror.run().returncode == 1


def test_kept_from_the_news(place, third, origin, second, key):
    """Two mirrors that copy from each other hear nothing new from each other."""
    second.serve(trace(origin.files, origin=origin.url(), serial=3,
                       upstream="gemini://me.example/"))
    origin.close()
    ago(third, 15)
    assert third.run("--host", "me.example").returncode == 5


def test_another_mirror_has_not_heard_either(third, origin, second):
    """What it heard long ago counts from then: mirrors that can ask only each
    other notice that the author is gone."""
    origin.close()
    heard = ago(third, 20)
    fields = {"origin": origin.url(), "serial": 3, "upstream": origin.url()}
    second.serve(trace(origin.files, heard=heard, **fields))
    assert third.run().returncode == 5
    assert third.state()["heard"] == heard
    later = when(15)
    second.serve(trace(origin.files, heard=later, **fields))
    assert third.run().returncode == 5
    assert third.state()["heard"] == later
    yesterday = when(1)
    second.serve(trace(origin.files, heard=yesterday, **fields))
    assert third.run().returncode == 0
    assert third.state()["heard"] == yesterday
    assert third.trace()["heard"] == yesterday
    # a clock that is ahead is no word from the future
    second.serve(trace(origin.files, heard=when(-400), **fields))
    assert third.run().returncode == 0
    assert yesterday < third.state()["heard"] < when(-1)


def test_a_clock_that_was_ahead(mirror, origin):
    """It keeps no run quiet until that time comes."""
    ago(mirror, -400)
    origin.close()
    assert mirror.run().returncode == 1
    assert mirror.state()["heard"] < when(-1)


# ------------------------------------------------------------ the end of a run

def test_a_deadline(mirror, origin):
    """What came is kept, and the next run goes on."""
    origin.publish({**page(2), "slow.txt": b"x" * 4000})
    origin.on("slow.txt", o.drip(0.2, 100))
    origin.on("mirror/objects/*", o.drip(0.2, 100))
    done = mirror.run("--deadline", "2s")
    assert done.returncode == 1 and "deadline" in done.stderr, done
    assert "the next run resumes here" in done.stderr
    assert mirror.serving() == 1
    origin.forget()
    origin.clear()
    mirror.updated()
    assert "page.gmi" not in origin.paths


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_signals(mirror, origin, number):
    origin.on(MANIFEST, o.silence())
    run = mirror.start()
    wait_for(lambda: origin.paths)
    status, out, err = wait_for_exit(run, number)
    assert (status, out) == (1, "") and "interrupted" in err
