# SPDX-License-Identifier: ISC
"""A sound configuration to be spoiled, and what `carnation check` says of it.
The fixture setup is taken from here by name."""
import pytest

from harness import settings, tree
from life import carnation


class Setup:
    """A sound configuration, to be spoiled."""

    def __init__(self, place):
        self.place = place
        self.root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
        self.certs = place / "certs"
        self.file = place / "carnation.conf"
        self.options = {
            "listen": ["127.0.0.1:0"],
            "capsules": [{"host": "localhost", "root": str(self.root)}]}

    def write(self, text=None):
        self.file.write_text(
            settings(self.options) if text is None else text)

    def check(self, *words, **how):
        return carnation("check", "-c", self.file, "--certs", self.certs,
                         *words, cwd=self.place, **how)

    def line(self, what):
        """Number of the line of the file that contains what."""
        lines = self.file.read_text().splitlines()
        return 1 + next(i for i, x in enumerate(lines) if what in x)


@pytest.fixture
def setup(place):
    s = Setup(place)
    s.write()
    return s


def errors(done):
    return [x for x in done.stdout.splitlines() if ": error: " in x
            or x.startswith("error: ")]


def warnings(done):
    return [x for x in done.stdout.splitlines() if ": warning: " in x
            or x.startswith("warning: ")]
