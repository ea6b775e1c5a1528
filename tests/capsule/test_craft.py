# SPDX-License-Identifier: ISC
"""How the pages are made: what a reader in a terminal, or one who listens to a
page, would stumble over."""
import re

import pytest

from pages import CAPSULE, TRANSLATIONS, lines, pages, prose, sitemap, text

PAGE_MAX = 12 * 1024
LONG = {"sources.gmi", "chronology.gmi"}
FRONT_LINES_MAX = 60
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
# The glossary gives the other names; these are names of works and speakers.
ALLOWED = {
    "glossary.gmi": {"vazirov", "mutallibov", "kafarova", "sumgayit", "mamedov",
                     "bloody", "martyrs' lane"},
    "sources.gmi": {"azerbaidzhan", "bloody", "tragedy", "tragic", "kafarova",
                    "martyrs' lane", "artsakh", "mamedov", "muslims",
                    "well known", "brutal", "heinous", "extremist",
                    "sumgayit", "shield"},
}


def english():
    return [p for p in pages() if p not in TRANSLATIONS]


def test_all_pages_are_there_and_no_other():
    assert set(pages()) == set(sitemap())
    assert len(english()) == 21
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
        assert len(lines(page)) <= FRONT_LINES_MAX
    for line in prose(page):
        assert len(line.split()) <= PARAGRAPH_WORDS_MAX, (page, line)


@pytest.mark.parametrize("page", pages())
def test_paragraphs_are_lines_with_a_blank_one_between_them(page):
    """No hard wrapping: a line of prose ends a sentence or leads into a list,
    and the next line is blank."""
    plain = re.compile(r"(?!=>|#|\* |>|```)\S")
    all_lines = [*lines(page), ""]
    for line, following in zip(all_lines, all_lines[1:]):
        if plain.match(line):
            assert re.search(r"[.:?\")]$", line), (page, line)
            assert following == "", (page, line)


@pytest.mark.parametrize("page", pages())
def test_there_is_no_decoration(page):
    for line in lines(page):
        assert line == line.rstrip(), (page, line)
        assert not re.search(r"[*_]{2}|```|~~|--|!|^[-=*_]{3,}$|^\s", line) \
            or line.startswith("=>"), (page, line)
        for char in line:
            assert ord(char) < 0x2010 or char in "№", (page, char, line)


@pytest.mark.parametrize("page", pages())
def test_the_way_on_is_at_the_end(page):
    up = "../" if "/" in page else ""
    ends = [up + name for name in ("index.gmi", "chronology.gmi",
                                   "sources.gmi")]
    if page == "index.gmi":
        ends[0] = "about.gmi"
    ends = ["questions.gmi" if e == page else e for e in ends]
    assert [line.split()[1] for line in lines(page)[-3:]] == ends
    assert re.search(r"^## (Read next|Daha|Далее|Oxu|Читать)", text(page),
                     re.M) or page in ("chronology.gmi",), page
    for line in lines(page):
        if line.startswith("=>"):
            assert len(line.split()) > 2, (page, line)


@pytest.mark.parametrize("page", [*SUBJECTS, "index.gmi"])
def test_a_subject_stands_on_its_own(page):
    """A summary of two sentences first, Read next and Sources last."""
    first = next(line for line in lines(page)[1:] if line)
    assert len(re.findall(r"[.?](?=\s|$)", first)) == 2, first
    headings = [line for line in lines(page) if line.startswith("## ")]
    assert headings[-2:] == ["## Read next", "## Sources"]


def test_the_front_page_leads_everywhere():
    linked = set(re.findall(r"^=> (\S+)", text("index.gmi"), re.M))
    assert set(pages()) - {"index.gmi"} <= linked
    order = [t for t in re.findall(r"^=> (\S+)", text("index.gmi"), re.M)]
    assert order[:4] == SUBJECTS


@pytest.mark.parametrize("page", english())
def test_names_and_words_are_the_glossarys(page):
    allowed = ALLOWED.get(page, set())
    for line in lines(page):
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
    assert 200 <= words <= 450, words
    mark = {"az/index.gmi": "ingilis", "ru/index.gmi": "английск"}[page]
    head = "\n".join(lines(page)[:8]).lower()
    assert mark in head and "=> ../index.gmi" in "\n".join(lines(page)[:10])


def test_mirrors_lists_none_that_does_not_exist():
    assert "gemini://" not in text("mirrors.gmi")
