# SPDX-License-Identifier: ISC
"""Request lines: table 3.A and rules 1.1 of spec.md. Each row runs on TLS 1.2
and 1.3, IPv4 and IPv6."""

import pytest
from conftest import CANARY, HOME, VIAS
from harness import Client

U = "gemini://{H}:{P}"  # our own authority, with its port
HOME_BODY = HOME.encode()

# id, request (a path, or a whole line), status, body or META if it matters
ROWS = [
    ("A1-R1.1.20-no-path", U, 20, HOME_BODY),
    ("A1-R1.1.20-no-path-no-port", "gemini://{H}", 20, HOME_BODY),
    ("A2-R1.1.20-query-without-path", U + "?q", 20, HOME_BODY),
    ("A2-R1.1.20-query-without-path-no-port",
     "gemini://{H}?query", 20, HOME_BODY),
    ("A3-R1.1.12-upper-case-scheme", "GEMINI://{H}:{P}/", 20, HOME_BODY),
    ("A3-R1.1.12-mixed-case-host", "gemini://LocalHost:{P}/", 20, HOME_BODY),
    ("A3-R1.1.12-mixed-case-both", "GeMiNi://LOCALHOST/", 20, HOME_BODY),
    ("A4-R1.1.11-scheme-relative", "//{H}/", 59, None),
    ("A4-R1.1.11-path-only", b"/", 59, None),
    ("A4-R1.1.11-host-and-path", "{H}/page.gmi", 59, None),
    ("A4-R1.1.11-host-port-path", "{H}:{P}/page.gmi", 59, None),
    ("A4-R1.1.11-empty", b"", 59, None),
    ("A4-R1.1.11-garbage", "Hello Gemini!", 59, None),
    ("A4-R1.1.11-bad-scheme", "1gemini://{H}/", 59, None),
    ("A4-R1.1.11-empty-scheme", "://{H}/", 59, None),
    ("A5-R1.1.13-single-slash", "gemini:/{H}/", 59, None),
    ("A5-R1.1.13-no-slash", "gemini:x", 59, None),
    ("A6-R1.1.13-empty-host", "gemini:///x", 59, None),
    ("A6-R1.1.13-only-port", "gemini://:{P}/", 59, None),
    ("A7-R1.1.13-mailto", "mailto:a@b", 59, None),
    ("A7-R1.1.13-other-scheme-single-slash", "http:/{H}/", 59, None),
    ("A7-R1.1.13-other-scheme-empty-host", "http:///x", 59, None),
    ("A8-R1.1.14-user", "gemini://user@{H}:{P}/", 59, None),
    ("A8-R1.1.14-user-password", "gemini://user:pw@{H}:{P}/", 59, None),
    ("A8-R1.1.14-password", "gemini://:pw@{H}:{P}/", 59, None),
    ("A8-R1.1.14-two-ats", "gemini://a@b@{H}:{P}/", 59, None),
    ("A9-R1.1.14-empty-userinfo", "gemini://@{H}:{P}/", 59, None),
    ("A10-R1.1.15-fragment", "/#f", 59, None),
    ("A10-R1.1.15-fragment-after-query", "/?q#f", 59, None),
    ("A10-R1.1.15-fragment-after-host", U + "#f", 59, None),
    ("A11-R1.1.15-empty-fragment", "/#", 59, None),
    ("A12-R1.1.16-wrong-port", "gemini://{H}:443/", 53, None),
    ("A12-R1.1.16-default-port-written", "gemini://{H}:1965/", 53, None),
    ("A12-R1.1.16-port-0", "gemini://{H}:0/", 53, None),
    ("A12-R1.1.16-port-65535", "gemini://{H}:65535/", 53, None),
    ("A13-R1.1.16-port-omitted", "gemini://{H}/", 20, HOME_BODY),
    ("A14-R1.1.16-empty-port", "gemini://{H}:/", 20, HOME_BODY),
    ("A14-R1.1.16-empty-port-no-path", "gemini://{H}:", 20, HOME_BODY),
    ("A15-R1.1.16-port-99999", "gemini://{H}:99999/", 59, None),
    ("A15-R1.1.16-port-65536", "gemini://{H}:65536/", 59, None),
    ("A15-R1.1.16-port-of-64-bits",
     "gemini://{H}:18446744073709553581/", 59, None),
    ("A15-R1.1.16-port-abc", "gemini://{H}:abc/", 59, None),
    ("A15-R1.1.16-port-signed", "gemini://{H}:+{P}/", 59, None),
    ("A15-R1.1.16-port-negative", "gemini://{H}:-1/", 59, None),
    ("A15-R1.1.16-port-twice", "gemini://{H}:{P}:{P}/", 59, None),
    ("A16-R1.1.18-other-host", "gemini://example.org/", 53, None),
    ("A16-R1.1.18-host-with-our-name-inside",
     "gemini://{H}.example.org/", 53, None),
    ("A16-R1.1.18-host-shorter-than-ours", "gemini://localhos/", 53, None),
    ("A17-R1.1.13-http", "http://{H}/", 53, None),
    ("A17-R1.1.13-https", "https://{H}:{P}/", 53, None),
    ("A17-R1.1.13-gopher", "gopher://{H}/", 53, None),
    ("A17-R1.1.13-unknown", "x+y-z.1://{H}/", 53, None),
    ("A17-R1.1.13-http-elsewhere", "http://example.org/", 53, None),
    ("A18-R1.1.13-titan", "titan://{H}/a.txt;size=1", 53, None),
    ("A19-R1.1.17-trailing-dot", "gemini://{H}.:{P}/", 20, HOME_BODY),
    ("A20-R1.1.19-IPv4-with-SNI", "gemini://127.0.0.1:{P}/", 53, None),
    ("A20-R1.1.19-IPv6-with-SNI", "gemini://[::1]:{P}/", 53, None),
    ("A21-R1.1.19-unclosed-bracket", "gemini://[::1", 59, None),
    ("A21-R1.1.19-unclosed-bracket-path", "gemini://[::1/", 59, None),
    ("A21-R1.1.19-bracket-and-more", "gemini://[::1]x/", 59, None),
    ("A21-R1.1.19-no-address-inside", "gemini://[zz]/", 59, None),
    ("A21-R1.1.19-brackets-empty", "gemini://[]/", 59, None),
    ("A22-R1.1.2-1024-bytes", 1024, 51, None),
    ("A22-R1.1.2-1025-bytes", 1025, 59, None),
    ("A23-R1.7.69-directory", "/dir", 31, "/dir/"),
    ("A24-R1.7.69-directory-query", "/dir?x=1", 31, "/dir/?x=1"),
    ("A24-R1.7.69-directory-empty-query", "/dir?", 31, "/dir/?"),
    ("A25-R1.7.69-directory-space", "/sp%20ace", 31, "/sp%20ace/"),
    ("A26-no-index", "/empty/", 51, None),
    ("A27-R1.1.27-file-with-slash", "/a.txt/", 51, None),
    ("A27-R1.1.27-page-with-slash", "/page.gmi/", 51, None),
    ("A27-R1.1.27-below-a-file", "/a.txt/x", 51, None),
    ("A28-R1.1.21-file-with-query", "/a.txt?x", 20, b"a\n"),
    ("A28-R1.1.21-file-with-empty-query", "/a.txt?", 20, b"a\n"),
    ("A28-R1.1.21-query-of-anything",
     "/a.txt?a=/../%0A+%0D%0A&?//:@", 20, b"a\n"),
    ("A29-R1.1.26-two-slashes", U + "//a.txt", 20, b"a\n"),
    ("A29-R1.1.26-many-slashes", U + "////dir///a.txt", 20, b"dir a\n"),
    ("A30-R1.1.26-absolute-path", U + "//etc/passwd", 51, None),
    ("A30-R1.1.26-three-slashes", U + "///etc/passwd", 51, None),
    ("A30-R1.1.26-two-slashes-stay-inside", U + "//etc/hello.txt", 20,
     b"inside etc\n"),
    ("A31-R1.1.25-above-root", "/../../", 59, None),
    ("A31-R1.1.25-one-above", "/..", 59, None),
    ("A31-R1.1.25-above-and-back", "/../main/a.txt", 59, None),
    ("A31-R1.1.25-down-and-above", "/dir/../../a.txt", 59, None),
    ("A31-R1.1.25-slashes-hide-no-depth", "/dir//../../a.txt", 59, None),
    ("A32-R1.1.25-dots", "/../canary.txt", {51, 59}, None),
    ("A32-R1.1.25-escaped-dots", "/%2e%2e/canary.txt", {51, 59}, None),
    ("A32-R1.1.25-escaped-dots-upper", "/%2E%2E/canary.txt", {51, 59}, None),
    ("A32-R1.1.25-half-escaped-dots", "/.%2e/canary.txt", {51, 59}, None),
    ("A32-R1.1.25-escaped-slash-too", "/%2e%2e%2fcanary.txt", {51, 59}, None),
    ("A33-R1.1.25-down-and-up", "/dir/../a.txt", 20, b"a\n"),
    ("A33-R1.1.25-escaped-down-and-up", "/dir/%2e%2E/a.txt", 20, b"a\n"),
    ("A33-R1.1.25-single-dots", "/./dir/./a.txt", 20, b"dir a\n"),
    ("A33-R1.1.25-escaped-single-dot", "/%2e/a.txt", 20, b"a\n"),
    ("A33-R1.1.25-missing-directory-and-up", "/none/../a.txt", 20, b"a\n"),
    ("A33-R1.1.25-ends-in-dots", "/dir/..", 20, HOME_BODY),
    ("A33-R1.1.25-ends-in-dot", "/dir/.", 20, b"# dir\n"),
    ("A34-R1.1.24-escaped-slash", "/dir%2Findex.gmi", 51, None),
    ("A34-R1.1.24-escaped-slash-lower", "/dir%2fa.txt", 51, None),
    ("A34-R1.1.24-escaped-slash-at-the-end", "/dir%2F", 51, None),
    ("A35-R1.1.22-double-encoded", "/%252e%252e/x", 51, None),
    ("A35-R1.1.22-decoded-once", "/%2541.txt", 20, b"percent\n"),
    ("A35-R1.1.22-not-twice", "/%41.txt", 51, None),
    ("A36-backslash", "/..\\secret", 59, None),
    ("A36-escaped-backslash-is-data", "/back%5Cslash.txt", 20, b"back\n"),
    ("A36-escaped-backslash-does-not-climb", "/..%5Ccanary.txt", 51, None),
    ("A37-R1.1.23-escaped-NUL", "/a.txt%00", 59, None),
    ("A37-R1.1.23-escaped-NUL-inside", "/a%00b/c", 59, None),
    ("A38-R1.1.23-zz", "/%zz", 59, None),
    ("A38-R1.1.23-one-digit", "/%a", 59, None),
    ("A38-R1.1.23-bare-percent", "/a%", 59, None),
    ("A38-R1.1.23-in-the-query", "/?%zz", 59, None),
    ("A38-R1.1.23-in-the-host", "gemini://%zz/", 59, None),
    ("A39-escaped-FF", "/%FF", 51, None),
    ("A40-R1.1.9-raw-space", "/sp ace/", 59, None),
    ("A40-R1.1.9-raw-tab", "/a\t.txt", 59, None),
    ("A41-R1.1.9-leading-space", " gemini://{H}:{P}/", 59, None),
    ("A41-R1.1.9-trailing-space", "gemini://{H}:{P}/ ", 59, None),
    *((f"A42-raw-{ord(c):02x}", f"/x{c}y", 59, None) for c in '<>"\\^{|}`'),
    *((f"A42-raw-{ord(c):02x}-in-query", f"/?x{c}y", 59, None)
      for c in '<>"\\^{|}`'),
    ("A43-R1.1.10-raw-UTF-8", "/é.gmi", 20, "# é\n".encode()),
    ("A43-R1.1.10-escaped-UTF-8", "/%C3%A9.gmi", 20, "# é\n".encode()),
    ("A43-R1.1.10-raw-UTF-8-missing", "/ü.gmi", 51, None),
    ("A43-R1.1.10-raw-UTF-8-directory", "/é", 31, "/%C3%A9/"),
    ("A43-R1.1.10-raw-UTF-8-query", "/a.txt?é", 20, b"a\n"),
    ("A43-R1.1.10-raw-UTF-8-query-redirected", "/dir?é", 31, "/dir/?%C3%A9"),
    ("A44-R1.1.9-raw-NUL", b"gemini://{H}:{P}/a\0", 59, None),
    ("A45-R1.1.8-BOM", b"\xef\xbb\xbfgemini://{H}:{P}/", 59, None),
    ("A46-R1.1.10-lone-byte", b"gemini://{H}:{P}/\xdc", 59, None),
    ("A46-R1.1.10-in-host", b"gemini://{H}\xff/", 59, None),
    ("A46-R1.1.10-in-query", b"gemini://{H}:{P}/?\x80", 59, None),
    ("A46-R1.1.10-overlong", b"gemini://{H}:{P}/\xc0\xae\xc0\xae/", 59, None),
    ("A46-R1.1.10-surrogate", b"gemini://{H}:{P}/\xed\xa0\x80", 59, None),
    ("A46-R1.1.10-above-10FFFF",
     b"gemini://{H}:{P}/\xf4\x90\x80\x80", 59, None),
    ("A46-R1.1.10-cut-short", b"gemini://{H}:{P}/\xe2\x82", 59, None),
    ("A47-dotfile", "/.hidden", 51, None),
    ("A47-dotfile-below", "/dir/.hidden", 51, None),
    ("A47-dot-directory", "/.secret/x.txt", 51, None),
    ("A47-dot-directory-itself", "/.secret", 51, None),
    ("A47-escaped-dot", "/%2ehidden", 51, None),
    ("A47-three-dots", "/...", 51, None),
    ("A47-dotfile-in-well-known", "/.well-known/.deep", 51, None),
    ("A47-well-known-is-served", "/.well-known/security.txt", 20,
     b"Contact: nobody\n"),
    ("A51-parameter", "/a.txt;x=1", 51, None),
    ("A51-semicolon-is-data", "/semi;colon.txt", 20, b"semi\n"),
    ("R1.1.21-escaped-question-mark-is-data", "/q%3Fmark.txt", 20,
     b"question\n"),
    ("R1.1.22-needless-escapes", "/%61.t%78t", 20, b"a\n"),
]


