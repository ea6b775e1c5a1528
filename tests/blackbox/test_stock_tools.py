# SPDX-License-Identifier: ISC
"""What carnation publishes, other people's tools read: signify, sha256sum, GNU
tar, another server; and what signify signs, carnation publishes."""
import os
import re
import shutil
import subprocess

import pytest

from certs import pair
from harness import CARNATION, ROOT, tree
from life import Plain, carnation, free_port, own_network
from signed import (ARCHIVE, CAPSULE, MANIFEST, Key, archive, check,
                    check_files, check_store, read_tree)
from test_threats import Mirror
from tools import end_with_us, wait_for

ORIGIN = "gemini://localhost/"
CREATED = {"SOURCE_DATE_EPOCH": "1790000000"}


def needs(*programs):
    missing = [p for p in programs if not shutil.which(p)]
    return pytest.mark.skipif(bool(missing), reason=f"no {missing}")


def run(*words, cwd):
    return subprocess.run([*map(str, words)], cwd=cwd, capture_output=True,
                          text=True, errors="backslashreplace")


@pytest.fixture
def key(place):
    key = Key.new()
    (place / "keys").mkdir()
    key.public_path, key.secret_path = key.write(place / "keys")
    return key


@pytest.fixture
def source(place):
    long = "a" * 60 + "/" + "b" * 60 + "/" + "é" * 70 + ".txt"
    return tree(place / "source", {**CAPSULE, long: "long\n"})


@pytest.fixture
def publish(place, source, key):
    def run(*words, store=place / "store", env=CREATED, status=0):
        if not (store / "state").exists():
            words = ("--origin", ORIGIN, *words)
        done = carnation("publish", *words, source, store, env=env)
        assert done.returncode == status, (
            done.returncode, done.stdout, done.stderr)
        return done
    return run


@pytest.fixture
def store(place, publish, key):
    publish("--key", key.secret_path)
    return place / "store"


def current(store):
    return read_tree((store / "current").resolve())


# ------------------------------------------------------------ what we publish

def test_the_second_implementation_accepts_it(store, key):
    m = check_store(store, [key.public])
    assert (m.origin, m.serial, m.created) == (ORIGIN, 1, 1790000000)
    files = current(store)
    pages = {p: d for p, d in files.items() if not p.startswith("mirror/")}
    assert CAPSULE.items() <= pages.items()
    assert files[ARCHIVE] == archive(files[MANIFEST], pages, m.created)
    assert m.sign(key) == files[MANIFEST], "byte for byte"


@needs("signify-openbsd")
def test_signify_and_sha256sum_accept_it(place, store, key):
    done = run("signify-openbsd", "-V", "-e", "-p", key.public_path, "-x",
               MANIFEST, "-m", place / "SUMS", cwd=store / "current")
    assert done.returncode == 0, done.stderr
    done = run("sha256sum", "-c", "--strict", "--quiet", place / "SUMS",
               cwd=store / "current")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (store / "current" / "page.gmi").chmod(0o644)
    (store / "current" / "page.gmi").write_text("other")
    done = run("sha256sum", "-c", "--strict", "--quiet", place / "SUMS",
               cwd=store / "current")
    assert done.returncode == 1 and "page.gmi" in done.stdout


@needs("tar")
def test_gnu_tar_unpacks_the_archive_to_exactly_what_is_listed(
        place, store, key):
    out = tree(place / "out", {})
    done = run("tar", "-xf", store / "current" / ARCHIVE, cwd=out)
    assert (done.returncode, done.stderr) == (0, "")
    files = read_tree(out)
    check_files(files[MANIFEST], [key.public], files)
    assert set(p for p in files if p.startswith("mirror/")) == {MANIFEST}
    listed = run("tar", "-tvf", store / "current" / ARCHIVE, cwd=out).stdout
    for line in listed.splitlines():
        assert re.match(r"-rw-r--r-- 0/0 +\d+ 2026-09-21 ", line), line


