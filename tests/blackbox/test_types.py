# SPDX-License-Identifier: ISC
"""What is said of a file: rules 1.4 (39 to 43) and 1.2 (35 to 37)."""
import gzip
import os
import random
import zipfile

import pytest
from conftest import PNG, VIAS, own_directory
from harness import Server, tree

PDF = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n%%EOF\n"
GEMTEXT = "# A page by its looks\n\n=> /elsewhere A link\n* item\n"
OCTETS = "application/octet-stream"
TEXT = b"words\n"
NOISE = b"\xfa\xfb\xfc\x03" + random.Random(1).randbytes(2000)

# file, content, types that are right
FILES = [
    ("page.gmi", TEXT, {"text/gemini"}),
    ("page.gemini", TEXT, {"text/gemini"}),
    ("UPPER.GMI", TEXT, {"text/gemini"}),
    ("Mixed.GeMiNi", TEXT, {"text/gemini"}),
    ("plain.txt", TEXT, {"text/plain"}),
    ("PLAIN.TxT", TEXT, {"text/plain"}),
    ("notes.md", TEXT, {"text/markdown"}),
    ("atom.xml", b"<feed xmlns='http://www.w3.org/2005/Atom'/>\n",
     {"application/atom+xml"}),
    ("log.atom", TEXT, {"application/atom+xml"}),
    ("news.rss", TEXT, {"application/rss+xml"}),
    ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>\n",
     {"image/svg+xml"}),
    ("old.tar.gz", gzip.compress(b"inside is text\n"), {"application/gzip"}),
    ("page.gmi.gz", gzip.compress(b"# inside\n"), {"application/gzip"}),
    ("plain.GZ", gzip.compress(b"x"), {"application/gzip"}),
    ("dot.png", PNG, {"image/png"}),
    ("a.jpg", TEXT, {"image/jpeg"}),
    ("a.jpeg", TEXT, {"image/jpeg"}),
    ("a.gif", TEXT, {"image/gif"}),
    ("a.webp", TEXT, {"image/webp"}),
    ("a.mp3", TEXT, {"audio/mpeg"}),
    ("a.ogg", TEXT, {"audio/ogg"}),
    ("a.opus", TEXT, {"audio/ogg", "audio/opus", "audio/ogg; codecs=opus"}),
    ("a.flac", TEXT, {"audio/flac", "audio/x-flac"}),
    ("a.wav", TEXT, {"audio/wav", "audio/x-wav", "audio/vnd.wave"}),
    ("a.zip", TEXT, {"application/zip"}),
    ("a.tar", TEXT, {"application/x-tar"}),
    ("a.pdf", PDF, {"application/pdf"}),
    ("robots.txt", b"User-agent: *\nDisallow: /x\n", {"text/plain"}),
    ("favicon.txt", "🌺\n".encode(), {"text/plain"}),
    ("capsule.conf", b'title = "T";\n', {"text/plain"}),
    # libmagic: no extension, or one that nobody knows
    ("picture", PNG, {"image/png"}),
    ("picture.zzz", PNG, {"image/png"}),
    ("document.zzz", PDF, {"application/pdf"}),
    ("archive.zzz", gzip.compress(b"x" * 100), {
        "application/gzip", "application/x-gzip"}),
    ("README", b"Plain words,\nas people write them.\n", {"text/plain"}),
    ("looks-like-gemtext", GEMTEXT.encode(), {"text/plain"}),
    ("noise.zzz", NOISE, {OCTETS}),
    ("gmi", b"plain words in a file named gmi\n", {"text/plain"}),
    # rule 43
    ("empty.gmi", b"", {"text/gemini"}),
    ("empty.txt", b"", {"text/plain"}),
    ("empty.zzz", b"", {OCTETS}),
    ("empty", b"", {OCTETS}),
]


