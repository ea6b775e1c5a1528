# SPDX-License-Identifier: ISC
"""Names, for a client in its sandbox, on a machine whose resolver's settings change
while it runs: the network, /etc and the server of names are the test's own."""
import ctypes
import os
import socket
import struct
import subprocess
import threading

import pytest

from certs import pair
from evil import Evil
from harness import CARNATION
from life import own_network

CLONE_NEWNS = 0x00020000
FIRST, SECOND = "127.0.0.53", "127.0.0.54"
A, IN, HEADER = 1, 1, 12
_libc = ctypes.CDLL(None, use_errno=True)


class Names:
    """A server of names at an address: each is 127.0.0.1. asked are those asked
    for."""

    def __init__(self, address):
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            query, client = self.socket.recvfrom(512)
            end = query.index(b"\0", HEADER) + 1
            kind, = struct.unpack_from("!H", query, end)
            answer = b""
            if kind == A:
                self.asked.append(query[HEADER + 1:end].decode())
                answer = (b"\xc0\x0c" + struct.pack("!HHIH", A, IN, 60, 4)
                          + bytes([127, 0, 0, 1]))
            self.socket.sendto(
                query[:2] + b"\x81\x80"
                + struct.pack("!HHHH", 1, bool(answer), 0, 0)
                + query[HEADER:end + 4] + answer,
                client)


def settle(etc, address):
    """As DHCP clients do it: a new file, renamed onto the old one."""
    (etc / "resolv.new").write_text(
        f"nameserver {address}\noptions timeout:1 attempts:1\n")
    os.rename(etc / "resolv.new", etc / "resolv.conf")


def own_etc(etc):
    (etc / "nsswitch.conf").write_text("hosts: files dns\n")
    (etc / "hosts").write_text("127.0.0.1 localhost\n")
    settle(etc, FIRST)
    if _libc.unshare(CLONE_NEWNS) != 0:
        pytest.skip("no mount namespaces here: "
                    + os.strerror(ctypes.get_errno()))
    for words in (["--make-rprivate", "/"], ["--bind", etc, "/etc"]):
        subprocess.run(["mount", *words], check=True)


@pytest.mark.parametrize("next_one", [FIRST, SECOND])
@own_network
def test_the_settings_are_replaced_during_a_run(place, next_one):
    """The next names are asked of the server that was known at the start: not of
    this machine, which is what the resolver falls back to when it may not read the
    new file."""
    etc = place / "etc"
    etc.mkdir()
    both = pair(place / "both", "one.test", ["one.test", "two.test"])
    own_etc(etc)
    first, second = Names(FIRST), Names(SECOND)

    def answer(line, c, _):
        if "one.test" in line:
            settle(etc, next_one)
            c.sendall(f"30 gemini://two.test:{server.port}/\r\n".encode())
        else:
            c.sendall(b"20 text/plain\r\nbody")

    server = Evil(both, answer)
    done = subprocess.run(
        [CARNATION, "fetch", "--known-hosts", place / "known",
         f"gemini://one.test:{server.port}/"], capture_output=True, check=False)
    assert done.stdout == b"body", done.stderr
    assert len(first.asked) == 2 and second.asked == []
