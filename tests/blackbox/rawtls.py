# SPDX-License-Identifier: ISC
"""TLS as no honest client speaks it: pyOpenSSL with OpenSSL's own functions
beside it, and ClientHellos built by hand."""
import contextlib
import ctypes
import os
import struct

from harness import connect
from OpenSSL import SSL

libssl = ctypes.CDLL("libssl.so.3")
EARLY_DATA_REJECTED = 1


def pointer(thing):
    """A pyOpenSSL object's C pointer, for ctypes."""
    return ctypes.c_void_p(int(SSL._ffi.cast("uintptr_t", thing)))


class Puppet:
    """A client whose every move, also a wrong one, is ours."""

    def __init__(self, server, *, tls="1.3", family=4, sni=b"localhost",
                 session=None, ctx=None, **how):
        self.sock = connect(server, family, **how)
        if ctx is None:
            ctx = SSL.Context(SSL.TLS_CLIENT_METHOD)
            version = {"1.2": SSL.TLS1_2_VERSION,
                       "1.3": SSL.TLS1_3_VERSION}[tls]
            ctx.set_min_proto_version(version)
            ctx.set_max_proto_version(version)
        self.ctx = ctx
        self.conn = SSL.Connection(ctx, None)
        self.conn.set_connect_state()
        if sni is not None:
            self.conn.set_tlsext_host_name(sni)
        if session is not None:
            self.conn.set_session(session)
        self.ended = None  # "fin", "rst"

    def flush(self):
        with contextlib.suppress(SSL.WantReadError):
            while True:
                data = self.conn.bio_read(1 << 16)
                try:
                    self.sock.sendall(data)
                except (BrokenPipeError, ConnectionResetError):
                    self.ended = "rst"

    def fill(self):
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionResetError:
            data, self.ended = b"", "rst"
        if data:
            self.conn.bio_write(data)
        else:
            self.ended = self.ended or "fin"
            self.conn.bio_shutdown()

    def _step(self, step, *args):
        while True:
            try:
                return step(*args)
            except SSL.WantReadError:
                self.flush()
                self.fill()
            finally:
                self.flush()

    def handshake(self, before_finished=None):
        def step():
            self.conn.do_handshake()
            if before_finished:
                before_finished()

        self._step(step)
        return self

    def write(self, data):
        self._step(self.conn.sendall, data)

    def read_all(self):
        """All to the end, whatever kind of end it is."""
        data = b""
        with contextlib.suppress(SSL.Error):
            while True:
                data += self._step(self.conn.recv, 1 << 16)
        return data

    def key_update(self, answer=0):
        """Sends a KeyUpdate that asks for one in return, or not (0)."""
        assert libssl.SSL_key_update(pointer(self.conn._ssl), answer) == 1
        self._step(self.conn.do_handshake)

    def queue(self, n, data):
        """n KeyUpdates and then data, in one piece, not yet sent."""
        for _ in range(n):
            assert libssl.SSL_key_update(pointer(self.conn._ssl), 0) == 1
            self.conn.do_handshake()
        self.conn.send(data)
        pieces = []
        with contextlib.suppress(SSL.WantReadError):
            while True:
                pieces.append(self.conn.bio_read(1 << 16))
        return b"".join(pieces)

    def write_early(self, data):
        """0-RTT: data goes out behind the ClientHello."""
        written = ctypes.c_size_t()
        done = libssl.SSL_write_early_data(
            pointer(self.conn._ssl), data, ctypes.c_size_t(len(data)),
            ctypes.byref(written))
        assert done == 1 and written.value == len(data)
        self.flush()

    def early_data_status(self):
        return libssl.SSL_get_early_data_status(pointer(self.conn._ssl))

    def allow_early(self, size):
        """This session, as if the server had offered 0-RTT with it."""
        # without this, OpenSSL spoils the session when the connection goes
        self.conn.set_shutdown(SSL.SENT_SHUTDOWN | SSL.RECEIVED_SHUTDOWN)
        session = self.conn.get_session()
        assert libssl.SSL_SESSION_set_max_early_data(
            pointer(session._session), ctypes.c_uint32(size)) == 1
        return session

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def extension(number, body):
    return struct.pack("!HH", number, len(body)) + body


def vector(body, size=2):
    return len(body).to_bytes(size, "big") + body


def client_hello(version, suites, extensions=b"", session_id=b"",
                 record_version=0x0301, compressions=b"\0"):
    """A ClientHello in one record, by hand. version as on the wire."""
    body = (struct.pack("!H", version) + os.urandom(32)
            + vector(session_id, 1)
            + vector(b"".join(struct.pack("!H", s) for s in suites))
            + vector(compressions, 1) + vector(extensions))
    message = b"\x01" + vector(body, 3)
    return b"\x16" + struct.pack("!H", record_version) + vector(message)


SUITES = [0xC02B, 0xC02C, 0xCCA9, 0xC023, 0xC009, 0xC00A, 0xC013, 0x002F,
          0x0035, 0x000A]
EXTENSIONS = (
    extension(0, vector(b"\0" + vector(b"localhost")))
    + extension(10, vector(struct.pack("!HH", 0x17, 0x1D)))
    + extension(11, vector(b"\0", 1))
    + extension(13, vector(struct.pack("!HHH", 0x0403, 0x0804, 0x0203))))


def answer_to(server, data, family=4, timeout=3, half_close=False):
    """All bytes that come back for data, and how the stream ended."""
    back, end = b"", "open"
    with connect(server, family, timeout=timeout) as s:
        try:
            s.sendall(data)
            if half_close:
                with contextlib.suppress(OSError):  # they were faster
                    s.shutdown(1)
            while True:
                piece = s.recv(1 << 16)
                if not piece:
                    end = "fin"
                    break
                back += piece
        except TimeoutError:
            pass
        except (ConnectionResetError, BrokenPipeError):
            end = "rst"
    return back, end
