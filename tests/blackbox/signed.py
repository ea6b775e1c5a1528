# SPDX-License-Identifier: ISC
"""The format of carnation-mirror(7) a second time, written from that page and
not from the C code: keys, manifests, archives and stores made and checked.

    key = Key.new("capsule-1"); pub, sec = key.write(directory)
    author = Author(key, "gemini://localhost:1966/", CAPSULE)
    paths = author.publish()               # path -> bytes, what is served
    m = check(paths["mirror/MANIFEST"], [key.public])   # a Manifest, or Wrong
    make_store(place / "store", [paths])   # as publish would leave it
"""
import base64
import calendar
import hashlib
import ipaddress
import os
import re
import secrets
import struct
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey, Ed25519PublicKey)
from cryptography.hazmat.primitives.serialization import (
    Encoding, NoEncryption, PrivateFormat, PublicFormat)

MANIFEST = "mirror/MANIFEST"
ARCHIVE = "mirror/capsule.tar"
COMMENT = b"untrusted comment: "
SERIAL_MAX = 1 << 53
YEAR = 365 * 86400


class Wrong(Exception):
    """What breaks the rules, in words."""


def need(true, words):
    if not true:
        raise Wrong(words)


def as_bytes(name):
    return name if isinstance(name, bytes) else name.encode()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


# ----------------------------------------------------------------------- keys

@dataclass(eq=False)
class Key:
    """A signing key; its files are NAME.pub and NAME.sec."""

    name: str
    number: bytes
    private: Ed25519PrivateKey

    @classmethod
    def new(cls, name="capsule-1"):
        return cls(name, secrets.token_bytes(8), Ed25519PrivateKey.generate())

    @classmethod
    def read(cls, path):
        """Of a secret key's file, written by whomever, without passphrase."""
        lines = Path(path).read_bytes().split(b"\n")
        need(lines[0].startswith(COMMENT) and len(lines) == 3, "no key")
        raw = base64.b64decode(lines[1], validate=True)
        need(len(raw) == 104 and raw[:4] == b"EdBK", "no secret key")
        rounds, = struct.unpack(">I", raw[4:8])
        need(rounds == 0, "it has a passphrase")
        number, seed, point = raw[32:40], raw[40:72], raw[72:]
        need(raw[24:32] == hashlib.sha512(raw[40:]).digest()[:8], "checksum")
        key = cls(Path(path).name.removesuffix(".sec"), number,
                  Ed25519PrivateKey.from_private_bytes(seed))
        need(key.point == point, "the two halves are of two keys")
        return key

    @property
    def point(self):
        return self.private.public_key().public_bytes(
            Encoding.Raw, PublicFormat.Raw)

    @property
    def public(self):
        """Base64 alone, 56 characters: what is pinned."""
        return base64.b64encode(b"Ed" + self.number + self.point).decode()

    def public_file(self):
        return COMMENT + f"{self.name} public key\n{self.public}\n".encode()

    def secret_file(self):
        pair = self.private.private_bytes(
            Encoding.Raw, PrivateFormat.Raw, NoEncryption()) + self.point
        raw = (b"EdBK" + struct.pack(">I", 0) + bytes(16)
               + hashlib.sha512(pair).digest()[:8] + self.number + pair)
        return (COMMENT + f"{self.name} secret key\n".encode()
                + base64.b64encode(raw) + b"\n")

    def write(self, directory):
        """Paths of NAME.pub and NAME.sec."""
        public = Path(directory) / f"{self.name}.pub"
        secret = Path(directory) / f"{self.name}.sec"
        public.write_bytes(self.public_file())
        secret.write_bytes(self.secret_file())
        secret.chmod(0o600)
        return public, secret

    def sign(self, message, name=None):
        """An embedded signature: two lines, then the message."""
        raw = b"Ed" + self.number + self.private.sign(message)
        return (COMMENT + f"verify with {name or self.name}.pub\n".encode()
                + base64.b64encode(raw) + b"\n" + message)


def check_public(text):
    """That a public key is the canonical base64 of one."""
    raw = base64.b64decode(text, validate=True)
    need(base64.b64encode(raw).decode() == text, "base64 of another form")
    need(len(raw) == 42 and raw[:2] == b"Ed", "no public key")


