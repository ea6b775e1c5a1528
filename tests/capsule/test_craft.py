# SPDX-License-Identifier: ISC
"""How the pages are made: what a reader in a terminal, or one who listens to a
page, would stumble over."""
import re
import textwrap

import pytest

from pages import (CAPSULE, TRANSLATIONS, blocks, flowing, lines, pages,
                   prose, sitemap, text)

PAGE_MAX = 9 * 1024
LONG = {"sources.gmi", "chronology.gmi"}
FRONT_LINES_MAX = {"index.gmi": 50, "az/index.gmi": 64, "ru/index.gmi": 64}
COLUMNS = 80
COPY_COLUMNS = 72  # of the text copy, which cannot fold a table
PARAGRAPH_WORDS_MAX = 90
SUBJECTS = ["night.gmi", "context.gmi", "law.gmi", "ministry.gmi"]

# One spelling, the glossary's; the other ones are given there, once.
FORMS = """Vazirov Mutallibov Kafarova Sumgayit Sumqayit Lenkoran Lankoran
    Neftechala Nakhichevan Naxcivan Jalalabad Gorbachov Gorbatchev Mamedov
    Aliev Heidar Geidar Azeri Azeris Azerbaidzhan Karabagh Artsakh Shield
    Qarabag Elchibei""".split()
PHRASES = """january 20|20th of january|january 19|so-called|of course|
    well known|it is known that|terrorist|extremist|fascist|barbaric|brutal|
    heinous|treacherous|genocide|tragic|tragedy|horrific|atrocious|bloody|
    soviet president|president gorbachev|martyrs' lane|muslims|christians|
    clearly|obviously|needless to say""".split("|")
# The glossary gives the other names; these are names of works and speakers, the
# decree's own word, in quotation marks, and the charge of 2003 by its name.
ALLOWED = {
    "decree.gmi": {"extremist"},
    "law.gmi": {"genocide"},
    "further.gmi": {"azerbaidzhan", "bloody", "genocide"},
    "glossary.gmi": {"vazirov", "mutallibov", "kafarova", "sumgayit", "mamedov",
                     "bloody", "martyrs' lane"},
    "sources.gmi": {"azerbaidzhan", "bloody", "tragedy", "tragic", "kafarova",
                    "martyrs' lane", "artsakh", "mamedov", "muslims",
                    "well known", "brutal", "heinous", "extremist",
                    "sumgayit", "shield", "azeri", "genocide"},
}


def english():
    return [p for p in pages() if p not in TRANSLATIONS]


def test_all_pages_are_there_and_no_other():
    assert set(pages()) == set(sitemap())
    assert len(english()) == 22
    for name in ("robots.txt", "favicon.txt", "atom.xml", "black-january.txt",
                 "capsule.conf"):
        assert (CAPSULE / name).is_file(), name
    assert not (CAPSULE / ".well-known").exists(), "there is no security.txt"


@pytest.mark.parametrize("page", pages())
def test_one_heading_of_level_one_and_it_comes_first(page):
    assert lines(page)[0].startswith("# ")
    assert sum(line.startswith("# ") for line in lines(page)) == 1


@pytest.mark.parametrize("page", pages())
def test_no_page_is_long(page):
    size = len(text(page).encode())
    assert size <= PAGE_MAX or page in LONG, size
    if page.split("/")[-1] == "index.gmi":
        assert len(lines(page)) <= FRONT_LINES_MAX[page]
    for line in prose(page):
        assert len(line.split()) <= PARAGRAPH_WORDS_MAX, (page, line)


@pytest.mark.parametrize("page", pages())
def test_paragraphs_are_lines_with_a_blank_one_between_them(page):
    """No hard wrapping: a line of prose ends a sentence or leads into a list,
    and the next line is blank."""
    plain = re.compile(r"(?!=>|#|\* |>|```)\S")
    all_lines = [*flowing(page), ""]
    for line, following in zip(all_lines, all_lines[1:]):
        if plain.match(line):
            assert re.search(r"[.:?\")]$", line), (page, line)
            assert following == "", (page, line)


@pytest.mark.parametrize("page", pages())
def test_there_is_no_decoration(page):
    """Russian has its own dashes; Armenian letters make a client that has none
    of them warn of the whole page."""
    more = "№–—" if page == "ru/index.gmi" else "№"
    for line in lines(page):
        assert line == line.rstrip(), (page, line)
        for char in line:
            assert ord(char) < 0x2010 or char in more, (page, char, line)
            assert not 0x530 <= ord(char) < 0x590, (page, line)
    for line in flowing(page):
        assert not re.search(r"[*_]{2}|```|~~|--|!|^[-=*_]{3,}$|^\s", line) \
            or line.startswith("=>"), (page, line)
    if page == "ru/index.gmi":
        assert not re.search(r" - |\d-\d", "\n".join(prose(page)))


