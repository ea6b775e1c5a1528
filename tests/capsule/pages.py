# SPDX-License-Identifier: ISC
"""The capsule's pages and the tables that they are held against: claims.tsv
(what the sources say), sitemap.tsv (which page tells it), map.tsv (where)."""
import csv
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
CAPSULE = HERE.parent.parent / "capsule"

# Said of sources, of the pages themselves, or of words: not of the events.
WITHOUT_CLAIMS = {"sources.gmi", "updates.gmi", "colophon.gmi", "glossary.gmi",
                  "further.gmi", "mirrors.gmi"}
TRANSLATIONS = {"az/index.gmi", "ru/index.gmi"}

WORDS = """three four five six seven eight nine ten eleven twelve thirteen
    fourteen fifteen sixteen seventeen eighteen nineteen""".split()
VALUES = {word: str(n) for n, word in enumerate(WORDS, 3)}
VALUES |= {word: str(10 * n) for n, word in enumerate(
    "twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
# Of these there is no telling how many: they stand for themselves.
VALUES |= {"dozen": "dozen", "hundred": "hundred", "thousand": "thousand",
           "million": "million"}
NUMBER = re.compile(
    r"\d+(?:[,.]\d{3})*(?::\d\d)?|\b(?:%s)s?\b" % "|".join(VALUES), re.I)


def numbers(text):
    """All numbers in a text, in digits or in words from three on, as one form
    each: "26,000" is 26000, "Eight" is 8."""
    found = set()
    for token in NUMBER.findall(text):
        plain = token.lower()
        if plain not in VALUES and plain[0].isalpha():
            plain = plain[:-1]
        plain = VALUES.get(plain, re.sub(r"[,.](?=\d{3})", "", plain))
        found.add(plain)
    return found


def table(name):
    with open(HERE / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", restval="",
                                   quoting=csv.QUOTE_NONE))


def claims():
    return {row["id"]: row for row in table("claims.tsv")}


def sitemap():
    return {row["page"]: [c for c in row["claims"].split() if c != "-"]
            for row in table("sitemap.tsv")}


def pages():
    return sorted(p.relative_to(CAPSULE).as_posix()
                  for p in CAPSULE.rglob("*.gmi"))


def text(page):
    return (CAPSULE / page).read_text(encoding="utf-8")


def lines(page):
    return text(page).splitlines()


REVISED = re.compile(r"(Last revised|Son düzəliş|Последняя правка): (.+)\.$")
FENCE = "```"


def prose(page):
    """The lines that speak of events: without link addresses, without the list
    of sources, whose dates are the sources' own, and without the day on which
    the page was last revised."""
    told = []
    for line in lines(page):
        if re.match(r"## (Sources|Mənbələr|Источники)$", line):
            break
        line = re.sub(r"^Sources: .*", "", line)
        line = REVISED.sub("", line)
        told.append(re.sub(r"^=>\s*\S+\s*", "", line))
    return told


def blocks(page):
    """The preformatted blocks: of each its alternative text and its lines."""
    found, block = [], None
    for line in lines(page):
        if line.startswith(FENCE):
            if block is None:
                block = (line[len(FENCE):], [])
            else:
                found.append(block)
                block = None
        elif block is not None:
            block[1].append(line)
    assert block is None, f"{page}: a block without an end"
    return found


def flowing(page):
    """The page's lines outside preformatted blocks."""
    kept, inside = [], False
    for line in lines(page):
        if line.startswith(FENCE):
            inside = not inside
        elif not inside:
            kept.append(line)
    return kept
