# SPDX-License-Identifier: ISC
"""TLS: rules 1.5 (44 to 57), 1.2.32, rows B8 to B15."""
import os
import signal
import ssl
import struct

import pytest
from conftest import HOME, own_directory
from harness import HOST, Client, Server, context, tree, wait_for
from OpenSSL import SSL
from rawtls import (EARLY_DATA_REJECTED, EXTENSIONS, SUITES, Puppet,
                    answer_to, client_hello, libssl, pointer)

BIG = bytes(range(256)) * 400


# ------------------------------------------------------------ versions, suites

@pytest.mark.parametrize("version,record", [
    (0x0302, 0x0301), (0x0302, 0x0302), (0x0301, 0x0301)],
    ids=("TLS1.1", "TLS1.1-record-1.1", "TLS1.0"))
@pytest.mark.parametrize("family", (4, 6), ids=("v4", "v6"))
def test_B8_R1_5_44_old_versions_get_alert_70(site, family, version, record):
    data, end = answer_to(site, client_hello(
        version, SUITES, EXTENSIONS, record_version=record), family)
    assert end in ("fin", "rst")
    assert data[:1] == b"\x15" and data[3:] == b"\x00\x02\x02\x46", data


def test_B8_SSL_3_is_refused(site):
    """By handshake_failure: OpenSSL 3 knows no such version any more."""
    data, end = answer_to(site, client_hello(
        0x0300, SUITES, EXTENSIONS, record_version=0x0300))
    assert end in ("fin", "rst")
    assert data[:1] == b"\x15" and data[3:6] == b"\x00\x02\x02"
    assert data[6] in (40, 70)


def test_B8_SSL_2_hello_is_refused(site):
    hello = struct.pack("!BHHHH", 1, 0x0002, 3, 0, 16) + b"\1\0\x80"
    hello += bytes(16)
    data, end = answer_to(site, struct.pack("!H", 0x8000 | len(hello)) + hello)
    assert end in ("fin", "rst")
    assert not data or data[:1] == b"\x15"


def test_B9_each_version_alone(site, via):
    reply = site.ask("/", tls=via.tls, family=via.family)
    assert reply.status == 20 and reply.whole
    assert reply.version == "TLSv" + via.tls


def test_R1_5_44_TLS_1_3_is_preferred(site):
    assert site.ask("/").version == "TLSv1.3"