def opened(data, keys):
    """The signed part of data, and which of the public keys (base64) it is
    signed with."""
    match = re.match(
        rb"untrusted comment: verify with ([^\n/]+)\.pub\n"
        rb"([A-Za-z0-9+/]{99}=)\n", data)
    need(match and len(match[1]) < 128, "no embedded signature")
    raw = base64.b64decode(match[2], validate=True)
    need(base64.b64encode(raw) == match[2], "base64 of another form")
    need(len(raw) == 74 and raw[:2] == b"Ed", "not Ed25519")
    for text in keys:
        key = base64.b64decode(text, validate=True)
        if key[:10] != raw[:10]:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key[10:]).verify(
                raw[10:], data[match.end():])
        except InvalidSignature:
            raise Wrong("the signature does not fit") from None
        return data[match.end():], text, match[1].decode()
    raise Wrong("signed by no key that is known")


# ------------------------------------------------------------------ manifests

def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def seconds(text):
    need(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text, re.A),
         text)
    at = calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
    need(stamp(at) == text, f"{text}: in no calendar")
    return at


@dataclass
class Manifest:
    """What is signed. hashes: path (bytes) -> 64 hex digits. A header that is
    None is left out; extra: further lines behind them, to be passed over."""

    origin: str
    serial: int
    hashes: dict
    created: int
    refresh: int | None
    final: bool = False
    bytes: int = 0
    largest: int = 0
    files: int | None = None
    next_key: str | None = None
    signed_with: str | None = None
    version: str = "1"
    extra: list = field(default_factory=list)

    @classmethod
    def of(cls, files, origin, serial, created=None, **fields):
        """Of path -> bytes; only what a manifest may list is given here."""
        created = int(time.time()) if created is None else created
        sizes = [len(data) for data in files.values()]
        return cls(**{**dict(
            origin=origin, serial=serial, created=created,
            refresh=created + YEAR, bytes=sum(sizes),
            largest=max(sizes, default=0),
            hashes={as_bytes(p): sha256(d) for p, d in files.items()}),
            **fields})

    def text(self):
        """The bytes that are signed."""
        count = len(self.hashes) if self.files is None else self.files
        headers = [
            ("gemini-mirror", self.version), ("origin", self.origin),
            ("serial", self.serial),
            ("created", self.created is not None and stamp(self.created)),
            ("refresh", self.refresh is not None and not self.final
             and stamp(self.refresh)),
            ("final", "yes" if self.final else "no"),
            ("files", f"{count}   bytes: {self.bytes}"
                      f"   largest: {self.largest}"),
            ("next-key", self.next_key), ("signed-with", self.signed_with),
            *self.extra]
        head = "".join(f"# {name}: {value}\n" for name, value in headers
                       if value is not None and value is not False)
        return head.encode() + b"".join(
            digest.encode() + b"  " + path + b"\n"
            for path, digest in sorted(self.hashes.items()))

    def sign(self, key, **how):
        return key.sign(self.text(), **how)


def name_fault(path, origin="gemini://localhost/"):
    """Why a manifest may not list this path (bytes), or None."""
    try:
        path.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    parts = path.split(b"/")
    if re.search(rb"[\x00-\x1f\x7f\\]", path):
        return "a control byte or a backslash"
    if re.search("[\x80-\x9f]", path.decode()):
        return "a control character"
    if any(p in (b"", b".", b"..") for p in parts):
        return "an empty or dotted part"
    if max(map(len, parts)) > 255:
        return "a part of more than 255 bytes"
    if len(origin.encode() + encoded(path)) > 1024:
        return "a URL of more than 1024 bytes"
    if parts[0] == b"mirror":
        return "under mirror/"
    return None


def encoded(path):
    """As it stands in a URL."""
    first, slash, rest = path.partition(b"/")
    return b"".join(re.sub(rb"[^A-Za-z0-9._~!$&'()*+,;=@/%s-]" % colon,
                           lambda m: b"%%%02X" % m[0][0], part)
                    for part, colon in ((first, b""), (slash + rest, b":")))


# A name has no blank and no colon; a name and a value no control byte.
HEADER = re.compile(r"# ([^ :\x00-\x1f\x7f]+): ([^\x00-\x1f\x7f]+)")
NEEDED = ["gemini-mirror", "origin", "serial", "created", "final", "files"]
ORDER = ["gemini-mirror", "origin", "serial", "created", "refresh", "final",
         "files", "next-key", "signed-with"]
NUMBER = r"(0|[1-9]\d{0,15})"
COUNTS = re.compile(rf"{NUMBER} +bytes: {NUMBER} +largest: {NUMBER}", re.A)
LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
PLACE = re.compile(rf"gemini://(?P<host>({LABEL}\.)*{LABEL}|\[[0-9a-f:.]+\])"
                   r"(:(?P<port>[1-9]\d{0,4}))?/", re.A)


