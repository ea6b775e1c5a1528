# SPDX-License-Identifier: ISC
"""What `carnation mirror` does not take, and the line that says so: signatures,
serials, names, bytes, keys, certificates, limits."""
import contextlib
import os
import re
import subprocess

import pytest

import certs
import origin as o
from harness import CARNATION, TIMEOUT, SANITIZED, Server
from life import IS_ROOT, NOBODY, carnation, root_only, wrapper
from mirroring import (LINE, Mirror, fresh, key, mirror,  # noqa: F401
                       origin, page, second, singly)
from signed import CAPSULE, MANIFEST, Key, as_bytes, object_path, sha256


def offer(origin, manifest, changes=None):
    """Serves these bytes as the manifest, beside the author's files."""
    origin.serve({**origin.files, **(changes or {}), MANIFEST: manifest})


def line(mirror, words, serial=None, serving=1):
    """The line, word for word."""
    host = mirror.origin.url().removeprefix("gemini://").rstrip("/")
    said = f" serial {serial}" if serial else ""
    end = f"still serving {serving}" if serving else "nothing is served yet"
    return f"mirror: {host}: REFUSED{said}: {words}; {end}"


# -------------------------------------------------------------------- serials

def test_rollback(mirror, origin):
    origin.publish(page(1), serial=1)  # which the mirror has never seen
    old = origin.files
    origin.publish(page(2))
    origin.publish(page(3))
    mirror.updated()
    origin.serve(old)
    origin.clear()
    assert mirror.refused() == line(
        mirror, "older than 3 (rollback)", 1, serving=3)
    assert origin.paths == [MANIFEST]
    # another serial is not the one that is allowed
    mirror.refused("--allow-serial", "2")
    done = mirror.updated("--allow-serial", "1")
    assert (done["before"], done["serial"], done["serving"]) == ("3", "1", "1")
    mirror.silent()
    # and from there it goes on as ever
    origin.publish(page(5), serial=2)
    assert mirror.updated()["before"] == "1"


def test_equivocation(mirror, origin):
    origin.publish(page(2), serial=1)
    assert mirror.refused() == line(
        mirror, "equivocation: the store has another manifest of this serial", 1)
    assert mirror.refused("--allow-serial", "1")
    assert origin.paths == 2 * [MANIFEST]


def test_a_private_key_among_the_pages(mirror, origin):
    """serve would not start with it; publish would not have signed it."""
    secret = Key.new().secret_file()
    origin.publish({"keys/my.sec": secret, "other.txt": "new\n"})
    for _ in range(2):
        assert mirror.refused() == line(
            mirror, "keys/my.sec holds a private key", 2)
        assert not object_path(mirror.store, sha256(secret)).exists()
    with Server([{"host": "localhost", "root": mirror.store}]):
        pass
    origin.publish({"keys/my.sec": None})
    assert mirror.updated()["serial"] == "3"


def test_a_million_ahead(mirror, origin):
    origin.publish(page(2), serial=1000002)
    assert mirror.refused() == line(
        mirror, "more than 1000000 ahead of 1", 1000002)
    origin.publish(page(3), serial=1000001)
    assert mirror.updated()["serial"] == "1000001"
    origin.publish(page(4), serial=5000000)
    mirror.refused()
    assert mirror.updated("--allow-serial", "5000000")["serving"] == "5000000"


def test_a_first_run_may_begin_anywhere(fresh, origin):
    origin.publish(serial=9000000000)
    assert fresh.updated("--key", fresh.pub)["serial"] == "9000000000"


def test_the_origin_is_pinned(mirror, origin):
    offer(origin, origin.author.forge(origin="gemini://other.example/",
                                      serial=2))
    assert mirror.refused() == line(
        mirror, "its origin is gemini://other.example/, not "
        f"{origin.url()}", 2)


def test_a_rolled_back_mirror_stays_there(mirror, origin):
    """The operator went back by hand: not undone by the next run."""
    origin.publish(page(2))
    mirror.updated()
    assert carnation("rollback", mirror.store).returncode == 0
    assert mirror.serving() == 1
    mirror.silent()
    assert mirror.serving() == 1
    origin.publish(page(3))
    assert mirror.updated()["serving"] == "3"