@pytest.fixture(scope="module")
def typed():
    root = tree(own_directory() / "main", {
        "index.gmi": "# Types\n", **{name: data for name, data, _ in FILES},
        "bom.gmi": "\ufeff# BOM\n", "crlf.gmi": "# a\r\n\r\nb\r\n",
        "cr.txt": "a\rb\r", "no-final-newline.gmi": "# a",
        "nul.gmi": "a\0b\n", "big.bin": bytes(range(256)) * 300,
        "indexed/index.gemini": "# index.gemini\n",
        "both/index.gmi": "# gmi\n", "both/index.gemini": "# gemini\n",
    })
    with Server([{"host": "localhost", "root": root}]) as server:
        server.root = root
        yield server


def rule_of(name, content):
    if not content:
        return "R1.4.43"
    return "R1.4.39" if name[-4:].lower() in (".gmi", "mini") else "R1.4.42"


@pytest.mark.parametrize("name,content,types", FILES,
                         ids=[f"{rule_of(*f[:2])}-{f[0]}" for f in FILES])
def test_type_of(typed, name, content, types):
    """No charset and no lang, since nobody configured them (40, 41)."""
    for via in VIAS:  # answers but the first may come out of a cache
        reply = typed.ask("/" + name, tls=via.tls, family=via.family)
        assert reply.status == 20 and reply.whole
        assert reply.meta in types
        assert reply.body == content


@pytest.mark.parametrize("name", [
    "bom.gmi", "crlf.gmi", "cr.txt", "no-final-newline.gmi", "nul.gmi",
    "big.bin", "picture", "empty.gmi"])
def test_R1_2_35_R1_2_37_bytes_as_they_lie(typed, via, name):
    reply = typed.ask("/" + name, tls=via.tls, family=via.family)
    assert reply.status == 20 and reply.whole
    assert reply.body == (typed.root / name).read_bytes()


@pytest.mark.parametrize("size", (
    16383 - 17, 16384 - 17, 16385 - 17, 16384, 32768 - 17, 32769, 65536,
    (1 << 20) + 1))
