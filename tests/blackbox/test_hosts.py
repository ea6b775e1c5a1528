# SPDX-License-Identifier: ISC
"""Whose page it is: rules 1.1 (16 to 19) and 1.5 (46 to 48), rows A16, A19,
A20, B3 to B7, B13; several capsules by SNI and by URL host."""
import socket

import pytest
from conftest import HOME, own_directory
from cryptography import x509
from cryptography.x509.oid import NameOID
from harness import Client, Server, tree
from rawtls import Puppet

BODY = {"localhost": HOME, "other.example": "# Other\n",
        "xn--caf-dma.example": "# Café\n"}
NAMES = {
    "localhost": "localhost", "alias.localhost": "localhost",
    "other.example": "other.example", "www.other.example": "other.example",
    "xn--caf-dma.example": "xn--caf-dma.example",
    "xn--bcher-kva.example": "xn--caf-dma.example",
}


def common_name(der):
    return x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(
        NameOID.COMMON_NAME)[0].value


def ask(site, via, host, sni, path="/"):
    """(common name of the certificate, reply) for a URL host and an SNI."""
    with Client(site, sni=sni, tls=via.tls, family=via.family) as c:
        c.ask(f"gemini://{host}:{{P}}{path}")
        name = common_name(c.certificate())
        reply = c.reply()
    assert reply.whole, reply
    return name, reply


@pytest.mark.parametrize("name", NAMES)
def test_R1_5_46_each_name_has_its_certificate_and_its_pages(site, via, name):
    owner, reply = ask(site, via, name, name)
    assert owner == NAMES[name]
    assert (reply.status, reply.text) == (20, BODY[NAMES[name]])


@pytest.mark.parametrize("name", NAMES)
def test_B3_R1_5_46_no_SNI_the_URL_decides(site, via, name):
    owner, reply = ask(site, via, name, None)
    assert owner == "localhost"  # the first capsule is the default
    assert (reply.status, reply.text) == (20, BODY[NAMES[name]])


def test_B3_no_SNI_and_not_our_URL(site, via):
    assert ask(site, via, "example.org", None)[1].status == 53


def test_B4_R1_5_48_unknown_SNI_default_certificate_then_by_URL(site, via):
    owner, reply = ask(site, via, "unknown.example", "unknown.example")
    assert owner == "localhost" and reply.status == 53
    owner, reply = ask(site, via, "localhost", "unknown.example")
    assert owner == "localhost" and reply.status == 20
    owner, reply = ask(site, via, "other.example", "unknown.example")
    assert owner == "localhost" and reply.text == "# Other\n"


@pytest.mark.parametrize("sni,host", [
    ("localhost", "other.example"), ("other.example", "localhost"),
    ("alias.localhost", "www.other.example"), ("localhost", "café.example"),
    ("other.example", "unknown.example")])
def test_B5_R1_5_48_S8_SNI_is_not_the_URL_host(site, via, sni, host):
    owner, reply = ask(site, via, host, sni)
    assert owner == NAMES[sni] and reply.status == 53


@pytest.mark.parametrize("sni,host", [
    ("localhost", "alias.localhost"), ("alias.localhost", "localhost"),
    ("www.other.example", "other.example"),
    ("xn--bcher-kva.example", "café.example")])
def test_B5_two_names_of_one_capsule_agree(site, via, sni, host):
    owner, reply = ask(site, via, host, sni)
    assert (owner, reply.status) == (NAMES[sni], 20)


@pytest.mark.parametrize("sni", ("LOCALHOST", "Other.EXAMPLE",
                                 "XN--CAF-DMA.example"))
def test_B6_R1_5_47_SNI_of_any_case(site, via, sni):
    owner, reply = ask(site, via, sni.lower(), sni)
    assert (owner, reply.status) == (sni.lower(), 20)


def test_R1_5_47_SNI_with_a_trailing_dot(site, via):
    owner, reply = ask(site, via, "other.example", "other.example.")
    assert (owner, reply.text) == ("other.example", "# Other\n")


@pytest.mark.parametrize("sni", (b"127.0.0.1", b"::1", b"[::1]",
                                 "café.example".encode(), b"_", b"a" * 200))
def test_B7_R1_5_47_SNI_that_no_standard_allows(site, via, sni):
    """An address is what one client sends for every host: never abort."""
    with Puppet(site, tls=via.tls, family=via.family, sni=sni) as p:
        p.handshake()
        p.write(site.line("/", via.family) + b"\r\n")
        header = p.read_all()
    # raw UTF-8 may be nobody, or café.example, which is not localhost (B5)
    expected = (b"20 ", b"53 ") if b"caf" in sni else b"20 "
    assert header.startswith(expected), header


EQUAL = [
    ("xn--caf-dma.example", "gemini://xn--caf-dma.example:{P}/"),
    ("upper-A-label", "gemini://XN--CAF-DMA.Example:{P}/"),
    ("U-label", "gemini://café.example:{P}/"),
    ("upper-U-label", "gemini://CAFÉ.EXAMPLE:{P}/"),
    ("percent-encoded", "gemini://caf%C3%A9.example:{P}/"),
    ("percent-encoded-lower", "gemini://caf%c3%a9.example/"),
    ("percent-encoded-ASCII", "gemini://caf%C3%A9.ex%61mple/"),
    ("percent-encoded-dot", "gemini://caf%C3%A9%2Eexample/"),
    ("trailing-dot", "gemini://xn--caf-dma.example.:{P}/"),
    ("U-label-trailing-dot", "gemini://café.example./"),
    ("alias-U-label", "gemini://bücher.example/"),
]


