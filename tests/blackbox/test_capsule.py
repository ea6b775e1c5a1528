# SPDX-License-Identifier: ISC
"""The capsule that this server was made for: lint is content with it, what is
made from the pages is up to date, and every page is served as what it is."""
import re
import shutil

from harness import ROOT, Server
from life import carnation

CAPSULE = ROOT / "capsule"
MADE = ("atom.xml", "black-january.txt")
AUTHOR = "The carnation authors"


def test_lint_has_neither_error_nor_warning():
    done = carnation("lint", CAPSULE)
    assert done.returncode == 0, done.stdout
    assert not [line for line in done.stdout.splitlines()
                if ": info: " not in line], done.stdout
    assert re.match(r"0 errors, 0 warnings\b", done.stderr), done.stderr


def test_feed_and_text_copy_are_up_to_date(place):
    copy = shutil.copytree(CAPSULE, place / "capsule")
    for name in MADE:
        (copy / name).unlink()
    done = carnation("feed", "--author", AUTHOR, copy)
    assert done.returncode == 0, done.stderr
    for name in MADE:
        assert (copy / name).read_bytes() == (CAPSULE / name).read_bytes(), \
            f"{name} is not what the pages say: " \
            f"carnation feed --author '{AUTHOR}' capsule"


def test_the_text_copy_holds_every_page_in_reading_order():
    text = (CAPSULE / "black-january.txt").read_text()
    flat = re.sub(r"\s+", " ", text)
    at = 0
    order = re.findall(r'"([^"]+)"', re.search(
        r"order\s*=\s*\[(.*?)\]", (CAPSULE / "capsule.conf").read_text(),
        re.S)[1])
    pages = sorted(p.relative_to(CAPSULE).as_posix()
                   for p in CAPSULE.rglob("*.gmi"))
    assert sorted(order) == pages
    for page in order:
        for line in (CAPSULE / page).read_text().splitlines():
            plain = re.sub(r"^(=> *\S+|#+|\*|>|```)\s*", "", line)
            if not line.startswith("=>"):
                assert re.sub(r"\s+", " ", plain) in flat, (page, line)
        title = (CAPSULE / page).read_text().splitlines()[0][2:]
        found = flat.find(title, at)
        assert found >= at, page
        at = found


def test_each_page_is_served_with_its_language(place):
    root = shutil.copytree(CAPSULE, place / "capsule")
    with Server([{"host": "localhost", "root": root}],
                directory=place) as server:
        for path, lang in (("/", "en"), ("/night.gmi", "en"),
                           ("/az/", "az"), ("/ru/index.gmi", "ru")):
            answer = server.ask(path)
            assert answer.status == 20, path
            assert answer.meta.startswith("text/gemini"), answer.meta
            assert f"lang={lang}" in answer.meta, answer.meta
        assert server.ask("/robots.txt").meta.startswith("text/plain")
        assert server.ask("/favicon.txt").meta.startswith("text/plain")
        assert server.ask("/atom.xml").meta.startswith("application/atom+xml")
        assert server.ask("/black-january.txt").meta.startswith("text/plain")
        assert server.ask("/.well-known/security.txt").status == 51
