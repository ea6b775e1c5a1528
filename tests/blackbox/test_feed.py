# SPDX-License-Identifier: ISC
"""`carnation feed`: an Atom feed and a plain text copy, made from the pages."""
import os
import re
import shutil
import xml.etree.ElementTree as ElementTree

import pytest

from harness import ROOT, tree
from life import IS_ROOT, NOBODY, carnation, wrapper

ATOM = "{http://www.w3.org/2005/Atom}"
XML = "{http://www.w3.org/XML/1998/namespace}"
UPDATES = """# News of the capsule

## What was added and corrected

Some words before the list.
=> night.gmi 2026-01-02 - The night: added
=> az/index.gmi 2026-03-04 Azərbaycanca
=> / 2026-02-03: Home
=> https://example.org/a?b&c 2025-12-31 Elsewhere
=> night.gmi 2024-01-01 The night, once more
=> about.gmi About, without a date
"""
CONF = ('title = "The capsule"; lang = "en,az"; feed = "updates.gmi"; '
        'copy = "all.txt"; order = ["night.gmi", "index.gmi"];')


def capsule(place, **files):
    """A capsule of a few pages, in place/c."""
    pages = {
        "index.gmi": "# Home\n\nA first page.\n=> night.gmi The night\n",
        "night.gmi": "# The night\n\n* an item of a list\n> a quotation\n",
        "about.gmi": "# About\n\n```art\n  /\\  \n```\n",
        "az/index.gmi": "# Azərbaycanca\n=> ../night.gmi Gecə\n",
        "updates.gmi": UPDATES,
        "capsule.conf": CONF,
        "note.txt": "no page\n",
    }
    pages.update({name.replace("__", "."): text
                  for name, text in files.items()})
    return tree(place / "c", pages)


def feed(directory, *words, status=0, **how):
    done = carnation("feed", *words, directory, **how)
    assert done.returncode == status, (done.returncode, done.stderr)
    assert done.stdout == ""
    return done.stderr


def atom(directory):
    """The feed's root, after the musts of RFC 4287 and 4151."""
    root = ElementTree.fromstring((directory / "atom.xml").read_bytes())
    assert root.tag == ATOM + "feed"
    assert root.find(ATOM + "author").find(ATOM + "name").text
    ids = set()
    for element in [root, *entries(root)]:
        for name in ("id", "title", "updated"):
            assert len(element.findall(ATOM + name)) == 1, name
        ids.add(element.findtext(ATOM + "id"))
        assert re.fullmatch(
            r"tag:[a-z0-9.-]+,\d{4}(?:-\d\d-\d\d)?:"
            r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-F]{2})+",
            element.findtext(ATOM + "id"))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT12:00:00Z",
                            element.findtext(ATOM + "updated"))
        links = element.findall(ATOM + "link")
        assert sum(x.get("rel") == "alternate" for x in links) == 1
        assert all(x.get("href") for x in links)
    assert len(ids) == 1 + len(entries(root))
    assert root.findtext(ATOM + "updated") == max(
        x.findtext(ATOM + "updated") for x in entries(root))
    return root


def entries(root):
    return root.findall(ATOM + "entry")


def link(element, rel="alternate"):
    return next(x.get("href") for x in element.findall(ATOM + "link")
                if x.get("rel") == rel)


def test_both_files_are_written(place):
    c = capsule(place)
    said = feed(c)
    assert f"{c}/atom.xml: written" in said
    assert f"{c}/all.txt: written" in said
    root = atom(c)
    assert root.findtext(ATOM + "title") == "News of the capsule"
    assert root.findtext(ATOM + "subtitle") == "What was added and corrected"
    assert root.find(ATOM + "author").findtext(ATOM + "name") == "The capsule"
    assert root.get(XML + "lang") == "en"
    assert root.findtext(ATOM + "id") == (
        "tag:capsule.invalid,2020:feed:/updates.gmi")
    assert (link(root, "self"), link(root)) == ("atom.xml", "updates.gmi")
    assert [(x.findtext(ATOM + "id").split(",")[1],
             x.findtext(ATOM + "title"), link(x))
            for x in entries(root)] == [
        ("2026-03-04:/az/index.gmi", "Azərbaycanca", "az/index.gmi"),
        ("2026-02-03:/", "Home", "./"),
        ("2026-01-02:/night.gmi", "The night: added", "night.gmi"),
        ("2025-12-31:https://example.org/a?b&c", "Elsewhere",
         "https://example.org/a?b&c")]
    assert (c / "atom.xml").stat().st_mode & 0o777 == 0o644
    assert sorted(x.name for x in c.iterdir()) == sorted([
        "about.gmi", "all.txt", "atom.xml", "az", "capsule.conf", "index.gmi",
        "night.gmi", "note.txt", "updates.gmi"])


