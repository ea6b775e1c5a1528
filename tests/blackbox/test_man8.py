# SPDX-License-Identifier: ISC
"""carnation(8) is the specification: its examples run, its options exist."""
import os
import re
import shutil
import subprocess

import pytest

from harness import CARNATION, ROOT
from life import carnation, own_network

PAGE = ROOT / "src/man/carnation.8"


def examples():
    """The literal blocks of EXAMPLES, as a person would type them."""
    text = PAGE.read_text().split("\n.Sh EXAMPLES\n")[1].split("\n.Sh ")[0]
    return [block.replace("\\e", "\\") for block in re.findall(
        r"^\.Bd -literal.*?\n(.*?)^\.Ed$", text, re.M | re.S)]


@own_network
def test_the_examples_run(place):
    assert len(examples()) >= 4
    (place / "bin").mkdir()
    (place / "bin/carnation").symlink_to(CARNATION.resolve())
    done = subprocess.run(
        ["sh", "-eux", "-c", "\n".join(examples())], cwd=place, text=True,
        capture_output=True, timeout=60, stdin=subprocess.DEVNULL,
        env=dict(os.environ, PATH=f"{place}/bin:{os.environ['PATH']}",
                 HOME=str(place), XDG_DATA_HOME=str(place / "data")))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# Hello\n" in done.stdout
    assert "20 text/gemini" in done.stderr
    assert (place / "certs/localhost.crt").exists()
    assert (place / "certs/example.org.key").exists()
    assert "localhost" in done.stdout and "capsules" in done.stdout


@pytest.mark.skipif(not shutil.which("mandoc"), reason="no mandoc here")
def test_the_page_is_without_fault():
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", PAGE],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("verb", ["serve", "check", "cert", "fetch", "lint",
                                  "feed", "key", "publish", "rollback",
                                  "prune", "verify", "mirror", "help"])
def test_every_option_that_help_names_is_on_the_page_and_back(verb):
    text = PAGE.read_text()
    help_text = carnation("help", verb).stdout
    named = set(re.findall(r"(?<![\w-])--[a-z-]+", help_text))
    on_page = {"--" + x for x in re.findall(r"\bFl -([a-z-]+)", text)}
    assert named <= on_page, named - on_page
    section = text.split(f"\n.Ss {verb}\n")[1].split("\n.S")[0]
    described = {"--" + x for x in re.findall(
        r"^\.It.*?Fl -([a-z-]+)", section, re.M)}
    described |= {"--" + x for x in re.findall(r", Fl -([a-z-]+)", section)}
    assert described <= named, described - named


def test_every_verb_is_on_the_page():
    named = set(re.findall(r"^  (?:carnation )?([a-z]+)\s", carnation(
        "help").stdout, re.M))
    text = PAGE.read_text()
    for verb in ("serve", "check", "cert", "fetch", "lint", "feed", "key",
                 "publish", "rollback", "prune", "verify", "mirror", "help"):
        assert verb in named, named
        assert f"\n.Ss {verb}\n" in text
