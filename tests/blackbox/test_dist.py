# SPDX-License-Identifier: ISC
"""The source of a release (scripts/dist): which files, and the same bytes."""
import hashlib
import os
import re
import shutil
import subprocess
import tarfile

import pytest

from harness import ROOT

VERSION = re.search(r'CARNATION_VERSION "([0-9.]+)"',
                    (ROOT / "src/util/version.h").read_text())[1]


def dist(tree, file, umask=0o022, **env):
    """Makes the archive of a tree. Returns its hash and the messages."""
    done = subprocess.run([tree / "scripts/dist", file], text=True,
                          capture_output=True, umask=umask, check=False,
                          env={**os.environ, **env})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{file}: commit "), done.stdout
    return hashlib.sha256(file.read_bytes()).hexdigest(), done.stderr


def unpack(file, folder):
    folder.mkdir()
    subprocess.run(["tar", "-xzf", file, "-C", folder], check=True)
    return folder / f"carnation-{VERSION}"


@pytest.fixture(name="first")
def fixture_first(place):
    """The archive of this tree, and its hash."""
    file = place / "first.tar.gz"
    return file, dist(ROOT, file)[0]


def test_an_archive_is_the_same_at_any_time(first, place):
    _, before = first
    again, _ = dist(ROOT, place / "again.tar.gz", umask=0o077,
                    TZ="Asia/Baku", LC_ALL="C.UTF-8", TMPDIR=str(place))
    assert again == before


def test_an_archive_of_an_unpacked_archive_is_the_same(first, place):
    """Without what building, serving and testing leave there."""
    file, before = first
    tree = unpack(file, place / "tree")
    for name in ("build/carnation", "certs/localhost.key", "certs/localhost.crt",
                 "certs/lock", "tests/__pycache__/x.pyc", "author.key", "capsule-1.sec",
                 ".pytest_cache/README.md", ".git/HEAD"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text("PRIVATE\n")
    for name in ("Makefile", "scripts/dist"):
        os.utime(tree / name, (1, 1))
    after, said = dist(tree, place / "after.tar.gz")
    assert after == before and said == ""


def refused(tree, file):
    done = subprocess.run([tree / "scripts/dist", file], text=True,
                          capture_output=True, check=False)
    assert done.returncode == 1, done
    assert "look like private keys" in done.stderr and not file.exists()
    return done.stderr.splitlines()[1:]


@pytest.mark.parametrize("text", [
    "-----BEGIN PRIVATE KEY-----\nMC4\n",
    "# mine\n-----BEGIN EC PRIVATE KEY-----\nMC4\n",
    "untrusted comment: author secret key\nRWR\n"])
def test_a_private_key_of_any_name_is_not_packed(first, place, text):
    tree = unpack(first[0], place / "tree")
    (tree / "src/secret.pem").write_text(text)
    assert refused(tree, place / "x.gz") == ["./src/secret.pem"]


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_keys_that_were_committed_are_not_packed(first, place):
    tree = unpack(first[0], place / "tree")
    (tree / "src/COMMIT").write_text("$Format:%H %ct$\n")
    keys = ["./author.key", "./capsule-1.sec", "./certs/a.example.crt"]
    for name in keys:
        (tree / name).write_text("PRIVATE\n")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org",
           "-C", tree]
    for words in (["init", "-q"], ["add", "-f", "."],
                  ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *words], check=True)
    assert refused(tree, place / "x.gz") == keys


def test_an_archive_holds_one_folder_with_plain_modes(first):
    with tarfile.open(first[0]) as archive:
        members = archive.getmembers()
    assert members[0].name == f"carnation-{VERSION}"
    assert len({m.mtime for m in members}) == 1
    for m in members:
        assert f"{m.name}/".startswith(f"carnation-{VERSION}/")
        assert (m.uid, m.gid) == (0, 0)
        assert m.issym() or m.mode in (0o644, 0o755), m.name
    assert f"carnation-{VERSION}/src/COMMIT" in {m.name for m in members}


@pytest.mark.skipif(not (ROOT / ".git").exists() or not shutil.which("git"),
                    reason="this tree is no clone, or git is not installed")
def test_an_archive_of_a_clone_holds_its_last_commit(first, place):
    git = ["git", "-c", f"safe.directory={ROOT}", "-C", ROOT]
    listed = subprocess.run([*git, "ls-tree", "-rz", "--name-only", "HEAD"],
                            check=True, capture_output=True).stdout
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, text=True,
                            capture_output=True).stdout.strip()
    tree = unpack(first[0], place / "tree")
    found = {str(p.relative_to(tree)) for p in tree.rglob("*")
             if p.is_symlink() or not p.is_dir()}
    assert found == {os.fsdecode(n) for n in listed.split(b"\0") if n}
    assert (tree / "src/COMMIT").read_text().split()[0] == commit
    assert subprocess.run([tree / "scripts/commit"], check=True, text=True,
                          capture_output=True).stdout.strip() == commit[:12]
