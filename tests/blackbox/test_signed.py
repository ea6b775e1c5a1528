# SPDX-License-Identifier: ISC
"""The tests' own second implementation of the format (signed.py) and their
hostile server (origin.py): stock tools accept the one, a client meets the
other. What these two say of carnation is worth no more than this."""
import re
import shutil
import socket
import ssl
import subprocess
import tarfile
import time

import pytest

import origin as o
from harness import ROOT
from life import carnation
from origin import Origin
from signed import (ARCHIVE, CAPSULE, MANIFEST, STATE, Author, Key, Manifest,
                    Wrong, check, check_files, check_store, encoded, make_store,
                    name_fault, object_path, opened, parse, read_state, sha256,
                    stamp)
from tools import parallel, tree

ORIGIN = "gemini://example.org/"
needs_signify = pytest.mark.skipif(
    not shutil.which("signify-openbsd"), reason="signify-openbsd is missing")


def signify(*words, cwd):
    return subprocess.run(["signify-openbsd", *map(str, words)], cwd=cwd,
                          capture_output=True, text=True)


@pytest.fixture
def author():
    return Author(Key.new(), ORIGIN)


# -------------------------------------------------------------- stock tools

@needs_signify
def test_signify_and_sha256sum_accept_what_we_make(place, author):
    files = author.publish()
    tree(place, files)
    author.key.write(place)
    done = signify("-V", "-e", "-p", "capsule-1.pub", "-x", MANIFEST, "-m",
                   "SUMS", cwd=place)
    assert done.returncode == 0, done.stderr
    summed = ["sha256sum", "-c", "--strict", "--quiet", "SUMS"]
    done = subprocess.run(summed, cwd=place, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    (place / "page.gmi").write_text("other")
    assert subprocess.run(summed, cwd=place,
                          capture_output=True).returncode == 1


@needs_signify
def test_keys_and_signatures_of_signify_are_ours(place, author):
    signify("-G", "-n", "-p", "theirs.pub", "-s", "theirs.sec", cwd=place)
    key = Key.read(place / "theirs.sec")
    assert key.public in (place / "theirs.pub").read_text().split("\n")
    (place / "SUMS").write_bytes(author.manifest(
        serial=7, signed_with="theirs.pub").text())
    done = signify("-S", "-e", "-s", "theirs.sec", "-m", "SUMS", "-x", "M",
                   cwd=place)
    assert done.returncode == 0, done.stderr
    data = (place / "M").read_bytes()
    assert check(data, [key.public]).serial == 7
    assert data == key.sign((place / "SUMS").read_bytes()), "byte for byte"
    public, secret = author.key.write(place)
    assert Key.read(secret).sign(b"x") == author.key.sign(b"x")
    done = signify("-S", "-e", "-s", secret, "-m", "SUMS", "-x", "N",
                   cwd=place)
    assert done.returncode == 0, done.stderr
    assert (place / "N").read_bytes() == author.key.sign(
        (place / "SUMS").read_bytes())


def test_gnu_tar_unpacks_what_we_pack(place, author):
    files = author.publish({
        "d" * 90 + "/" + "e" * 95: "a name of two parts\n",
        "long/" + "é" * 110: "a name that no header has room for\n",
        "x" * 98 + "/é" + "y" * 160: "nor for this, cut in a letter\n"})
    (place / "capsule.tar").write_bytes(files[ARCHIVE])
    out = tree(place / "out", {})
    done = subprocess.run(["tar", "-xf", "../capsule.tar"], cwd=out,
                          capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    unpacked = {str(p.relative_to(out)): p.read_bytes()
                for p in out.rglob("*") if p.is_file()}
    assert unpacked == {p: d for p, d in files.items() if p != ARCHIVE}
    with tarfile.open(place / "capsule.tar") as tar:
        names = [m.name.encode() for m in tar]
    assert names == sorted(names) and len(files[ARCHIVE]) % 10240 == 0


# ------------------------------------------------------------------- our own

def test_what_is_written_is_read_again(author):
    text = author.manifest(
        serial=42, next_key=Key.new("k").public, created=1790000000,
        extra=[("colour", "red")]).text()
    m = parse(text)
    assert m.text() == text and m.serial == 42 and m.files is None
    final = parse(author.manifest(serial=1, final=True).text())
    assert final.refresh is None and b"refresh" not in final.text()


def test_every_byte_is_signed(author):
    data = author.publish()[MANIFEST]
    keys = [author.key.public]
    check(data, keys)
    for at in range(0, len(data), 7):
        other = bytearray(data)
        other[at] ^= 1
        with pytest.raises(Wrong):
            check(bytes(other), keys)
    with pytest.raises(Wrong, match="no key that is known"):
        opened(data, [Key.new().public])
    with pytest.raises(Wrong, match="does not fit"):
        opened(data + b"x", keys)


NAMES = [b"../x", b"/etc/passwd", b"a/../b", b"a//b", b"./a", b"a/.", b"a/",
         b"a\\b", b"a\0b", b"a\x7fb", b"a\rb", b"\xff", b"mirror/MANIFEST", b"mirror", b"a" * 256,
         b"/".join([b"a" * 250] * 4 + [b"b" * 20]), "/".join(["é" * 100] * 2).encode()]


@pytest.mark.parametrize("name", NAMES, ids=lambda n: repr(n[:12]))
def test_names_that_nothing_may_have(author, name):
    assert name_fault(name)
    m = author.manifest(serial=1)
    m.hashes[name] = "0" * 64
    with pytest.raises(Wrong):
        parse(m.text())


@pytest.mark.parametrize("change, words", [
    (lambda t: t.replace(b"mirror: 1", b"mirror: 2"), "version"),
    (lambda t: t.replace(b"\n", b"\r\n"), "LF"),
    (lambda t: t[:-1], "LF"),
    (lambda t: t + t[-80:].split(b"\n")[-2] + b"\n", "sorted|list"),
    (lambda t: t.replace(b"# serial: 1\n", b"# serial: 0\n"), "serial"),
    (lambda t: t.replace(b"# files: 9", b"# files: 8"), "as many"),
    (lambda t: t.replace(b"# final: no\n", b""), "final"),
    (lambda t: t.replace(b"# final: no", b"# final: yes"), "though final"),
    (lambda t: t.replace(b"# final: no\n", b"").replace(
        b"# serial", b"# final: no\n# serial"), "order"),
    (lambda t: t.replace(b"# final", b"# serial: 1\n# final"), "twice"),
    (lambda t: t + b"0" * 64 + b"  robots.txt/x\n", "sorted|directory"),
])
def test_faults_of_a_manifest(author, change, words):
    text = author.manifest(serial=1).text()
    parse(text)
    with pytest.raises(Wrong, match=words):
        parse(change(text))


def test_a_store_and_what_is_wrong_with_one(place, author):
    first, second = author.publish(), author.publish({"page.gmi": "# 2\n"})
    keys = [author.key.public]
    store = make_store(place / "store", [first, second])
    assert check_store(store, keys).serial == 2
    check_files(second[MANIFEST], keys, second)
    with pytest.raises(Wrong):
        check_files(second[MANIFEST], keys, first)
    thing = next((store / "objects").rglob("??*/*"))
    thing.chmod(0o644)
    data = bytearray(thing.read_bytes() or b"x")
    data[0] ^= 1
    thing.write_bytes(bytes(data))
    with pytest.raises(Wrong):
        check_store(store, keys)


# --------------------------------------------------------------- the state

def test_the_names_of_a_state_are_those_of_the_page():
    page = (ROOT / "src/man/carnation-mirror.7").read_text()
    page = page.split("\n.Ss The state\n")[1].split("\n.Sh ")[0]
    items = re.findall(r"^\.It Li (.*)$", page, re.M)
    assert sorted(n for i in items for n in i.split(" , ")) == sorted(STATE)


def test_the_state_is_what_the_page_says(place, author):
    """As a mirror and an author leave it; and in another order."""
    site = Origin(place)
    with site:
        site.author = Author(author.key, site.url())
        site.publish(next_key=Key.new("capsule-2").public)
        public, secret = author.key.write(place)
        store = place / "store"
        run = ["mirror", "--key", public, "--host", "me.example",
               "--contact", "mailto:me", "--max-file", "1M", site.url(),
               store]
        assert carnation(*run).returncode == 0
        state = read_state(store)
        assert state["key"] == [author.key.public]
        m = check(site.files[MANIFEST], state["key"])
        assert state["announced-key"] == [m.next_key]
        assert (state["mirror"], state["origin"], state["upstream"]) == (
            "yes", site.url(), site.url())
        signed_part = site.files[MANIFEST].split(b"\n", 2)[2]
        assert (state["serial"], state["manifest"]) == (
            "1", sha256(signed_part))
        assert state["created"] == stamp(m.created)
        assert state["heard"] == state["checked"]
        assert state["certificate"][0].startswith(site.url() + " ")
        assert (state["host"], state["url"], state["max-file"]) == (
            "me.example", site.url(), str(1 << 20))
        first, *lines = (store / "state").read_text().splitlines()
        (store / "state").write_text("\n".join(
            [first, *reversed(lines), ""]))
        assert carnation("mirror", store).returncode == 0
        assert read_state(store).keys() == state.keys()
    src = tree(place / "src", {"index.gmi": "# Home\n"})
    done = carnation("publish", "--key", secret, "--origin", ORIGIN, src,
                     place / "authors")
    assert done.returncode == 0, done.stderr
    state = read_state(place / "authors")
    assert (state["origin"], state["serial"]) == (ORIGIN, "1")
    assert "mirror" not in state and "url" not in state


# --------------------------------------------------- what is sent to a source

@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_source_is_sent_its_own_name(place, author, host):
    """Not the origin's, in the URL and in TLS; an address is no name."""
    names = []
    with Origin(place, host=host) as site:
        site.context.sni_callback = lambda _, name, __: names.append(name)
        site.author = author  # of gemini://example.org/
        site.publish()
        # Nothing is found there by its hash.
        site.on(ARCHIVE, o.answer("51 Not found"))
        site.on("mirror/objects/*", o.answer("51 Not found"))
        public, _ = author.key.write(place)
        done = carnation("mirror", "--key", public, "--origin", ORIGIN,
                         site.url(), place / "store")
        assert done.returncode == 0, done
        lines = {talk.line for talk in site.log}
    assert all(line.startswith(f"gemini://{host}:{site.port}/")
               for line in lines), lines
    asked = {line.split("/", 3)[3] for line in lines}
    hashes = set(author.manifest(serial=1).hashes.values())
    assert {MANIFEST, ARCHIVE, *(p.decode() for p in map(
        encoded, author.manifest(serial=1).hashes))} <= asked
    assert {x for x in asked if x.startswith("mirror/objects/")} <= {
        f"mirror/objects/{h}" for h in hashes}
    assert set(names) == {None if host[0].isdigit() else host}


def test_a_path_too_long_for_a_mirrors_name_comes_by_its_hash(place):
    path = "/".join(["a" * 200] * 5)
    path += "b" * (1024 - len("gemini://a/") - len(path))
    author = Author(Key.new(), "gemini://a/", {path: b"x\n"})
    with Origin(place, author=author) as site:
        site.publish()
        site.on(ARCHIVE, o.answer("51 Not found"))
        public, _ = author.key.write(place)
        done = carnation("mirror", "--key", public, "--origin", "gemini://a/",
                         site.url(), place / "store")
        assert done.returncode == 0, done
    assert check_store(place / "store", [author.key.public]).hashes


# ---------------------------------------------------------- the hostile server

@pytest.fixture
def site(place, author):
    with Origin(place, author=author) as origin:
        origin.publish()
        yield origin


def trusting():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # or Python takes a FIN for an end
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context


def ask(origin, path="page.gmi", session=None, context=None, most=1 << 22):
    """Header, body, "close_notify", "fin" or an exception's name; session."""
    context = context or trusting()
    got, end = b"", "close_notify"
    with socket.create_connection(("127.0.0.1", origin.port), 5) as plain:
        with context.wrap_socket(plain, session=session,
                                 server_hostname="localhost",
                                 suppress_ragged_eofs=False) as c:
            c.sendall(origin.url(path).encode() + b"\r\n")
            try:
                while len(got) < most:
                    piece = c.recv(1 << 16)
                    if not piece:
                        break
                    got += piece
            except ssl.SSLError:
                end = "fin"
            except TimeoutError:
                end = "time"
            session = c.session
    header, _, body = got.partition(b"\r\n")
    return header.decode(), body, end, session


def test_an_honest_answer(site):
    for path, data in CAPSULE.items():
        header, body, end, _ = ask(site, path)
        assert header.startswith("20 ") and body == data, path
        assert end == "close_notify"
    assert ask(site, "nothing")[0] == "51 Not found"
    thing = object_path("/", check(site.files[MANIFEST], [
        site.author.key.public]).hashes[b"page.gmi"])
    assert ask(site, f"mirror/objects/{thing.parent.name}{thing.name}")[
        1] == CAPSULE["page.gmi"]
    assert "page.gmi" in site.paths


PAGE = CAPSULE["page.gmi"]


@pytest.mark.parametrize("fault, header, body, end", [
    (o.flip(0), "20 text/gemini", b"\"" + PAGE[1:], "close_notify"),
    (o.flip(-1), "20 text/gemini", PAGE[:-1] + b"\x0b", "close_notify"),
    (o.cut(5), "20 text/gemini", PAGE[:5], "fin"),
    (o.cut(5, clean=True), "20 text/gemini", PAGE[:5], "close_notify"),
    (o.added(), "20 text/gemini", PAGE + b"x", "close_notify"),
    (o.no_close_notify, "20 text/gemini", PAGE, "fin"),
    (o.answer("44 5"), "44 5", b"", "close_notify"),
    (o.answer("40 Later"), "40 Later", b"", "close_notify"),
    (o.redirect("/other.gmi"), "30 /other.gmi", b"", "close_notify"),
    (o.redirect("gemini://other.example/", 31),
     "31 gemini://other.example/", b"", "close_notify"),
    (o.hang_up, "", b"", "fin"),
    (o.raw(b"rubbish"), "rubbish", b"", "close_notify"),
    (o.delay(0.1), "20 text/gemini", PAGE, "close_notify"),
    (o.silence(0.1), "", b"", "fin"),
    (o.drip(0.001, 500), "20 text/gemini", PAGE, "close_notify"),
], ids=lambda p: getattr(p, "__qualname__", "").split(".")[0] or "-")
def test_the_faults(site, fault, header, body, end):
    site.on("page.gmi", fault)
    assert ask(site)[:3] == (header, body, end)
    assert ask(site, "index.gmi")[1] == CAPSULE["index.gmi"]
    site.forget()
    assert ask(site)[1] == PAGE


def test_faults_that_do_not_end(site):
    site.on("page.gmi", o.endless())
    assert len(ask(site)[1]) > 1 << 21
    site.on("page.gmi", o.loop)
    assert ask(site)[0] == "30 " + site.url("page.gmi")
    site.on("page.gmi", o.in_turn(o.answer("44 1"), None), times=2)
    assert [ask(site)[0][:2] for _ in range(3)] == ["44", "20", "30"]


def test_what_is_counted(site):
    site.on("*", o.delay(0.3))
    parallel(*[lambda: ask(site)] * 3)
    assert site.most == 3 and site.connections == 3 and site.resumed == 0
    site.forget()
    context = trusting()
    session = ask(site, context=context)[3]
    ask(site, context=context, session=session)
    assert site.resumed == 1


def test_states_of_an_origin(site):
    keys = [site.author.key.public]
    old = site.files

    def serial():
        return check(ask(site, MANIFEST)[1], keys).serial

    site.publish({"page.gmi": "# 2\n"})
    assert serial() == 2
    site.serve(old)
    assert serial() == 1
    site.refuse()
    with pytest.raises(ConnectionRefusedError):
        ask(site)
    site.listen()
    site.keep_publishing(0.05)
    deadline = time.monotonic() + 10
    while serial() < 4:
        assert time.monotonic() < deadline
    site.stop_publishing()
    assert check_files(site.files[MANIFEST], keys, site.files)


def test_a_directory_is_served_too(place):
    root = tree(place / "root", {"index.gmi": "# It\n", "a/b.txt": "b"})
    with Origin(place, root=root) as origin:
        assert ask(origin, "a/b.txt")[1] == b"b"
        assert ask(origin, "../root/a/b.txt")[0].startswith("51")


def test_forged_manifests(author):
    author.publish()
    data = author.forge(hashes={b"../x": "0" * 64})
    text, _, _ = opened(data, [author.key.public])
    assert b"../x" in text
    with pytest.raises(Wrong):
        parse(text)
    assert isinstance(author.manifest(), Manifest)
