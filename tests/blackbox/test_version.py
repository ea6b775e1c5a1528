# SPDX-License-Identifier: ISC
"""--version names the commit: which one that is, and where it comes from."""
import os
import re
import shutil
import subprocess

import pytest

from harness import ROOT
from life import carnation

TREE = ["scripts/commit", "src/COMMIT", "src/.gitattributes"]
AUTHOR = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
          "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org",
          "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nonexistent"}
TIME = 1700000000


def output(folder, *argv, **env):
    done = subprocess.run(argv, cwd=folder, text=True, capture_output=True,
                          env={**os.environ, **AUTHOR, **env}, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(folder, *options, **env):
    return output(folder, folder / "scripts/commit", *options, **env)


@pytest.fixture(name="tree")
def fixture_tree(place):
    """A folder as somebody has it who has neither git nor an archive."""
    folder = place / "tree"
    for name in TREE:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "src/COMMIT").write_text("$Format:%H %ct$\n")
    (folder / "src/main.c").write_text("int main(void) { return 0; }\n")
    (folder / "Makefile").write_text("all:\n")
    (folder / "README.md").write_text("read me\n")
    return folder


@pytest.fixture(name="clone")
def fixture_clone(tree):
    """The same with a commit: the folder and the whole hash."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed: no commit can be made")
    output(tree, "git", "init", "-q")
    output(tree, "git", "add", ".")
    output(tree, "git", "commit", "-q", "-m", "one",
           GIT_COMMITTER_DATE=f"{TIME} +0000")
    return tree, output(tree, "git", "rev-parse", "HEAD")


def unpack(clone, folder):
    """What somebody has who unpacks an archive that git made of a clone."""
    folder.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=clone, check=True,
                             capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
    return folder


def test_version_names_program_commit_and_libraries():
    version = re.search(r'CARNATION_VERSION "([0-9.]+)"',
                        (ROOT / "src/util/version.h").read_text())[1]
    done = carnation("--version")
    assert done.returncode == 0 and done.stderr == ""
    assert re.fullmatch(
        rf"carnation {re.escape(version)} "
        r"\(commit ([0-9a-f]{12}(-modified)?|none), OpenSSL 3\.[^,]+, "
        r"libmagic \d+\.\d\d\)\n", done.stdout), done.stdout


def test_a_tree_of_unknown_origin_has_no_commit(tree):
    assert commit(tree) == "none"
    assert commit(tree, "--time") == "0"
    (tree / "src/COMMIT").unlink()
    assert commit(tree) == "none"


def test_a_clone_has_the_commit_of_git(clone, place):
    tree, whole = clone
    (place / "link").symlink_to(tree / "scripts/commit")
    assert output(place, place / "link") == whole[:12]
    assert commit(tree) == whole[:12]
    assert commit(tree, "--time") == str(TIME)


@pytest.mark.parametrize("name, modified", [
    ("src/main.c", True), ("Makefile", True), ("src/new.c", True),
    ("README.md", False), ("new.txt", False)])
def test_what_is_compiled_and_differs_is_modified(clone, name, modified):
    tree, whole = clone
    with open(tree / name, "a", encoding="ascii") as file:
        file.write("\n")
    assert commit(tree) == whole[:12] + ("-modified" if modified else "")


def test_an_archive_has_the_commit_in_a_file(clone, place):
    tree, whole = clone
    other = unpack(tree, place / "unpacked")
    assert commit(other) == whole[:12]
    assert commit(other, "--time") == str(TIME)
    assert commit(other, PATH=str(tools(place))) == whole[:12]


def test_a_copy_of_a_modified_tree_is_modified(tree):
    (tree / "src/COMMIT").write_text(f"0123456789ab-modified {TIME}\n")
    assert commit(tree) == "0123456789ab-modified"
    assert commit(tree, "--time") == str(TIME)


@pytest.mark.parametrize("text, known, time", [
    ("0123456789ab --x", "0123456789ab", "0"),
    ("0123456789ab", "0123456789ab", "0"),
    ("0123456789ab 5 6", "0123456789ab", "0"),
    ('";id;" 5', "none", "0"), ("$(id) 5", "none", "0"), ("", "none", "0")])
def test_nothing_else_in_the_file_is_handed_on(tree, text, known, time):
    """The compiler and tar are given what comes out."""
    (tree / "src/COMMIT").write_text(text)
    assert commit(tree) == known
    assert commit(tree, "--time") == time


def test_another_repository_around_an_archive_does_not_count(clone, place):
    tree, whole = clone
    output(place, "git", "init", "-q", "packager")
    other = unpack(tree, place / "packager/carnation")
    output(place / "packager", "git", "add", ".")
    output(place / "packager", "git", "commit", "-q", "-m", "import")
    assert commit(other) == whole[:12]
    (other / "src/COMMIT").write_text("$Format:%H %ct$\n")
    assert commit(other) == "none"


def test_a_hook_of_another_repository_does_not_count(clone, place):
    tree, whole = clone
    output(place, "git", "init", "-q", "other")
    assert commit(tree, GIT_DIR=str(place / "other/.git"),
                  GIT_WORK_TREE=str(place / "other")) == whole[:12]


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to give files away")
def test_another_owner_has_the_same_commit(clone):
    """`sudo make install` after `make` must not build again."""
    tree, whole = clone
    for path in [tree, *tree.rglob("*")]:
        os.lchown(path, 65534, 65534)
    assert commit(tree) == whole[:12]


def tools(place):
    """A PATH with all that a script needs, and no git."""
    folder = place / "bin"
    folder.mkdir()
    for name in ("sh", "dirname", "readlink", "cut", "env"):
        (folder / name).symlink_to(shutil.which(name))
    return folder


def test_a_clone_without_git_has_no_commit(clone, place):
    tree, _ = clone
    assert commit(tree, PATH=str(tools(place))) == "none"


def test_the_number_is_the_same_everywhere():
    """src/RELEASING: five files carry it."""
    version = re.search(r'CARNATION_VERSION "([0-9.]+)"',
                        (ROOT / "src/util/version.h").read_text())[1]
    changes = (ROOT / "src/CHANGES").read_text()
    assert re.findall(r"^(\S+)$", changes, re.M)[0] == version
    debian = (ROOT / "scripts/packaging/debian/changelog").read_text()
    assert re.match(r"carnation \(([^)]+)\) ", debian)[1] == version
    for name in ("README.md", "src/man/carnation-operate.7"):
        packages = re.findall(r"carnation_([0-9.]+)_", (ROOT / name).read_text())
        assert set(packages) == {version}, name
