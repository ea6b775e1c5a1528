# SPDX-License-Identifier: ISC
"""The operator's configuration: what each option does, and that the command
line has the last word. Limits, logs and reloads have files of their own."""
import re
import ssl

import pytest

from certs import pair
from harness import Client, context, settings, tree, wait_for
from life import Plain, ask_unix, carnation, free_port


@pytest.fixture
def root(place):
    return tree(place / "capsule", {"index.gmi": "# Hello\n"})


def configured(place, options, *words, **how):
    file = place / "carnation.conf"
    file.write_text(settings(options))
    return Plain("-c", file, "--certs", place / "certs", *words,
                 directory=place, **how)


def capsule(root, **more):
    return dict({"host": "localhost", "root": str(root)}, **more)


def test_the_command_line_has_the_last_word(place, root):
    other = tree(place / "other", {"index.gmi": "# Other\n"})
    taken = free_port()
    options = {"listen": [f"127.0.0.9:{taken}"], "workers": 3,
               "log": {"access": str(place / "unused.log")},
               "capsules": [capsule(root)]}
    with configured(place, options, "--listen", "127.0.0.1:0", "--workers",
                    "1", "--log", place / "used.log") as server:
        assert f":{taken}" not in server.log()
        assert len(server.workers()) == 1
        assert server.ask("/").text == "# Hello\n"
        wait_for((place / "used.log").read_text)
        assert not (place / "unused.log").exists()
    crt, key = pair(place / "mine", "localhost")
    with Plain("-c", place / "carnation.conf", "--cert", crt, "--key", key,
               "--listen=127.0.0.1:0", "--workers=1", directory=place) as s:
        with Client(s) as c:
            assert ssl.DER_cert_to_PEM_cert(c.certificate()).split() == \
                crt.read_text().split()
    done = carnation("check", "-c", place / "carnation.conf", "--certs",
                     place / "certs", "--listen=127.0.0.1:0", other, "--dump")
    assert str(other) in done.stdout or done.returncode == 2, (
        "a directory beside -c is served, or refused, never ignored")


def test_paths_are_relative_to_the_file(place):
    tree(place / "etc/capsule", {"index.gmi": "# Hello\n"})
    pair(place / "etc/keys", "localhost")
    (place / "etc/carnation.conf").write_text(settings({
        "listen": ["127.0.0.1:0", "unix:socket"], "workers": 1,
        "log": {"access": "access.log"},
        "capsules": [capsule("capsule", certificate="keys/localhost.crt",
                             key="keys/localhost.key")]}))
    with Plain("-c", "etc/carnation.conf", directory=place) as server:
        assert server.ask("/").text == "# Hello\n"
        assert ask_unix(place / "etc/socket")[1]
        wait_for((place / "etc/access.log").read_text)


def test_a_file_may_include_others(place, root):
    (place / "capsules.conf").write_text(settings({
        "capsules": [capsule(root)]}))
    (place / "carnation.conf").write_text(
        'listen = [ "127.0.0.1:0" ];\nworkers = 1;\n'
        '@include "capsules.conf"\n')
    with Plain("-c", place / "carnation.conf", "--certs", place / "certs",
               directory=place) as server:
        assert server.ask("/").status == 20
    (place / "capsules.conf").write_text("\ncapsule = 1;\n")
    done = carnation("check", "-c", place / "carnation.conf")
    assert re.search(r"capsules\.conf:2: error: .*capsules", done.stdout)


def test_public_port_is_the_port_that_visitors_use(place, root):
    options = {"listen": ["127.0.0.1:0"], "public_port": 1965, "workers": 1,
               "capsules": [capsule(root)]}
    with configured(place, options, alive=None) as server:
        assert "  open         gemini://localhost/\n" in server.log()
        assert server.ask("gemini://localhost/").status == 20
        assert server.ask("gemini://localhost:1965/").status == 20
        assert server.ask("gemini://localhost:{P}/").status == 53
    options["public_port"] = 7000
    with configured(place, options, alive=None) as server:
        assert server.ask("gemini://localhost:7000/").status == 20
        assert server.ask("gemini://localhost:1965/").status == 53
        assert server.ask("gemini://localhost:{P}/").status == 53


def test_without_public_port_it_is_the_listeners_own(place, root):
    options = {"listen": ["127.0.0.1:0"], "workers": 1,
               "capsules": [capsule(root)]}
    with configured(place, options) as server:
        assert server.ask("gemini://localhost:{P}/").status == 20
        assert server.ask("gemini://localhost/").status == 20, "forwarded"
        assert server.ask("gemini://localhost:1/").status == 53


