# SPDX-License-Identifier: ISC
"""The parts of the TLS code that can be off: CARNATION_WITHOUT."""
import datetime
import re

import pytest
from certs import DAY, pair
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from harness import SANITIZED, Client, Server, tree
from life import refused
from preload import built, needed, preloaded

PARTS = ("sessions", "key-schedule", "sending", "memory", "context",
         "key-pair")


@pytest.mark.skipif(SANITIZED, reason="has no allocator of its own")
def test_nothing_is_printed_when_all_are_on():
    with Server() as server:
        assert "fast path" not in server.log()


def test_an_unknown_part_is_refused(place):
    said = refused(place, status=2, env={"CARNATION_WITHOUT": "memory,speed"})
    assert 'CARNATION_WITHOUT: unknown part: "speed"' in said
    assert all(part in said.split("(")[1] for part in PARTS)


@pytest.mark.parametrize("without", [*PARTS, ",".join(PARTS)])
def test_it_serves_without(without):
    with Server(env={"CARNATION_WITHOUT": without}) as server:
        line = re.search(r"^  fast path +without (.*)$", server.log(), re.M)
        off = set(without.split(","))
        if off == {"context"}:
            off.add("key-pair (needs context)")
        if SANITIZED and "memory" not in off:
            off.add("memory (memory is watched)")
        assert set(line[1].split(", ")) == off
        for version in "1.2", "1.3":
            with Client(server, tls=version) as c:
                c.send(server.line("/") + b"\r\n")
                assert c.reply().status == 20


# What WRONG names goes wrong once, in a self-test: that is where it is first
# used.
LIBRARY = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
static int wrong(const char *what)
{
	const char *name = getenv("WRONG");
	return name != NULL && strcmp(name, what) == 0;
}
int EVP_KDF_derive(void *ctx, unsigned char *out, size_t n, const void *p)
{
	int (*real)(void *, unsigned char *, size_t, const void *) =
	    dlsym(RTLD_NEXT, "EVP_KDF_derive");
	int done = real(ctx, out, n, p);
	static int before;
	if (wrong("key-schedule") && !before++)
		out[0] ^= 1;
	return done;
}
int EVP_PKEY_get_raw_private_key(const void *k, unsigned char *out, size_t *n)
{
	int (*real)(const void *, unsigned char *, size_t *) =
	    dlsym(RTLD_NEXT, "EVP_PKEY_get_raw_private_key");
	int done = real(k, out, n);
	static int before;
	if (wrong("key-pair") && out != NULL && !before++)
		out[8] ^= 1;
	return done;
}
int SSL_CTX_set_ciphersuites(void *ctx, const char *text)
{
	int (*real)(void *, const char *) =
	    dlsym(RTLD_NEXT, "SSL_CTX_set_ciphersuites");
	static int before;
	return wrong("context") && !before++ ? 0 : real(ctx, text);
}
"""


@pytest.fixture(scope="module", name="library")
def library_fixture():
    yield from built(LIBRARY)


@needed[0]
@needed[1]
@pytest.mark.parametrize("part, off", [
    ("key-schedule", "key-schedule (self-test failed)"),
    ("key-pair", "key-pair (self-test failed)"),
    ("context", "context (self-test failed), key-pair (needs context)"),
])
def test_a_failed_self_test_turns_a_part_off(library, part, off):
    """And OpenSSL's own way answers."""
    with Server(env={**preloaded(library), "WRONG": part}) as server:
        assert f"  fast path    without {off}\n" in server.log()
        for version in "1.2", "1.3":
            with Client(server, tls=version) as c:
                c.send(server.line("/") + b"\r\n")
                assert c.reply().status == 20


@pytest.mark.skipif(SANITIZED, reason="has no allocator of its own")
def test_a_memory_checker_sees_each_block():
    """valgrind's libraries are found by their names."""
    with Server(env={"LD_PRELOAD": "vgpreload_memcheck-amd64-linux.so"}
                ) as server:
        assert ("  fast path    without memory (memory is watched)\n"
                in server.log())


# OpenSSL looks algorithms up by name in places that are easily missed when not
# all names are known.

def test_an_encrypted_key_is_recognised(place):
    """In the form that names its cipher in a header."""
    crt, key = pair(place, "localhost")
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(b"open sesame")))
    assert b"DEK-Info" in key.read_bytes()
    said = refused("--cert", crt, "--key", key, place)
    assert f"{key}: the key is encrypted; remove its passphrase" in said


@pytest.mark.parametrize("digest", [
    hashes.SHA256(), hashes.SHA384(), hashes.SHA512(), hashes.SHA3_256()],
    ids=lambda digest: digest.name)
def test_a_certificate_of_an_authority(place, digest):
    """Its signature is judged by the name of its digest."""
    authority = rsa.generate_private_key(65537, 2048)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.utcnow()

    def signed(name, public):
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name(
                [x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name(
                [x509.NameAttribute(NameOID.COMMON_NAME, "Authority")]))
            .public_key(public).not_valid_before(now - DAY)
            .not_valid_after(now + 9 * DAY).serial_number(1)
            .sign(authority, digest)
            .public_bytes(serialization.Encoding.PEM))

    (place / "a.crt").write_bytes(
        signed("localhost", key.public_key()) +
        signed("Authority", authority.public_key()))
    (place / "a.key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))
    (place / "a.key").chmod(0o600)
    root = tree(place / "capsule", {"index.gmi": "# Home\n"})
    with Server([{"host": "localhost", "root": root,
                  "certificate": str(place / "a.crt"),
                  "key": str(place / "a.key")}]) as server:
        for version in "1.2", "1.3":
            with Client(server, tls=version) as c:
                c.send(server.line("/") + b"\r\n")
                assert c.reply().status == 20
