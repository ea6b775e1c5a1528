# SPDX-License-Identifier: ISC
"""What the second edition promises its readers: sources that can be found, few
stock phrases, counts that agree with themselves, pages that are dated."""
import re
import xml.etree.ElementTree as ElementTree

import pytest

from pages import (CAPSULE, REVISED, TRANSLATIONS, blocks, claims, flowing,
                   lines, numbers, pages, prose, table, text)

ATOM = "{http://www.w3.org/2005/Atom}"
SOURCE = re.compile(r"\[S(\d{2,3})\]")


def cited(page):
    """The numbers of the page's own list of sources, as they stand there."""
    if page == "index.gmi":
        return SOURCE.findall(re.search(r"^Sources: .*", text(page), re.M)[0])
    section = re.search(r"^## (?:Sources|Mənbələr|Источники)\n(.*)", text(page),
                        re.M | re.S)[1]
    if page in TRANSLATIONS:
        return SOURCE.findall(section)
    return re.findall(r"^\* \[S(\d+)\]", section, re.M)


TOLD = sorted({row["page"] for row in table("map.tsv")})


@pytest.mark.parametrize("page", TOLD)
def test_a_page_lists_the_sources_of_its_claims_in_their_order(page):
    of_claims = {n for row in table("map.tsv") if row["page"] == page
                 for n in re.findall(r"S(\d+)",
                                     claims()[row["claim"]]["sources"])}
    assert cited(page) == sorted(of_claims, key=int)


def test_the_page_of_sources_has_each_once_and_in_order():
    seen = []
    for group in text("sources.gmi").split("\n## ")[1:]:
        here = [int(n) for n in re.findall(r"^(?:=> \S+|\*) \[S(\d+)\] ",
                                           group, re.M)]
        assert here == sorted(here), group.splitlines()[0]
        seen += here
    assert len(seen) == len(set(seen))
    assert {f"{n:02}" for n in seen} >= {
        n for page in TOLD for n in cited(page)}


def test_a_work_read_in_a_copy_has_no_link():
    copies = [line for line in lines("sources.gmi")
              if re.search(r"[Rr]ead in a copy$", line)]
    assert len(copies) >= 15
    assert all(line.startswith("* [S") for line in copies)


STOCK = re.compile(
    r"(?:is|are|was|remains?) (?:not settled|open|unsettled|contested|disputed)"
    r"|not (?:known|agreed)|sources disagree|told in \w+ ways", re.I)


def test_stock_phrases_are_few():
    found = [m[0] for page in pages() for line in prose(page)
             for m in STOCK.finditer(line)]
    assert len(found) <= 12, found
    assert not any("not settled" in text(page) for page in pages())


@pytest.mark.parametrize("phrase, page", [
    ("from which this capsule began", "about.gmi"),
    ("excerpts", "sources.gmi"),
])
def test_some_things_are_said_once(phrase, page):
    assert [p for p in pages() for line in lines(p)
            for _ in re.findall(phrase, line, re.I)] == [page]


@pytest.mark.parametrize("page", pages())
def test_a_page_says_when_it_was_last_revised(page):
    found = [m for line in lines(page)
             if (m := REVISED.search(line))]
    assert len(found) == 1
    assert re.fullmatch(r"\d{1,2} \w+ 20\d\d( года)?", found[0][2])


def test_the_table_of_counts_and_its_sentences_rest_on_the_same_claims():
    (_, rows), = blocks("numbers.gmi")
    told = "\n".join(flowing("numbers.gmi"))
    of_page = [row for row in table("map.tsv")
               if row["page"] == "numbers.gmi"]
    assert rows[0].startswith("When ")
    for line in rows[1:]:
        here = {row["claim"] for row in of_page if row["phrase"] == line}
        assert here, f"no claim: {line}"
        for claim in here:
            assert any(row["claim"] == claim and row["phrase"] in told
                       for row in of_page), (claim, line)
        # a line's counts are in the sentences, too
        columns = re.split(r"\s{2,}", line)
        assert len(columns) == 4, line
        missing = numbers(columns[2]) - numbers(told)
        assert not missing, (missing, line)


def test_capsule_conf_uses_only_options_of_the_first_release():
    """A mirror that runs it could not serve the pages otherwise."""
    conf = re.sub(r"#.*|\"[^\"]*\"", "",
                  (CAPSULE / "capsule.conf").read_text())
    first = set("""title lang charset index listing gone feed copy order paths
        glob type redirects from to permanent""".split())
    used = set(re.findall(r"\b([a-z_]+)\s*=", conf))
    assert used and used <= first, used - first


def test_the_order_of_the_text_copy_is_that_of_the_travel():
    conf = (CAPSULE / "capsule.conf").read_text()
    order = re.findall(r"\"([^\"]+)\"",
                       re.search(r"order = \[(.*?)\]", conf, re.S)[1])
    assert sorted(order) == pages()
    assert [p.removesuffix(".gmi") for p in order[:13]] == [
        "index", "context", "january-13", "decree", "night", "days-after",
        "numbers", "names", "reasons", "law", "ministry", "other-years",
        "memory"]


def test_the_feed_is_by_the_authors():
    root = ElementTree.fromstring((CAPSULE / "atom.xml").read_bytes())
    assert root.findtext(f"{ATOM}author/{ATOM}name") == \
        "The carnation authors"


def test_the_favicon_is_no_rose():
    assert (CAPSULE / "favicon.txt").read_text().strip() not in (
        "\N{ROSE}", "\N{WILTED FLOWER}")


def entries(page):
    return [line[2:] for line in lines(page)
            if line.startswith("* ") and not line.startswith("* [S")]


def test_a_glossary_entry_says_who_or_what_it_is():
    for entry in entries("glossary.gmi"):
        name, _, rest = entry.partition(", ")
        assert rest and ": " in rest, entry


def test_who_stands_in_the_glossary_occurs_on_a_page():
    people = text("glossary.gmi").split("## People\n")[1].split("\n## ")[0]
    others = "\n".join(text(p) for p in pages() if p != "glossary.gmi")
    for name in re.findall(r"^\* ([^,]+),", people, re.M):
        assert name.split()[-1] in others, name


def test_every_page_of_the_story_leads_to_the_glossary():
    for page in TOLD:
        if page not in TRANSLATIONS:
            assert "=> glossary.gmi " in text(page), page


def test_chronology_is_about_sixty_dated_lines():
    assert 55 <= len(entries("chronology.gmi")) <= 68
    for entry in entries("chronology.gmi"):
        date = entry.partition(": ")[0]
        assert re.search(r"\d|Before|After|January|midnight", date), entry
    assert "Riga" in text("chronology.gmi")


def test_further_reading_is_a_short_list():
    works = [line for line in flowing("further.gmi")
             if line.startswith("* ") or (line.startswith("=> http"))]
    assert 10 <= len(works) <= 15


def test_what_is_missing_is_said_on_one_page():
    about = text("about.gmi")
    for words in ("no address for reports", "no public key", "native reader",
                  "How to cite", "You will meet killings"):
        assert words in about, words
    for page in set(pages()) - TRANSLATIONS - {"about.gmi"}:
        assert "native reader" not in text(page), page


def test_no_picture_is_cleared_and_the_colophon_says_so():
    assert "no photograph was cleared" in text("colophon.gmi")
    assert "worldpressphoto.org" in text("colophon.gmi")
