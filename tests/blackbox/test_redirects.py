# SPDX-License-Identifier: ISC
"""Redirects and gone: rules 1.7 (68 to 72), 1.2 (38), rows A23 to A25, A52."""
import pytest
from conftest import own_directory
from harness import Server, settings, tree

RULES = [
    {"from": "/old.gmi", "to": "/page.gmi"},
    {"from": "/moved.gmi", "to": "/page.gmi", "permanent": True},
    {"from": "/old/*", "to": "/new/"},
    {"from": "/star/*", "to": "/new/*", "permanent": True},
    {"from": "/flat/*", "to": "/"},
    {"from": "/flatstar/*", "to": "/*"},
    {"from": "/away/*", "to": "gemini://example.org/there/"},
    {"from": "/answer.gmi", "to": "/page.gmi?fixed"},
    {"from": "/sp ace.gmi", "to": "/page.gmi"},
    {"from": "/é.gmi", "to": "/page.gmi"},
    {"from": "/tolong/*", "to": "/" + "x" * 100 + "/"},
    {"from": "/exists.gmi", "to": "/page.gmi"},
]
GONE = ["/gone.gmi", "/gonedir/*"]
FILES = {
    "index.gmi": "# x\n", "page.gmi": "# page\n",
    "new/x.gmi": "# new\n", "exists.gmi": "# here, and yet redirected\n",
    "gone.gmi": "# here, and yet gone\n", "gonedir/x.gmi": "# gone\n",
    "dir/index.gmi": "# dir\n", "sp ace/index.gmi": "# sp\n",
    "é/index.gmi": "# é\n", "a;b=c/index.gmi": "# semi\n",
    "evil.example/dir/index.gmi": "# evil\n",
    "per%cent/index.gmi": "# per\n", "q?m/index.gmi": "# q\n",
    "cr\r\nlf/index.gmi": "# crlf\n",
    "long/" + "é" * 120 + "/" + "é" * 120 + "/index.gmi": "# long\n",
}


@pytest.fixture(scope="module")
def moved():
    """The same rules by capsule.conf (localhost) and by the operator."""
    d = own_directory()
    mine = tree(d / "mine", dict(FILES, **{
        "capsule.conf": settings({"redirects": RULES, "gone": GONE})}))
    theirs = tree(d / "theirs", FILES)
    with Server([
            {"host": "localhost", "root": mine},
            {"host": "operator.example", "root": theirs,
             "redirects": RULES, "gone": GONE}]) as server:
        yield server


# request, status, META
ROWS = [
    ("A23-R1.7.69-directory", "/dir", 31, "/dir/"),
    ("A24-R1.7.69-query-kept", "/dir?x=1", 31, "/dir/?x=1"),
    ("A24-R1.7.69-query-kept-as-it-was",
     "/dir?a%20b+c&%0A", 31, "/dir/?a%20b+c&%0A"),
    ("A25-R1.7.69-encoding-kept", "/sp%20ace", 31, "/sp%20ace/"),
    ("A25-R1.7.69-encoding-kept-though-needless", "/%64ir", 31, "/%64ir/"),
    ("A25-R1.7.69-lower-case-escapes", "/%c3%a9", 31, "/%c3%a9/"),
    ("A25-R1.7.69-raw-UTF-8", "/é", 31, "/%C3%A9/"),
    ("A25-R1.7.69-percent", "/per%25cent", 31, "/per%25cent/"),
    ("A25-R1.7.69-question-mark", "/q%3Fm", 31, "/q%3Fm/"),
    ("A25-R1.7.69-semicolon", "/a;b=c", 31, "/a;b=c/"),
    ("A52-R1.2.38-directory-named-CRLF", "/cr%0d%0alf", 31, "/cr%0d%0alf/"),
    ("R1.7.69-normalised", "/none/../dir", 31, "/dir/"),
    ("R1.7.70-two-slashes", "gemini://{H}:{P}//dir", 31, "/dir/"),
    ("R1.7.70-never-another-host", "gemini://{H}:{P}//evil.example/dir", 31,
     "/evil.example/dir/"),
    ("R1.7.70-three-slashes", "gemini://{H}:{P}///evil.example/dir?q", 31,
     "/evil.example/dir/?q"),
    ("R1.7.71-empty-path", "gemini://{H}:{P}", 20, None),
    ("R1.7.68-exact", "/old.gmi", 30, "/page.gmi"),
    ("exact-query-kept", "/old.gmi?x", 30, "/page.gmi?x"),
    ("exact-not-with-slash", "/old.gmi/", 51, None),
    ("permanent", "/moved.gmi", 31, "/page.gmi"),
    ("before-files", "/exists.gmi", 30, "/page.gmi"),
    ("target-has-a-query", "/answer.gmi?x", 30, "/page.gmi?fixed"),
    ("from-is-decoded", "/sp%20ace.gmi", 30, "/page.gmi"),
    ("from-UTF-8-escaped", "/%C3%A9.gmi", 30, "/page.gmi"),
    ("from-UTF-8-raw", "/é.gmi", 30, "/page.gmi"),
    ("from-normalised", "/x/..//%6fld.gmi", 30, "/page.gmi"),
    ("glob", "/old/x.gmi", 30, "/new/x.gmi"),
    ("glob-deep-query", "/old/a/b/c.gmi?q=1", 30, "/new/a/b/c.gmi?q=1"),
    ("glob-nothing-left", "/old/", 30, "/new/"),
    ("glob-the-directory", "/old", 30, "/new/"),
    ("glob-the-directory-query", "/star?q", 31, "/new/?q"),
    ("glob-not-its-neighbour", "/old.gmix", 51, None),
    ("glob-final-slash-kept", "/old/a/", 30, "/new/a/"),
    ("glob-encoding-kept", "/old/sp%20ace%3F.gmi", 30, "/new/sp%20ace%3F.gmi"),
    ("glob-raw-UTF-8", "/old/é", 30, "/new/%C3%A9"),
    ("glob-star", "/star/x/y?z", 31, "/new/x/y?z"),
    ("R1.7.68-absolute",
     "/away/a%20b?q", 30, "gemini://example.org/there/a%20b?q"),
    ("R1.7.70-glob-slashes", "/old//evil.example/x", 30,
     "/new/evil.example/x"),
    ("R1.7.70-glob-to-root", "/flat//evil.example/x", 30, "/evil.example/x"),
    ("R1.7.70-glob-to-root-star", "/flatstar///evil.example/x", 30,
     "/evil.example/x"),
    ("R1.7.70-glob-to-root-nothing-left", "/flat/", 30, "/"),
    ("R1.7.70-glob-dots", "/flat/./%2e//evil.example/", 30, "/evil.example/"),
    ("A52-R1.2.38-one-line", "/old/%0d%0a20%20text/gemini", 30,
     "/new/%0d%0a20%20text/gemini"),
    ("A52-R1.2.38-query", "/old.gmi?%0d%0a20%20text/gemini", 30,
     "/page.gmi?%0d%0a20%20text/gemini"),
    ("A52-R1.2.38-escape",
     "/old/%1b%5b2J%7f%c2%9b", 30, "/new/%1b%5b2J%7f%c2%9b"),
    ("gone", "/gone.gmi", 52, None),
    ("gone-query", "/gone.gmi?x", 52, None),
    ("gone-escaped", "/%67one.gmi", 52, None),
    ("gone-slashes-and-dots", "/dir/..//gone.gmi", 52, None),
    ("gone-glob", "/gonedir/x.gmi", 52, None),
    ("gone-glob-missing", "/gonedir/none/none.gmi", 52, None),
    ("gone-not-its-neighbour", "/gone.gmix", 51, None),
]


