# SPDX-License-Identifier: ISC
"""scripts/demo-mirrors, which a reader of the README may run, does what it
says."""
import os
import re
import subprocess

import pytest

from harness import CARNATION, ROOT
from life import root_only


@root_only
@pytest.mark.soak
def test_the_demonstration_of_mirrors():
    done = subprocess.run(
        [ROOT / "scripts/demo-mirrors"], capture_output=True, text=True,
        env=dict(os.environ, CARNATION=str(CARNATION.resolve())), timeout=600)
    if done.returncode == 77:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert re.fullmatch(r"\d+ passed, 0 failed", last), done.stdout
    assert int(last.split()[0]) >= 24