def headers_of(lines):
    """The known headers, by name, and the unknown ones, as pairs; lines begins
    with the entries then."""
    known, unknown = {}, []
    while lines and lines[0].startswith(b"#"):
        match = HEADER.fullmatch(lines.pop(0).decode())
        need(match, "a header")
        need(known or match[1] == "gemini-mirror", "gemini-mirror is first")
        if match[1] not in ORDER:
            unknown.append(match.groups())
            continue
        need(match[1] not in known, f"{match[1]} twice")
        known[match[1]] = match[2]
    need(known.get("gemini-mirror") == "1", "another version, or none")
    lacking = [name for name in NEEDED if name not in known]
    need(not lacking, f"missing: {lacking}")
    need(list(known) == [n for n in ORDER if n in known], "the order")
    return known, unknown


def check_origin(text):
    """gemini://host[:port]/ in its one form."""
    match = PLACE.fullmatch(text)
    need(match and len(text) <= 511, "origin")
    need(match["port"] is None or 1965 != int(match["port"]) < 65536,
         "origin: the port")
    if text[9] == "[":
        host = match["host"][1:-1]
        need(str(ipaddress.IPv6Address(host)) == host, "origin: the address")


def parse(text):
    """A Manifest from the signed bytes, every rule held against them."""
    try:
        return parsed(text)
    except ValueError as fault:  # UTF-8, addresses, times, base64
        raise Wrong(str(fault)) from None


def parsed(text):
    need(text.endswith(b"\n") and b"\r" not in text, "lines end with LF")
    lines = text[:-1].split(b"\n")
    headers, unknown = headers_of(lines)
    check_origin(headers["origin"])
    hashes, last = {}, b""
    for line in lines:
        match = re.fullmatch(rb"([0-9a-f]{64})  (.+)", line, re.S)
        need(match, f"a line of the list: {line!r}")
        fault = name_fault(match[2], headers["origin"])
        need(not fault, f"{match[2]!r}: {fault}")
        need(match[2] > last, "sorted, none twice")
        last = match[2]
        hashes[last] = match[1].decode()
    for path in hashes:
        while b"/" in path:
            path = path.rpartition(b"/")[0]
            need(path not in hashes, f"{path!r} is a file and a directory")
    need(headers["final"] in ("yes", "no"), "final")
    final = headers["final"] == "yes"
    need(not (final and "refresh" in headers), "refresh, though final")
    need(re.fullmatch(NUMBER, headers["serial"], re.A), "serial")
    serial = int(headers["serial"])
    need(0 < serial < SERIAL_MAX, "serial")
    counts = COUNTS.fullmatch(headers["files"])
    need(counts, "files")
    files, size, largest = map(int, counts.groups())
    need(files == len(hashes) <= 100000, "as many files as are told")
    need(largest <= size, "largest is more than all")
    created = seconds(headers["created"])
    need(0 <= created < 1 << 33, "created does not fit into an archive")
    refresh = seconds(headers["refresh"]) if "refresh" in headers else None
    need(refresh is None or refresh > created, "refresh")
    if "next-key" in headers:
        check_public(headers["next-key"])
    return Manifest(
        origin=headers["origin"], serial=serial, hashes=hashes,
        created=created, refresh=refresh, final=final, bytes=size,
        largest=largest, next_key=headers.get("next-key"),
        signed_with=headers.get("signed-with"), extra=unknown)


def check(data, keys):
    """A whole manifest, signature first. The Manifest, or Wrong."""
    text, _, name = opened(data, keys)
    m = parse(text)
    need(m.signed_with in (None, f"{name}.pub"), "line 1 names another key")
    return m


def check_files(data, keys, files):
    """That files (path -> bytes) are exactly what a manifest lists, beside
    what lies under mirror/."""
    m = check(data, keys)
    listed = {as_bytes(p): sha256(d) for p, d in files.items()
              if not as_bytes(p).startswith(b"mirror/")}
    need(listed == m.hashes, "other files: " + ", ".join(sorted(
        p.decode() for p in set(listed.items()) ^ set(m.hashes.items())
        for p in p[:1])))
    need(m.bytes == sum(len(d) for p, d in files.items()
                        if not as_bytes(p).startswith(b"mirror/")), "bytes")
    return m