def test_a_second_run_touches_nothing(place):
    c = capsule(place)
    feed(c)
    before = {x: (x.stat().st_mtime_ns, x.stat().st_ino)
              for x in (c / "atom.xml", c / "all.txt")}
    said = feed(c)
    assert f"{c}/atom.xml: up to date" in said
    assert f"{c}/all.txt: up to date" in said
    assert all((x.stat().st_mtime_ns, x.stat().st_ino) == was
               for x, was in before.items())
    # A page that is no entry is in the copy alone.
    with open(c / "about.gmi", "a") as f:
        f.write("One more line.\n")
    said = feed(f"{c}/")
    assert f"{c}/atom.xml: up to date" in said
    assert f"{c}/all.txt: written" in said


def test_the_feed_stays_the_same_when_entries_come_and_go(place):
    c = capsule(place)
    feed(c)
    before = atom(c)
    for page in (UPDATES + "=> about.gmi 1989-12-31 Older than all\n",
                 UPDATES.replace("2025-12-31", "2026-05-06")):
        (c / "updates.gmi").write_text(page)
        assert "atom.xml: written" in feed(c)
        assert atom(c).findtext(ATOM + "id") == before.findtext(ATOM + "id")


def test_with_an_origin_links_are_absolute(place):
    c = capsule(place)
    feed(c, "--origin", "gemini://Example.ORG:1966/")
    root = atom(c)
    assert root.findtext(ATOM + "id").startswith("tag:example.org,")
    assert link(root, "self") == "gemini://example.org:1966/atom.xml"
    assert [link(x) for x in entries(root)] == [
        "gemini://example.org:1966/az/index.gmi",
        "gemini://example.org:1966/", "gemini://example.org:1966/night.gmi",
        "https://example.org/a?b&c"]
    assert "<gemini://example.org:1966/>" in (c / "all.txt").read_text()


def author(directory):
    return atom(directory).find(ATOM + "author").findtext(ATOM + "name")


def test_the_author_is_named_on_request(place):
    c = capsule(place)
    assert "atom.xml: written" in feed(c, "--author", "A & <B>")
    assert author(c) == "A & <B>"
    feed(c)
    assert author(c) == "The capsule"


@pytest.mark.parametrize("name", ["", " ", "\t"])
def test_an_author_without_a_name_is_a_mistake(place, name):
    c = capsule(place)
    said = feed(c, "--author", name, status=2)
    assert "error: --author: empty value\n" in said
    assert not (c / "atom.xml").exists()


def test_an_index_page_behind_a_redirect_is_a_page(place):
    root = capsule(place, capsule__conf=CONF + 'redirects = ('
                   '{ from = "/index.gmi"; to = "/"; });')
    feed(root)
    text = (root / "all.txt").read_text()
    assert "A first page." in text and "(index.gmi)" in text


def test_no_two_identifiers_are_the_same(place):
    """Nor is anything in them that a tag: URI cannot hold."""
    root = capsule(place, updates__gmi="# News\n"
                   "=> updates.gmi 2026-01-01 This page\n"
                   "=> https://example.org/100%25#a[1] 2026-01-02 Elsewhere\n")
    feed(root)
    ids = [x.findtext(ATOM + "id") for x in entries(atom(root))]
    assert ids == [
        "tag:capsule.invalid,2026-01-02:https://example.org/100%25%23a%5B1%5D",
        "tag:capsule.invalid,2026-01-01:/updates.gmi"]


