# SPDX-License-Identifier: ISC
"""In how few pieces an answer is sent, and that clients of other habits get it
as well. On the loopback device each send is one segment."""
import shutil
import socket
import ssl
import struct
import subprocess

import pytest

from harness import Client, Server, connect, context, tree, wait_for
from life import sparse

PAGE = "# Page\n" + 80 * "A line of fifty bytes, as pages have many of them.\n"
BIG = 3_000_000
DATA_SEGMENTS_IN = 152  # tcpi_data_segs_in (linux/tcp.h, struct tcp_info)
OFF = {"CARNATION_WITHOUT": "sending"}


@pytest.fixture(scope="module", params=[{}, OFF], ids=["on", "off"])
def site(request, tmp_path_factory):
    place = tmp_path_factory.mktemp("sending")
    root = tree(place / "capsule", {"index.gmi": "# Hello\n",
                                    "page.gmi": PAGE})
    sparse(root / "big.bin", BIG)
    with Server([{"host": "localhost", "root": str(root)}], directory=place,
                env=request.param) as server:
        server.gathers = not request.param
        yield server


def segments(c):
    """That came with data."""
    info = c.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return struct.unpack_from("<I", info, DATA_SEGMENTS_IN)[0]


def ask_with_finished(server, path, **how):
    """The request leaves together with the client's last flight."""
    c = Client(server, handshake=False, **how)
    while True:
        try:
            c.tls.do_handshake()
        except ssl.SSLWantReadError:
            c.flush()
            c.fill()
        else:
            return c.ask(path)


@pytest.mark.parametrize("resumed", [False, True], ids=["full", "resumed"])
@pytest.mark.parametrize("path", ["/page.gmi", "/", "/none", "/bad%"])
def test_a_flight_and_a_page_are_two_sends(site, path, resumed):
    """Ticket, page, close_notify and FIN are one; so are errors."""
    session = site.ask("/", tls="1.3").session if resumed else None
    with ask_with_finished(site, path, tls="1.3", session=session) as c:
        reply = c.reply()
        assert reply.clean and reply.end == "fin"
        assert c.tls.session_reused == resumed
        if site.gathers:
            assert segments(c) == 2
        else:
            assert segments(c) > 2
    if path == "/page.gmi":
        assert reply.text == PAGE


@pytest.mark.parametrize("resumed", [False, True], ids=["full", "resumed"])
def test_TLS_1_2_has_its_last_flight_before_it_asks(site, resumed):
    """Held back, it would make both sides wait."""
    session = site.ask("/", tls="1.2").session if resumed else None
    with Client(site, tls="1.2", session=session) as c:
        assert c.tls.session_reused == resumed
        flights = segments(c)
        assert flights == (1 if resumed else 2)
        assert c.ask("/page.gmi").reply().text == PAGE
        if site.gathers:
            assert segments(c) == flights + 1


def test_a_client_that_waits_for_its_ticket_gets_it(site):
    with Client(site, tls="1.3") as c:
        assert c.nothing_for(0.05)  # but the ticket
        wait_for(lambda: c.nothing_for(0.01) and c.tls.session.has_ticket)
        assert c.ask("/page.gmi").reply().text == PAGE


def test_clients_without_TCP_NODELAY(site):
    """Nagle's algorithm holds the request until Finished is acknowledged."""
    for tls in ("1.2", "1.3"):
        sock = connect(site)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        with context(tls).wrap_socket(
                sock, server_hostname="localhost",
                suppress_ragged_eofs=False) as s:
            s.sendall(site.line("/page.gmi") + b"\r\n")
            got = b"".join(iter(lambda s=s: s.recv(1 << 16), b""))
        assert got.partition(b"\r\n")[2].decode() == PAGE


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_clients_that_end_their_side_first(site, tls):
    for end in (("close_notify",), ("fin",), ("close_notify", "fin")):
        with Client(site, tls=tls) as c:
            c.ask("/page.gmi")
            for how in end:
                getattr(c, how)()
            reply = c.reply()
        assert reply.whole and reply.text == PAGE


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_the_end_of_a_large_body_waits_for_a_slow_reader(site, tls):
    """The last piece and close_notify find no room, and come all the same."""
    for receive_buffer in (2048, 16384, 65536):
        with Client(site, tls=tls, receive_buffer=receive_buffer) as c:
            c.ask("/big.bin")
            body = c.reply_rest().partition(b"\r\n")[2]
        assert c.clean and body == bytes(BIG)


@pytest.mark.skipif(shutil.which("gnutls-cli") is None, reason="no gnutls-cli")
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_GnuTLS(site, version):
    site.touched = True
    done = subprocess.run(
        ["gnutls-cli", "--insecure", "--port", str(site.port(4)), "--priority",
         f"NORMAL:-VERS-ALL:+VERS-TLS{version}", "--sni-hostname=localhost",
         "--no-ca-verification", "127.0.0.1"],
        input=site.line("/page.gmi") + b"\r\n", capture_output=True,
        timeout=60, check=False)
    assert PAGE.encode() in done.stdout, done