def test_R1_2_35_sizes_around_a_record(typed, tls, size):
    """17: the header "20 text/gemini" and its CRLF, and one byte."""
    body = os.urandom(256) * (size // 256 + 1)
    (typed.root / "sized.gmi").write_bytes(body[:size])
    reply = typed.ask("/sized.gmi", tls=tls)
    assert reply.whole and reply.body == body[:size]


def test_R1_4_39_directory_is_index_gmi_or_index_gemini(typed, via):
    how = {"tls": via.tls, "family": via.family}
    assert typed.ask("/indexed/", **how).body == b"# index.gemini\n"
    assert typed.ask("/indexed/", **how).meta == "text/gemini"
    assert typed.ask("/both/", **how).body == b"# gmi\n"


def test_R1_4_42_absent_favicon_and_robots_are_51(site):
    assert site.ask("/favicon.txt").status == 51
    assert site.ask("/robots.txt").status == 51


def test_R1_4_42_a_rewritten_file_is_looked_at_again(typed):
    path = typed.root / "changing.zzz"
    for content, expected in (
            (PNG, "image/png"), (PDF, "application/pdf"), (b"", OCTETS),
            (b"words and words\n", "text/plain"), (PNG, "image/png")):
        path.write_bytes(content)
        reply = typed.ask("/changing.zzz")
        assert (reply.meta, reply.body) == (expected, content)


def test_R1_4_42_only_a_bounded_prefix_is_looked_at(typed):
    """A zip whose directory is at its end, far behind the prefix."""
    path = typed.root / "late.zzz"
    with open(path, "wb") as f:
        f.write(b"just words\n" * 20000)
    with zipfile.ZipFile(path, "a") as z:
        z.writestr("x", "y")
    assert typed.ask("/late.zzz").meta == "text/plain"


# ---------------------------------------------------------- what is configured

@pytest.fixture(scope="module")
def spoken():
    """lang, charset, types and globs, by the operator and by capsule.conf."""
    d = own_directory()
    files = {
        "index.gmi": "# x\n", "a.txt": "x\n", "a.md": "x\n", "a.png": PNG,
        "a.svg": "<svg/>\n", "a.foo": "x\n", "a.bar": "x\n", "README": "x x\n",
        "az/index.gmi": "# x\n", "az/deep/a.gmi": "# x\n", "az/a.txt": "x\n",
        "old/a.txt": "x\n", "raw/a.gmi": "# x\n", "robots.txt": "x\n",
        "A.FOO": "x\n", "a.loud": "x\n"}
    mine = tree(d / "mine", dict(files, **{"capsule.conf": '''
        lang = "en";
        charset = "utf-8";
        paths = (
            { glob = "/az/*"; lang = "az"; },
            { glob = "/old/*"; charset = "iso-8859-1"; },
            { glob = "/raw/*"; type = "text/plain"; }
        );
    '''}))
    theirs = tree(d / "theirs", files)
    several = tree(d / "several", files)
    with Server([
            {"host": "localhost", "root": mine},
            {"host": "operator.example", "root": theirs, "lang": "fr",
             "paths": [{"glob": "/az/deep/*", "lang": "az-Latn"},
                       {"glob": "/az/*", "lang": "az"}]},
            {"host": "several.example", "root": several, "lang": "en,fr"},
    ], options={"types": [
            {"extension": "foo", "type": "text/x-foo"},
            {"extension": ".bar", "type": "application/x-bar"},
            {"extension": "md", "type": "text/plain"},
            {"extension": "loud",
             "type": 'TEXT/X-Loud; format=Flowed; Charset="ISO-8859-1"'},
    ]}) as server:
        yield server


def meta(server, path, host="localhost"):
    """What all four ways agree on."""
    said = set()
    for via in VIAS:
        reply = server.ask(f"gemini://{host}:{{P}}{path}", sni=host,
                           tls=via.tls, family=via.family)
        assert reply.status == 20 and reply.whole
        said.add(reply.meta)
    assert len(said) == 1
    return said.pop()


@pytest.mark.parametrize("path,expected", [
    ("/", "text/gemini; lang=en; charset=utf-8"),
    ("/a.txt", "text/plain; charset=utf-8"),
    ("/a.md", "text/plain; charset=utf-8"),
    ("/robots.txt", "text/plain; charset=utf-8"),
    ("/README", "text/plain; charset=utf-8"),
    ("/capsule.conf", "text/plain; charset=utf-8"),
    ("/a.png", "image/png"),
    ("/a.svg", "image/svg+xml"),
    ("/a.foo", "text/x-foo; charset=utf-8"),
    ("/A.FOO", "text/x-foo; charset=utf-8"),
    ("/a.bar", "application/x-bar"),
    ("/az/", "text/gemini; lang=az; charset=utf-8"),
    ("/az/deep/a.gmi", "text/gemini; lang=az; charset=utf-8"),
    ("/az/a.txt", "text/plain; charset=utf-8"),
    ("/old/a.txt", "text/plain; charset=iso-8859-1"),
    ("/raw/a.gmi", "text/plain; charset=utf-8"),
    ("/%61z/deep/..//index.gmi", "text/gemini; lang=az; charset=utf-8"),
])
def test_R1_4_40_R1_4_41_capsule_conf(spoken, path, expected):
    assert meta(spoken, path) == expected


@pytest.mark.parametrize("host,path,expected", [
    ("operator.example", "/", "text/gemini; lang=fr"),
    ("operator.example", "/a.txt", "text/plain"),
    ("operator.example", "/az/index.gmi", "text/gemini; lang=az"),
    ("operator.example", "/az/deep/a.gmi", "text/gemini; lang=az-Latn"),
    ("several.example", "/", 'text/gemini; lang="en,fr"'),
    ("several.example", "/a.png", "image/png"),
])
def test_R1_4_40_R1_4_41_operator(spoken, host, path, expected):
    assert meta(spoken, path, host) == expected


def test_3C6_parameters_survive_as_they_were_written(spoken):
    """Their own charset is kept, and not given twice."""
    assert meta(spoken, "/a.loud") == (
        'TEXT/X-Loud; format=Flowed; Charset="ISO-8859-1"')
