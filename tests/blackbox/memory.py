# SPDX-License-Identifier: ISC
"""What lies in the memory of a process: all that it may read itself, through
/proc/PID/mem, and the forms in which a private key would show there."""
import base64
import os
import re
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PIECE = 1 << 20
PART = 16  # bytes of a secret: chance does not repeat so many
# Pages of the kernel's own, which /proc/PID/mem does not show.
KERNEL = re.compile(r"\[(vvar|vvar_vclock|vsyscall)\]$")


class Unreadable(AssertionError):
    """No proof: there was memory that could not be searched."""


def mappings(pid):
    """(start, end, whole line) of each that the process may read."""
    found = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        if line.split()[1].startswith("r") and not KERNEL.search(line):
            first, last = line.split()[0].split("-")
            found.append((int(first, 16), int(last, 16), line))
    return found


def pieces(mem, start, end):
    """Its bytes, each piece with the last ones of the piece before."""
    before, at = b"", start
    while at < end:
        got = os.pread(mem, min(PIECE, end - at), at)
        if not got:
            raise OSError("nothing there")
        yield before + got
        before, at = got[-64:], at + len(got)


def look(piece, needles, seen):
    """Names of those in one piece. Most pieces are of libraries, and the same
    in every process: seen knows them by their hash."""
    key = hash(piece)
    if key not in seen:
        seen[key] = {n for n, b in needles.items() if b in piece}
    return seen[key]


def search(pid, needles, seen=None):
    """Names of those needles (name -> bytes) that are in the memory of pid.
    Fails when any of its memory cannot be read. seen: a dict to give to all
    searches for the same needles."""
    found, total, seen = set(), 0, {} if seen is None else seen
    try:
        mem = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as e:
        raise Unreadable(f"process {pid}: {e}") from None
    try:
        for start, end, line in mappings(pid):
            try:
                for piece in pieces(mem, start, end):
                    total += len(piece)
                    found |= look(piece, needles, seen)
            except OSError as e:
                # It may have been given back meanwhile.
                if (start, end, line) in mappings(pid):
                    raise Unreadable(
                        f"process {pid}: {line}: {e}") from None
    finally:
        os.close(mem)
    if total < PIECE:
        raise Unreadable(f"process {pid}: only {total} bytes")
    return found


def descendants(pid):
    """pid and every process below it that is alive, parents first."""
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] not in "ZX":
            children.setdefault(int(fields[1]), []).append(
                int(stat.parent.name))
    found = [pid]
    for p in found:
        found += children.get(p, [])
    return found


def is_keyd(pid):
    """Whether it is the process that has the keys, by the name it bears."""
    try:
        comm = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return False
    return comm == "carnation-keyd"


def both_ends(name, number):
    """The number as any code might keep it: either byte order, and the first
    or the last bytes alone."""
    turned = number[::-1]
    return {f"{name}, {order} {end}": part for order, bytes_ in (
                ("big-endian", number), ("little-endian", turned))
            for end, part in (("begin", bytes_[:PART]),
                              ("end", bytes_[-PART:]))}


def secrets(key):
    """The secret numbers of a key, by name."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        number = key.private_numbers().private_value
        return {"d": number.to_bytes(key.curve.key_size // 8, "big")}
    if isinstance(key, rsa.RSAPrivateKey):
        n = key.private_numbers()
        return {name: getattr(n, name).to_bytes(
                    (getattr(n, name).bit_length() + 7) // 8, "big")
                for name in ("d", "p", "q", "dmp1", "dmq1", "iqmp")}
    return {"seed": key.private_bytes_raw() if hasattr(
                key, "private_bytes_raw") else key.private_bytes(
                    serialization.Encoding.Raw,
                    serialization.PrivateFormat.Raw,
                    serialization.NoEncryption())}


def text_part(pem, secret):
    """Some of the PEM's text that says a part of the secret: of one line."""
    body = "".join(pem.decode().splitlines()[1:-1])
    at = base64.b64decode(body).index(secret) // 3 * 4 + 4
    if at // 64 != (at + 23) // 64:
        at = (at // 64 + 1) * 64
    return body[at:at + 24].encode()


def key_needles(path):
    """What of the key file at path must be in no memory but keyd's."""
    pem = Path(path).read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    found = secrets(key)
    needles = {"PEM text": text_part(pem, next(iter(found.values())))}
    for name, number in found.items():
        needles |= both_ends(name, number)
    return needles