@pytest.mark.parametrize("suite", (
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305"))
def test_R1_5_45_suites_of_TLS_1_2_that_are_taken(site, suite):
    reply = site.ask("/", ctx=context("1.2", suite))
    assert reply.status == 20 and reply.whole


@pytest.mark.parametrize("suite", (
    "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-ECDSA-AES128-CCM8", "ECDHE-ECDSA-CAMELLIA128-SHA256",
    "ECDHE-ECDSA-ARIA128-GCM-SHA256",
    "AES128-GCM-SHA256", "AES128-SHA", "NULL-SHA256:@SECLEVEL=0",
    "ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0", "AECDH-AES128-SHA:@SECLEVEL=0"))
def test_R1_5_45_suites_of_TLS_1_2_that_are_not(site, suite):
    """(EC)DHE, AES or ChaCha20, AEAD, SHA-2 only."""
    try:
        ctx = context("1.2", suite)
    except ssl.SSLError:
        pytest.skip("this OpenSSL does not know it")
    with pytest.raises(ssl.SSLError):
        Client(site, ctx=ctx)


def test_R1_5_57_unknown_ALPN_is_ignored(site, tls):
    ctx = context(tls, alpn=("h2", "http/1.1", "gemini-of-tomorrow"))
    with Client(site, ctx=ctx) as c:
        assert c.tls.selected_alpn_protocol() is None
        assert c.ask("/").reply().status == 20


def test_R1_5_56_no_TLS_compression(site, tls):
    with Client(site, tls=tls) as c:
        assert c.tls.compression() is None


# ------------------------------------------------------------ records and ends

def test_R1_2_32_header_and_body_leave_in_one_record(site, via):
    with Client(site, tls=via.tls, family=via.family) as c:
        assert c.ask("/").read() == b"20 text/gemini\r\n" + HOME.encode()
        assert c.reply().raw == b"" and c.clean
    # the wire says so too: one record of data, one alert behind it
    sealed = {"1.2": 8 + 16, "1.3": 1 + 16}[via.tls]
    assert c.records[-2] == (23, len(HOME) + 16 + sealed)
    assert c.records[-1] == {"1.2": (21, 2 + 8 + 16),
                             "1.3": (23, 2 + 1 + 16)}[via.tls]


def test_R1_2_32_refusals_are_one_record(site, via):
    for text in ("/none", "x", "gemini://example.org/", "/dir"):
        with Client(site, tls=via.tls, family=via.family) as c:
            first = c.ask(text).read()
            assert first.endswith(b"\r\n") and c.read() == b"" and c.clean


@pytest.fixture(scope="module")
def long():
    root = tree(own_directory() / "main", {
        "index.gmi": HOME, "big.bin": BIG})
    with Server([{"host": HOST, "root": root}]) as server:
        yield server


def test_R1_2_32_a_long_body_leaves_in_full_records(long, via):
    with Client(long, tls=via.tls, family=via.family) as c:
        pieces = [c.ask("/big.bin").read()]
        while pieces[-1]:
            pieces.append(c.read())
    assert c.clean
    body = b"".join(pieces).partition(b"\r\n")[2]
    assert body == BIG
    assert {len(p) for p in pieces[:-2]} == {16384}


def test_R1_5_49_close_notify_on_every_kind_of_answer(site, via):
    for text, status in (
            ("/", 20), ("/dir", 31), ("/none", 51), ("http://{H}/", 53),
            ("", 59), ("x" * 2000, 59), ("/../", 59)):
        line = text.encode() if not text.startswith("/") else text
        reply = site.ask(line, tls=via.tls, family=via.family)
        assert reply.status == status and reply.whole, reply


# --------------------------------------------------------------- resumption

def session_of(server, via, **how):
    with Client(server, tls=via.tls, family=via.family, **how) as c:
        return c.ask("/").reply().session


def test_B11_R1_5_54a_resumed_session(site, via):
    session = session_of(site, via)
    assert session.has_ticket
    for _ in range(3):
        reply = site.ask("/", tls=via.tls, family=via.family, session=session)
        assert reply.resumed and reply.status == 20 and reply.whole
        assert reply.text == HOME
        session = reply.session if via.tls == "1.3" else session


def logged(server, path):
    """The one line of the access log that a path unheard of has left."""
    return wait_for(lambda: [
        a for a in server.access() if a[9] == path], what=path)[0]


def test_B11_the_log_tells_new_from_resumed(site, via):
    how = {"tls": via.tls, "family": via.family}
    session = None
    for word in ("new", "resumed"):
        path = f"/none-{os.urandom(8).hex()}"
        session = site.ask(path, session=session, **how).session
        assert logged(site, path)[6:8] == ["TLSv" + via.tls, word]


def test_B11_resumption_between_IPv4_and_IPv6(site, tls):
    session = site.ask("/", tls=tls, family=4).session
    reply = site.ask("/", tls=tls, family=6, session=session)
    assert reply.resumed and reply.status == 20


def test_B11_resumption_across_workers(tls):
    """Each worker in turn is stopped, so that the other must answer; each
    answers over both families."""
    with Server(workers=2) as server:
        first, second = server.workers()
        session = None
        for stopped, family in ((first, 4), (second, 6), (first, 6),
                                (second, 4)):
            os.kill(stopped, signal.SIGSTOP)
            try:
                path = f"/none-{os.urandom(8).hex()}"
                reply = server.ask(path, tls=tls, family=family,
                                   session=session)
                assert reply.status == 51 and reply.whole
                assert reply.resumed == (session is not None)
                assert logged(server, path)[7] == (
                    "resumed" if session else "new")
            finally:
                os.kill(stopped, signal.SIGCONT)
            session = session if tls == "1.2" and session else reply.session


def test_B11_resumption_across_generations(tls):
    with Server() as server:
        session = server.ask("/", tls=tls).session
        old = server.workers()
        mark = len(server.log())
        server.signal(signal.SIGHUP)
        server.wait_log("^carnation: reloaded: ", since=mark)
        wait_for(lambda: not set(old) & set(server.workers()))
        for family in (4, 6):
            reply = server.ask("/", tls=tls, family=family, session=session)
            assert reply.resumed and reply.status == 20
            session = session if tls == "1.2" else reply.session
        server.expect_workers()


def counted(tls):
    """A context that notes each handshake message received."""
    seen = []
    ctx = context.__wrapped__(tls)

    def note(_, direction, version, kind, message, data):
        if direction == "read":
            seen.append(getattr(message, "name", str(message)))

    ctx._msg_callback = note
    return ctx, seen


def test_R1_5_54_one_ticket_a_connection(site, tls):
    """A second is of no use; it lives ten minutes at most."""
    ctx, seen = counted(tls)
    session = site.ask("/", ctx=ctx).session
    assert seen.count("NEWSESSION_TICKET") == 1
    assert 0 < session.ticket_lifetime_hint <= 600


def test_R1_5_54d_tickets_off_means_none_and_no_resumption(tls):
    with Server(options={"tls": {"tickets": False}}) as server:
        ctx, seen = counted(tls)
        session = server.ask("/", ctx=ctx).session
        assert "NEWSESSION_TICKET" not in seen
        assert session is None or not session.has_ticket
        for _ in range(2):
            reply = server.ask("/", ctx=ctx, session=session)
            assert not reply.resumed and reply.status == 20 and reply.whole


def test_R1_5_44_minimum_1_3_refuses_1_2():
    with Server(options={"tls": {"minimum": "1.3"}}) as server:
        assert server.ask("/").version == "TLSv1.3"
        with pytest.raises(ssl.SSLError, match="(?i)protocol version"):
            Client(server, tls="1.2")


@pytest.mark.parametrize("family", (4, 6), ids=("v4", "v6"))
def test_B15_R1_5_55_0_RTT_is_ignored(site, family):
    """What was sent early is neither read nor answered."""
    with Puppet(site, family=family) as p:
        p.handshake()
        p.write(site.line("/", family) + b"\r\n")
        p.read_all()
        session, ctx = p.allow_early(1024), p.ctx
    with Puppet(site, family=family, ctx=ctx, session=session) as p:
        p.write_early(site.line("/a.txt", family) + b"\r\n")
        p.handshake()
        assert p.early_data_status() == EARLY_DATA_REJECTED
        p.write(site.line("/", family) + b"\r\n")
        assert p.read_all() == b"20 text/gemini\r\n" + HOME.encode()


def test_R1_5_55_tickets_allow_no_early_data(site):
    with Puppet(site) as p:
        p.handshake()
        p.write(site.line("/") + b"\r\n")
        p.read_all()
        session = p.conn.get_session()
        assert libssl.SSL_SESSION_get_max_early_data(
            pointer(session._session)) == 0


@pytest.mark.parametrize("family", (4, 6), ids=("v4", "v6"))
def test_B14_R1_5_56_renegotiation_is_refused(site, family):
    with Puppet(site, tls="1.2", family=family) as p:
        p.handshake()
        assert p.conn.renegotiate()
        with pytest.raises(SSL.Error):
            p.handshake()
            p.write(site.line("/", family) + b"\r\n")
            assert not p.read_all()
            raise SSL.Error("closed without an answer: refused as well")
        assert p.conn.total_renegotiations() <= 1


def test_R1_5_46_no_client_certificate_is_asked_for(site, tls):
    """No capsule has a zone yet; a parser less in the reach of strangers."""
    ctx, seen = counted(tls)
    assert site.ask("/", ctx=ctx).status == 20
    assert "CERTIFICATE_REQUEST" not in seen
