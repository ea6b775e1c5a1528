# SPDX-License-Identifier: ISC
"""Every sentence of the capsule can be traced to a claim and from there to its
sources: nothing is told that is not in the table, and no number."""
import re

import pytest

from pages import (CAPSULE, TRANSLATIONS, WITHOUT_CLAIMS, claims, lines,
                   numbers, pages, prose, sitemap, table, text)

# "the 32nd anniversary": the occasion's own name, not a figure of a source.
OCCASION = {"32"}

# The groups of faults that the second edition corrects, by number; map.tsv ties
# each correction to its sentence:
#  1 the rally of 13 January   2 Moscow's aim, and Human Rights Watch's finding
#  3 who did not start the pogroms   4 who helped, who did not
#  5 who says what: airborne formations, the anthology, the dates
#  6 the ministry's figures, by year   7 sums, captions and kinds of numbers
#  8 the law   9 the two decrees   10 smaller ones
# 11 what the news item says   12 fairness
CORRECTIONS = {str(n) for n in range(1, 13)}


def test_the_tables_are_whole():
    rows = table("claims.tsv")
    assert len(rows) == len(claims()) == 210
    for row in rows:
        assert re.fullmatch(r"[A-I]\d\d", row["id"])
        assert row["claim"].endswith("."), row
        assert re.fullmatch(r"(S\d{2,3} ?)+|none", row["sources"]), row
    assert set(sitemap()) == set(pages()), "a page without a row, or the reverse"
    for page, told in sitemap().items():
        assert set(told) <= set(claims()), page
    for row in table("map.tsv"):
        assert set(re.findall(r"\d+", row["corrects"])) <= CORRECTIONS, row
        assert row["page"] in sitemap(), row
        assert row["claim"] in claims(), row


@pytest.mark.parametrize("page", sorted(sitemap()))
def test_every_claim_that_a_page_should_tell_is_on_it(page):
    mapped = {row["claim"] for row in table("map.tsv") if row["page"] == page}
    assert set(sitemap()[page]) <= mapped, \
        f"not told: {sorted(set(sitemap()[page]) - mapped)}"


@pytest.mark.parametrize("page", sorted(sitemap()))
def test_every_located_phrase_is_there(page):
    told = prose(page)
    for row in table("map.tsv"):
        if row["page"] == page:
            assert len(row["phrase"].split()) >= 2, row
            assert any(row["phrase"] in line for line in told), row


# Said of the page itself, or of what was not read: no claim could hold it.
OF_THE_PAGE = re.compile(
    r"The events in order|What is not known|Readers may meet|Bu mətn|Этот текст")


@pytest.mark.parametrize(
    "page", sorted(set(sitemap()) - WITHOUT_CLAIMS - {"about.gmi"}))
def test_every_paragraph_is_tied_to_a_claim(page):
    phrases = [row["phrase"] for row in table("map.tsv")
               if row["page"] == page]
    untied = [line for line, whole in zip(prose(page), lines(page))
              if line and not whole.startswith(("#", "=>", "```", "When "))
              and not OF_THE_PAGE.match(line)
              and not any(phrase in line for phrase in phrases)]
    assert not untied, untied


@pytest.mark.parametrize(
    "page", sorted(set(sitemap()) - WITHOUT_CLAIMS))
def test_no_number_is_told_that_no_claim_holds(page):
    known = set(OCCASION)
    for row in table("map.tsv"):
        if row["page"] == page:
            claim = claims()[row["claim"]]
            known |= numbers(claim["claim"]) | numbers(claim["date"])
    for number, line in enumerate(prose(page), 1):
        # the name of a program is no figure
        unknown = numbers(line.replace("sha256sum", "")) - known
        assert not unknown, f"{page}:{number}: {sorted(unknown)}: {line}"


def test_every_source_of_a_claim_is_on_the_page_of_sources():
    listed = set(re.findall(r"\bS\d{2,3}\b", text("sources.gmi")))
    cited = {s for row in claims().values()
             for s in re.findall(r"S\d{2,3}", row["sources"])}
    assert cited <= listed, sorted(cited - listed)


def test_numbers_are_found_in_every_form():
    assert numbers("26,000 men, Eight of them; about 19:30 on 19-20 January, "
                   "thousands, half a million, two") == {
        "26000", "8", "19:30", "19", "20", "thousand", "million"}
    assert numbers("seventy, sevens, 1.5") == {"70", "7", "1", "5"}
    assert not numbers("often, tenth-rate attention, weighty")


