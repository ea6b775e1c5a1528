# SPDX-License-Identifier: ISC
"""The program under test, and what it is like."""
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CARNATION = Path(os.environ.get(
    "CARNATION", ROOT / "build" / "carnation")).absolute()
LONG = os.environ.get("CARNATION_LONG") == "1"
SANITIZED = (
    CARNATION.exists() and b"__asan_init" in CARNATION.read_bytes())
TIMEOUT = 30 if SANITIZED else 10  # seconds for what should take none
