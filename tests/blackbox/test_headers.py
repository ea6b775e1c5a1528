# SPDX-License-Identifier: ISC
"""The first line of an answer, and what may follow it: rules 1.2 (28 to 34),
and each status code of rules 1.3 that this server gives."""
import re

import pytest
from conftest import HOME, VIAS, own_directory
from harness import Server, settings, tree

DEFINED = {10, 11, 20, 30, 31, 40, 41, 42, 43, 44, 50, 51, 52, 53, 59, 60, 61,
           62}


@pytest.fixture(scope="module")
def answers():
    """One server that has cause for every code; names and texts of its
    configuration are as odd as they may be."""
    root = tree(own_directory() / "main", {
        "index.gmi": HOME, "dir/index.gmi": "# dir\n", "é.gmi": "# é\n",
        "empty.gmi": "", "a.odd": "odd\n"})
    with Server([{
            "host": "localhost", "root": root, "gone": ["/gone.gmi"],
            "redirects": [
                {"from": "/moved.gmi", "to": "/dir/"},
                {"from": "/old.gmi", "to": "/dir/", "permanent": True},
                {"from": "/odd.gmi", "to": "/%C3%A9.gmi?a%20b%0d%0a"}]},
            {"host": "café.example", "root": root}],
            options={"types": [{"extension": "odd", "type":
                                'TEXT/X-Odd; a="b c"; D=+'}]}) as server:
        yield server


@pytest.fixture(scope="module")
def spent():
    """A server whose clients have all asked too much."""
    with Server(options={"limits": {"rate": 1, "burst": 1, "exempt": []}},
                alive=None) as server:
        yield server


# id, request, status
ROWS = [
    ("R1.3.20-page", "/", 20), ("R1.3.20-empty", "/empty.gmi", 20),
    ("R1.3.20-odd-type", "/a.odd", 20),
    ("R1.3.30", "/moved.gmi", 30), ("R1.3.30-escapes", "/odd.gmi", 30),
    ("R1.3.30-query", "/moved.gmi?%0d%0a%1b", 30),
    ("R1.3.31-configured", "/old.gmi", 31), ("R1.3.31-directory", "/dir", 31),
    ("R1.3.51", "/none", 51), ("R1.3.51-raw-UTF-8", "/\u2028\ufeff", 51),
    ("R1.3.52", "/gone.gmi", 52),
    ("R1.3.53-host", "gemini://example.org/", 53),
    ("R1.3.53-port", "gemini://{H}:443/", 53),
    ("R1.3.53-scheme", "https://{H}/", 53),
    ("R1.3.59", "", 59), ("R1.3.59-bytes", b"\xff\0\x1b", 59),
    ("R1.3.59-long", "/" + "x" * 2000, 59),
]


def look_at(raw, status):
    header, crlf, body = raw.partition(b"\r\n")
    assert crlf and re.match(rb"[0-9][0-9] [^ ]", header), header    # 28
    meta = header[3:].decode("utf-8")                                # 29
    assert not re.search("[\x00-\x1f\x7f-\x9f\ufeff]", meta), meta
    assert not raw.startswith(b"\xef\xbb\xbf")
    assert 1 <= len(header) - 3 <= 1024                          # 30, 31
    assert int(header[:2]) == status and status in DEFINED           # 33
    assert status == 20 or body == b""                               # 34


@pytest.mark.parametrize("text,status", [r[1:] for r in ROWS],
                         ids=[r[0] for r in ROWS])
def test_R1_2_28_R1_2_29_R1_2_30_R1_2_33_R1_2_34(answers, via, text, status):
    reply = answers.ask(text, tls=via.tls, family=via.family)
    look_at(reply.raw, status)
    assert reply.whole


def test_R1_3_44_whole_seconds(spent):
    for via in VIAS:
        how = {"tls": via.tls, "family": via.family}
        spent.ask("/", **how)
        reply = spent.ask("/", **how)
        look_at(reply.raw, 44)
        assert reply.meta == "1" and reply.whole


def test_R1_2_31_a_type_too_long_for_a_header():
    """An operator's slip: refused at start, or no more than 40."""
    d = own_directory()
    root = tree(d / "main", {
        "index.gmi": HOME, "capsule.conf": settings({
            "paths": [{"glob": "/*.txt",
                       "type": "text/x-" + "y" * 1024}]}), "a.txt": "a\n"})
    try:
        server = Server([{"host": "localhost", "root": root}])
    except AssertionError as e:
        assert "capsule.conf:" in str(e)
        return
    with server:
        reply = server.ask("/a.txt")
        assert reply.status == 40 and reply.whole
