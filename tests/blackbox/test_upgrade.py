# SPDX-License-Identifier: ISC
"""Stores that carnation 0.1 made (store-0.1/) are taken over by the first
publish, mirror, rollback, prune and verify, and lose nothing."""
import hashlib
import tarfile
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness import tree
from life import carnation
from origin import Origin
from signed import ARCHIVE, MANIFEST, Author, Key, check_store, read_tree

STORES = Path(__file__).with_name("store-0.1") / "stores.tar.xz"
SEED = hashlib.sha256(b"the key of the stores that 0.1 made").digest()
KEY = Key("capsule-1", SEED[:8], Ed25519PrivateKey.from_private_bytes(SEED))
ORIGIN = "gemini://localhost:1/"
NOW = int(time.time())
NEWS = {"index.gmi": b"# Home\n\nRelease 4.\n"}


@pytest.fixture(name="stores")
def unpacked(place):
    with tarfile.open(STORES) as tar:
        tar.extractall(place)
    return place


def archives(store):
    return [int(f.parent.parent.name)
            for f in sorted(store.glob(f"releases/*/{ARCHIVE}"))]


def releases(store):
    """What each consists of, but for its archive."""
    return {int(path.name): {name: data
                             for name, data in read_tree(path).items()
                             if name != ARCHIVE}
            for path in (store / "releases").iterdir()}


def done(*words, status=0):
    result = carnation(*words)
    assert result.returncode == status, (result.stdout, result.stderr)
    return result


def state(store):
    lines = (store / "state").read_text().splitlines()
    return [line.split(": ", 1) for line in lines]


def check(store, before, serving):
    """Nothing is lost, all is whole, and only what is served has an archive."""
    after = releases(store)
    assert {n: after.get(n) for n in before} == before
    assert check_store(store, [KEY.public])
    assert (store / "current").readlink() == Path(f"releases/{serving}")
    assert archives(store) == [serving]
    known = state(store)
    assert known[0] == ["carnation-store", "2"]
    assert ["key", KEY.public_file().split(b"\n")[1].decode()] in known
    assert ["origin", ORIGIN] in known
    done("verify", store)


def publish(stores, serial):
    source = tree(stores / f"src{serial}", {"index.gmi": f"# Home\n\n{serial}\n"})
    done("publish", source, stores / "author", "--yes", "--key",
         KEY.write(stores)[1])


def mirror(stores, serial):
    """From a server that is not the origin: there is none any more."""
    author = Author(KEY, ORIGIN, NEWS, serial=serial - 1)
    with Origin(stores, author.publish(created=NOW)) as origin:
        return done("mirror", origin.url(), stores / "mirror")


def test_the_first_publish(stores):
    store, before = stores / "author", releases(stores / "author")
    assert archives(store) == [1, 2, 3]
    publish(stores, 4)
    check(store, before, 4)
    assert ["serial", "4"] in state(store)


def test_the_first_mirror(stores):
    store, before = stores / "mirror", releases(stores / "mirror")
    remembered = state(store)
    assert "serial 3 -> 4" in mirror(stores, 4).stdout
    check(store, before, 4)
    for name in ("host", "contact"):
        assert [row for row in remembered if row[0] == name] == \
            [row for row in state(store) if row[0] == name] != []
    # What is there already is not taken for something else.
    assert mirror(stores, 4).stdout == ""


@pytest.mark.parametrize("name, serial", [("author", 2), ("mirror", 1)])
def test_the_first_rollback(stores, name, serial):
    store = stores / name
    before = releases(store)
    was = (store / "releases" / str(serial) / ARCHIVE).read_bytes()
    done("rollback", store, serial)
    assert releases(store) == before and archives(store) == [serial]
    assert (store / "current" / ARCHIVE).read_bytes() == was
    done("rollback", store, 3)
    assert releases(store) == before and archives(store) == [3]
    done("verify", store)
    publish(stores, 4) if name == "author" else mirror(stores, 4)
    check(store, before, 4)


@pytest.mark.parametrize("name", ["author", "mirror"])
def test_the_first_verify(stores, name):
    store = stores / name
    before = read_tree(store)
    done("verify", store)
    assert read_tree(store) == before


@pytest.mark.parametrize("name", ["author", "mirror"])
def test_the_first_prune(stores, name):
    store = stores / name
    for release in (store / "releases").iterdir():
        before = releases(store)
        assert MANIFEST in before[int(release.name)]
    done("prune", store, "--keep", 2)
    kept = releases(store)
    assert {3: before[3]}.items() <= kept.items() <= before.items()
    assert archives(store) == [3]
    done("verify", store)
