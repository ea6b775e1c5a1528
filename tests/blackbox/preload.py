# SPDX-License-Identifier: ISC
"""System calls and allocations that fail when a test wants them to: C that is
loaded before the program's own library."""
import shutil
import subprocess

import pytest

from binary import SANITIZED
from life import carnation
from tools import own_directory, remove

needed = [
    pytest.mark.skipif(SANITIZED, reason="a sanitizer has its own calls"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs cc"),
]


def built(text):
    """Yields a shared library; for a fixture."""
    directory = own_directory()
    source, library = directory / "calls.c", directory / "calls.so"
    source.write_text(text)
    made = subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"],
        capture_output=True, text=True, check=False)
    if made.returncode != 0 or carnation(
            "help", env={"LD_PRELOAD": str(library)}).returncode != 0:
        pytest.skip(f"this C library's calls cannot be replaced: {made.stderr}")
    yield library
    remove(directory)
