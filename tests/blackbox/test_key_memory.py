# SPDX-License-Identifier: ISC
"""Private keys are in the memory of one process, keyd, and of no other: not of
the parent, not of a worker, whatever has happened before. keyd, where the same
search finds them, and what every process must have of the certificate, prove
that the search sees what is there."""
import os
import signal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

import certs
from binary import SANITIZED
from harness import Server, tree, wait_for
from life import exists, hup, root_only
from memory import (Unreadable, descendants, is_keyd, key_needles, search)

pytestmark = [
    root_only,
    pytest.mark.skipif(
        SANITIZED, reason="a sanitizer maps more than can be read")]

HOST = "localhost"
KINDS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "made at the first start": None,
}


class Keys:
    """A server of two workers, and where its key is."""

    def __init__(self, place, kind):
        self.crt = place / "certs" / f"{HOST}.crt"
        self.key = place / "certs" / f"{HOST}.key"
        self.wanted = self.seen = None
        if KINDS[kind] is not None:
            self.renew(KINDS[kind]())
        root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
        self.server = Server([{"host": HOST, "root": str(root)}],
                             workers=2, directory=place, listen=(4,))
        self.server.may_restart = True

    def renew(self, key):
        certs.pair(self.key.parent, HOST, key=key)

    def needles(self):
        return key_needles(self.key)

    def known(self):
        """What every process has that reads the certificate: a part of its
        public key."""
        crt = x509.load_pem_x509_certificate(self.crt.read_bytes())
        der = crt.public_key().public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo)
        return {"public key": der[-20:-4]}

    def use(self):
        """A signature of each kind, by each of the workers most likely."""
        for tls in ("1.2", "1.3") * 4:
            assert self.server.ask("/", tls=tls).whole

    def others(self):
        """Every process of the server but keyd."""
        return [p for p in descendants(self.server.process.pid)
                if not is_keyd(p)]

    def keyd(self):
        found = [p for p in descendants(self.server.process.pid)
                 if is_keyd(p)]
        assert len(found) == 1, f"one process has the keys: {found}"
        return found[0]

    def settled(self):
        """Waits until nobody is on the way out or in: parent, keyd, two
        workers."""
        def calm():
            pids = descendants(self.server.process.pid)
            return len(pids) == 4 and sum(map(is_keyd, pids)) == 1
        wait_for(calm, 30, "a parent, keyd and two workers")
        self.use()

    def expect_apart(self, when, gone=()):
        """gone: needles of a key that was in use before."""
        old = {f"old {n}": b for k in gone for n, b in k.items()}
        wanted = self.needles() | self.known() | old
        if wanted != self.wanted:
            self.wanted, self.seen = wanted, {}
        for pid in self.others():
            found = search(pid, wanted, self.seen)
            assert "public key" in found, "the search sees nothing"
            assert found == {"public key"}, f"{when}, process {pid}: {found}"
        found = search(self.keyd(), wanted, self.seen)
        assert any("endian" in n for n in found), (
            f"{when}: not even keyd has the key: the search proves nothing")
        assert not any(n.startswith("old ") for n in found), (when, found)
        assert "PEM text" not in found, f"{when}: keyd kept the file's text"


@pytest.fixture(params=KINDS, ids=lambda k: k.replace(" ", "-"))
def keys(request, place):
    found = Keys(place, request.param)
    try:
        yield found
    finally:
        if found.server in Server.running:
            found.server.kill()


def test_the_key_is_in_keyd_alone(keys):
    """After the start, a reload, a crash of a worker and one of keyd."""
    keys.settled()
    keys.expect_apart("after the start")
    hup(keys.server)
    keys.settled()
    keys.expect_apart("after a reload")
    victim = next(p for p in keys.others()[1:])
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: not exists(victim))
    keys.settled()
    keys.expect_apart("after the crash of a worker")
    victim = keys.keyd()
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: not exists(victim))
    keys.settled()
    keys.expect_apart("after the crash of keyd")
    pids = descendants(keys.server.process.pid)
    Server.running.remove(keys.server)
    os.kill(keys.server.process.pid, signal.SIGKILL)
    keys.server.process.wait()
    wait_for(lambda: not any(map(exists, pids)),
             what="the end of all, with the parent")


def test_a_renewed_key_leaves_nothing_of_the_old_one(keys):
    keys.settled()
    old = keys.needles()
    first = keys.keyd()
    keys.renew(ec.generate_private_key(ec.SECP256R1()))
    hup(keys.server)
    wait_for(lambda: not exists(first), 90, "the end of the old keyd")
    keys.settled()
    keys.expect_apart("after a renewal", [old])
    keys.server.stop()


def test_what_cannot_be_read_is_no_proof(place):
    with Server(directory=place, listen=(4,)) as server:
        pid = server.process.pid
        child = os.fork()
        if child == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            try:
                search(pid, {})
            except Unreadable:
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with pytest.raises(Unreadable):
        search(pid, {})
