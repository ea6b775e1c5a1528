# SPDX-License-Identifier: ISC
"""What all black-box tests share: the site most of them ask, the four ways to
reach it, and the question after each test: is it still alive?"""
import collections
import os
import socket
import stat
from collections import namedtuple

import pytest

import harness
from harness import Server
from tools import (BASE, own_directory, raise_descriptor_limit, remove, sweep,
                   tree)

os.umask(0o022)  # workers may have become nobody, and must read the tree
raise_descriptor_limit()

Via = namedtuple("Via", "tls family")
VIAS = [Via(tls, family) for tls in ("1.2", "1.3") for family in (4, 6)]


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "soak: takes seconds; CARNATION_LONG=1 runs the whole form")
    config.addinivalue_line(
        "markers", "xdist_group(name): tests that run in one process")


TOGETHER = 40  # tests that start servers of their own, in one process


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """For -n N --dist loadgroup: tests that wait, rather than compute, come
    first, each for itself. Of the others those of a file stay together, with
    the servers that they share."""
    rank, before = {}, collections.Counter()
    for item in items:
        if item.get_closest_marker("soak"):
            rank[item] = 0
            continue
        own = "place" in item.fixturenames
        rank[item] = 1 if own else 2
        number = before[item.path, own] // TOGETHER if own else "shared"
        before[item.path, own] += 1
        item.add_marker(pytest.mark.xdist_group(f"{item.path.stem}-{number}"))
    items.sort(key=rank.get)


@pytest.fixture(params=VIAS, ids=lambda v: f"tls{v.tls}-v{v.family}")
def via(request):
    """TLS 1.2 and 1.3, each over IPv4 and IPv6."""
    return request.param


@pytest.fixture(params=("1.2", "1.3"), ids=lambda v: f"tls{v}")
def tls(request):
    return request.param


# ------------------------------------------------------------------- the site

HOME = "# Home\n\nThe page that everybody asks for.\n=> page.gmi A page\n"
CANARY = "canary-that-must-never-leave-its-cage"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44"
    "ae426082")


def make_site(directory):
    """Three capsules and a canary beside them."""
    (directory / "canary.txt").write_text(CANARY)
    tree(directory / "outside", {"canary.txt": CANARY, "x.txt": CANARY,
                                 "index.gmi": CANARY})
    main = tree(directory / "main", {
        "index.gmi": HOME,
        "page.gmi": "# A page\n",
        "a.txt": "a\n",
        "dir/index.gmi": "# dir\n",
        "dir/a.txt": "dir a\n",
        "dir/deeper/a.txt": "deeper a\n",
        "empty/note.txt": "no index here\n",
        "sp ace/index.gmi": "# space\n",
        "sp ace/a b.txt": "a b\n",
        "é/index.gmi": "# e\n",
        "é.gmi": "# é\n",
        "q?mark.txt": "question\n",
        "%41.txt": "percent\n",
        "semi;colon.txt": "semi\n",
        "back\\slash.txt": "back\n",
        "evil.example/dir/index.gmi": "# evil\n",
        "etc/hello.txt": "inside etc\n",
        ".hidden": CANARY,
        ".secret/x.txt": CANARY,
        "dir/.hidden": CANARY,
        ".well-known/security.txt": "Contact: nobody\n",
        ".well-known/.deep": CANARY,
        "...": CANARY,
        "noread.txt": CANARY,
        "noread/x.txt": CANARY,
        "long/" + "é" * 120 + "/" + "é" * 120 + "/index.gmi": "# long\n",
    })
    (main / "noread.txt").chmod(0)
    links = {
        "out.txt": "../canary.txt", "outdir": "../outside",
        "abs.txt": "/etc/passwd", "absdir": "/etc", "up": "..",
        "loop": "loop", "dangling": "nowhere", "magic": "/proc/self/root",
        "in.txt": "a.txt", "indir": "dir", "dir/in.txt": "../a.txt",
        "dir/out.txt": "../../canary.txt",
    }
    for name, target in links.items():
        (main / name).symlink_to(target)
    os.mkfifo(main / "fifo")
    os.mkfifo(main / "fifo.gmi")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(main / "sock"))
    if os.geteuid() == 0:
        os.mknod(main / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.mknod(main / "zero", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    (main / "noread").chmod(0)
    other = tree(directory / "other", {
        "index.gmi": "# Other\n", "only-other.txt": "other\n"})
    cafe = tree(directory / "cafe", {"index.gmi": "# Café\n"})
    return main, other, cafe


def site_capsules(directory):
    main, other, cafe = make_site(directory)
    return [
        {"host": "localhost", "aliases": ["alias.localhost"], "root": main},
        {"host": "other.example", "aliases": ["www.other.example"],
         "root": other},
        {"host": "café.example", "aliases": ["xn--bcher-kva.example"],
         "root": cafe},
    ]


@pytest.fixture(scope="session")
def site(tidy):
    """localhost, other.example and café.example on one server, one worker. Who
    is answered has not waited for a deadline: those are longer than TIMEOUT."""
    with Server(site_capsules(own_directory()), options={
            "limits": {"handshake": 60, "request": 60}}) as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def tidy():
    """No directory outlives the run, nor does any that an earlier one has
    left when it was killed."""
    sweep()
    yield
    remove(BASE)


@pytest.fixture
def place():
    """A directory that everybody can enter (pytest's own are closed). No
    server of a failed test outlives it."""
    path = own_directory()
    yield path
    for server in [s for s in Server.running if s.directory == path]:
        server.kill()
    remove(path)


# ------------------------------------------- after each test, and on failure

@pytest.fixture(autouse=True)
def still_alive():
    """Every server that this test touched: alive, whole, and as before?"""
    yield
    for server in list(Server.running):
        if server.touched:
            server.check()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    logs = [(s, s.log()) for s in Server.running if s.touched]
    for server, log in logs + harness.FAILED_LOGS:
        report.sections.append((
            f"carnation {' '.join(server.argv[1:])}", log[-6000:]))
    harness.FAILED_LOGS.clear()