def test_the_trace_of_a_rolled_back_mirror(mirror, origin):
    """It tells of what is served: so does a run that finds nothing new."""
    first = mirror.trace()
    origin.publish(page(2))
    mirror.updated()
    assert mirror.trace()["serial"] == "2"
    for move in (lambda: carnation("rollback", mirror.store), mirror.silent,
                 mirror.silent):
        move()
        trace = mirror.trace()
        for name in ("serial", "manifest", "created"):
            assert trace[name] == first[name], name
    assert mirror.state()["serial"] == "2"
    assert carnation("rollback", mirror.store, 2).returncode == 0
    assert mirror.trace()["serial"] == "2"
    carnation("rollback", mirror.store)
    origin.publish(page(3))
    mirror.updated()
    assert mirror.trace()["serial"] == "3"


# ----------------------------------------------------------------- signatures

@pytest.mark.parametrize("spoil", [
    o.flip(0), o.flip(30), o.flip(60), o.flip(150), o.flip(400), o.flip(-2),
    o.added(b"x\n"), o.cut(clean=True), o.instead(b""),
    o.instead(b"# not a manifest\n")])
def test_one_bit_of_the_manifest(mirror, origin, spoil):
    origin.publish(page(2))
    origin.on(MANIFEST, spoil)
    said = mirror.refused()
    assert said.endswith("; still serving 1")
    assert " serial " not in said.split(":")[3]
    assert origin.paths == [MANIFEST]


def test_somebody_elses_signature(mirror, origin):
    origin.author.key = Key.new("capsule-1")
    origin.publish(page(2))
    mirror.refused()


def test_first_run_refuses_too(fresh, origin):
    origin.author.key = Key.new("capsule-1")
    origin.publish()
    assert fresh.refused("--key", fresh.pub).endswith("nothing is served yet")


@pytest.mark.parametrize("path", [
    "../x.gmi", "/etc/x", "a//b", "a/./b", "mirror/x", "a\\b", "a\x01b", "",
    "x" * 256, "page.gmi/below"])
def test_names(mirror, origin, path):
    """Signed by the right key, and still not taken; nothing is fetched."""
    hashes = {as_bytes(p): sha256(d) for p, d in origin.author.files.items()}
    hashes[as_bytes(path)] = sha256(b"x")
    offer(origin, origin.author.forge(serial=2, hashes=hashes))
    assert re.search(r"REFUSED: line \d+: ", mirror.refused())
    assert origin.paths == [MANIFEST]
    assert not (mirror.store.parent / "x.gmi").exists()


def test_17_mib(mirror, origin):
    origin.on(MANIFEST, o.instead(b"x" * (17 << 20)))
    assert mirror.refused() == line(mirror, "a manifest of more than 16 MiB")
    origin.forget()
    origin.on(MANIFEST, o.endless())
    mirror.refused()


@pytest.mark.skipif(SANITIZED, reason="a sanitizer wants terabytes to begin")
def test_too_little_memory(mirror, origin):
    """Is no fault of the manifest."""
    origin.on(MANIFEST, o.instead(b"x" * (15 << 20)))
    said = mirror.fails(4, wrapper=["prlimit", f"--as={24 << 20}"])
    assert "memory" in said


def test_lies_about_bytes(mirror, origin):
    """What the author says of sizes is held against what comes."""
    files = origin.author.files
    size = sum(map(len, files.values()))
    offer(origin, origin.author.forge(serial=2, bytes=size + 1))
    assert mirror.refused() == line(
        mirror, "its files are not as many bytes as it says", 2)
    files["page.gmi"] = b"x" * 100000
    offer(origin, origin.author.forge(serial=3, largest=5000),
          {"page.gmi": files["page.gmi"]})
    assert mirror.refused() == line(
        mirror, "1 file is not what the manifest says", 3)


# ---------------------------------------------------------------------- bytes