@pytest.mark.parametrize("page", pages())
def test_a_preformatted_block_is_told_in_words_and_fits(page):
    """Only a table and commands: what a line break would spoil."""
    assert bool(blocks(page)) == (page in {"numbers.gmi", "mirrors.gmi"})
    for spoken, block in blocks(page):
        assert len(spoken.split()) >= 5, (page, spoken)
        for line in block:
            assert line and len(line) <= COPY_COLUMNS, (page, line)
            assert "\t" not in line, (page, line)


# A reader can go through the story with one link from each page to the next.
TRAVEL = ["context", "january-13", "decree", "night", "days-after", "numbers",
          "names", "reasons", "law", "ministry", "other-years", "memory"]


def links(page):
    return re.findall(r"^=> (\S+)", text(page), re.M)


def read_next(page):
    section = re.search(r"^## Read next\n(.*?)(?=^## |^Last|\Z)", text(page),
                        re.M | re.S)
    assert section, page
    return re.findall(r"^=> (\S+)", section[1], re.M)


def test_one_line_of_travel_leads_through_the_story():
    for here, there in zip(TRAVEL, [*TRAVEL[1:], "index"]):
        assert read_next(f"{here}.gmi") == [f"{there}.gmi"], here
    for page in set(english()) - {"index.gmi"}:
        assert len(read_next(page)) == 1, page


@pytest.mark.parametrize("page", sorted(set(pages()) - {"index.gmi"}))
def test_the_way_back_is_at_the_end(page):
    """Pages of the story and of reference end with home, the events in order
    and the sources; the short ones about the capsule with their next page."""
    up = "../" if "/" in page else ""
    ends = [up + name for name in ("index.gmi", "chronology.gmi",
                                   "sources.gmi")]
    ends = ["questions.gmi" if e == page else e for e in ends]
    if page in ("mirrors.gmi", "colophon.gmi", "updates.gmi"):
        assert len(read_next(page)) == 1
    else:
        assert links(page)[-3:] == ends
        assert lines(page)[-1].startswith("=> ")
    for line in lines(page):
        if line.startswith("=>"):
            assert len(line.split()) > 2, (page, line)


@pytest.mark.parametrize("page", SUBJECTS)
def test_a_subject_stands_on_its_own(page):
    """A summary of two sentences first, Read next and Sources last."""
    first = next(line for line in lines(page)[1:] if line)
    assert len(re.findall(r"[.?](?=\s|$)", first)) == 2, first
    headings = [line for line in lines(page) if line.startswith("## ")]
    assert headings[-2:] == ["## Read next", "## Sources"]


def test_the_front_page_leads_everywhere():
    assert set(pages()) - {"index.gmi"} <= set(links("index.gmi"))
    assert len(set(links("index.gmi"))) == len(links("index.gmi"))
    labels = re.findall(r"^=> (\S+) Start here: ", text("index.gmi"), re.M)
    assert labels == ["context.gmi", "night.gmi", "reasons.gmi"]
    assert links("index.gmi")[:6] == [
        *labels, "chronology.gmi", "az/index.gmi", "ru/index.gmi"]


def folded(line):
    """As many lines as a terminal of 80 columns shows of it."""
    shown = re.sub(r"^=>\s*\S+\s*", "", line)
    return textwrap.wrap(shown, COLUMNS) or [""]


def test_the_first_24_lines_tell_all_that_matters():
    screen = [part for line in lines("index.gmi")
              for part in folded(line)][:24]
    seen = " ".join(screen)
    for words in ("19-20 January 1990", "Soviet troops", "independence",
                  "130 to 170", "Hundreds were wounded",
                  "pogrom of Baku's Armenians", "Moscow said",
                  "Human Rights Watch", "Popular Front",
                  "none was held responsible", "Chronology", "Azərbaycanca",
                  "По-русски"):
        assert words in seen, words
    assert seen.count("Start here") == 3


@pytest.mark.parametrize("page", english())
def test_names_and_words_are_the_glossarys(page):
    allowed = ALLOWED.get(page, set())
    for line in lines(page):
        if line.startswith("* [S"):
            continue  # the name of a work, as it stands on the sources' page
        line = re.sub(r"^=>\s*\S+", "", line)
        for form in FORMS:
            assert not re.search(rf"\b{form}\b", line) or \
                form.lower() in allowed, (page, form, line)
        for phrase in PHRASES:
            phrase = phrase.strip()
            assert not re.search(rf"\b{phrase}\b", line.lower()) or \
                phrase in allowed, (page, phrase, line)


@pytest.mark.parametrize("page", sorted(TRANSLATIONS))
def test_a_translation_says_what_it_is(page):
    words = len(re.findall(r"\w+", "\n".join(prose(page))))
    assert 200 <= words <= 520, words
    mark = {"az/index.gmi": "ingilis", "ru/index.gmi": "английск"}[page]
    head = "\n".join(lines(page)[:8]).lower()
    assert mark in head and "=> ../index.gmi" in "\n".join(lines(page)[:10])


def test_mirrors_lists_none_that_does_not_exist():
    assert "gemini://" not in text("mirrors.gmi")