def at_length(server, family, length):
    start = server.line("/", family)
    return start + b"x" * (length - len(start))


@pytest.mark.parametrize("text,status,more", [r[1:] for r in ROWS],
                         ids=[r[0] for r in ROWS])
def test_row(site, via, text, status, more):
    if isinstance(text, int):
        text = at_length(site, via.family, text)
    reply = site.ask(text, tls=via.tls, family=via.family)
    allowed = status if isinstance(status, set) else {status}
    assert reply.status in allowed and reply.whole, reply
    assert CANARY.encode() not in reply.raw
    if isinstance(more, bytes):
        assert reply.body == more
    elif more is not None:
        assert reply.meta == more


# ------------------------------------------------------------ the line itself

def test_A54_R1_1_7_LF_then_CRLF(site, via):
    for line in (b"gemini://{H}:{P}/\n\r\n", b"gemini://{H}:{P}/\n{H}\r\n"):
        reply = site.ask(line, tls=via.tls, family=via.family)
        assert reply.status == 59 and reply.whole, reply


def test_R1_1_7_a_bare_CR_is_no_end(site, via):
    for line in (b"gemini://{H}:{P}/\r/\r\n", b"\rgemini://{H}:{P}/\r\n",
                 b"gemini://{H}:{P}/\r\r\n", b"gemini://{H}:{P}/\n\r\r\n"):
        reply = site.ask(line, tls=via.tls, family=via.family, end=b"")
        assert reply.status == 59 and reply.whole, (line, reply)


