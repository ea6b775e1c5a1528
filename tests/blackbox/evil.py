# SPDX-License-Identifier: ISC
"""`carnation fetch`, and a server that lies to it. Fixtures are taken from
here by name: evil starts such a server, fetch runs the client."""
import contextlib
import os
import socket
import ssl
import subprocess
import threading

import pytest

from harness import CARNATION, HOST, TIMEOUT

ESC = b"\x1b"


class Evil:
    """A TLS server for a script: each request line goes to answer(line, conn,
    number), which sends what it likes; then close_notify, unless it says
    False."""

    def __init__(self, pair, answer, family=socket.AF_INET, client_ca=None):
        self.answer = answer
        self.lines = []
        self.peers = []
        self.handshakes = 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*pair)
        if client_ca:
            self.context.verify_mode = ssl.CERT_OPTIONAL
            self.context.load_verify_locations(client_ca)
        self.listener = socket.socket(family)
        self.listener.bind(
            ("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        self.listener.listen(16)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError):
                self.serve(raw)

    def serve(self, raw):
        raw.settimeout(20)
        with self.context.wrap_socket(
                raw, server_side=True, suppress_ragged_eofs=True) as c:
            self.handshakes += 1
            line = b""
            while not line.endswith(b"\r\n"):
                got = c.recv(2048)
                if not got:
                    return
                line += got
            self.lines.append(line[:-2].decode())
            self.peers.append(c.getpeercert(binary_form=True))
            if self.answer(line[:-2].decode(), c, len(self.lines)) is False:
                return
            with contextlib.suppress(OSError):
                c.unwrap()

    def url(self, path="/", host=HOST):
        return f"gemini://{host}:{self.port}{path}"

    def close(self):
        self.listener.close()


def make_pair(directory, *hosts):
    subprocess.run([CARNATION, "cert", "new", "--certs", directory, *hosts],
                   check=True, stdout=subprocess.DEVNULL)
    return directory / f"{hosts[0]}.crt", directory / f"{hosts[0]}.key"


@pytest.fixture(scope="session")
def known_pair(tmp_path_factory):
    return make_pair(tmp_path_factory.mktemp("certs"), HOST)


@pytest.fixture
def evil(known_pair):
    servers = []

    def start(answer, **how):
        if isinstance(answer, bytes):
            data = answer
            answer = lambda line, c, n: c.sendall(data)
        servers.append(Evil(how.pop("pair", known_pair), answer, **how))
        return servers[-1]

    yield start
    for s in servers:
        s.close()


@pytest.fixture
def fetch(tmp_path):
    def run(*words, wrapper=(), **how):
        env = dict(os.environ, XDG_DATA_HOME=str(tmp_path / "data"))
        return subprocess.run(
            [*wrapper, CARNATION, "fetch", *map(str, words)], env=env,
            cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=6 * TIMEOUT, check=False, **how)
    return run