@needs("signify-openbsd")
def test_a_changed_byte_is_found_out_by_both(place, store, key):
    """But for line 1, at which signify does not look."""
    data = (store / "current" / MANIFEST).read_bytes()
    copy = place / "copy"
    shutil.copytree(store / "current", copy)
    manifest = copy / MANIFEST
    line1, line2 = data.index(b"\n"), data.index(b"\n", data.index(b"\n") + 1)
    places = [*range(0, line1 + 1, 5), *range(line1 + 1, line2 + 1, 9),
              *range(line2 + 1, len(data), 97), len(data) - 1]

    def verdicts():
        theirs = run("signify-openbsd", "-V", "-e", "-q", "-p",
                     key.public_path, "-x", manifest, "-m", "/dev/null",
                     cwd=place).returncode
        ours = carnation("verify", "--key", key.public_path, copy).returncode
        return theirs, ours

    assert verdicts() == (0, 0)
    for at in places:
        other = bytearray(data)
        other[at] ^= 1
        manifest.chmod(0o644)
        manifest.write_bytes(bytes(other))
        theirs, ours = verdicts()
        assert ours == 3, (at, bytes(other[max(0, at - 20):at + 20]))
        assert theirs != 0 or at <= line1, at


def test_two_publications_of_the_same_are_the_same(place, publish, key):
    for name in ("one", "two"):
        publish("--key", key.secret_path, store=place / name)
    one, two = (current(place / name) for name in ("one", "two"))
    assert one == two
    publish("--key", key.secret_path, store=place / "three",
            env={"SOURCE_DATE_EPOCH": "1790000001"})
    assert current(place / "three")[ARCHIVE] != one[ARCHIVE]


# ----------------------------------------------------- what signify signs

@needs("signify-openbsd")
def test_a_list_that_signify_signs_is_published(place, publish):
    done = run("signify-openbsd", "-G", "-n", "-p", "author.pub", "-s",
               "author.sec", cwd=place / "keys")
    assert done.returncode == 0, done.stderr
    publish("--unsigned", place / "LIST", "--key", place / "keys/author.pub")
    assert not (place / "store/current").exists()
    done = run("signify-openbsd", "-S", "-e", "-s", place / "keys/author.sec",
               "-m", place / "LIST", "-x", place / "SIGNED", cwd=place)
    assert done.returncode == 0, done.stderr
    publish("--signed", place / "SIGNED", "--key", place / "keys/author.pub")
    public = Key.read(place / "keys/author.sec").public
    assert check_store(place / "store", [public]).serial == 1
    files = current(place / "store")
    assert files[MANIFEST] == (place / "SIGNED").read_bytes()
    publish("--key", place / "keys/author.sec")
    assert check_store(place / "store", [public]).serial == 2


# ---------------------------------------------------------- another server

