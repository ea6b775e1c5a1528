# SPDX-License-Identifier: ISC
"""Certificates as other tools would make them, of any age."""
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
YEAR = datetime.timedelta(days=365)


def pair(directory, name, names=None, *, start=-YEAR, end=10 * YEAR,
         mode=0o600, curve=None, key=None):
    """A pair of files as another tool would make it, P-256 unless another
    curve is named or a key is given; start and end are counted from now. Its
    paths."""
    directory.mkdir(exist_ok=True)
    now = datetime.datetime.utcnow()
    key = key or ec.generate_private_key(curve or ec.SECP256R1())
    digest = (None if isinstance(key, ed25519.Ed25519PrivateKey)
              else hashes.SHA256())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    sans = [x509.DNSName(n) for n in names or [name]]
    cert = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
        .public_key(key.public_key()).not_valid_before(now + start)
        .not_valid_after(now + end)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectAlternativeName(sans), False)
        .sign(key, digest))
    crt_path, key_path = directory / f"{name}.crt", directory / f"{name}.key"
    crt_path.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))
    key_path.chmod(mode)
    return crt_path, key_path


def fingerprint(der):
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    return ":".join(f"{byte:02X}" for byte in digest.finalize())
