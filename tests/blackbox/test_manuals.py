# SPDX-License-Identifier: ISC
"""The man pages, by what formats them: without fault for mandoc, and readable
with groff on a narrow terminal, or a phone, too."""
import os
import re
import shutil
import subprocess

import pytest

from harness import CARNATION, ROOT, tree
from life import carnation

PAGES = sorted((ROOT / "src/man").glob("*.[1-9]"))
NARROW = 40
# A tag wider than that leaves half a line to the text beside it.
WIDEST_TAG = 14


def page(test):
    return pytest.mark.parametrize(
        "page", PAGES, ids=[p.name for p in PAGES])(test)


def needs(program):
    return pytest.mark.skipif(not shutil.which(program),
                              reason=f"{program} is not installed")


def formatted(page, columns):
    """As man(1) has groff show it; timeout(1) ends its children, too."""
    done = subprocess.run(
        ["timeout", "60", "groff", "-mandoc", "-Tutf8", "-P-cbou",
         f"-rLL={columns}n", f"-rLT={columns}n", page],
        capture_output=True, text=True)
    assert done.returncode != 124, "groff does not come to an end"
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def unfilled(page):
    """What is shown line by line as it is written: examples."""
    text = page.read_text()
    blocks = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", text, re.M | re.S)
    lines = "".join(blocks).splitlines() + re.findall(
        r"^\.Dl (.*)$", text, re.M)
    return {line.replace(r"\e", "\\").replace(r"\&", "").replace(
        r"\(ga", "`").strip() for line in lines}


@needs("mandoc")
@page
def test_the_page_is_without_fault(page):
    done = subprocess.run(["mandoc", "-Tlint", "-Wstyle", page],
                          capture_output=True, text=True)
    told = [line for line in done.stdout.splitlines()
            if "referenced manual not found" not in line]
    assert not told, "\n".join(told)


@needs("groff")
@page
def test_the_page_is_readable_at_40_columns(page):
    literal, section = unfilled(page), None
    wide = []
    for line in formatted(page, NARROW):
        if re.match(r"[A-Z]", line):
            section = line.strip()
        if (len(line) > NARROW and section != "SYNOPSIS"
                and line.strip() not in literal and " " in line.strip()):
            wide.append(line)
    assert not wide, "\n".join(wide)


@page
def test_no_tag_takes_the_room_of_the_text(page):
    for width in re.findall(r'^\.Bl .*-width "?([^"\n]*?)"?(?: -compact)?$',
                            page.read_text(), re.M):
        assert len(width) <= WIDEST_TAG, width


@page
def test_the_page_is_named_as_its_file(page):
    name, number = page.name.rsplit(".", 1)
    text = page.read_text()
    assert f"\n.Dt {name.upper()} {number}\n" in text
    assert f"\n.Sh NAME\n.Nm {name}\n.Nd " in text


@page
def test_references_to_our_own_pages_lead_somewhere(page):
    named = set(re.findall(r"\bXr ((?:carnation|capsule)\S*) (\d)",
                           page.read_text()))
    assert named <= {tuple(p.name.rsplit(".", 1)) for p in PAGES}
    seen = page.read_text().split("\n.Sh SEE ALSO\n")[1].split("\n.Sh ")[0]
    assert not named - set(re.findall(r"Xr (\S+) (\d)", seen)) - {
        tuple(page.name.rsplit(".", 1))}


@page
def test_installed_and_removed(page):
    """make install and uninstall know the page."""
    pages = re.search(r"^pages\s*=((?:.*\\\n)*.*)$",
                      (ROOT / "Makefile").read_text(), re.M)[1].split()
    assert page.name in pages