# ------------------------------------------------------------------- archives

BLOCK, RECORD = 512, 10240


def ustar_header(name, prefix, size, mtime, kind):
    def octal(value, width):
        return b"%0*o\0" % (width - 1, value)

    head = bytearray(
        name.ljust(100, b"\0") + octal(0o644, 8) + octal(0, 8) + octal(0, 8)
        + octal(size, 12) + octal(mtime, 12) + b" " * 8 + kind + bytes(100)
        + b"ustar\0" + b"00" + bytes(64) + octal(0, 8) + octal(0, 8)
        + prefix.ljust(155, b"\0") + bytes(12))
    head[148:156] = b"%06o\0 " % sum(head)
    assert len(head) == BLOCK
    return bytes(head)


def padded(data, size=BLOCK):
    return data + bytes(-len(data) % size)


def split_name(path):
    """(name, prefix) of a header, None when there is no such pair."""
    if len(path) <= 100:
        return path, b""
    cut = path.find(b"/", len(path) - 101)
    return (path[cut + 1:], path[:cut]) if 0 < cut <= 155 else None


def member(path, data, mtime):
    """One file, with a pax record before it when its name has no room."""
    pair, pax = split_name(path), b""
    if pair is None:
        size = len(path) + len(" path=\n") + 3
        while len(record := b"%d path=%s\n" % (size, path)) != size:
            size = len(record) if len(record) < size else size + 1
        pax = ustar_header(b"././@PaxHeader", b"", size, mtime, b"x")
        pax += padded(record)
        part = path[:100].decode(errors="ignore").rstrip("/").encode()
        pair = part, b""
    return pax + ustar_header(*pair, len(data), mtime, b"0") + padded(data)


def archive(manifest, files, mtime):
    """mirror/capsule.tar, of the manifest's bytes and path -> bytes."""
    everything = {as_bytes(p): d for p, d in files.items()}
    everything[MANIFEST.encode()] = manifest
    out = b"".join(member(p, d, mtime) for p, d in sorted(everything.items()))
    return padded(out + bytes(2 * BLOCK), RECORD)


# ---------------------------------------------------------------- publishing

# One of each kind of file; the blank and the é must be encoded in URLs.
CAPSULE = {
    "index.gmi": b"# Home\n=> page.gmi A page\n=> deep/er/page.gmi Deep\n",
    "page.gmi": b"# A page\n" + b"A line of it.\n" * 300,
    "deep/er/page.gmi": b"# Deep\n",
    "a b/caf\u00e9.txt": b"a blank and an accent\n",
    "capsule.conf": b'title = "Home";\n',
    "empty.txt": b"",
    "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 200,
    "robots.txt": b"User-agent: *\nDisallow: /mirror/objects/\n",
    ".well-known/security.txt": b"Contact: mailto:a@example.org\n",
}


def signed_tree(files, manifest):
    """All that is served: the files, the manifest and the archive."""
    m = parse(manifest.split(b"\n", 2)[2])
    return {**files, MANIFEST: manifest,
            ARCHIVE: archive(manifest, files, m.created)}


class Author:
    """Somebody with a key, an origin and pages, who publishes now and then."""

    def __init__(self, key, origin, files=None, serial=0):
        self.key, self.origin, self.serial = key, origin, serial
        self.files = dict(CAPSULE if files is None else files)

    def manifest(self, **fields):
        fields = {"origin": self.origin, "serial": self.serial,
                  "signed_with": f"{self.key.name}.pub", **fields}
        return Manifest.of(self.files, **fields)

    def publish(self, changes=None, **fields):
        """The next serial, of the files with these changes (None: gone)."""
        for path, data in (changes or {}).items():
            if data is None:
                del self.files[path]
            else:
                self.files[path] = as_bytes(data)
        self.serial = fields.pop("serial", self.serial + 1)
        return signed_tree(
            self.files, self.manifest(**fields).sign(self.key))

    def forge(self, **fields):
        """A signed manifest over the same files with other fields, whatever
        rules they break: its bytes."""
        return replace(self.manifest(), **fields).sign(self.key)


# --------------------------------------------------------------------- stores