def test_A55_R1_1_6_CRLF_twice(site, via):
    reply = site.ask("/", tls=via.tls, family=via.family, end=b"\r\n\r\n")
    assert (reply.status, reply.body, reply.whole) == (20, HOME_BODY, True)


def test_A56_R1_1_1_R1_1_6_two_requests_in_one_record(site, via):
    second = b"\r\n" + site.line("/a.txt", via.family) + b"\r\n"
    reply = site.ask("/page.gmi", tls=via.tls, family=via.family, end=second)
    assert (reply.status, reply.body) == (20, b"# A page\n") and reply.whole


def test_A57_R1_1_6_2_kB_of_junk(site, via):
    for junk in (b"x" * 2000, b"\0" * 2000, b"\r\n" * 1000):
        reply = site.ask("/", tls=via.tls, family=via.family,
                         end=b"\r\n" + junk)
        assert (reply.status, reply.body) == (20, HOME_BODY) and reply.whole


def test_A57_R1_1_6_junk_does_not_count_against_a_line_of_1024(site, via):
    line = at_length(site, via.family, 1024)
    reply = site.ask(line, tls=via.tls, family=via.family,
                     end=b"\r\n" + b"x" * 3000)
    assert reply.status == 51 and reply.whole


def test_A58_R1_1_5_one_byte_records(site, via):
    line = site.line("/page.gmi", via.family) + b"\r\n"
    with Client(site, tls=via.tls, family=via.family) as c:
        c.send_pieces(line[i:i + 1] for i in range(len(line)))
        reply = c.reply()
    assert (reply.status, reply.body) == (20, b"# A page\n") and reply.whole