@pytest.mark.parametrize("name", ["photo.jpg", "robots.txt", "new.gmi"])
def test_the_copy_is_written_over_no_other_file(place, name):
    root = capsule(place, photo__jpg="no text", robots__txt="User-agent: *\n",
                   capsule__conf=f'copy = "{name}";\n')
    before = {p.name: p.read_bytes() for p in root.iterdir() if p.is_file()}
    assert f"copy: {name} is " in feed(root, status=1)
    assert before == {
        p.name: p.read_bytes() for p in root.iterdir() if p.is_file()}


def test_what_is_no_file_is_not_written_into(place):
    root = capsule(place)
    os.mkfifo(root / "atom.xml")
    assert "atom.xml: not a regular file" in feed(root, status=1, timeout=9)
    (root / "atom.xml").unlink()
    (place / "precious").write_text("precious")
    (root / "atom.xml").symlink_to(place / "precious")
    feed(root)
    assert (place / "precious").read_text() == "precious"
    assert not (root / "atom.xml").is_symlink()


@pytest.mark.parametrize("origin", [
    "https://example.org", "example.org", "gemini://example.org/a", "",
    "gemini://192.0.2.1", "gemini://example.org/?a", "gemini://a b"])
def test_what_is_no_origin(place, origin):
    c = capsule(place)
    said = feed(c, "--origin", origin, status=2)
    assert "--origin: " + (f'invalid origin "{origin}": ' if origin
                           else "empty value\n") in said
    assert not (c / "atom.xml").exists()


def test_wrong_usage(place):
    for words in ([], [place, place], ["--orgin", "x", place]):
        done = carnation("feed", *words)
        assert done.returncode == 2, words
        assert done.stderr.endswith("See 'carnation help feed'.\n")
    assert "did you mean --origin" in done.stderr


def test_hostile_labels(place):
    c = capsule(place, updates__gmi=(
        b"# <&\"'> ]]> \xe2\x80\xae\x1b[31m\0title\n"
        b"=> a.gmi 2026-01-01 </title><script>&lt;\"]]>\0\x1b[0m\n"
        b"=> b&'.gmi 2026-01-02 \xe2\x80\xaeright \xc2\x9b0mto left\n"
        b"=> <d>.gmi 2026-01-04 no URL\n"
        b"=> c;&lt;.gmi 2026-01-03 <!DOCTYPE x [<!ENTITY y 'z'>]>&y;\n"))
    assert "updates.gmi:4: left out: no client" in feed(c)
    root = atom(c)
    assert root.findtext(ATOM + "title") == "<&\"'> ]]> [31mtitle"
    assert [(x.findtext(ATOM + "title"), link(x)) for x in entries(root)] == [
        ("<!DOCTYPE x [<!ENTITY y 'z'>]>&y;", "c;&lt;.gmi"),
        ("right 0mto left", "b&'.gmi"),
        ("</title><script>&lt;\"]]>[0m", "a.gmi")]
    text = (c / "all.txt").read_text()
    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)


def test_without_a_feed_there_is_the_copy_alone(place):
    c = capsule(place, capsule__conf="")
    said = feed(c)
    assert f"{c}/capsule.conf: no feed is set" in said
    assert not (c / "atom.xml").exists()
    assert (c / "capsule.txt").read_text().startswith("This file holds all")


@pytest.mark.parametrize("settings, line, words", [
    ('title = "t";\nfeed = "none.gmi";\n', 2,
     "feed: none.gmi is not a file that is served"),
    ('feed = "note.txt";\n', 1, "feed: note.txt is not served as text/gemini"),
    ('\norder = ["index.gmi",\n  "none.gmi"];\n', 3,
     "order: none.gmi is not a file that is served"),
    ('copy = "index.gmi";\n', 1, "copy: index.gmi is the name of a page"),
])
def test_what_capsule_conf_gets_wrong(place, settings, line, words):
    c = capsule(place, capsule__conf=settings)
    said = feed(c, status=1)
    assert f"error: {c}/capsule.conf:{line}: {words}" in said
    assert not (c / "atom.xml").exists() and not (c / "capsule.txt").exists()
    assert (c / "index.gmi").read_text().startswith("# Home\n")


