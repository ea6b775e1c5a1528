# SPDX-License-Identifier: ISC
"""What a mirror remembers, shown and changed: --show, --add-key, --drop-key; and how
an author's keys follow each other there."""
import json
import re

import pytest

from life import carnation
from mirroring import fresh, key, mirror, origin, page  # noqa: F401
from signed import Key


def memory(mirror, *words, status=0):
    done = carnation("mirror", *words, mirror.store)
    assert done.returncode == status, done
    return done


def shown(mirror):
    done = memory(mirror, "--show", "--json")
    assert done.stderr == ""
    return json.loads(done.stdout)


def ring(mirror):
    return [(k["public_key"], k["standing"]) for k in shown(mirror)["keys"]]


# ------------------------------------------------------------------------ show

def test_show_as_json(mirror, origin, key):
    found = shown(mirror)
    assert found["origin"] == found["url"] == origin.url()
    assert found["also"] == [] and found["serial"] == found["serving"] == 1
    assert found["releases"] == [1]
    assert found["keys"] == [{"number": key.number.hex(),
                              "standing": "pinned",
                              "public_key": key.public}]
    for name in ("checked", "synced", "heard"):
        assert re.fullmatch(r"20..-..-..T..:..:..Z", found[name])
    assert not found["stale"] and found["stale_after"] == 14 * 86400
    assert found["disk_used"] > 0
    for name in ("max_file", "max_bytes", "limit_rate", "proxy", "contact"):
        assert found[name] is None
    mirror.silent("--stale-after", "never", "--contact", "Ann", "--max-file",
                  "1M", "--limit-rate", "2G", "--also", "gemini://b.example/")
    found = shown(mirror)
    assert found["stale_after"] is None and found["contact"] == "Ann"
    assert found["max_file"] == 1 << 20 and found["limit_rate"] == 2 << 30
    assert found["also"] == ["gemini://b.example/"]


def test_show_to_a_person(mirror, origin, key):
    text = memory(mirror, "--show").stdout
    lines = dict((line[:14].strip(), line[15:])
                 for line in text.splitlines())
    assert lines["origin"] == lines["URL"] == origin.url()
    assert lines["serial"] == "1" and lines["releases"] == "1 (served)"
    for name in ("last success", "last update", "last heard"):
        assert re.fullmatch(r"20\S+Z, .* ago", lines[name])
    assert lines["stale"] == "no: after 14 days unheard"
    assert lines["key"].split() == [key.number.hex(), "pinned", key.public]
    assert lines["max file"] == "64.0 MiB"
    assert re.fullmatch(r"[\d.]+ [KM]iB", lines["disk used"])


def test_show_changes_nothing(mirror):
    before = (mirror.store / "state").read_bytes()
    memory(mirror, "--show")
    assert (mirror.store / "state").read_bytes() == before


def test_show_without_anything(mirror, place):
    done = carnation("mirror", "--show", place / "none")
    assert done.returncode == 4 and "none" in done.stderr
    (mirror.store / "state").unlink()
    assert "nothing is remembered here yet" in \
        memory(mirror, "--show", status=4).stderr


def test_a_broken_state_says_how_to_recover(mirror, origin, key):
    (mirror.store / "state").write_text("carnation-store: 2\nserial: many\n")
    said = mirror.fails(4)
    assert "line 2: invalid serial" in said
    assert "to recover, remove it" in said and "--key" in said
    assert "to recover" in memory(mirror, "--show", status=4).stderr
    # That is all it takes.
    (mirror.store / "state").unlink()
    done = mirror.run("--key", mirror.pub)
    assert done.returncode == 0
    assert shown(mirror)["serial"] == 1 and ring(mirror) == [
        (key.public, "pinned")]


# ------------------------------------------------------------------------ keys

