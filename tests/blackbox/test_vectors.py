# SPDX-License-Identifier: ISC
"""tests/vectors, for whoever writes another implementation of the format of
carnation-mirror(7): the program and the tests' own reader (signed.py) both agree
with every file there. `python3 tests/blackbox/test_vectors.py` writes them again,
byte for byte: a key that is made from a word in this file signs them, and is
good for nothing else."""
import hashlib
import re
from pathlib import Path

import pytest

from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey)
from life import carnation
from signed import (MANIFEST, Key, Manifest, Wrong, archive, check, check_files,
                    read_tree, sha256)

VECTORS = Path(__file__).parents[1] / "vectors"
ORIGIN = "gemini://example.org/"
CREATED = 1790000000


def throw_away(word):
    """A key that everybody can make."""
    seed = hashlib.sha256(f"carnation test vectors: {word}".encode()).digest()
    return Key("capsule-1", seed[:8], Ed25519PrivateKey.from_private_bytes(
        hashlib.sha256(seed).digest()))


KEY, NEXT = throw_away("this key"), throw_away("the next key")

# Names in one part, in two, and one that only a pax record can hold; a name
# that URLs must encode; a file of no bytes.
COPY = {
    "index.gmi": b"# Home\n=> a%20b/caf%C3%A9.txt A blank and an accent\n",
    "a b/caf\u00e9.txt": b"a blank and an accent\n",
    "d" * 90 + "/" + "e" * 95: b"a name and a prefix\n",
    "x" * 98 + "/\u00e9" + "y" * 160: b"a pax record\n",
    "empty.txt": b"",
    ".well-known/security.txt": b"Contact: mailto:a@example.org\n",
}


# ------------------------------------------------- what stands under vectors/

def manifest(files=COPY, **fields):
    files = files if isinstance(files, dict) else dict.fromkeys(files, b"x\n")
    return Manifest.of(files, **{
        "origin": ORIGIN, "serial": 42, "created": CREATED,
        "signed_with": f"{KEY.name}.pub", **fields})


def url_of(size):
    """A path whose URL has so many bytes, four of them for one letter."""
    path = "\u00e9" + ("a" * 199 + "/") * 4
    return path + "b" * (size - len(ORIGIN) - len(path) - 5)


def accepted():
    """name -> bytes."""
    a = {
        "every-header": manifest(next_key=NEXT.public),
        "no-optional-header": manifest(refresh=None, signed_with=None),
        "final": manifest(final=True, refresh=None),
        "no-files": manifest({}),
        "unknown-headers": manifest(extra=[
            ("colour", "red"), ("colour", "blue"), ("gr\u00f6\u00dfe", "\u00e9:")]),
        "highest-serial": manifest(serial=(1 << 53) - 1),
        "origin-with-port": manifest(origin="gemini://example.org:1966/"),
        "origin-of-an-address": manifest(origin="gemini://[2001:db8::1]/"),
        "url-of-1024-bytes": manifest([url_of(1024)]),
        "part-of-255-bytes": manifest(["a" * 255]),
        "hidden-names": manifest([".git/config", "a/.b"]),
        "names-that-differ-in-case": manifest(["A.gmi", "a.gmi"]),
        "file-beside-directory": manifest(["a.b", "a/b", "a0"]),
    }
    return {name: m.sign(KEY) for name, m in a.items()}


def changed(old, new, count=1):
    text = manifest().text()
    assert old in text, old
    return text.replace(old, new, count)


def moved(name, before):
    """The header called name, put before another."""
    lines = manifest(next_key=NEXT.public).text().split(b"\n")
    at = next(i for i, x in enumerate(lines) if x.startswith(b"# " + name))
    line = lines.pop(at)
    to = next(i for i, x in enumerate(lines) if x.startswith(b"# " + before))
    lines.insert(to, line)
    return b"\n".join(lines)