@pytest.mark.parametrize("text", [e[1] for e in EQUAL],
                         ids=["R1.1.17-" + e[0] for e in EQUAL])
def test_equal_names(site, via, text):
    reply = site.ask(text, sni="xn--caf-dma.example", tls=via.tls,
                     family=via.family)
    assert (reply.status, reply.text) == (20, "# Café\n") and reply.whole


@pytest.mark.parametrize("host", (
    "cafe.example", "xn--caf-dma.example.org", "localhost..", ".localhost",
    "local%20host", "localhost%2Fx", "127.1", "2130706433",
    "0x7f.1", "localhost%00", "a" * 300, "[::ffff:127.0.0.1]", "[v1.x]",
    "[fe80::1%25eth0]", "xn--a"))
def test_R1_1_18_R1_1_19_not_ours_never_served(site, host):
    for sni in (None, "localhost"):
        reply = site.ask(f"gemini://{host}:{{P}}/", sni=sni)
        assert reply.status in (53, 59) and reply.whole, reply


def test_3D9_53_names_the_hosts_that_are_served(site):
    meta = site.ask("gemini://example.org/").meta
    for name in ("localhost", "other.example"):
        assert name in meta
    assert "example.org" not in meta  # nothing of the request is reflected


def test_3D9_53_stays_one_short_line_with_very_many_hosts():
    d = own_directory()
    root = tree(d / "main", {"index.gmi": "# x\n"})
    with Server([{"host": f"host-number-{i}.a-rather-long-name.example",
                  "root": root} for i in range(40)]) as server:
        name = server.host
        assert server.ask("gemini://example.org/").status == 53
        assert server.ask(f"gemini://{name}/").status == 20


# -------------------------------------------------- sessions between capsules

def test_B13_a_ticket_of_one_capsule_shown_to_another(site, via):
    """Answered as the capsule named now, whatever the ticket says; the
    ClientHello of this connection is the SNI that counts (rule 1.5.54 c)."""
    how = {"tls": via.tls, "family": via.family}
    other = "gemini://other.example:{P}/"
    with Client(site, sni="localhost", **how) as c:
        session = c.ask("/").reply().session
    for _ in range(2):
        with Client(site, sni="other.example", session=session, **how) as c:
            reply = c.ask(other).reply()
        assert (reply.status, reply.text) == (20, "# Other\n") and reply.whole
        with Client(site, sni="other.example", session=session, **how) as c:
            reply = c.ask("/").reply()  # localhost's page
        assert reply.status == 53 and reply.whole
        if via.tls == "1.2":
            # without resumption the certificate is the new host's
            with Client(site, sni="other.example", session=session,
                        **how) as c:
                if not c.tls.session_reused:
                    assert common_name(c.certificate()) == "other.example"
    with Client(site, sni=None, session=session, **how) as c:
        reply = c.ask(other).reply()
    assert reply.status == 20 and reply.whole


# -------------------------------------------------------- hosts by other ways

def test_A20_an_address_that_is_configured_as_a_host(via):
    root = tree(own_directory() / "main", {"index.gmi": "# By address\n"})
    with Server([{"host": "127.0.0.1", "aliases": ["::1"],
                  "root": root}]) as server:
        for host in ("127.0.0.1", "[::1]", "[0:0:0:0:0:0:0:1]"):
            reply = server.ask(f"gemini://{host}:{{P}}/", sni=None,
                               tls=via.tls, family=via.family)
            assert (reply.status, reply.text) == (20, "# By address\n")
        with Puppet(server, tls=via.tls, family=via.family,
                    sni=b"127.0.0.1") as p:
            p.handshake()
            p.write(server.line("gemini://127.0.0.1:{P}/", via.family)
                    + b"\r\n")
            assert p.read_all().startswith(b"20 ")
        assert server.ask("gemini://localhost/", sni=None).status == 53


def test_a_directory_alone_is_served_as_localhost_and_this_machine():
    root = tree(own_directory() / "main", {"index.gmi": "# Alone\n"})
    with Server(command=[root]) as server:
        for host in ("localhost", socket.gethostname()):
            for sni in (None, host):
                reply = server.ask(f"gemini://{host}:{{P}}/", sni=sni)
                assert (reply.status, reply.text) == (20, "# Alone\n")


def test_hosts_of_the_command_line():
    root = tree(own_directory() / "main", {"index.gmi": "# Named\n"})
    with Server(command=["--host", "one.example", "--host", "two.example",
                         root], alive=None) as server:
        for host in ("one.example", "two.example"):
            reply = server.ask(f"gemini://{host}:{{P}}/", sni=host)
            assert (reply.status, reply.text) == (20, "# Named\n")
        assert server.ask("gemini://localhost/", sni=None).status == 53
