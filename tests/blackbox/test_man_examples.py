# SPDX-License-Identifier: ISC
"""The EXAMPLES of carnation.conf(5) and capsule.conf(5), and the example that
is installed, are whole configurations without a mistake."""
import re

import pytest

from harness import ROOT, tree
from life import carnation

ROOTS = re.compile(r'root = "([^"]*)"')


def examples(page):
    """The literal blocks of a page's EXAMPLES, as a reader sees them."""
    text = (ROOT / "src" / "man" / page).read_text()
    text = text.split(".Sh EXAMPLES\n")[1].split("\n.Sh ")[0]
    blocks = re.findall(
        r"^\.Bd -literal -offset indent\n(.*?)^\.Ed$", text, re.M | re.S)
    assert blocks, f"{page} has no examples"
    for block in blocks:
        assert not re.search(r"^\.", block, re.M), "a macro in an example"
        yield block.replace(r"\e", "\\").replace(r"\&", "")


def rows():
    for page in ("carnation.conf.5", "capsule.conf.5"):
        for i, text in enumerate(examples(page)):
            yield pytest.param(page, text, id=f"{page}-{i + 1}")
    installed = ROOT / "scripts" / "packaging" / "carnation.conf"
    yield pytest.param("carnation.conf.5", installed.read_text(),
                       id="scripts/packaging/carnation.conf")


def moved(text, place):
    """The same with its absolute paths beneath place, and roots that exist."""
    text = re.sub(r"(?<=[\":])/(?=srv/|var/)", f"{place}/", text)
    (place / "srv" / "log").mkdir(parents=True)
    for root in ROOTS.findall(text):
        tree(root, {"index.gmi": "# Hello\n"})
    return text


@pytest.mark.parametrize("page, text", rows())
def test_example(place, page, text):
    if page == "capsule.conf.5":
        root = tree(place / "capsule", {"index.gmi": "# Hello\n",
                                        "capsule.conf": text})
        words = ["--listen", "127.0.0.1:0", root]
    else:
        file = place / "carnation.conf"
        file.write_text(moved(text, place))
        assert ROOTS.search(text)
        words = ["-c", file]
    done = carnation("check", "--certs", place / "certs", *words)
    told = [line for line in done.stdout.splitlines()
            if "in use" not in line and "occupied" not in line]
    assert done.returncode == 0 and not told, done.stdout + done.stderr


def test_examples_can_fail(place):
    """The same way of looking finds a mistake."""
    file = place / "carnation.conf"
    file.write_text(moved(next(examples("carnation.conf.5")), place)
                    + "limts = { };\n")
    done = carnation("check", "--certs", place / "certs", "-c", file)
    assert done.returncode == 1 and '"limits"' in done.stdout
