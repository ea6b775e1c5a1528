# SPDX-License-Identifier: ISC
"""README.md is short, and what it shows is there: its links and its picture,
verbs with their options, scripts, man pages, and configurations without a
mistake. Those of scripts/ and tests/ name what is beside them."""
import re
import struct

import pytest

from harness import ROOT, tree
from life import carnation

TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```\n(.*?)^```$", TEXT, re.M | re.S)
COMMANDS = [line.split("  #")[0].strip() for block in BLOCKS
            for line in re.split(r"\n| && ", block)]
CAPSULES = [block for block in BLOCKS if "capsules = (" in block]
CAPSULE_CONFS = [block for block in BLOCKS if block.startswith("title = ")]


def test_it_is_short():
    assert len(TEXT.splitlines()) <= 150


def test_its_links_lead_somewhere():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT)
             if "://" not in link]
    assert len(links) > 4
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_its_picture_is_small_and_described():
    (words, name), = re.findall(r"!\[([^]]*)\]\(([^)]+)\)", TEXT)
    data = (ROOT / name).read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    assert data.startswith(b"\x89PNG\r\n") and len(data) < 60_000
    assert 600 <= width <= 1000 and 400 <= height <= 1000
    assert len(words) > 20


def known_options(verb):
    done = carnation("help", *verb)
    assert done.returncode == 0, verb
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", done.stdout))


@pytest.mark.parametrize("command", [
    pytest.param(line.removeprefix("sudo ").split(), id=line)
    for line in COMMANDS
    if re.match(r"(sudo )?(build/)?carnation ", line)])
def test_its_verbs_take_these_options(command):
    verb = command[1:3] if command[1] in ("key", "cert") else command[1:2]
    used = {word for word in command[2:] if re.match("--?[a-z]", word)}
    assert used <= known_options(verb)


def test_its_scripts_and_pages_are_there():
    scripts = set(re.findall(r"(?<![\w/-])(scripts/[\w.-]*\w)", TEXT))
    assert {name for name in scripts if not (ROOT / name).exists()} == set()
    pages = set(re.findall(r"[`\"]man ([a-z.-]+)(?!/|[a-z.-])", TEXT))
    assert {page for page in pages
            if not list((ROOT / "src/man").glob(f"{page}.[1-9]"))} == set()


def hidden_or_made(path):
    return path.name.startswith((".", "__"))


def test_scripts_readme_names_each_script():
    text = (ROOT / "scripts/README.md").read_text()
    names = {path.name for path in (ROOT / "scripts").iterdir()
             if not hidden_or_made(path)} - {"README.md"}
    assert len(names) > 10
    assert {name for name in names
            if not re.search(rf"`{re.escape(name)}[`/]", text)} == set()


def test_tests_readme_names_each_folder():
    text = (ROOT / "tests/README.md").read_text()
    names = {path.name for path in (ROOT / "tests").iterdir()
             if path.is_dir() and not hidden_or_made(path)}
    assert len(names) > 6
    assert {name for name in names if f"`{name}/" not in text} == set()


def test_its_configuration_is_without_a_mistake(place):
    text, = CAPSULES
    root = tree(place / "gemini", {"index.gmi": "# Hello\n"})
    file = place / "carnation.conf"
    file.write_text(text.replace("/srv/gemini", str(root)))
    check(place, "-c", file)


def test_its_capsule_conf_is_without_a_mistake(place):
    text, = CAPSULE_CONFS
    root = tree(place / "capsule", {"index.gmi": "# Hello\n",
                                    "capsule.conf": text})
    check(place, "--listen", "127.0.0.1:0", root)


def check(place, *words):
    done = carnation("check", "--certs", place / "certs", *words)
    told = [line for line in done.stdout.splitlines()
            if "in use" not in line and "occupied" not in line]
    assert done.returncode == 0 and not told, done.stdout + done.stderr
