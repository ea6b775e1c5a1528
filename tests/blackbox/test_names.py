# SPDX-License-Identifier: ISC
"""Every row and rule of spec.md that this server answers for is named by a
test of this folder; what no test can name stands here, with the reason."""
import re
import subprocess
import sys
from pathlib import Path

import pytest

WANTED = {
    **{f"A{n}": "table 3.A" for n in range(1, 61)},
    **{f"B{n}": "table 3.B" for n in range(1, 25)},
    **{f"D{n}": "section 2" for n in range(1, 28)}, "D9a": "section 2",
    **{f"R1.{part}.{n}": f"section 1.{part}" for part, first, last in (
        (1, 1, 27), (2, 28, 38), (4, 39, 43), (5, 44, 60), (7, 68, 72),
        (8, 73, 78)) for n in range(first, last + 1)},
    **{f"R1.3.{code}": "section 1.3" for code in (
        10, 11, 20, 30, 31, 40, 41, 42, 43, 44, 50, 51, 52, 53, 59, 60, 61,
        62)},
    **{f"S8-{row}": "section 8" for row in (
        "dots-above-root", "SNI-is-not-the-", "port-omitted", "port-wrong",
        "directory-redirect", "hidden", "request-timeout", "raw-UTF-8",
        "expired-client-certificate", "other-scheme-without-slashes",
        "resumption-with-client-certificate")},
}

# Certificate zones come later, and with them:
LATER = {
    "B12", "B16", "B17", "B18", "R1.3.60", "R1.3.61", "R1.3.62",
    "S8-expired-client-certificate", "S8-resumption-with-client-certificate",
    # so do programs, proxies and questions: input, what they failed to do
    "R1.3.10", "R1.3.11", "R1.3.42", "R1.3.43",
}
# The certificate halves of B11 and B13, and the halves of R1.2.33 and R1.5.49
# that speak of programs' output, come later too; the other halves are named.

NEVER_SENT = {
    "R1.3.41",  # idle connections make room for newcomers: nobody is refused
    "R1.3.50",  # every lasting refusal has a code of its own: 51, 52, 53, 59
}


def names_in(test):
    """The rows and rules in one test's id: A8, R1.1.14, S8-hidden."""
    test = test.partition("::")[2].replace("_", "-")
    found = {m[0] for m in re.finditer(
        r"(?<![A-Za-z0-9])(?:[AB][1-9][0-9]?|D[1-9][0-9]?a?)(?![A-Za-z0-9])",
        test)}
    found |= {f"R{m[1]}.{m[2]}.{m[3]}" for m in re.finditer(
        r"(?<![A-Za-z0-9])R(\d)[.-](\d)[.-](\d+)", test)}
    return found | {w for w in WANTED if w.startswith("S8") and w in test}


@pytest.fixture(scope="module")
def tests(request):
    """The ids of the whole folder, also when only a part of it is run."""
    here = Path(__file__).parent
    items = request.session.items
    if {item.path for item in items} >= set(here.glob("test_*.py")) and not (
            request.config.option.keyword or request.config.option.markexpr):
        return [item.nodeid for item in items]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p",
         "no:cacheprovider", "-p", "no:xdist", here],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return [line for line in done.stdout.splitlines() if "::" in line]


@pytest.fixture(scope="module")
def named(tests):
    return set().union(*map(names_in, tests))


def test_every_row_and_rule_is_named(named):
    missing = set(WANTED) - named - LATER - NEVER_SENT
    assert not missing, sorted(missing)


def test_no_exception_is_out_of_date(named):
    assert not (LATER | NEVER_SENT) & named
    assert LATER | NEVER_SENT <= set(WANTED)


def test_no_test_names_what_does_not_exist(named):
    assert named <= set(WANTED), sorted(named - set(WANTED))


@pytest.mark.parametrize("test,expected", [
    ("x.py::test_A53_A60_R1_5_59_deadlines", {"A53", "A60", "R1.5.59"}),
    ("x.py::test_row[tls1.2-v4-A8-R1.1.14-user]", {"A8", "R1.1.14"}),
    ("x.py::test_D9a_last_line[tls1.3-v6]", {"D9a"}),
    ("x.py::test_A_label_B_A123_xA1[42-2f]", set()),
    ("x.py::test_S8_raw_UTF_8_host", {"S8-raw-UTF-8"}),
    ("A1.py::test_x", set()),
])
def test_a_name_is_read_as_meant(test, expected):
    assert names_in(test) == expected
