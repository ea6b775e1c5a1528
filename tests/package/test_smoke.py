# SPDX-License-Identifier: ISC
"""The package's own test, which autopkgtest(1) runs for Debian, in a booted
machine (`make soak`)."""
import shutil

import pytest

from machine import ROOT, why_not
from test_life import base, install, machine, package, workshop  # noqa: F401

pytestmark = [pytest.mark.soak, pytest.mark.xdist_group("package"),
              pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]


def test_the_installed_package_passes(machine, package):  # noqa: F811
    machine.boot()
    install(machine, package)
    shutil.copy(ROOT / "scripts/packaging/debian/tests/smoke",
                machine.path("/var/tmp/smoke"))
    machine.run("/var/tmp/smoke")