def test_each_correction_is_tied_to_its_sentence():
    done = {n for row in table("map.tsv") for n in row["corrects"].split()}
    assert done == CORRECTIONS, sorted(CORRECTIONS ^ done, key=int)
    for n, claim, page in (
            ("1", "B18", "january-13.gmi"), ("1", "B19", "january-13.gmi"),
            ("1", "B21", "january-13.gmi"), ("1", "B22", "january-13.gmi"),
            ("1", "B21", "chronology.gmi"), ("2", "C27", "reasons.gmi"),
            ("2", "C25", "reasons.gmi"), ("2", "C24", "reasons.gmi"),
            ("3", "B26", "january-13.gmi"), ("3", "B26", "questions.gmi"),
            ("3", "B26", "chronology.gmi"), ("4", "B24", "january-13.gmi"),
            ("4", "B26", "january-13.gmi"), ("5", "C15", "night.gmi"),
            ("5", "B03", "january-13.gmi"), ("6", "D02", "index.gmi"),
            ("6", "D02", "night.gmi"), ("6", "D02", "numbers.gmi"),
            ("7", "D03", "numbers.gmi"), ("7", "G15", "numbers.gmi"),
            ("7", "H05", "ministry.gmi"), ("8", "F08", "law.gmi"),
            ("8", "F19", "law.gmi"), ("8", "F20", "law.gmi"),
            ("8", "F22", "law.gmi"), ("8", "F23", "law.gmi"),
            ("8", "F24", "law.gmi"), ("8", "F03", "law.gmi"),
            ("9", "C22", "decree.gmi"), ("9", "C23", "decree.gmi"),
            ("9", "B34", "decree.gmi"), ("10", "E12", "days-after.gmi"),
            ("10", "C32", "night.gmi"), ("10", "G14", "memory.gmi"),
            ("10", "G13", "memory.gmi"), ("10", "E01", "days-after.gmi"),
            ("11", "D24", "context.gmi"), ("11", "F09", "index.gmi"),
            ("11", "H13", "ministry.gmi"), ("12", "A19", "context.gmi"),
            ("12", "C28", "reasons.gmi"), ("12", "B09", "january-13.gmi")):
        assert any(n in row["corrects"].split() for row in table("map.tsv")
                   if (row["claim"], row["page"]) == (claim, page)), \
            (n, claim, page)


QUOTED = [
    "should be classified as a crime against humanity, and its perpetrators "
    "should be punished",
    "responsibility for this crime lies directly with the former Soviet "
    "leadership",
    "Strengthening the independence, sovereignty and territorial integrity of "
    "Azerbaijan is the basis of our statehood.",
    "answer before the law",
]


@pytest.mark.parametrize(
    "page", sorted(set(sitemap()) - WITHOUT_CLAIMS - TRANSLATIONS))
def test_only_the_four_quotations_are_quoted(page):
    """Anything else in quotation marks is a name or a term, and short."""
    for line in prose(page):
        assert line.count('"') % 2 == 0, line
        for quoted in re.findall(r'"([^"]*)"', line):
            whole = quoted.rstrip(".,")
            assert any(whole == q.rstrip(".") for q in QUOTED) or \
                len(whole.split()) <= 4, f"{page}: {quoted}"


def test_the_news_item_is_credited():
    for page in ("index.gmi", "about.gmi", "sources.gmi"):
        assert "JAMnews" in text(page), page


@pytest.mark.parametrize("page", ["index.gmi", *sorted(TRANSLATIONS)])
def test_the_front_page_tells_of_the_pogrom_and_of_both_displacements(page):
    """In one paragraph that does not tell of the killings of the 20th."""
    words = {"index.gmi": ("pogrom", "Azerbaijanis in Soviet Armenia",
                           "Armenians in Azerbaijan"),
             "az/index.gmi": ("poqrom", "azərbaycanlı", "erməni"),
             "ru/index.gmi": ("погром", "азербайджанц", "армян")}[page]
    found = [line for line in lines(page)
             if all(w.lower() in line.lower() for w in words)]
    assert found, words
    assert not any("tank" in line.lower() or "танк" in line.lower()
                   for line in found)


def test_nothing_of_the_article_is_left_in_the_tree():
    """It is credited, never copied: but for the quotations no page may hold a
    run of its words. What can be checked without it is that the quotations are
    attributed where they stand."""
    for page in pages():
        for line in prose(page):
            if any(q in line for q in QUOTED):
                assert re.search(r"ministry|statement|it said|nazirli|"
                                 r"министерств", line, re.I), (page, line)
    assert not list(CAPSULE.glob("source*.txt"))
