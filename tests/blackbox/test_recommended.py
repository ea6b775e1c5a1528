# SPDX-License-Identifier: ISC
"""Where other servers disagree: the recommended column of spec.md section 8,
and the port that clients use (rule 1.1.16). Two rows of it wait for client
certificates: an expired one on a public path, no resumption with one. The
request timeout is proved in test_connection.py."""
import pytest
from conftest import HOME
from harness import Server

# id, request to localhost, status, META or body if it matters
ROWS = [
    ("S8-dots-above-root", "/../", 59, None),
    ("S8-dots-above-root-and-back", "/../dir/a.txt", 59, None),
    ("S8-dots-above-root-escaped", "/%2e%2e/a.txt", 59, None),
    ("S8-dots-above-root-later", "/dir/../../", 59, None),
    ("S8-SNI-is-not-the-host", "gemini://other.example:{P}/", 53, None),
    ("S8-port-omitted", "gemini://{H}/", 20, HOME),
    ("S8-port-wrong", "gemini://{H}:1965/", 53, None),
    ("S8-directory-redirect", "/dir", 31, "/dir/"),
    ("S8-directory-redirect-of-an-alias", "gemini://{H}./dir?q", 31,
     "/dir/?q"),
    ("S8-hidden", "/.hidden", 51, None),
    ("S8-hidden-directory", "/.secret/x.txt", 51, None),
    ("S8-raw-UTF-8", "/é.gmi", 20, "# é\n"),
    ("S8-raw-UTF-8-query", "/a.txt?é", 20, "a\n"),
    ("S8-raw-UTF-8-redirected", "/é", 31, "/%C3%A9/"),
    ("S8-other-scheme-without-slashes", "mailto:a@b", 59, None),
    ("S8-other-scheme-one-slash", "https:/{H}/", 59, None),
    ("S8-other-scheme-with-slashes", "https://{H}/", 53, None),
]


@pytest.mark.parametrize("text,status,more", [r[1:] for r in ROWS],
                         ids=[r[0] for r in ROWS])
def test_row(site, via, text, status, more):
    reply = site.ask(text, tls=via.tls, family=via.family)
    assert reply.status == status and reply.whole, reply
    if status == 20:
        assert reply.text == more
    elif more is not None:
        assert reply.meta == more


def test_S8_raw_UTF_8_host(site, via):
    reply = site.ask("gemini://café.example:{P}/", sni="xn--caf-dma.example",
                     tls=via.tls, family=via.family)
    assert (reply.status, reply.text) == (20, "# Café\n")


# ---------------------------------------------------------------- public_port

@pytest.fixture(scope="module")
def forwarded():
    """Clients come to 1965; something forwards them to our port."""
    with Server(options={"public_port": 1965},
                alive="gemini://{H}/") as server:
        yield server


PUBLIC = [
    ("S8-R1.1.16-public-port", "gemini://{H}:1965/", 20),
    ("S8-R1.1.16-omitted", "gemini://{H}/", 20),
    ("R1.1.16-empty", "gemini://{H}:/", 20),
    ("S8-R1.1.16-own-port-is-not-public", "gemini://{H}:{P}/", 53),
]


@pytest.mark.parametrize("text,status", [r[1:] for r in PUBLIC],
                         ids=[r[0] for r in PUBLIC])
def test_public_port(forwarded, via, text, status):
    reply = forwarded.ask(text, tls=via.tls, family=via.family)
    assert reply.status == status and reply.whole, reply
