# SPDX-License-Identifier: ISC
"""`carnation key`: pairs that signify(1) takes, and its own taken here."""
import base64
import json
import os
import re
import shutil
import subprocess

import pytest

from harness import tree
from life import carnation

SIGNIFY = shutil.which("signify-openbsd") or shutil.which("signify")
with_signify = pytest.mark.skipif(not SIGNIFY, reason="no signify here")
TEXT = re.compile(r"RW[A-Za-z0-9+/]{54}")


def signify(*words, status=0, **how):
    done = subprocess.run([SIGNIFY, *map(str, words)], text=True,
                          capture_output=True, timeout=60, **how)
    assert (done.returncode == 0) == (status == 0), done.stderr
    return done.stdout


def new(name, **how):
    """Makes a pair; the text of its public key, and what was said."""
    done = carnation("key", "new", name, **how)
    assert done.returncode == 0, done.stderr
    assert TEXT.fullmatch(done.stdout[:-1]) and done.stdout[-1] == "\n"
    return done.stdout[:-1], done.stderr


def test_new_makes_two_files(place):
    os.umask(0o077)
    try:
        text, said = new("capsule-1", cwd=place)
    finally:
        os.umask(0o022)
    public, secret = place / "capsule-1.pub", place / "capsule-1.sec"
    assert public.read_text() == (
        f"untrusted comment: capsule-1 public key\n{text}\n")
    assert secret.stat().st_mode & 0o7777 == 0o600
    assert public.stat().st_mode & 0o7777 == 0o644
    assert sorted(os.listdir(place)) == [public.name, secret.name]
    first, second = secret.read_text().splitlines()
    assert first == "untrusted comment: capsule-1 secret key"
    raw = base64.b64decode(second, validate=True)
    assert len(raw) == 104 and raw[:8] == b"EdBK\0\0\0\0"
    assert base64.b64decode(text)[10:] == raw[-32:]
    # Where each of the two belongs.
    assert "capsule-1.sec: " in said and "never on the server" in said
    assert "capsule-1.pub: " in said and "another way" in said
    assert second not in said


def test_each_pair_is_another(place):
    texts = {new(f"k{i}", cwd=place)[0] for i in range(8)}
    numbers = {base64.b64decode(text)[2:10] for text in texts}
    assert len(texts) == len(numbers) == 8


def test_a_path_is_where_the_pair_goes(place):
    (place / "keys").mkdir()
    new(place / "keys/x")
    assert (place / "keys/x.pub").read_text().startswith(
        "untrusted comment: x public key\n")
    done = carnation("key", "new", place / "none/x")
    assert done.returncode == 1
    assert "none/x.pub: No such file or directory" in done.stderr


@pytest.mark.parametrize("taken", ["x.pub", "x.sec"])
@pytest.mark.parametrize("by", ["file", "link", "directory"])
def test_nothing_is_overwritten(place, taken, by):
    if by == "directory":
        (place / taken).mkdir()
    elif by == "link":
        (place / taken).symlink_to("elsewhere")
    else:
        (place / taken).write_text("precious\n")
    done = carnation("key", "new", "x", cwd=place)
    assert done.returncode == 1 and done.stdout == ""
    assert f"{taken}: exists already and has not been changed" in done.stderr
    assert os.listdir(place) == [taken]
    if by == "file":
        assert (place / taken).read_text() == "precious\n"


@pytest.mark.parametrize("name", ["", "d/", "x.pub", "d/x.sec", ".x", "a\nb",
                                  "n" * 128, "\x1b[2J"])
def test_names_that_are_none(place, name):
    (place / "d").mkdir()
    done = carnation("key", "new", name, cwd=place)
    assert done.returncode == 2 and done.stdout == ""
    assert os.listdir(place) == ["d"] and os.listdir(place / "d") == []
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("words", [
    [], ["new"], ["show"], ["new", "a", "b"], ["new", "--json", "a"],
    ["old", "a"], ["show", "--jsn", "a"]])
def test_wrong_words(place, words):
    done = carnation("key", *words, cwd=place)
    assert done.returncode == 2 and done.stdout == ""
    error, hint = done.stderr.splitlines()
    assert ": error: " in error and hint.startswith("See 'carnation help key")
    assert os.listdir(place) == []
    if words[:1] == ["old"]:
        assert 'unknown verb "key old"' in error


def test_show(place):
    text, _ = new("x", cwd=place)
    number = base64.b64decode(text)[2:10].hex()
    secret = (place / "x.sec").read_text().splitlines()[1]
    lines = f"  number       {number}\n  public key   {text}\n"
    done = carnation("key", "show", "x.pub", "x.sec", text, cwd=place)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout == (f"x.pub\n{lines}x.sec (secret: for the author "
                           f"alone)\n{lines}a key's text\n{lines}")
    assert secret[:40] not in done.stdout and secret[-64:] not in done.stdout
    done = carnation("key", "show", "--json", "x.pub", "x.sec", text,
                     cwd=place)
    same = {"number": number, "public_key": text}
    assert json.loads(done.stdout) == [
        {"file": "x.pub", "kind": "public", **same},
        {"file": "x.sec", "kind": "secret", **same},
        {"file": None, "kind": "text", **same}]


