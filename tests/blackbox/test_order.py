# SPDX-License-Identifier: ISC
"""The order of refusals: the rate, line, syntax, scheme, host and port, dots above
the root, what is gone or moved, and only then any file."""
import pytest
from conftest import CANARY, HOME, own_directory
from harness import Server, tree, wait_for

ORDER = [
    ("length-before-scheme", b"http://{H}/" + b"x" * 1100, 59),
    ("length-before-syntax", b"gemini://{H}/%zz" + b"x" * 1100, 59),
    ("syntax-before-scheme", "http://{H}/%zz", 59),
    ("syntax-before-host", "gemini://example.org/%zz", 59),
    ("syntax-before-host-fragment", "gemini://example.org/#f", 59),
    ("host-before-dots", "gemini://example.org/../..", 53),
    ("port-before-dots", "gemini://{H}:443/../..", 53),
    ("scheme-before-dots", "http://{H}/../..", 53),
    ("dots-before-policy", "/../gone.gmi", 59),
    ("policy-before-files-gone", "/gone.gmi", 52),
    ("policy-before-files-redirect", "/moved.gmi", 31),
    ("policy-before-files-directory", "/movedir", 30),
    ("policy-on-the-normalised-path", "/x/..//%67one.gmi", 52),
    ("policy-before-hidden", "/.hiddengone", 52),
]


@pytest.fixture(scope="module")
def ordered():
    root = tree(own_directory() / "main", {
        "index.gmi": HOME, "gone.gmi": "still lies here\n",
        "moved.gmi": "still lies here\n", "movedir/index.gmi": "# here\n",
        ".hiddengone": CANARY})
    with Server([{
            "host": "localhost", "root": root,
            "gone": ["/gone.gmi", "/.hiddengone"],
            "redirects": [
                {"from": "/moved.gmi", "to": "/new.gmi", "permanent": True},
                {"from": "/movedir", "to": "/newdir/"}]}]) as server:
        yield server


@pytest.mark.parametrize("text,status", [r[1:] for r in ORDER],
                         ids=[r[0] for r in ORDER])
def test_order_of_refusals(ordered, via, text, status):
    reply = ordered.ask(text, tls=via.tls, family=via.family)
    assert reply.status == status and reply.whole, reply


# ---------------------------------------------- when the allowance is used up

SPENT = [
    ("rate-before-policy-gone", "/gone.gmi", 44),
    ("rate-before-policy-gone-missing", "/gone-missing.gmi", 44),
    ("rate-before-policy-redirect", "/moved.gmi", 44),
    ("rate-before-policy-redirect-30", "/movedir", 44),
    ("rate-before-files-page", "/page.gmi", 44),
    ("rate-before-files-missing", "/none.gmi", 44),
    ("rate-before-files-directory", "/dir", 44),
    ("rate-before-files-hidden", "/.hidden", 44),
    ("rate-before-dots", "/../x", 44),
    ("rate-before-port", "gemini://{H}:443/", 44),
    ("rate-before-host", "gemini://example.org/", 44),
    ("rate-before-scheme", "https://{H}/", 44),
    ("rate-before-syntax", "/%zz", 44),
    ("rate-before-length", "/" + "x" * 1100, 44),
]


@pytest.fixture(scope="module")
def strict():
    """One request a second, for everybody."""
    root = tree(own_directory() / "main", {
        "index.gmi": HOME, "page.gmi": "# page\n", "dir/index.gmi": "# dir\n",
        "gone.gmi": "still lies here\n", "moved.gmi": "still lies here\n",
        ".hidden": CANARY})
    with Server([{
            "host": "localhost", "root": root,
            "gone": ["/gone.gmi", "/gone-missing.gmi"],
            "redirects": [
                {"from": "/moved.gmi", "to": "/new.gmi", "permanent": True},
                {"from": "/movedir", "to": "/newdir/"}]}],
            options={"limits": {"rate": 1, "burst": 1, "exempt": []}},
            alive=None) as server:
        yield server


@pytest.mark.parametrize("text,status", [r[1:] for r in SPENT],
                         ids=[r[0] for r in SPENT])
def test_order_of_refusals_without_allowance(strict, via, text, status):
    how = {"tls": via.tls, "family": via.family}
    for _ in range(5):
        # Once a second one request is granted. When that happens to be this
        # one, it shows nothing and is repeated.
        wait_for(lambda: strict.ask("/", **how).status == 44, what="status 44")
        reply = strict.ask(text, **how)
        if reply.status == status:
            break
    assert reply.status == status and reply.whole, reply