def test_R1_1_5_one_byte_segments_of_one_record(site, via):
    with Client(site, tls=via.tls, family=via.family) as c:
        record = c.seal(site.line("/page.gmi", via.family) + b"\r\n")
        for i in range(len(record)):
            c.write_tcp(record[i:i + 1])
        assert c.reply().body == b"# A page\n"


@pytest.mark.parametrize("cut", (-2, -1), ids=("before-CR", "before-LF"))
def test_R1_1_5_CRLF_in_a_record_of_its_own(site, via, cut):
    line = site.line("/page.gmi", via.family) + b"\r\n"
    with Client(site, tls=via.tls, family=via.family) as c:
        c.send_pieces((line[:cut], line[cut:]))
        assert c.reply().body == b"# A page\n"


def test_A59_R1_1_4_2000_bytes_without_CRLF_at_once(site, via):
    """1026 bytes without CRLF are enough."""
    for length in (2000, 1026, 16000):
        reply = site.ask(at_length(site, via.family, length), end=b"",
                         tls=via.tls, family=via.family)
        assert reply.status == 59 and reply.whole, reply


def test_R1_1_4_1026_bytes_ending_in_CR(site, via):
    reply = site.ask(at_length(site, via.family, 1025), end=b"\r",
                     tls=via.tls, family=via.family)
    assert reply.status == 59 and reply.whole


