# SPDX-License-Identifier: ISC
"""D1 to D27: what the diagnostics that operators run against a server look at
(spec.md section 2), as our own tests. D12, silence for 5 s, is proved with the
other deadlines in test_connection.py."""
import datetime
import re
import socket
import ssl

import pytest
from cryptography import x509
from conftest import HOME
from harness import ADDRESS, Client, connect, context


def test_D1_listens_on_IPv4(site):
    with socket.create_connection((ADDRESS[4], site.port(4)), 5) as s:
        assert s.family == socket.AF_INET
    assert site.ask("/", family=4).status == 20


def test_D2_listens_on_IPv6(site):
    with socket.create_connection((ADDRESS[6], site.port(6)), 5) as s:
        assert s.family == socket.AF_INET6
    assert site.ask("/", family=6).status == 20


def test_D3_TLS_1_3_is_what_a_free_client_gets(site):
    with Client(site) as c:
        assert c.tls.version() == "TLSv1.3"


def test_D4_claims_name_and_dates(site):
    with Client(site) as c:
        leaf = x509.load_der_x509_certificate(c.certificate())
    now = datetime.datetime.utcnow()
    assert leaf.not_valid_before <= now <= leaf.not_valid_after
    names = leaf.extensions.get_extension_for_class(
        x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    assert "localhost" in names


def test_D5_verify_error_is_18_self_signed_leaf(site, tls):
    ctx = ssl.create_default_context()
    ctx.check_hostname = False
    with pytest.raises(ssl.SSLCertVerificationError) as e:
        Client(site, ctx=ctx)
    assert e.value.verify_code == 18


def test_D6_close_notify(site, via):
    assert site.ask("/", tls=via.tls, family=via.family).clean


def test_D7_plaintext_gets_zero_bytes(site, via):
    with connect(site, via.family) as s:
        s.sendall(site.line("/", via.family) + b"\r\n")
        try:
            assert s.recv(100) == b""
        except ConnectionResetError:
            pass


def test_D8_second_connection_while_the_first_is_idle(site, via):
    how = {"tls": via.tls, "family": via.family}
    whole = site.line("/", via.family) + b"\r\n"
    with Client(site, **how) as a:
        a.send(whole[:1])
        with Client(site, **how) as b:
            b.send(whole)  # and closed unread
        a.send(whole[1:])
        assert a.reply().status == 20


def test_D9_response_format(site, via):
    reply = site.ask("/", tls=via.tls, family=via.family)
    assert re.match(rb"20 text/gemini(; ?[a-z]+=\S+)*\r\n#", reply.raw)
    assert reply.text == HOME
    assert "\r" not in reply.text


def test_D9a_last_line_ends_as_Python_splits_lines(site):
    text = site.ask("/").text
    assert text.endswith("\n")
    assert len(text.splitlines()) == text.count("\n")


def test_D10_homepage_needs_no_redirect(site, via):
    for path in ("/", ""):
        reply = site.ask("gemini://{H}:{P}" + path, tls=via.tls,
                         family=via.family)
        assert reply.status == 20


def test_D11_page_not_found(site, via):
    reply = site.ask("/09pdsakjo73hjn12id78", tls=via.tls, family=via.family)
    assert (reply.status, reply.body, reply.whole) == (51, b"", True)


ROWS = [
    ("D13-URLIncludePort", "gemini://{H}:{P}/", {20}),
    ("D14-URLSchemeMissing", "//{H}/", {59}),
    ("D16-URLInvalidUTF8Byte", b"gemini://{H}:{P}/\xdc", {59}),
    ("D18-URLAboveMaxSize", 1025, {59}),
    ("D17-URLMaxSize", 1024, {51}),
    ("D19-URLWrongPort", "gemini://{H}:443/", {53}),
    ("D20-URLWrongHost", "gemini://wikipedia.org/", {53}),
    ("D21-URLSchemeHTTP", "http://{H}:{P}/", {53}),
    ("D22-URLSchemeHTTPS", "https://{H}:{P}/", {53}),
    ("D23-URLSchemeGopher", "gopher://{H}:{P}/", {53}),
    ("D24-URLEmpty", b"", {59}),
    ("D25-URLRelative", b"/", {59}),
    ("D26-URLInvalid", "Hello Gemini!", {59}),
    ("D27-URLDotEscape", "gemini://{H}:{P}/../../", set(range(50, 60))),
]


@pytest.mark.parametrize("text,allowed", [r[1:] for r in ROWS],
                         ids=[r[0] for r in ROWS])
def test_row(site, via, text, allowed):
    if isinstance(text, int):
        start = site.line("/", via.family)
        text = start + b"x" * (text - len(start))
    reply = site.ask(text, tls=via.tls, family=via.family)
    assert reply.status in allowed and reply.whole, reply


def test_D15_URL_by_IP_address_gets_a_valid_header(site, via):
    address = {4: "127.0.0.1", 6: "[::1]"}[via.family]
    reply = site.ask(f"gemini://{address}:{{P}}/", sni=None, tls=via.tls,
                     family=via.family)
    assert reply.status == 53 and reply.whole


def test_D3_a_client_that_knows_only_1_2_is_served(site):
    assert context("1.2").maximum_version == ssl.TLSVersion.TLSv1_2
    assert site.ask("/", tls="1.2").version == "TLSv1.2"