@pytest.mark.parametrize("host", ("localhost", "operator.example"))
@pytest.mark.parametrize("text,status,meta", [r[1:] for r in ROWS],
                         ids=[r[0] for r in ROWS])
def test_row(moved, via, host, text, status, meta):
    if text.startswith("/"):
        text = "gemini://{H}:{P}" + text
    text = text.replace("{H}", host)
    reply = moved.ask(text, sni=host, tls=via.tls, family=via.family)
    assert reply.status == status and reply.whole, reply
    if status in (30, 31):
        assert reply.meta == meta
        assert not reply.meta.startswith("//")
        assert "#" not in reply.meta  # 68


def test_R1_2_31_R1_7_72_too_long_is_refused_not_cut(moved, via):
    """To the byte (also rule 1.2.31): 1,024 are sent, 1,025 are not."""
    line = moved.line("/tolong/", via.family)
    how = {"tls": via.tls, "family": via.family}
    for left in (1024 - len(line), 1024 - 102 + 1):
        reply = moved.ask(line + b"y" * left, **how)
        assert reply.status in (40, 51) and reply.whole, reply
    fits = moved.ask(line + b"y" * (1024 - 102), **how)
    assert fits.meta == "/" + "x" * 100 + "/" + "y" * (1024 - 102)
    assert len(fits.meta) == 1024


def test_R1_7_72_a_directory_whose_escapes_are_too_long(moved, via):
    """570 bytes of raw UTF-8 fit a request; their escapes fit no META."""
    path = "/long/" + "é" * 120 + "/" + "é" * 120
    how = {"tls": via.tls, "family": via.family}
    assert moved.ask(path, **how).status in (40, 51)
    assert moved.ask(path + "/", **how).status == 20


def test_R1_7_71_a_redirect_can_be_followed_to_its_end(moved, via):
    """No loops: following any answer here ends within five steps."""
    for path in ("/dir", "/old.gmi", "/old/x.gmi", "/exists.gmi", "/é",
                 "/flat/dir", "/cr%0d%0alf"):
        for _ in range(5):
            reply = moved.ask(path, tls=via.tls, family=via.family)
            if reply.status == 20:
                break
            assert reply.status in (30, 31)
            path = reply.meta
        assert reply.status == 20


def test_R1_7_70_no_slash_follows_a_route_of_one_empty_segment(moved, via):
    for path in ("//", "///", "//.//", "/dir/..//"):
        reply = moved.ask("gemini://{H}:{P}" + path, tls=via.tls,
                          family=via.family)
        assert reply.status == 20 and reply.text == "# x\n"