def test_show_tells_which_is_none(place):
    text, _ = new("x", cwd=place)
    secret = (place / "x.sec").read_text()
    comment, body = secret.splitlines()
    tree(place, {
        "page.gmi": "# A page\n",
        "long": "x" * 10000,
        "cut.pub": text[:-1],
        "cut.sec": f"{comment}\n{body[:-8]}\n",
        "rotten.sec": f"{comment}\n{body[:80]}"
                      f"{'A' if body[80] != 'A' else 'B'}{body[81:]}\n",
    })
    for name, status, want in (
            ("page.gmi", 2, "not a signify key"),
            ("long", 2, "not a signify key"),
            ("cut.pub", 2, "not a signify key"),
            ("cut.sec", 2, "invalid signify secret key"),
            ("rotten.sec", 2, "the key is damaged"),
            ("none", 4, "No such file or directory"),
            (".", 4, "Is a directory")):
        done = carnation("key", "show", name, "x.pub", cwd=place)
        assert done.returncode == status, name
        assert want in done.stderr and text in done.stdout, name
        assert body[40:80] not in done.stderr + done.stdout
        done = carnation("key", "show", "--json", name, "x.pub", cwd=place)
        assert len(json.loads(done.stdout)) == 1


def test_show_warns_when_others_can_read_a_secret_key(place):
    new("x", cwd=place)
    (place / "x.sec").chmod(0o640)
    done = carnation("key", "show", "x.sec", cwd=place)
    assert done.returncode == 0
    assert "warning: x.sec: other users can read this secret key" in done.stderr


@pytest.mark.parametrize("words", [
    ["verify", "copy"], ["mirror", "gemini://localhost:1/", "store"],
    ["mirror", "--survey", "gemini://localhost:1/"]])
def test_a_secret_key_where_only_public_ones_belong(place, words):
    new("x", cwd=place)
    (place / "copy").mkdir()
    for name, times in (("x.sec", 1), ("x.pub", 0)):
        done = carnation(*words, "--key", name, cwd=place, timeout=60)
        assert done.stderr.count(
            "warning: x.sec: a secret key; keep it on the author's machine, "
            "not here") == times, done.stderr


# --------------------------------------------------- the other implementation

@with_signify
def test_signify_signs_with_our_keys_and_verifies(place):
    new("x", cwd=place)
    tree(place, {"m": "A message.\n"})
    signify("-S", "-e", "-s", "x.sec", "-m", "m", "-x", "m.sig", cwd=place)
    assert (place / "m.sig").read_text().startswith(
        "untrusted comment: verify with x.pub\n")
    signify("-V", "-e", "-p", "x.pub", "-x", "m.sig", "-m", "m2", cwd=place)
    assert (place / "m2").read_bytes() == (place / "m").read_bytes()
    # And it can fail.
    (place / "m.sig").write_text(
        (place / "m.sig").read_text().replace("A message", "a message"))
    signify("-V", "-e", "-p", "x.pub", "-x", "m.sig", "-m", "m2", cwd=place,
            status=1)


@with_signify
def test_keys_of_signify_are_read(place):
    signify("-G", "-n", "-p", "s.pub", "-s", "s.sec", "-c", "their comment",
            cwd=place)
    text = (place / "s.pub").read_text().splitlines()[1]
    done = carnation("key", "show", "--json", "s.pub", "s.sec", cwd=place)
    assert done.returncode == 0, done.stderr
    assert [k["public_key"] for k in json.loads(done.stdout)] == [text, text]


@with_signify
def test_a_passphrase_is_not_asked_for(place):
    # signify reads it from the standard input when there is no terminal.
    subprocess.run([SIGNIFY, "-G", "-p", "s.pub", "-s", "s.sec"], cwd=place,
                   input="open sesame\nopen sesame\n", text=True, timeout=60,
                   start_new_session=True, capture_output=True)
    if not (place / "s.sec").exists():
        # It wanted a terminal: the header alone says that there is one.
        signify("-G", "-n", "-p", "s.pub", "-s", "s.sec", cwd=place)
        comment, body = (place / "s.sec").read_text().splitlines()
        raw = bytearray(base64.b64decode(body))
        raw[7] = 42
        (place / "s.sec").write_text(
            f"{comment}\n{base64.b64encode(raw).decode()}\n")
    done = carnation("key", "show", "s.sec", cwd=place)
    assert done.returncode == 2 and done.stdout == ""
    assert "the key has a passphrase, which only signify(1) supports" in (
        done.stderr)