def test_tls_minimum(place, root):
    options = {"listen": ["127.0.0.1:0"], "workers": 1,
               "tls": {"minimum": "1.3"}, "capsules": [capsule(root)]}
    with configured(place, options) as server:
        assert server.ask("/", tls="1.3").status == 20
        with pytest.raises(ssl.SSLError, match="(?i)protocol.version"):
            server.ask("/", tls="1.2")


def test_tls_suites(place, root):
    """Of TLS 1.3; those of 1.2 are ours, and only what deserves trust."""
    options = {"listen": ["127.0.0.1:0"], "workers": 1,
               "tls": {"suites": "TLS_CHACHA20_POLY1305_SHA256"},
               "capsules": [capsule(root)]}
    with configured(place, options) as server:
        with Client(server, tls="1.3") as c:
            assert c.tls.cipher()[0] == "TLS_CHACHA20_POLY1305_SHA256"
        assert server.ask("/", tls="1.2").whole
        with pytest.raises(ssl.SSLError):
            server.ask("/", ctx=context("1.2", "ECDHE-ECDSA-AES128-SHA256"))


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("tickets", [True, False])
def test_tls_tickets(place, root, tickets, tls):
    options = {"listen": ["127.0.0.1:0"], "workers": 1,
               "tls": {"tickets": tickets}, "capsules": [capsule(root)]}
    with configured(place, options) as server:
        first = server.ask("/", tls=tls)
        assert bool(first.session.has_ticket) == tickets
        again = server.ask("/", tls=tls, session=first.session)
        assert again.resumed == tickets and again.whole


def test_types(place, root):
    tree(root, {"a.foo": "x\n", "b.FOO": "x\n", "c.bar": "x\n",
                "d.gmi": "# x\n"})
    options = {"listen": ["127.0.0.1:0"], "workers": 1, "types": [
        {"extension": "foo", "type": "text/x-foo"},
        {"extension": ".bar", "type": "application/x-bar"}],
        "capsules": [capsule(root)]}
    with configured(place, options) as server:
        for path, meta in (("/a.foo", "text/x-foo"), ("/b.FOO", "text/x-foo"),
                           ("/c.bar", "application/x-bar"),
                           ("/d.gmi", "text/gemini")):
            assert server.ask(path).meta == meta


def test_hidden_names_that_are_allowed(place, root):
    tree(root, {".config/x.txt": "x\n", ".other/x.txt": "x\n"})
    options = {"listen": ["127.0.0.1:0"], "workers": 1,
               "capsules": [capsule(root, hidden=[".config"])]}
    with configured(place, options) as server:
        assert server.ask("/.config/x.txt").status == 20
        assert server.ask("/.other/x.txt").status == 51


def test_the_operator_overrules_the_capsule(place, root):
    tree(root, {"capsule.conf": 'lang = "en"; listing = true;\n'
                'redirects = ({ from = "/a"; to = "/capsule"; });\n'
                'gone = [ "/b" ];\n', "dir/x.txt": "x\n"})
    mine = capsule(root, lang="az", redirects=[
        {"from": "/a", "to": "/operator"}])
    with configured(place, {"listen": ["127.0.0.1:0"], "workers": 1,
                            "capsules": [mine]}) as server:
        assert server.ask("/").meta == "text/gemini; lang=az"
        assert server.ask("/dir/").status == 20, "listing"
        assert server.ask("/a").meta.endswith("/operator")
        assert server.ask("/b").status == 52
        assert server.ask("/capsule.conf").meta.startswith("text/plain")


def test_several_capsules_and_their_aliases(place):
    capsules = []
    for name in "abc":
        root = tree(place / name, {"index.gmi": f"# {name}\n"})
        capsules.append({"host": f"{name}.example", "root": str(root),
                         "aliases": [f"www.{name}.example"]})
    with configured(place, {"listen": ["127.0.0.1:0"], "workers": 1,
                            "capsules": capsules}, alive=None) as server:
        for name in "abc":
            for host in (f"{name}.example", f"www.{name}.example"):
                reply = server.ask(f"gemini://{host}:{{P}}/", sni=host)
                assert reply.text == f"# {name}\n"
        refusal = server.ask("gemini://d.example:{P}/", sni="d.example")
        assert refusal.status == 53
        assert "a.example" in refusal.meta, "53 names the hosts served"