@pytest.mark.parametrize("path", sorted(set(CAPSULE) - {"empty.txt"}))
def test_one_flipped_bit_in_each_kind_of_file(fresh, origin, path):
    origin.on(path, o.flip(len(CAPSULE[path]) // 2))
    origin.on("mirror/objects/*", o.answer("51 Not found"))
    singly(origin)
    done = fresh.run("--key", fresh.pub)
    assert done.returncode == 3
    assert done.stdout.rstrip() == line(
        fresh, "1 file is not what the manifest says", 1, serving=0)
    assert f"carnation mirror: error: {path}: is not what the manifest says\n" in \
        done.stderr
    assert "has other bytes than the manifest says" in done.stderr
    assert fresh.visible() is None and not list(fresh.store.glob("tmp/*"))
    # the manifest was asked for again
    assert origin.paths.count(MANIFEST) == 2
    origin.forget()
    origin.clear()
    fresh.updated("--key", fresh.pub)
    assert origin.paths == [MANIFEST, path]


@pytest.mark.parametrize("fault", [
    o.added(), o.cut(5, clean=True), o.instead(b""), o.endless()])
def test_other_bytes(mirror, origin, fault):
    origin.publish(page(2))
    origin.on("page.gmi", fault)
    origin.on("mirror/objects/*", fault)
    assert mirror.refused() == line(
        mirror, "1 file is not what the manifest says", 2)
    size = sum(p.stat().st_size for p in mirror.store.rglob("*")
               if p.is_file())
    assert size < 1 << 20


def test_many_wrong_files(mirror, origin):
    """The list is cut, the source is left after a few."""
    origin.publish({f"many/{n}.txt": f"{n}\n" for n in range(30)})
    origin.on("many/*", o.flip())
    origin.on("mirror/objects/*", o.flip())
    singly(origin)
    mirror.refused()
    assert len(origin.log) < 12


# ----------------------------------------------------------------------- keys

def test_rotation(mirror, origin, key):
    new = Key.new("capsule-2")
    origin.publish(page(2), next_key=new.public)
    said = mirror.updated()["said"]
    assert f"key {new.public} is announced as the next one" in said
    old, origin.author.key = origin.author.key, new
    # both may sign until the new one has, if it is announced each time
    origin.author.key = old
    origin.publish(page(3), next_key=new.public)
    assert mirror.updated()["said"] == ""
    origin.author.key = mirror.key = new
    origin.publish(page(4))
    said = mirror.updated()["said"]
    assert f"key {old.public} is retired" in said
    # the old one is nobody's now
    origin.author.key = old
    origin.publish(page(5))
    assert mirror.refused() == line(
        mirror, f"signed by key {old.number.hex()}, which is retired "
        f"(trusted: {new.number.hex()})", 5, serving=4)
    # and what it once signed is only old
    origin.publish(page(6), serial=2)
    assert "older than 4 (rollback)" in mirror.refused()
    origin.author.key = new
    origin.publish(page(7), serial=6)
    mirror.updated("--key", old.write(mirror.store.parent)[0])


def test_a_next_key_counts_once_it_is_accepted(mirror, origin):
    new = Key.new("capsule-2")
    origin.publish(page(2), next_key=new.public)
    origin.on("page.gmi", o.flip())
    origin.on("mirror/objects/*", o.flip())
    mirror.refused()
    assert new.public not in (mirror.store / "state").read_text()
    origin.author.key = new
    origin.publish(page(3))
    origin.forget()
    mirror.refused()


def test_a_pin_removed_by_hand(mirror, origin, key, place):
    """The thief's key is out, the author's new one in."""
    new = Key.new("capsule-2")
    state = mirror.store / "state"
    state.write_text(state.read_text().replace(f"key: {key.public}\n", ""))
    origin.author.key = mirror.key = new
    origin.publish(page(2))
    mirror.fails(2)
    mirror.updated("--key", new.write(place)[0])


# --------------------------------------------------------------- certificates

def test_another_certificate(mirror, origin, place):
    origin.renew(certs.pair(place / "other", "localhost"))
    done = mirror.run()
    assert done.returncode == 0 and done.stdout == ""
    number = r"SHA256 [\dA-F]{2}(:[\dA-F]{2}){31}"
    assert re.search("shows another certificate than before: "
                     rf"{number}, not {number[7:]}\n", done.stderr), done
    mirror.silent()  # told once


def test_strict_tls(mirror, origin, second, place):
    origin.publish(page(2))
    second.serve(origin.files)
    origin.renew(certs.pair(place / "other", "localhost"))
    for _ in range(2):
        origin.clear()
        assert mirror.refused("--strict-tls") == line(
            mirror, "shows another certificate than before")
        assert origin.log == []  # nothing was asked
    done = mirror.run("--strict-tls", "--also", second.url())
    assert done.returncode == 0 and "serial 1 -> 2" in done.stdout
    assert "another certificate" in done.stderr
    assert origin.log == [] and second.log
    # remembered, until a run may again
    assert "another certificate" in mirror.run().stderr
    assert "another certificate" in mirror.run("--no-strict-tls").stderr
    mirror.silent()
    mirror.silent("--strict-tls")


# --------------------------------------------------------------------- limits

@pytest.mark.parametrize("words, said", [
    (["--max-file", "3K"], "has a file of "),
    (["--max-bytes", "40K"], " KiB, the limit is 40.0 KiB (--max-bytes)"),
    (["--max-files", "8"], "has 9 files, the limit is 8 (--max-files)"),
])
def test_limits(fresh, origin, words, said):
    got = fresh.fails(4, "--key", fresh.pub, *words)
    assert said in got and "nothing is served yet" in got
    assert origin.paths == [MANIFEST]


def test_limits_that_fit(fresh, origin):
    largest = max(map(len, CAPSULE.values()))
    total = sum(map(len, CAPSULE.values()))
    fresh.updated("--key", fresh.pub, "--max-file", largest, "--max-bytes",
                  total, "--max-files", len(CAPSULE))


def test_the_defaults(mirror, origin):
    for fields, said in (
            (dict(largest=(64 << 20) + 1, bytes=1 << 30), "--max-file)"),
            (dict(bytes=(4 << 30) + 1), "--max-bytes)"),
            (dict(bytes=4 << 30), "the disk has room for")):
        offer(origin, origin.author.forge(serial=2, **fields))
        if "disk" in said:
            st = os.statvfs(mirror.store)
            if st.f_bavail * st.f_frsize > 9 << 30:
                continue
        assert said in mirror.fails(4)
        assert origin.paths == [MANIFEST]
        origin.clear()


FULL = """
run() { "$0" mirror "$@"; echo "exit $?"; ls "$2/tmp" | sed 's/^/left: /'; }
run "$1" "$2" --key "$3"
head -c 360000 /dev/zero > "$2/../ballast"
run "$1" "$2"
readlink "$2/current"
"""


@root_only
def test_disk_full(place, origin, key):
    """Told before a file is fetched; the old release stays, and is whole."""
    small = place / "small"
    small.mkdir()
    mirror = Mirror(place, origin, key, "small/store")
    origin.on(MANIFEST, o.in_turn(None, lambda talk: (
        origin.publish(page(2)), talk.answer())[1]))
    done = subprocess.run(
        [*wrapper("tmpfs", small, 600), "sh", "-c", FULL, CARNATION,
         origin.url(), mirror.store, mirror.pub], capture_output=True,
        text=True)
    assert LINE.match(done.stdout), done
    assert done.stdout.split("\n", 1)[1] == \
        "exit 0\nexit 4\nreleases/1\n", done
    assert "the disk has room for" in done.stderr
    assert origin.paths[-1] == MANIFEST and "still serving 1" in done.stderr


@root_only
def test_disk_full_all_the_same(place, origin, key):
    """The manifest says less than comes: found out while writing."""
    small = place / "small"
    small.mkdir()
    mirror = Mirror(place, origin, key, "small/store")
    origin.publish({f"{n}.bin": os.urandom(40000) for n in range(10)})

    def ballast(talk):
        talk.header("20 application/octet-stream")
        talk.send(talk.body[:20000])
        # the file system is seen by the mirror alone: through its own eyes
        inside = f"/proc/{run.pid}/root{small}/ballast"
        with contextlib.suppress(OSError), open(inside, "wb") as f:
            while True:
                f.write(bytes(4096))
                f.flush()
        talk.send(talk.body[20000:])

    origin.on("5.bin", ballast)
    singly(origin)
    run = subprocess.Popen(
        [*wrapper("tmpfs", small, 2000), "sh", "-c",
         '"$0" mirror "$1" "$2" --key "$3"; echo "exit $?"; '
         'ls "$2/tmp" "$2/releases"', CARNATION, origin.url(), mirror.store,
         mirror.pub], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True)
    out, err = run.communicate(timeout=3 * TIMEOUT)
    assert out.startswith("exit 4\n"), (out, err)
    assert "No space left on device" in err
    assert not re.search(r"^\d|\.new$", out, re.M), out


def test_a_store_that_cannot_be_written(mirror, origin):
    origin.publish(page(2))
    how = {"wrapper": wrapper("user", NOBODY)} if IS_ROOT else {}
    if not IS_ROOT:
        mirror.store.chmod(0o555)
    done = mirror.run(**how)
    mirror.store.chmod(0o755)
    assert done.returncode == 4 and "still serving 1" in done.stderr, done
