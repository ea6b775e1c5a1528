# SPDX-License-Identifier: ISC
"""A SOCKS5 proxy (RFC 1928) that notes what it is asked, and leads everywhere
to where a test wants.

    with Socks({"capsule.invalid": ("127.0.0.1", port)}) as proxy:
        ... proxy.url ...
        proxy.asked  # [(kind, host, port)]: kind 3 is a name, 1 and 4 addresses
"""
import contextlib
import ipaddress
import socket
import threading


def take(conn, n):
    data = b""
    while len(data) < n:
        piece = conn.recv(n - len(data))
        if not piece:
            raise OSError("the end")
        data += piece
    return data


class Socks:
    """places: host name -> address; others are answered with reply, or, when
    that is 0, looked for where they say. login: it wants a password."""

    def __init__(self, places=None, reply=0, login=False):
        self.places, self.reply, self.login = places or {}, reply, login
        self.asked = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"socks5://127.0.0.1:{self.port}"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,),
                             daemon=True).start()

    def serve(self, conn):
        with contextlib.suppress(OSError), conn:
            self.talk(conn)

    def talk(self, conn):
        _, n = take(conn, 2)
        take(conn, n)
        conn.sendall(b"\5\xff" if self.login else b"\5\0")
        _, _, _, kind = take(conn, 4)
        if kind == 3:
            host = take(conn, take(conn, 1)[0]).decode()
        else:
            host = str(ipaddress.ip_address(take(conn, 4 if kind == 1 else 16)))
        port = int.from_bytes(take(conn, 2), "big")
        self.asked.append((kind, host, port))
        reply = 0 if host in self.places else self.reply
        if reply:
            conn.sendall(bytes([5, reply, 0, 1]) + bytes(6))
            return
        with socket.create_connection(
                self.places.get(host, (host, port))) as there:
            conn.sendall(bytes([5, 0, 0, 1]) + bytes(6))
            back = threading.Thread(target=pump, args=(there, conn),
                                    daemon=True)
            back.start()
            pump(conn, there)
            back.join()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def pump(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
