# SPDX-License-Identifier: ISC
"""The certificate that clients go on trusting: rules 1.8 (73 to
78)."""
import datetime
import ipaddress
import ssl

import pytest
from certs import DAY, pair
from conftest import HOME, own_directory
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtensionOID, NameOID
from harness import HOST, Client, Server, tree

ROOT_FILES = {"index.gmi": HOME}


@pytest.fixture(scope="module")
def plain():
    root = tree(own_directory() / "main", ROOT_FILES)
    with Server([{"host": HOST, "root": root,
                  "aliases": ["alias.localhost"]}]) as server:
        yield server


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


def test_R1_8_74_a_host_that_is_an_address_has_an_entry_as_one():
    root = tree(own_directory() / "main", ROOT_FILES)
    with Server([{"host": "127.0.0.1", "aliases": ["a.example"],
                  "root": root}], alive=None) as server:
        pem = (server.certs / "127.0.0.1.crt").read_bytes()
    leaf = x509.load_pem_x509_certificate(pem)
    san = leaf.extensions.get_extension_for_oid(
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    assert list(san) == [
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.DNSName("a.example")]


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
    assert leaf.not_valid_after.date() == datetime.date(2099, 12, 31)
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


@pytest.mark.parametrize("days,names,warning", [
    (-1, ["localhost"], r"(?i)warning.*expired"),
    (20, ["localhost"], r"(?i)warning.*expire"),
    (300, ["other.example"], r"(?i)warning.*localhost"),
    (300, ["localhost"], None),
], ids=("expired", "expires-soon", "SAN-lacks-the-host", "fine"))
def test_R1_8_77_warned_of_at_start_and_served_all_the_same(
        days, names, warning):
    d = own_directory()
    crt, key = pair(d / "own", "localhost", names, end=days * DAY)
    der = ssl.PEM_cert_to_DER_cert(crt.read_text())
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


@pytest.mark.parametrize("bits, slow", [(2048, False), (4104, True)])
def test_a_key_that_signs_slowly_is_served_with_a_warning(bits, slow):
    place = own_directory()
    root = tree(place / "main", ROOT_FILES)
    crt, key = pair(place / "pairs", HOST,
                    key=rsa.generate_private_key(65537, bits))
    with Server([{"host": HOST, "root": root, "certificate": str(crt),
                  "key": str(key)}]) as server:
        assert server.ask("/").whole
        assert (f"an RSA key of {bits} bits signs slowly"
                in server.log()) == slow