def test_R1_1_4_1025_bytes_may_still_be_a_line(site, via):
    with Client(site, tls=via.tls, family=via.family) as c:
        c.send(at_length(site, via.family, 1024) + b"\r")
        assert c.nothing_for(0.3)
        c.send(b"\n")
        reply = c.reply()
    assert reply.status == 51 and reply.whole


def test_R1_1_2_1024_bytes_of_query_are_served(site, via):
    line = site.line("/a.txt?", via.family)
    line += b"q" * (1024 - len(line))
    reply = site.ask(line, tls=via.tls, family=via.family)
    assert (reply.status, reply.body) == (20, b"a\n") and reply.whole
    assert site.ask(line + b"q").status == 59


@pytest.mark.parametrize("shape", ("one", "many", "below-a-file", "loop"))
def test_R1_1_3_names_no_file_system_takes(site, via, shape):
    """ENAMETOOLONG, ENOTDIR and ELOOP are 51."""
    start = {"one": "/", "many": "/", "below-a-file": "/a.txt/",
             "loop": "/loop/"}[shape]
    line = site.line(start, via.family)
    left = 1024 - len(line)
    line += (b"d/" * left)[:left] if shape == "many" else b"x" * left
    reply = site.ask(line, tls=via.tls, family=via.family)
    assert reply.status == 51 and reply.whole


@pytest.mark.parametrize("byte", [*range(0x21), 0x7f],
                         ids=lambda b: f"{b:02x}")
def test_R1_1_9_control_bytes_and_space(site, byte):
    raw = bytes((byte,))
    for i, line in enumerate((
            raw + b"gemini://{H}:{P}/", b"gemini:" + raw + b"//{H}:{P}/",
            b"gemini://{H}" + raw + b":{P}/", b"gemini://{H}:{P}" + raw,
            b"gemini://{H}:{P}/a" + raw + b".txt",
            b"gemini://{H}:{P}/?q" + raw, b"gemini://{H}:{P}/" + raw)):
        via = VIAS[(byte + i) % 4]
        reply = site.ask(line, tls=via.tls, family=via.family)
        assert reply.status == 59 and reply.whole, (line, reply)