def test_a_missed_rotation(mirror, origin, key, place):
    """The refusal names what it saw, what is trusted, and the way out; which
    works as it is printed."""
    new = Key.new("capsule-2")
    origin.author.key = new
    origin.publish(page(2))
    done = mirror.run()
    assert done.returncode == 3
    assert f"signed by key {new.number.hex()}, which is not trusted here " \
        f"(trusted: {key.number.hex()})" in done.stdout
    words = re.search(r"carnation (mirror \S+ --add-key) KEY", done.stderr)
    done = carnation(*words.group(1).split(), new.public)
    assert done.returncode == 0, done
    assert done.stdout == f"mirror: key {new.number.hex()} is pinned\n"
    assert ring(mirror) == [(key.public, "pinned"), (new.public, "pinned")]
    mirror.key = new
    mirror.updated()
    # Nothing says that the old one is to go, but for the operator.
    done = memory(mirror, "--drop-key", key.number.hex())
    assert done.stdout == f"mirror: key {key.number.hex()} is retired: " \
        "nothing new that it signs is taken\n"
    assert ring(mirror) == [(new.public, "pinned"), (key.public, "retired")]
    # What it has signed can be served again; until it is forgotten.
    assert carnation("rollback", mirror.store).returncode == 0
    done = memory(mirror, "--drop-key", key.number.hex())
    assert done.stdout == f"mirror: key {key.number.hex()} is forgotten\n"
    assert ring(mirror) == [(new.public, "pinned")]


def test_both_at_once(mirror, origin, key, place):
    new = Key.new("capsule-2")
    pub = new.write(place)[0]
    done = memory(mirror, "--drop-key", mirror.pub, "--add-key", pub, "--show")
    assert done.stdout.startswith(
        f"mirror: key {new.number.hex()} is pinned\n"
        f"mirror: key {key.number.hex()} is retired: ")
    assert f"{new.number.hex()} pinned    {new.public}\n" in done.stdout
    assert ring(mirror) == [(new.public, "pinned"), (key.public, "retired")]
    origin.publish(page(2))
    assert "which is retired" in mirror.refused()


def test_the_last_pinned_key_stays(mirror, key):
    before = (mirror.store / "state").read_bytes()
    for word in (key.public, mirror.pub, key.number.hex(),
                 key.number.hex().upper()):
        done = memory(mirror, "--drop-key", word, status=2)
        assert "no other key is pinned" in done.stderr and not done.stdout
    assert (mirror.store / "state").read_bytes() == before


def test_an_announced_key_is_no_pinned_one(mirror, origin, key):
    new = Key.new("capsule-2")
    origin.publish(page(2), next_key=new.public)
    mirror.updated()
    assert ring(mirror) == [(key.public, "pinned"), (new.public, "announced")]
    memory(mirror, "--drop-key", key.public, status=2)
    memory(mirror, "--drop-key", new.number.hex())
    # Announcing it once more does not help it.
    origin.publish(page(3), next_key=new.public)
    mirror.updated()
    assert ring(mirror) == [(key.public, "pinned"), (new.public, "retired")]


def test_a_stolen_key_takes_its_announcement_along(mirror, origin, key):
    """Or the thief's next key would retire the author's new one."""
    thief, new = Key.new("thief"), Key.new("capsule-2")
    origin.publish(page(2), next_key=thief.public)
    mirror.updated()
    done = memory(mirror, "--add-key", new.public, "--drop-key",
                  key.number.hex())
    assert f"key {thief.public} is announced no more" in done.stdout
    assert ring(mirror) == [(new.public, "pinned"), (key.public, "retired")]
    origin.author.key = thief
    origin.publish(page(3))
    assert "not trusted here" in mirror.refused()


STRANGER = Key("x", b"12345678", Key.new("x").private).public