def test_what_lint_prints_is_on_its_page(place):
    """The commands of the example, and the findings below them."""
    text = (ROOT / "src/man/carnation-lint.7").read_text()
    text = text.split("\n.Sh EXAMPLES\n")[1]
    commands, findings = [block.replace("\\e", "\\") for block in re.findall(
        r"^\.Bd -literal.*?\n(.*?)^\.Ed$", text, re.M | re.S)]
    (place / "bin").mkdir()
    (place / "bin/carnation").symlink_to(CARNATION.resolve())
    done = subprocess.run(
        ["sh", "-c", commands], cwd=place, text=True, capture_output=True,
        env=dict(os.environ, PATH=f"{place}/bin:{os.environ['PATH']}"))
    assert (done.returncode, done.stdout) == (1, findings), done


def test_lint_names_the_page_of_its_codes():
    assert "explained in carnation-lint(7)" in carnation("help", "lint").stdout


# ------------------------------------------------------ carnation-operate(7)

OPERATE = ROOT / "src/man/carnation-operate.7"
PACKAGING = ROOT / "scripts/packaging"


def operate_blocks():
    return [block.replace("\\e", "\\") for block in re.findall(
        r"^\.Bd -literal.*?\n(.*?)^\.Ed$", OPERATE.read_text(), re.M | re.S)]


def configurations():
    """The pieces of configuration that it shows, as whole files."""
    rest = 'capsules = ( { host = "example.org"; root = "/srv/gemini"; } );\n'
    for block in operate_blocks():
        if block.startswith("{ host"):
            yield f"capsules = (\n{block});\n"
        elif re.match(r"[a-z_]+ = ", block):
            yield block if "capsules =" in block else block + rest


@pytest.mark.parametrize("text", configurations())
def test_its_configurations_are_without_fault(place, text):
    text = re.sub(r"(?<=\")/(?=srv/|var/)", f"{place}/", text)
    for root in re.findall(r'root = "([^"]*)"', text):
        tree(root, {"index.gmi": "# Hello\n"})
    (place / "carnation.conf").write_text(text)
    done = carnation("check", "--certs", place / "certs", "-c",
                     place / "carnation.conf")
    told = [line for line in done.stdout.splitlines()
            if "in use" not in line and "occupied" not in line]
    assert done.returncode == 0 and not told, done.stdout + done.stderr


def test_there_are_three_of_them():
    assert len(list(configurations())) == 3


def test_it_names_the_package_of_this_version():
    """The file that make deb leaves."""
    version, = re.findall(r'"(\d+\.\d+\.\d+)"',
                          (ROOT / "src/util/version.h").read_text())
    assert ("apt update\n"
            f"apt install ./carnation_{version}_amd64.deb\n") in operate_blocks()


def test_what_it_says_of_the_units_is_so():
    unit = (PACKAGING / "carnation.service").read_text().splitlines()
    text = OPERATE.read_text()
    for line in ("ProtectHome=yes", "User=carnation", "StartLimitBurst=5",
                 "StartLimitIntervalSec=20"):
        assert line in unit
    assert ".Pq Ql ProtectHome=yes :\n" in text
    assert "After five failures in 20 seconds, systemd " in text
    assert {"ListenStream=0.0.0.0:1965", "ListenStream=[::]:1965"} <= set(
        (PACKAGING / "carnation.socket").read_text().splitlines())
    rotated = (PACKAGING / "carnation.logrotate").read_text()
    assert rotated.startswith("#") and "\trotate 8\n" in rotated
    assert "renames the file each week, and keeps eight of them.\n" in text
    for file in ("carnation.openrc", "fail2ban-filter.conf"):
        assert (PACKAGING / file).exists()


def test_every_command_of_ours_that_it_shows_is_one(place):
    """Options that are unknown would be refused before anything else."""
    lines = [line.strip() for block in operate_blocks()
             for line in block.splitlines()]
    lines += re.findall(r"^\.Ql (carnation .*?)(?: \.)?$", OPERATE.read_text(),
                        re.M)
    shown = [line for line in lines if line.startswith("carnation ")]
    assert len(shown) >= 5
    for line in shown:
        done = carnation(*line.split()[1:], "--no-such-option")
        assert "unknown option --no-such-option\n" in done.stderr, (line, done.stderr)
