# SPDX-License-Identifier: ISC
"""TLS: rules 1.5 (44 to 57), 1.8 (73 to 78), 1.2.32, rows B8 to B15."""
import datetime
import os
import signal
import ssl
import struct

import pytest
from conftest import HOME, own_directory
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID, NameOID
from harness import HOST, Client, Server, context, tree, wait_for
from OpenSSL import SSL
from rawtls import (EARLY_DATA_REJECTED, EXTENSIONS, SUITES, Puppet,
                    answer_to, client_hello, libssl, pointer)

ROOT_FILES = {"index.gmi": HOME, "big.bin": bytes(range(256)) * 400}


# ------------------------------------------------------------ versions, suites

@pytest.mark.parametrize("version,record", [
    (0x0302, 0x0301), (0x0302, 0x0302), (0x0301, 0x0301)],
    ids=("TLS1.1", "TLS1.1-record-1.1", "TLS1.0"))
@pytest.mark.parametrize("family", (4, 6), ids=("v4", "v6"))
def test_B8_old_versions_get_alert_70(site, family, version, record):
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
    hello = struct.pack("!BHHHH", 1, 0x0002, 3, 0, 16) + b"\1\0\x80" + bytes(16)
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
def plain():
    """A server that tests may stop, reload and ask for its files."""
    root = tree(own_directory() / "main", ROOT_FILES)
    with Server([{"host": HOST, "root": root,
                  "aliases": ["alias.localhost"]}]) as server:
        server.root = root
        yield server


def test_R1_2_32_a_long_body_leaves_in_full_records(plain, via):
    with Client(plain, tls=via.tls, family=via.family) as c:
        pieces = [c.ask("/big.bin").read()]
        while pieces[-1]:
            pieces.append(c.read())
    assert c.clean
    body = b"".join(pieces).partition(b"\r\n")[2]
    assert body == ROOT_FILES["big.bin"]
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


def test_B11_resumed_session(site, via):
    """Also rule 1.5.54 a."""
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
    """Each worker in turn is stopped, so that the other must answer."""
    with Server(workers=2) as server:
        first, second = server.workers()
        session = None
        for stopped in (first, second, first, second):
            os.kill(stopped, signal.SIGSTOP)
            try:
                path = f"/none-{os.urandom(8).hex()}"
                reply = server.ask(path, tls=tls, session=session)
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
        reply = server.ask("/", tls=tls, session=session)
        assert reply.resumed and reply.status == 20
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


def test_one_ticket_a_connection(site, tls):
    """Rule 1.5.54: a second is of no use; it lives ten minutes at most."""
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


def test_minimum_1_3_refuses_1_2():
    with Server(options={"tls": {"minimum": "1.3"}}) as server:
        assert server.ask("/").version == "TLSv1.3"
        with pytest.raises(ssl.SSLError, match="(?i)protocol version"):
            Client(server, tls="1.2")


@pytest.mark.parametrize("family", (4, 6), ids=("v4", "v6"))
def test_B15_0_RTT_is_ignored(site, family):
    """Also rule 1.5.55: what was sent early is neither read nor answered."""
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
def test_B14_renegotiation_is_refused(site, family):
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


# -------------------------------------------------------------- the certificate

@pytest.fixture(scope="module")
def leaf(plain):
    with Client(plain) as c:
        return x509.load_der_x509_certificate(c.certificate())


def test_R1_8_73_one_self_signed_certificate(plain, leaf):
    assert leaf.issuer == leaf.subject
    pem = (plain.certs / "localhost.crt").read_bytes()
    assert pem.count(b"BEGIN CERTIFICATE") == 1
    assert x509.load_pem_x509_certificate(pem) == leaf
    leaf.public_key().verify(leaf.signature, leaf.tbs_certificate_bytes,
                             ec.ECDSA(leaf.signature_hash_algorithm))