def refused():
    """name -> bytes."""
    good = manifest()
    bad_names = {
        "absolute": b"/etc/passwd", "dot-dot": b"a/../b", "dot": b"./a",
        "empty-part": b"a//b", "slash-at-the-end": b"a/", "backslash": b"a\\b",
        "control-byte": b"a\x7fb", "control-character": "a\u0085b".encode(),
        "not-utf8": b"\xff", "mirror": b"mirror", "under-mirror": b"mirror/x",
        "part-of-256-bytes": b"a" * 256, "url-of-1025-bytes":
            url_of(1025).encode()}
    r = {f"name-{name}": manifest([path]).sign(KEY)
         for name, path in bad_names.items()}
    r |= {
        name: KEY.sign(text) for name, text in {
            "version-2": changed(b"mirror: 1", b"mirror: 2"),
            "crlf": changed(b"\n", b"\r\n", -1),
            "no-line-feed-at-the-end": good.text()[:-1],
            "unsorted": manifest(["a", "b"]).text().replace(b"  a", b"  c"),
            "listed-twice": manifest(["a", "b"]).text().replace(
                b"  b", b"  a"),
            "file-and-directory": manifest(["a", "a.b", "a/b"]).text(),
            "known-headers-in-another-order": moved(b"serial", b"origin"),
            "next-key-too-early": moved(b"next-key", b"final"),
            "known-header-twice": changed(
                b"# final: no\n", b"# final: no\n# final: no\n"),
            "header-without-value": changed(
                b"# final: no\n", b"# colour: \n# final: no\n"),
            "blank-in-header-name": changed(
                b"# final: no\n", b"# a colour: red\n# final: no\n"),
            "no-created": re.sub(rb"# created.*\n", b"", good.text()),
            "serial-0": changed(b"serial: 42", b"serial: 0"),
            "serial-042": changed(b"serial: 42", b"serial: 042"),
            "serial-too-high": changed(
                b"serial: 42", b"serial: %d" % (1 << 53)),
            "created-in-no-calendar": changed(
                b"created: 2026-09", b"created: 2026-13"),
            "refresh-not-after-created": manifest(refresh=CREATED).text(),
            "refresh-though-final": changed(b"final: no", b"final: yes"),
            "final-maybe": changed(b"final: no", b"final: maybe"),
            "more-files-than-listed": manifest(files=["a"], bytes=2).text()
            .replace(b"files: 1", b"files: 2"),
            "fewer-files-than-listed": changed(b"files: 6", b"files: 5"),
            "largest-above-bytes": manifest(largest=1 << 20).text(),
            "origin-with-default-port": manifest(
                origin="gemini://example.org:1965/").text(),
            "origin-in-upper-case": manifest(
                origin="gemini://Example.org/").text(),
            "origin-with-path": manifest(
                origin="gemini://example.org/a/").text(),
            "next-key-too-short": manifest(
                next_key=NEXT.public[:-1]).text(),
            "hash-in-upper-case": changed(
                sha256(b"").encode(), sha256(b"").upper().encode()),
            "one-blank-after-hash": changed(b"  index.gmi", b" index.gmi"),
        }.items()}
    flipped = bytearray(good.sign(KEY))
    flipped[-3] ^= 1
    return r | {
        "one-byte-changed": bytes(flipped),
        "signed-by-another-key": good.sign(NEXT),
        "line-1-names-another-key": good.sign(KEY, name="capsule-2"),
        "number-of-another-key": Key(
            KEY.name, NEXT.number, KEY.private).sign(good.text()),
    }


def everything():
    """path -> bytes, of all that is generated."""
    signed = accepted()["every-header"]
    tar = archive(signed, COPY, CREATED)
    return {
        "capsule-1.pub": KEY.public_file(),
        "capsule.tar.sha256": f"{sha256(tar)}  capsule.tar\n".encode(),
        **{f"copy/{p}": d for p, d in COPY.items()},
        f"copy/{MANIFEST}": signed,
        **{f"accepted/{n}": d for n, d in accepted().items()},
        **{f"refused/{n}": d for n, d in refused().items()}}


def cases(folder):
    return sorted(p.name for p in (VECTORS / folder).iterdir())


# ------------------------------------------------------------------ they hold

def public():
    return (VECTORS / "capsule-1.pub").read_text().split("\n")[1]


def verify(copy, *words):
    return carnation("verify", "--key", VECTORS / "capsule-1.pub", *words,
                     copy)


def test_the_files_are_what_this_file_makes():
    there = read_tree(VECTORS)
    there.pop("README.md")
    made = everything()
    assert set(there) == set(made)
    assert there == made


def test_the_copy_is_good(place):
    files = read_tree(VECTORS / "copy")
    m = check_files(files[MANIFEST], [public()], files)
    assert (m.serial, len(m.hashes), m.next_key) == (42, 6, NEXT.public)
    done = verify(VECTORS / "copy")
    assert done.returncode == 0, done.stdout + done.stderr
    del files[MANIFEST]
    tar = archive((VECTORS / "copy" / MANIFEST).read_bytes(), files, m.created)
    (place / "capsule.tar").write_bytes(tar)
    assert (VECTORS / "capsule.tar.sha256").read_text().split() == [
        sha256(tar), "capsule.tar"]
    done = verify(place / "capsule.tar")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", cases("accepted"))
def test_accepted(place, name):
    data = (VECTORS / "accepted" / name).read_bytes()
    m = check(data, [public()])
    copy = place / "copy"
    contents = dict.fromkeys(m.hashes, b"x\n")
    if m.bytes != 2 * len(m.hashes):
        contents = {p.encode(): d for p, d in COPY.items()}
    for path, text in {**contents, MANIFEST.encode(): data}.items():
        file = copy / path.decode()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)
    done = verify(copy)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", cases("refused"))
def test_refused(place, name):
    """The manifest itself, not for what is missing beside it."""
    data = (VECTORS / "refused" / name).read_bytes()
    with pytest.raises((Wrong, UnicodeDecodeError)):
        check(data, [public()])
    (place / "copy/mirror").mkdir(parents=True)
    (place / "copy" / MANIFEST).write_bytes(data)
    done = verify(place / "copy", "--json")
    assert done.returncode == 3 and '"missing":[]' in done.stdout, done
    assert '"why":""' not in done.stdout, done


if __name__ == "__main__":
    for where, bytes_ in everything().items():
        (VECTORS / where).parent.mkdir(parents=True, exist_ok=True)
        (VECTORS / where).write_bytes(bytes_)