@pytest.fixture
def molly(place):
    """Serves a directory of plain files, which knows nothing of a store: its
    base URL, and what it has answered."""
    served = place / "served"
    crt, private = pair(place / "molly", "localhost")
    port = free_port()
    (place / "molly.conf").write_text(f"""
Port = {port}
Hostname = "localhost"
CertPath = "{crt}"
KeyPath = "{private}"
DocBase = "{served}/"
AccessLog = "{place}/molly.log"
ErrorLog = "{place}/molly.err"
""")
    url = f"gemini://localhost:{port}/"
    process = subprocess.Popen(
        ["molly-brown", "-c", place / "molly.conf"], preexec_fn=end_with_us,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def serve(store, archive=True):
        """The current release, as a copy without hard links."""
        shutil.rmtree(served, ignore_errors=True)
        shutil.copytree((store / "current").resolve(), served)
        if not archive:
            (served / ARCHIVE).unlink()
        env = {"XDG_DATA_HOME": str(place / "data")}
        wait_for(lambda: carnation(
            "fetch", url + MANIFEST, env=env).returncode == 0)

    serve.url = url
    yield serve
    process.kill()
    process.wait()


@needs("molly-brown")
@pytest.mark.parametrize("with_archive", [True, False])
def test_a_copy_served_by_molly_brown_mirrors_just_as_well(
        place, store, source, publish, key, molly, with_archive):
    """Whole, then what has changed; and from the mirror, the next."""
    molly(store, archive=with_archive)
    mirror = Mirror(place, key, molly.url)
    said = mirror.run()
    assert mirror.sound().serial == 1
    requests = int(re.search(r"in (\d+) requests", said)[1])
    assert (requests <= 5) == with_archive, said
    assert mirror.served() == current(store)
    tree(source, {"page.gmi": "# Another\n"})
    publish("--key", key.secret_path)
    molly(store, archive=with_archive)
    mirror.run()
    assert mirror.sound().serial == 2
    assert mirror.served() == current(store)
    molly(mirror.store, archive=with_archive)
    (place / "next").mkdir()
    after = Mirror(place / "next", key, molly.url)
    after.run()
    assert after.sound().serial == 2
    assert after.served() == current(store)


# ------------------------------------------------------------ the man page

def commands():
    """Those of HOW TO CHECK A COPY in carnation-mirror(7), as typed."""
    text = (ROOT / "src/man/carnation-mirror.7").read_text()
    text = text.split("\n.Sh HOW TO CHECK")[1].split("\n.Sh ")[0]
    blocks = re.findall(r"^\.Bd -literal\n(.*?)^\.Ed$", text, re.M | re.S)
    one, = re.findall(r"^\.Dl (carnation .*)$", text, re.M)
    return [b.replace("\\e", "\\") for b in blocks], one


@needs("signify-openbsd", "openssl", "sha256sum", "tar")
@own_network
def test_the_commands_of_the_page_check_a_copy(place, store, key):
    (first, second), third = commands()
    shutil.copy(key.public_path, place / "capsule-1.pub")
    script = f"HOST=localhost\n{first}\n{second}\ncd ..\n{third}\n"
    with Plain("--certs", place / "certs", "--host", "localhost", "--listen",
               "127.0.0.1:1965", "--workers", "1", store, directory=place):
        done = run("sh", "-eu", "-c", f'carnation() {{ '
                   f'{CARNATION.resolve()} "$@"; }}\n{script}', cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert said[0] == "Signature Verified"
    files = len(check(current(store)[MANIFEST], [key.public]).hashes)
    assert said[1:3] == [str(files)] * 2, done.stdout


def steps():
    """The two commands, of a page that may break their lines."""
    text = (ROOT / "src/man/carnation-mirror.7").read_text()
    text = text.replace("\\e\n", " ")
    return [line.split() for line in text.splitlines()
            if line.startswith("rsync ")]


@needs("rsync")
def test_a_store_goes_to_a_server_in_two_steps(place, key):
    """Nothing is seen before all of it is there, nor gone before that."""
    store, server = place / "store", place / "server"

    def publish(text):
        tree(place / "src", {"index.gmi": f"# {text}\n"})
        done = carnation("publish", place / "src", store, "--key",
                         key.secret_path, "--origin", ORIGIN)
        assert done.returncode == 0, done.stderr

    def copy(step):
        words = [w.replace("~/", "").replace("server:store", "server")
                 for w in step]
        assert words[-2:] == ["store/", "server/"]
        done = run(*words, cwd=place)
        assert done.returncode == 0, done.stderr

    first, second = steps()
    publish("One")
    copy(first)
    assert (server / "releases/1/index.gmi").exists()
    assert not (server / "current").is_symlink()
    copy(second)
    check_store(server, [key.public])
    publish("Two")
    shutil.rmtree(store / "releases/1")  # pruned
    copy(first)
    assert (server / "releases/2/mirror/MANIFEST").exists()
    assert check_store(server, [key.public]).serial == 1
    copy(second)
    if os.geteuid() != 0:
        copy(second)  # it makes writable what it deletes, and so the object
    assert check_store(server, [key.public]).serial == 2
    assert not (server / "releases/1").exists()
    done = carnation("verify", server)
    assert done.returncode == 0, done.stdout
    page = (server / "current/index.gmi").stat()
    assert page.st_nlink == 2  # with its object