def test_R1_8_74_CN_and_SAN_name_host_and_aliases_no_address(leaf):
    assert [a.value for a in leaf.subject] == ["localhost"]
    assert leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    san = leaf.extensions.get_extension_for_oid(
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    assert list(san) == [x509.DNSName("localhost"),
                         x509.DNSName("alias.localhost")]


def test_R1_8_74_a_host_that_is_an_address_puts_none_into_the_SAN():
    root = tree(own_directory() / "main", ROOT_FILES)
    with Server([{"host": "127.0.0.1", "aliases": ["a.example"],
                  "root": root}], alive=None) as server:
        pem = (server.certs / "127.0.0.1.crt").read_bytes()
    leaf = x509.load_pem_x509_certificate(pem)
    san = leaf.extensions.get_extension_for_oid(
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    assert list(san) == [x509.DNSName("a.example")]


def test_R1_8_74_U_labels_are_A_labels_in_the_certificate(site):
    with Client(site, sni="xn--caf-dma.example") as c:
        leaf = x509.load_der_x509_certificate(c.certificate())
    san = leaf.extensions.get_extension_for_oid(
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    assert san.get_values_for_type(x509.DNSName) == [
        "xn--caf-dma.example", "xn--bcher-kva.example"]


def test_R1_8_75_CA_FALSE(leaf):
    basic = leaf.extensions.get_extension_for_oid(
        ExtensionOID.BASIC_CONSTRAINTS).value
    assert basic.ca is False and basic.path_length is None


def test_R1_8_76_P_256_SHA_256_v3_random_positive_serial(leaf, site):
    assert isinstance(leaf.public_key().curve, ec.SECP256R1)
    assert isinstance(leaf.signature_hash_algorithm, hashes.SHA256)
    assert leaf.version == x509.Version.v3
    assert 1 << 40 < leaf.serial_number < 1 << 159
    serials = set()
    for sni in ("localhost", "other.example", "xn--caf-dma.example"):
        with Client(site, sni=sni) as c:
            serials.add(x509.load_der_x509_certificate(
                c.certificate()).serial_number)
    assert len(serials | {leaf.serial_number}) == 4


def test_R1_8_77_valid_from_2020_to_2099(leaf):
    assert leaf.not_valid_before == datetime.datetime(2020, 1, 1)
    assert leaf.not_valid_after == datetime.datetime(2099, 12, 31, 23, 59, 59) \
        or leaf.not_valid_after.date() == datetime.date(2099, 12, 31)
    der = leaf.tbs_certificate_bytes
    assert b"\x17\x0d200101000000Z" in der   # UTCTime before 2050
    assert b"\x18\x0f20991231" in der        # GeneralizedTime from 2050


def test_R1_8_78_files_and_their_modes(plain):
    key = plain.certs / "localhost.key"
    assert key.stat().st_mode & 0o777 in (0o600, 0o400)
    assert plain.certs.stat().st_mode & 0o777 == 0o700
    serialization.load_pem_private_key(key.read_bytes(), None)


def test_R1_8_78_same_bytes_everywhere(plain):
    seen = set()
    for family in (4, 6):
        for tls in ("1.2", "1.3"):
            with Client(plain, family=family, tls=tls) as c:
                seen.add(c.certificate())
    assert len(seen) == 1


def test_R1_8_78_never_made_again_and_new_hosts_touch_no_other():
    d = own_directory()
    root = tree(d / "main", ROOT_FILES)
    capsules = [{"host": "localhost", "root": root}]

    def pairs():
        return {p.name: (p.read_bytes(), p.stat().st_mtime_ns)
                for p in sorted((d / "certs").iterdir())}

    with Server(capsules, certs=d / "certs"):
        first = pairs()
    assert sorted(first) == ["localhost.crt", "localhost.key"]
    with Server(capsules, certs=d / "certs"):
        assert pairs() == first
    capsules.insert(0, {"host": "new.example", "root": root})
    with Server(capsules, certs=d / "certs") as server:
        now = pairs()
        assert sorted(now) == ["localhost.crt", "localhost.key",
                               "new.example.crt", "new.example.key"]
        assert {k: v for k, v in now.items() if k in first} == first
        with Client(server, sni="localhost") as c:
            der = c.certificate()
        assert ssl.PEM_cert_to_DER_cert(first["localhost.crt"][0].decode()) \
            == der


def make_pair(directory, name, days, names):
    """A certificate that ends so many days from now, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.utcnow()
    cert = (x509.CertificateBuilder().subject_name(subject)
            .issuer_name(subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=400))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName(
                [x509.DNSName(n) for n in names]), False)
            .sign(key, hashes.SHA256()))
    crt, pem = directory / "own.crt", directory / "own.key"
    crt.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    pem.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))
    pem.chmod(0o600)
    return crt, pem, cert.public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("days,names,warning", [
    (-1, ["localhost"], r"(?i)warning.*expired"),
    (20, ["localhost"], r"(?i)warning.*expire"),
    (300, ["other.example"], r"(?i)warning.*localhost"),
    (300, ["localhost"], None),
], ids=("expired", "expires-soon", "SAN-lacks-the-host", "fine"))
def test_R1_8_77_warned_of_at_start_and_served_all_the_same(
        days, names, warning):
    d = own_directory()
    crt, key, der = make_pair(d, "localhost", days, names)
    root = tree(d / "main", ROOT_FILES)
    with Server([{"host": "localhost", "root": root, "certificate": crt,
                  "key": key}]) as server:
        with Client(server) as c:
            assert c.certificate() == der
            assert c.ask("/").reply().status == 20
        if warning:
            server.wait_log(warning, 2)
        else:
            assert "warning" not in server.log().lower()