def make_store(store, releases):
    """A store on disk of signed trees (path -> bytes), oldest first; current
    leads to the last. Without state: a store that nobody has used yet."""
    store = Path(store)
    for directory in ("objects", "releases", "tmp"):
        (store / directory).mkdir(parents=True, exist_ok=True)
    for files in releases:
        m = parse(files[MANIFEST].split(b"\n", 2)[2])
        release = store / "releases" / str(m.serial)
        for path, data in files.items():
            target = release / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if path in (MANIFEST, ARCHIVE):
                target.write_bytes(data)
                continue
            thing = object_path(store, sha256(data))
            if not thing.exists():
                thing.parent.mkdir(exist_ok=True)
                thing.write_bytes(data)
                thing.chmod(0o444)
            os.link(thing, target)
    link = store / "current"
    link.unlink(missing_ok=True)
    link.symlink_to(f"releases/{m.serial}")
    return store


def object_path(store, digest):
    return Path(store) / "objects" / digest[:2] / digest[2:]


def read_tree(root):
    """path -> bytes of all regular files beneath root."""
    root = Path(root)
    return {str(p.relative_to(root)): p.read_bytes()
            for p in root.rglob("*") if p.is_file() and not p.is_symlink()}


def check_store(store, keys):
    """That a store is sound: the current release is exactly what its signed
    manifest lists, every file of it the object's other name, every object what
    its own name says, nothing half-made left. The Manifest."""
    store = Path(store)
    current = store / "current"
    need(current.is_symlink(), "no link called current")
    need(re.fullmatch(r"releases/\d+", os.readlink(current)), "current")
    files = read_tree(current.resolve())
    m = check_files(files[MANIFEST], keys, files)
    need(os.readlink(current) == f"releases/{m.serial}", "another serial")
    need(set(p for p in files if p.startswith("mirror/"))
         == {MANIFEST, ARCHIVE}, "what lies under mirror/")
    for path, digest in m.hashes.items():
        thing = object_path(store, digest)
        need(thing.stat().st_ino
             == (current / path.decode()).stat().st_ino, "no hard link")
    for thing in (store / "objects").rglob("*"):
        if thing.is_file():
            need(sha256(thing.read_bytes())
                 == thing.parent.name + thing.name, f"rotten: {thing}")
            need(thing.stat().st_mode & 0o777 == 0o444, "an object's mode")
    left = [*(store / "tmp").glob("*"), *(store / "releases").glob("*.new")]
    need(not left, f"left behind: {left}")
    return m


# The names of a state: how a value looks, and how often it may come.
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
TEXT, PUBLIC, HASH = r"\S(.*\S)?", r"[A-Za-z0-9+/]{56}", r"[0-9a-f]{64}"
STATE = {
    "mirror": ("yes", 1), "origin": ("origin", 1), "upstream": ("origin", 1),
    "key": (PUBLIC, 16), "announced-key": (PUBLIC, 16),
    "retired-key": (PUBLIC, 16), "serial": (NUMBER, 1), "manifest": (HASH, 1),
    "created": (TIME, 1), "refresh": (TIME, 1), "final": ("yes", 1),
    "tried": (TIME, 1), "checked": (TIME, 1), "heard": (TIME, 1),
    "synced": (TIME, 1),
    "archive-begun": (NUMBER, 1), "retracted": (NUMBER, 256),
    "certificate": (rf"gemini://\S+/ {HASH}", 64), "host": (TEXT, 1),
    "contact": (TEXT, 1), "url": ("origin", 1), "also": ("origin", 8),
    "max-file": (NUMBER, 1), "max-bytes": (NUMBER, 1),
    "max-files": (NUMBER, 1), "limit-rate": (NUMBER, 1), "proxy": (TEXT, 1),
    "strict-tls": ("yes", 1), "stale-after": (rf"{NUMBER}|never", 1)}


def read_state(store):
    """STORE/state, name -> value, or a list of those that may be repeated."""
    data = (Path(store) / "state").read_bytes()
    need(len(data) <= 1 << 16 and data.endswith(b"\n"), "its size or end")
    first, *lines = data.decode()[:-1].split("\n")
    need(first == "carnation-store: 2", first)
    found = {}
    for line in lines:
        name, colon, value = line.partition(": ")
        need(colon and name in STATE, f"a line of the state: {line!r}")
        shape, most = STATE[name]
        if shape == "origin":
            check_origin(value)
        else:
            need(re.fullmatch(shape, value, re.A | re.S), line)
        found.setdefault(name, []).append(value)
        need(len(found[name]) <= most, f"{name}: too many")
    need(sum(len(found.get(k, [])) for k in (
        "key", "announced-key", "retired-key")) <= 16, "too many keys")
    return {name: values if STATE[name][1] > 1 else values[0]
            for name, values in found.items()}
