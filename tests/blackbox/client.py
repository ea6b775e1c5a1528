# SPDX-License-Identifier: ISC
"""A Gemini client in full control of TLS and TCP, that can misbehave: pieces
of any size, half-closes, and a sharp eye for how the other side ends."""
import contextlib
import functools
import re
import socket
import ssl
import struct
import time

from binary import TIMEOUT
from tools import arrived

HOST = "localhost"
ADDRESS = {4: "127.0.0.1", 6: "::1"}
NOTHING = object()  # "use the default", where None means something

HEADER = re.compile(
    r"(10|11|20|3[01]|4[0-4]|5[0-3]|59|6[0-2]) "
    r"([^\x00-\x20\x7f-\x9f\ufeff][^\x00-\x1f\x7f-\x9f\u2028\u2029]*)\Z")


class Reply:
    """What came back. status None: no header at all. clean: close_notify was
    seen. end: how the TCP stream ended, "fin", "rst" or "open"."""

    def __init__(self, raw, clean, end, client=None, error=None):
        self.raw, self.clean, self.end, self.error = raw, clean, end, error
        self.status, self.meta, self.body = None, None, b""
        self.version = client.tls.version() if client else None
        self.resumed = bool(client and client.tls.session_reused)
        self._tls = client.tls if client else None
        if not raw:
            return
        header, crlf, self.body = raw.partition(b"\r\n")
        assert crlf, f"header without CRLF: {raw[:200]!r}"  # 1.2.28
        found = HEADER.match(header.decode("utf-8"))  # 1.2.28-30, 1.3.33
        assert found, f"not a header of ours: {header!r}"
        self.status, self.meta = int(found[1]), found[2]
        assert len(self.meta.encode()) <= 1024, "1.2.31: META too long"
        if self.status // 10 != 2:
            assert self.body == b"", f"1.2.34: {self.status} with a body"

    @property
    def session(self):
        """What a later connection may resume."""
        return self._tls.session

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def whole(self):
        """Header, then close_notify, then FIN: rules 1.5.49 and 1.5.51."""
        return self.status is not None and self.clean and self.end == "fin"

    def __repr__(self):
        return (f"<{self.status} {self.meta} +{len(self.body)} bytes "
                f"{'clean' if self.clean else 'CUT'} {self.end} {self.error}>")


@functools.lru_cache(maxsize=None)
def context(tls=None, ciphers=None, alpn=()):
    """A client's context; sessions are resumed within one context only."""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE
    # Python asks OpenSSL to take a bare FIN for close_notify; we must not
    ctx.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    version = {None: None, "1.2": ssl.TLSVersion.TLSv1_2,
               "1.3": ssl.TLSVersion.TLSv1_3}[tls]
    if version is not None:
        ctx.minimum_version = ctx.maximum_version = version
    if ciphers:
        ctx.set_ciphers(ciphers)
    if alpn:
        ctx.set_alpn_protocols(list(alpn))
    return ctx


def connect(server, family=4, *, source=None, receive_buffer=None,
            timeout=None):
    """A plain TCP connection to the server."""
    server.touched = True
    sock = socket.socket(
        {4: socket.AF_INET, 6: socket.AF_INET6}[family], socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout or TIMEOUT)
        if receive_buffer:
            sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            sock.bind((source, 0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect((ADDRESS[family], server.port(family)))
    except BaseException:
        sock.close()
        raise
    return sock


def reset(sock):
    """Closes with RST instead of FIN."""
    sock.setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Client:
    """One TLS connection in full control; each send() is one TLS record."""

    def __init__(self, server, *, tls=None, family=4, sni=NOTHING,
                 session=None, ctx=None, handshake=True, **how):
        self.sock = connect(server, family, **how)
        self.server, self.family = server, family
        self.timeout = how.get("timeout") or TIMEOUT
        self.inward, self.outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = server.host if sni is NOTHING else sni
        self.tls = (ctx or context(tls)).wrap_bio(
            self.inward, self.outward, server_hostname=name, session=session)
        self.clean = False  # close_notify came
        self.end = "open"   # of the TCP stream, their side
        self.error = None
        self.records = []   # (type, length) of each TLS record received
        self._unparsed = b""
        if handshake:
            try:
                self.handshake()
            except BaseException:
                self.sock.close()
                raise

    def handshake(self):
        self._step(self.tls.do_handshake)
        return self

    def _step(self, step):
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self.flush()
                self.fill()
            finally:
                self.flush()

    def flush(self):
        """Sends what TLS wants sent."""
        data = self.outward.read()
        if data:
            self.write_tcp(data)

    def write_tcp(self, data):
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.end = "rst"

    def fill(self):
        """Receives some bytes, or the end."""
        try:
            data = self.sock.recv(1 << 18)
        except ConnectionResetError:
            data, self.end = b"", "rst"
        if not data:
            if self.end == "open":
                self.end = "fin"
            self.inward.write_eof()
            return
        self._note_records(data)
        self.inward.write(data)

    def _note_records(self, data):
        data, at = self._unparsed + data, 0
        while at + 5 <= len(data):
            length = int.from_bytes(data[at + 3:at + 5], "big")
            if at + 5 + length > len(data):
                break
            self.records.append((data[at], length))
            at += 5 + length
        self._unparsed = data[at:]

    # -- sending

    def send(self, data):
        """data as one TLS record (several when over 16 KiB)."""
        self.tls.write(data)
        self.flush()
        return self

    def send_pieces(self, pieces):
        """Each arrives by itself."""
        for piece in pieces:
            self.send(piece)
            arrived(self.sock)
        return self

    def seal(self, data):
        """The bytes of the record(s) that carry data, not yet sent."""
        self.flush()
        self.tls.write(data)
        return self.outward.read()

    def close_notify(self):
        """Ends our side of TLS; theirs goes on."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        self.flush()
        return self

    def fin(self):
        """Ends our side of TCP."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
        return self

    def ask(self, text="/", end=b"\r\n"):
        return self.send(self.server.line(text, self.family) + end)

    # -- receiving

    def read(self, size=1 << 16):
        """Decrypted bytes of one record at most; b"" at the end."""
        while True:
            try:
                data = self.tls.read(size)
            except ssl.SSLWantReadError:
                self.flush()
                self.fill()
                continue
            except ssl.SSLZeroReturnError:
                data = b""
            except ssl.SSLEOFError as e:
                self.error = e
                return b""
            except ssl.SSLError as e:  # an alert, a bad record
                self.error = e
                return b""
            if not data:
                self.clean = True
            return data

    def nothing_for(self, seconds):
        """True when for so long neither a byte nor an end comes."""
        deadline = time.monotonic() + seconds
        try:
            while True:
                self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
                with contextlib.suppress(ssl.SSLWantReadError):
                    self.early = self.tls.read(1)
                    return False
                self.fill()
                if self.end != "open":
                    return False
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(self.timeout)

    def wait_end(self, seconds=None):
        """Reads on, after TLS has ended, to the end of TCP."""
        self.sock.settimeout(seconds or self.timeout)
        try:
            while self.end == "open":
                self.fill()
        except TimeoutError:
            pass
        return self.end

    def reply(self):
        """All that is left to come, parsed."""
        data = self.reply_rest()
        return Reply(data, self.clean, self.end, self, self.error)

    def reply_rest(self):
        """All bytes that are left to come, unparsed."""
        data = b"".join(iter(self.read, b""))
        if self.clean:
            self.wait_end(3)
        return data

    def certificate(self):
        """The server's, as DER."""
        return self.tls.getpeercert(binary_form=True)

    def reset(self):
        reset(self.sock)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