@pytest.mark.parametrize("words, status, reason", [
    (["--add-key", "/dev/null"], 2, "--add-key: "),
    (["--add-key", "nowhere"], 4, "--add-key: nowhere: No such file"),
    (["--drop-key", "nowhere"], 4, "--drop-key: nowhere: No such file"),
    (["--drop-key", "0123456789abcdef"], 2, "no such key here"),
    (["--drop-key", STRANGER], 2, "no such key here"),
    (["--add-key", STRANGER, "--drop-key", "nowhere"], 4, "--drop-key: "),
], ids=range(6))
def test_all_or_nothing(mirror, words, status, reason):
    before = (mirror.store / "state").read_bytes()
    done = memory(mirror, *words, status=status)
    assert reason in done.stderr and done.stdout == ""
    assert (mirror.store / "state").read_bytes() == before


def test_no_more_keys_than_there_is_room(mirror):
    for n in range(15):
        memory(mirror, "--add-key", Key.new(f"k{n}").public)
    done = memory(mirror, "--add-key", Key.new("more").public, status=2)
    assert "no more than 16 keys" in done.stderr


def test_what_goes_together(mirror, origin):
    new = Key.new("x").public
    for words in (["--show", "--max-file", "1M"], ["--show", "--survey"],
                  ["--add-key", new, "--key", new],
                  ["--add-key", new, "--json"],
                  ["--show", origin.url()], ["--drop-key", new, "--all", "x"]):
        memory(mirror, *words, status=2)


def test_an_author_s_store_keeps_its_keys(place, key):
    """There they are those that sign."""
    store = place / "own"
    (store / "releases").mkdir(parents=True)
    for name in ("objects", "tmp"):
        (store / name).mkdir()
    (store / "state").write_text("carnation-store: 2\n"
                                 f"origin: gemini://a.example/\nserial: 1\n"
                                 f"manifest: {'1' * 64}\nkey: {key.public}\n")
    done = carnation("mirror", "--add-key", Key.new("x").public, store)
    assert done.returncode == 2 and "an author's store" in done.stderr


# ------------------------------------------------------------- announcements

def test_a_replaced_announcement_is_withdrawn(mirror, origin, key):
    """As in the author's store: that key must not sign."""
    first, second = Key.new("capsule-2"), Key.new("capsule-3")
    origin.publish(page(2), next_key=first.public)
    mirror.updated()
    origin.publish(page(3), next_key=second.public)
    said = mirror.updated()["said"]
    assert f"key {first.public} is announced no more" in said
    assert ring(mirror) == [(key.public, "pinned"),
                            (second.public, "announced")]
    origin.author.key = first
    origin.publish(page(4))
    assert f"signed by key {first.number.hex()}, which is not trusted here" \
        in mirror.refused()
    origin.author.key = mirror.key = second
    origin.publish(page(4))
    mirror.updated()
    assert ring(mirror) == [(second.public, "pinned"), (key.public, "retired")]


def test_announcements_do_not_fill_the_keyring(mirror, origin, key):
    for n in range(20):
        last = Key.new(f"capsule-{n + 2}")
        origin.publish(page(n + 2), next_key=last.public)
        mirror.updated()
    assert ring(mirror) == [(key.public, "pinned"), (last.public, "announced")]
    origin.author.key = mirror.key = last
    origin.publish(page(30))
    mirror.updated()


def test_keys_of_a_store_that_0_1_left(mirror, origin, key):
    """There each key that was announced was pinned at once."""
    old, new = Key.new("capsule-0"), Key.new("capsule-2")
    state = mirror.store / "state"
    lines = [line for line in state.read_text().splitlines()
             if not line.startswith(("key:", "heard:", "url:", "tried:"))]
    lines[0] = "carnation-store: 1"
    state.write_text("\n".join(lines) + f"\nretired-key: {old.public}\n"
                     f"key: {key.public}\nkey: {new.public}\n")
    assert ring(mirror) == [(old.public, "retired"), (key.public, "pinned"),
                            (new.public, "announced")]
    mirror.silent()
    assert state.read_text().startswith("carnation-store: 2\n")
    origin.author.key = mirror.key = new
    origin.publish(page(2))
    mirror.updated()
    assert dict(ring(mirror)) == {new.public: "pinned", key.public: "retired",
                                  old.public: "retired"}