def test_what_pages_get_wrong(place):
    c = capsule(place, updates__gmi="# Empty\n", night__gmi=b"# N\n\xff\n")
    said = feed(c, status=1)
    assert f"error: {c}/updates.gmi: has no entry" in said
    assert f"error: {c}/night.gmi:2: not UTF-8" in said
    assert not (c / "atom.xml").exists() and not (c / "all.txt").exists()


def test_no_directory(place):
    said = feed(place / "none", status=1)
    assert f"root {place}/none: No such file" in said


def test_a_directory_that_cannot_be_written_to(place):
    c = capsule(place)
    feed(c)
    old = {x.name: x.read_bytes() for x in c.iterdir() if x.is_file()}
    (c / "updates.gmi").write_text("# U\n=> night.gmi 2026-05-05 New\n")
    (c / "updates.gmi").chmod(0o644)
    c.chmod(0o555)
    how = {"wrapper": wrapper("user", NOBODY)} if IS_ROOT else {}
    try:
        said = feed(c, status=1, **how)
    finally:
        c.chmod(0o755)
    assert f"error: {c}/atom.xml: Permission denied" in said
    del old["updates.gmi"]
    assert old == {x.name: x.read_bytes() for x in c.iterdir()
                   if x.name in old}
    assert len(list(c.iterdir())) == len(old) + 2


def test_a_link_out_of_the_capsule_is_not_followed(place):
    c = capsule(place)
    (place / "outside").write_text("outside\n")
    (c / "atom.xml").symlink_to(place / "outside")
    feed(c)
    assert (place / "outside").read_text() == "outside\n"
    assert not (c / "atom.xml").is_symlink()
    atom(c)


def plain_words(page):
    """The words of a page that a copy has to have, links left out."""
    for line in page.splitlines():
        if not line.startswith(("=>", "```")):
            yield from re.sub(r"^(#+|\*(?= )|>)", "", line).split()


def in_order(words, text):
    at = 0
    for word in words:
        at = text.find(word, at)
        assert at >= 0, word
        at += len(word)


def parts(text, names):
    """The pages of a copy by name, in the order in which they are in it."""
    rule = "=" * 72
    found = re.split(rf"\n{rule}\n(.+)\n{rule}\n", text)[1:]
    assert found[::2] == names
    return dict(zip(found[::2], found[1::2]))


def test_the_copy_has_every_page_in_order(place):
    c = capsule(place)
    feed(c)
    text = (c / "all.txt").read_text()
    names = ["night.gmi", "index.gmi", "about.gmi", "az/index.gmi",
             "updates.gmi"]
    for name, part in parts(text, names).items():
        in_order(plain_words((c / name).read_text()), part)
    contents = text[:text.index("=" * 72)]
    assert re.findall(r"^ +\d+\. (.*) \((.*)\)$", contents, re.M) == [
        ("The night", "night.gmi"), ("Home", "index.gmi"),
        ("About", "about.gmi"), ("Azərbaycanca", "az/index.gmi"),
        ("News of the capsule", "updates.gmi")]
    assert "\nThe night (night.gmi)\n" in text
    assert "\nGecə (night.gmi)\n" in text
    assert "<https://example.org/a?b&c>" in text
    assert "\n  /\\  \n" in text


def test_the_capsule_that_comes_with_it(place):
    c = place / "c"
    shutil.copytree(ROOT / "capsule", c)
    feed(c)
    conf = (c / "capsule.conf").read_text()
    copy = re.search(r'^copy = "(.*)";', conf, re.M)
    text = (c / (copy[1] if copy else "capsule.txt")).read_text()
    pages = [str(x.relative_to(c)) for x in c.rglob("*.gmi")]
    order = re.findall(r'"(.*?)"', re.search(
        r"^order = \[(.*?)\]", conf, re.M | re.S)[1])
    names = order + sorted(set(pages) - set(order), key=os.fsencode)
    for name, part in parts(text, names).items():
        in_order(plain_words((c / name).read_text()), part)
    assert all(len(x) <= 72 or " " not in x.strip().lstrip("*> ")
               for x in text.splitlines())
