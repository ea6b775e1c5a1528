# SPDX-License-Identifier: ISC
"""`carnation feed`: an Atom feed and a plain text copy, made from the pages."""
import os
import re
import shutil
import uuid
import xml.etree.ElementTree as ElementTree

import pytest

from harness import ROOT, tree
from life import IS_ROOT, NOBODY, carnation, wrapper

ATOM = "{http://www.w3.org/2005/Atom}"
XML = "{http://www.w3.org/XML/1998/namespace}"
SPACE = uuid.UUID("7c1f0b52-9a3e-4d68-b157-26e490cd831a")
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
    seen = set()
    for element in [root, *entries(root)]:
        for name in ("id", "title", "updated"):
            assert len(element.findall(ATOM + name)) == 1, name
        seen.add(element.findtext(ATOM + "id"))
        assert re.fullmatch(
            r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|"
            r"tag:[a-z0-9.-]+,\d{4}(?:-\d\d-\d\d)?:"
            r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-F]{2})+",
            element.findtext(ATOM + "id"))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT12:00:00Z",
                            element.findtext(ATOM + "updated"))
        links = element.findall(ATOM + "link")
        assert sum(x.get("rel") == "alternate" for x in links) == 1
        assert all(x.get("href") for x in links)
    assert len(seen) == 1 + len(entries(root))
    assert root.findtext(ATOM + "updated") == max(
        x.findtext(ATOM + "updated") for x in entries(root))
    return root


def entries(root):
    return root.findall(ATOM + "entry")


def ids(root):
    return [x.findtext(ATOM + "id") for x in [root, *entries(root)]]


def made(name):
    """An identifier of a feed without an origin."""
    return f"urn:uuid:{uuid.uuid5(SPACE, name)}"


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
    assert "warning: missing origin: links in atom.xml are relative" in said
    assert ids(root) == [
        made("2020:feed:/updates.gmi\nNews of the capsule\nThe capsule"),
        *(made(f"{ids(root)[0]} {name}") for name in (
            "2026-03-04:/az/index.gmi", "2026-02-03:/",
            "2026-01-02:/night.gmi", "2025-12-31:https://example.org/a?b&c"))]
    assert (link(root, "self"), link(root)) == ("atom.xml", "updates.gmi")
    assert [(x.findtext(ATOM + "title"), link(x)) for x in entries(root)] == [
        ("Azərbaycanca", "az/index.gmi"), ("Home", "./"),
        ("The night: added", "night.gmi"),
        ("Elsewhere", "https://example.org/a?b&c")]
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


def origin(directory):
    return link(atom(directory), "self").removesuffix("atom.xml")


def test_where_the_origin_comes_from(place):
    """The command line, then the configuration, then capsule.conf."""
    c = capsule(place, capsule__conf=CONF + 'origin = "gemini://b.example/";')
    said = feed(c)
    assert "missing origin" not in said
    assert origin(c) == "gemini://b.example/"
    conf = place / "carnation.conf"
    conf.write_text('capsules = ({ host = "A.example."; root = "none"; });')
    feed(c, "-c", conf)
    assert origin(c) == "gemini://a.example/"
    feed(c, "-c", conf, "--origin", "gemini://d.example:1966")
    assert origin(c) == "gemini://d.example:1966/"
    # What the operator sets for the capsule is an option like any other.
    conf.write_text('capsules = ({ host = "a.example"; root = "none"; '
                    'origin = "gemini://e.example"; });')
    feed(c, "-c", conf)
    assert origin(c) == "gemini://e.example/"
    # An address is not a name that could be in an identifier.
    conf.write_text('capsules = ({ host = "192.0.2.1"; root = "none"; });')
    feed(c, "-c", conf)
    assert origin(c) == "gemini://b.example/"
    # A port of its own; one of several capsules.
    conf.write_text('listen = ["*:1967"]; capsules = ('
                    '{ host = "a.example"; root = "none"; }, '
                    f'{{ host = "f.example"; root = "{c}"; }});')
    feed(f"{c}/", "--config", conf)
    assert origin(c) == "gemini://f.example:1967/"
    (place / "other").mkdir()
    said = feed(place / "other", "-c", conf, status=1)
    assert "other is not the root of one of the 2 capsules" in said


@pytest.mark.parametrize("text", [
    "b.example", "gemini://b.example/x", "gemini://192.0.2.1"])
def test_an_invalid_origin_in_capsule_conf(place, text):
    c = capsule(place, capsule__conf=CONF + f'\norigin = "{text}";')
    assert f'capsule.conf:2: origin: invalid value "{text}"' in (
        feed(c, status=1))
    assert not (c / "atom.xml").exists()


def test_identifiers_stay(place):
    """Whatever is learnt later about where the capsule is."""
    c = capsule(place)
    feed(c)
    before = ids(atom(c))
    assert all(x.startswith("urn:uuid:") for x in before)
    feed(c, "--origin", "gemini://a.example")
    assert ids(atom(c)) == before
    (place / "carnation.conf").write_text(
        'capsules = ({ host = "b.example"; root = "none"; });')
    feed(c, "-c", place / "carnation.conf")
    assert ids(atom(c)) == before
    (c / "capsule.conf").write_text(CONF + 'origin = "gemini://c.example";')
    feed(c)
    assert (ids(atom(c)), origin(c)) == (before, "gemini://c.example/")
    carnation("key", "new", place / "k")
    # A new one in between, which publishing must not change either.
    (c / "updates.gmi").write_text(UPDATES + "=> note.txt 2026-05-05 Note\n")
    done = carnation("publish", c, place / "store", "--key", place / "k.sec",
                     "-WS005=off")
    assert done.returncode == 0, done.stderr
    released = ids(atom(place / "store" / "current"))
    assert released[:1] + released[2:] == before
    assert released[1] == "tag:c.example,2026-05-05:/note.txt"
    # The release is what readers know, when atom.xml here is lost or remade.
    (c / "capsule.conf").write_text(CONF)
    (c / "atom.xml").unlink()
    for _ in range(2):
        done = carnation("publish", c, place / "store", "--key",
                         place / "k.sec", "-WS005=off")
        assert done.returncode == 0, done.stderr
        assert ids(atom(place / "store" / "current")) == released
        feed(c)


def test_what_earlier_versions_wrote_is_replaced_once(place):
    c = capsule(place)
    feed(c)
    wanted = ids(atom(c))
    text = re.sub(r"<id>urn:uuid:[^<]*", lambda m: (
        f"<id>tag:capsule.invalid,2026:{m.start()}"),
        (c / "atom.xml").read_text())
    (c / "atom.xml").write_text(text)
    assert "atom.xml: written" in feed(c)
    assert ids(atom(c)) == wanted
    (c / "atom.xml").write_text(text)
    feed(c, "--origin", "gemini://a.example")
    assert all(x.startswith("tag:a.example,") for x in ids(atom(c)))
    before = (c / "atom.xml").read_bytes()
    feed(c, "--origin", "gemini://a.example")
    assert (c / "atom.xml").read_bytes() == before


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
    feed(root, "--origin", "gemini://a.example")
    assert ids(atom(root)) == [
        "tag:a.example,2020:feed:/updates.gmi",
        "tag:a.example,2026-01-02:https://example.org/100%25%23a%5B1%5D",
        "tag:a.example,2026-01-01:/updates.gmi"]


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
