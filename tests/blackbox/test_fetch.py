# SPDX-License-Identifier: ISC
"""`carnation fetch` against servers that lie, dawdle and break off."""
import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from evil import ESC, evil, fetch, known_pair, make_pair  # noqa: F401
from harness import CARNATION, TIMEOUT, Server, parallel, tree, wait_for
from life import root_only, wrapper
from preload import hurry  # noqa: F401


def test_page(fetch, evil):
    s = evil(b"20 text/gemini; lang=az\r\n# S\xc9\x99hid\r\n\x1b[31m\0")
    r = fetch(s.url("/x?y#z"))
    assert r.returncode == 0
    # a pipe gets it as it is
    assert r.stdout == b"# S\xc9\x99hid\r\n\x1b[31m\0"
    assert b"20 text/gemini; lang=az\n" in r.stderr
    assert b"is new, its key is now known\n" in r.stderr
    assert re.search(rb"^carnation:   certificate  SHA256 [0-9A-F:]{95}\n"
                     rb"carnation:   public key   SHA256 [0-9A-F:]{95}\n",
                     r.stderr, re.M)
    assert s.lines == [s.url("/x?y")]
    r = fetch(s.url())
    assert r.stderr == b"20 text/gemini; lang=az\n"


def test_real_server(fetch):
    with Server() as server:
        r = fetch(server.url("/"))
        assert (r.returncode, r.stdout) == (0, b"# Home\n")
        assert b"20 text/gemini\n" in r.stderr
        r = fetch(server.url("/nothing"))
        assert (r.returncode, r.stdout) == (50, b"")


@root_only
def test_international_name(fetch, place):
    """Found and asked for by its A-label, however it was typed."""
    (place / "hosts").write_text("127.0.0.1 localhost xn--caf-dma.example\n")
    with Server([{"host": "café.example", "root": tree(
            place / "capsule", {"index.gmi": "# Café\n"})}]) as server:
        for host in ("café.example", "CAFÉ.Example.", "xn--caf-dma.example",
                     "caf%C3%A9.example"):
            r = fetch(server.url(host=host),
                      wrapper=wrapper("hosts", place / "hosts"))
            assert (r.returncode, r.stdout) == (0, "# Café\n".encode()), r


@pytest.mark.parametrize("code, status", [
    (40, 40), (41, 40), (44, 40), (50, 50), (51, 50), (52, 50), (53, 50),
    (59, 50), (60, 60), (61, 60), (62, 60), (10, 10), (11, 10)])
def test_exit_status(fetch, evil, code, status):
    r = fetch(evil(b"%d Because\r\n" % code).url())
    assert r.returncode == status
    assert b"%d Because\n" % code in r.stderr
    assert r.stdout == b""


def test_no_close_notify(fetch, evil, tmp_path):
    def answer(line, c, n):
        c.sendall(b"20 text/gemini\r\n# Half a pa")
        return False

    s = evil(answer)
    r = fetch(s.url())
    assert r.returncode == 1
    assert r.stdout == b"# Half a pa"
    assert b"no close_notify" in r.stderr and b"cut off" in r.stderr
    r = fetch("-o", "page.gmi", s.url())
    assert r.returncode == 1
    assert (tmp_path / "page.gmi.part").read_bytes() == b"# Half a pa"
    assert not (tmp_path / "page.gmi").exists()
    assert b"page.gmi.part" in r.stderr


def test_a_cut_page_is_kept_on_request(fetch, evil, tmp_path):
    def answer(line, c, n):
        c.sendall(b"20 text/gemini\r\n# Half a pa")
        return False

    r = fetch("--allow-truncated", "-o", "page.gmi", evil(answer).url())
    assert r.returncode == 1 and b"no close_notify" in r.stderr
    assert (tmp_path / "page.gmi").read_bytes() == b"# Half a pa"
    assert not (tmp_path / "page.gmi.part").exists()


@pytest.mark.parametrize("code, hint", [
    (10, b"add ?ANSWER to the URL"), (11, b"add ?ANSWER to the URL"),
    (60, b"use --cert FILE --key FILE"), (61, b"use --cert FILE --key FILE")])
def test_what_a_script_can_do_about_it(fetch, evil, code, hint):
    assert hint in fetch(evil(b"%d Because\r\n" % code).url()).stderr
    assert hint not in fetch(evil(b"51 Because\r\n").url()).stderr


def test_limit_on_size(fetch, evil, tmp_path):
    s = evil(b"20 text/plain\r\n" + b"x" * 5000)
    assert fetch("--max-size", 5000, s.url()).stdout == b"x" * 5000
    r = fetch("--max-size", 4999, "-o", "page", s.url())
    assert r.returncode == 1 and b"larger than 4999 bytes" in r.stderr
    assert not (tmp_path / "page").exists()
    assert (tmp_path / "page.part").read_bytes() == b"x" * 4999
    assert fetch("--max-size=1K", s.url()).returncode == 1


def test_an_empty_type_is_gemtext(fetch, evil):
    r = fetch(evil(b"20 \r\n# Page\n").url())
    assert (r.returncode, r.stdout) == (0, b"# Page\n")
    assert b"text/gemini is assumed" in r.stderr


def test_the_standard_output_by_name(fetch, evil, tmp_path):
    r = fetch("-o", "-", evil(b"20 text/plain\r\nx").url())
    assert (r.returncode, r.stdout) == (0, b"x")
    assert not (tmp_path / "-").exists()


def test_a_space_in_a_url_is_encoded(fetch, evil):
    s = evil(b"20 text/plain\r\nx")
    assert fetch(f" {s.url('/a b/é?c d')} ").returncode == 0
    assert s.lines == [s.url("/a%20b/%C3%A9?c%20d")]


def default_sigint():
    """Shells start what runs in their background with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupted_download_is_kept(evil, tmp_path):
    started = threading.Event()

    def answer(line, c, n):
        c.sendall(b"20 text/plain\r\n" + b"x" * 1000)
        started.set()
        c.recv(1)

    s = evil(answer)
    p = subprocess.Popen(
        [CARNATION, "fetch", "-o", "page", "--known-hosts", "known", s.url()],
        cwd=tmp_path, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
        preexec_fn=default_sigint)
    assert started.wait(TIMEOUT)
    wait_for(lambda: any(f.stat().st_size == 1000 for f in
                         tmp_path.glob("page.part.*")), TIMEOUT, "the bytes")
    p.send_signal(signal.SIGINT)
    said = p.communicate(timeout=TIMEOUT)[1]
    assert p.returncode == -signal.SIGINT
    assert b"interrupted" in said and b"kept as page.part\n" in said
    assert (tmp_path / "page.part").read_bytes() == b"x" * 1000


def test_output(fetch, evil, tmp_path):
    s = evil(b"20 image/png\r\n" + b"\x89PNG" * 50000)
    (tmp_path / "x.png").write_text("older")
    r = fetch("--output=x.png", s.url())
    assert r.returncode == 0
    assert r.stdout == b""
    assert (tmp_path / "x.png").read_bytes() == b"\x89PNG" * 50000
    assert not (tmp_path / "x.png.part").exists()
    assert b"\r" not in r.stderr  # no progress where nobody looks
    r = fetch("-o", "none/x.png", s.url())
    assert r.returncode == 1
    assert b"none/x.png: No such file or directory" in r.stderr
    # what is no page leaves files alone
    r = fetch("-o", "x.png", evil(b"51 No\r\n").url())
    assert r.returncode == 50
    assert (tmp_path / "x.png").exists()
    assert not (tmp_path / "x.png.part").exists()


def test_output_follows_no_link(fetch, evil, tmp_path):
    """A name that others can guess, in a directory where they can write."""
    s = evil(b"20 text/plain\r\nnew")
    target = tmp_path / "target"
    target.write_text("precious")
    for name in ("x.part", "x"):
        (tmp_path / name).symlink_to(target)
    assert fetch("-o", "x", s.url()).returncode == 0
    assert target.read_text() == "precious"
    assert (tmp_path / "x").read_bytes() == b"new"
    cut = evil(lambda line, c, n: c.sendall(
        b"20 text/plain\r\nha") is not None)
    assert fetch("-o", "x", cut.url()).returncode == 1
    assert target.read_text() == "precious"
    assert (tmp_path / "x").read_bytes() == b"new"
    assert sorted(p.name for p in tmp_path.iterdir()
                  if p.name.startswith("x")) == ["x", "x.part"]


def test_output_to_a_name_of_the_standard_output(evil, tmp_path):
    """/dev/stdout is a link, and leads to a file when a shell says so."""
    s = evil(b"20 text/plain\r\nnew")
    for name in ("link", "/dev/fd/1"):
        if name == "link":
            (tmp_path / name).symlink_to("/proc/self/fd/1")
        with open(tmp_path / "whole", "wb") as whole:
            r = subprocess.run([CARNATION, "fetch", "--known-hosts",
                                "/dev/null", "-o", name, s.url()],
                               stdout=whole, stderr=subprocess.PIPE,
                               cwd=tmp_path, check=False)
        assert r.returncode == 0, r.stderr
        assert (tmp_path / "whole").read_bytes() == b"new"
    assert (tmp_path / "link").is_symlink()


def test_output_has_the_mode_of_a_new_file(fetch, evil, tmp_path):
    old = os.umask(0o027)
    try:
        fetch("-o", "x", evil(b"20 text/plain\r\nnew").url())
    finally:
        os.umask(old)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


def test_two_outputs_at_once_do_not_mix(fetch, evil, tmp_path):
    """Both have begun before either may end; each file is one body, whole."""
    bodies = [b"a" * 300000, b"b" * 300000]
    begun = threading.Barrier(2, timeout=TIMEOUT)

    def answer(line, c, n):
        body = bodies[int(line.rsplit("/", 1)[1])]
        c.sendall(b"20 text/plain\r\n" + body[:100000])
        begun.wait()
        c.sendall(body[100000:])
        return True

    servers = [evil(answer), evil(answer)]
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(fetch, "-o", "x", s.url(f"/{i}"))
                for i, s in enumerate(servers)]
        assert [r.result().returncode for r in runs] == [0, 0]
    assert (tmp_path / "x").read_bytes() in bodies
    assert [p.name for p in tmp_path.iterdir() if p.name[0] == "x"] == ["x"]


def test_disk_full(fetch, evil):
    s = evil(b"20 text/plain\r\n" + b"x" * 1000000)
    with open("/dev/full", "wb") as full:
        r = subprocess.run([CARNATION, "fetch", "--known-hosts", "/dev/null",
                            s.url()], stdout=full, stderr=subprocess.PIPE)
    assert r.returncode == 1


def test_redirects(fetch, evil):
    def answer(line, c, n):
        hop = int(re.search(r"/(\d+)", line)[1])
        c.sendall(b"20 text/plain\r\ndone" if hop == 0
                  else b"3%d %s\r\n" % (hop % 2, [
                      b"/%d?", b"./%d", b"%d#x"][hop % 3] % (hop - 1)))

    s = evil(answer)
    r = fetch(s.url("/5"))
    assert (r.returncode, r.stdout) == (0, b"done")
    assert len(s.lines) == 6
    assert all("#" not in line for line in s.lines)
    s = evil(answer)
    r = fetch(s.url("/6"))
    assert (r.returncode, r.stdout) == (30, b"")
    assert len(s.lines) == 6
    assert b"more than 5 redirects" in r.stderr


def test_redirect_loop(fetch, evil):
    s = evil(b"31 /again\r\n")
    r = fetch(s.url())
    assert r.returncode == 30
    assert len(s.lines) == 6


@pytest.mark.parametrize("target", [
    b"https://localhost/", b"mailto:a@example.org", b"file:///etc/passwd",
    b"titan://localhost/x"])
def test_other_scheme(fetch, evil, target):
    s = evil(b"30 " + target + b"\r\n")
    r = fetch(s.url())
    assert r.returncode == 30
    assert len(s.lines) == 1
    assert b"cannot follow the redirect: not a gemini URL" in r.stderr


def test_bad_redirect(fetch, evil):
    r = fetch(evil(b"30 gemini://user@localhost/\r\n").url())
    assert r.returncode == 30
    assert b"cannot follow the redirect: invalid URL" in r.stderr


@pytest.mark.parametrize("answer", [
    b"20 text/" + ESC + b"[2J\r\n",
    b"51 \xc2\x9b2J\r\n",
    b"51 \xff\r\n",
    b"51 a\tb\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nhello",
    b"20\ttext/plain\r\n",
    b"20\r\n",
    b"2\r\n",
    b"99 x\r\n",
    b"20 text/gemini\n# only LF",
    b"\xef\xbb\xbf20 text/gemini\r\n",
    b"",
    b"20 " + b"x" * 1025 + b"\r\n",
])
def test_bad_header(fetch, evil, answer):
    r = fetch(evil(answer).url())
    assert r.returncode == 1
    assert r.stdout == b""
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f-\xff]", r.stderr)


def test_deceiving_header(fetch, evil):
    """Printable by the letter, but it turns text around."""
    r = fetch(evil("51 \u202eevil\u2028 é\r\n".encode()).url())
    assert r.returncode == 50
    assert b"51 \\xe2\\x80\\xaeevil\\xe2\\x80\\xa8 \xc3\xa9\n" in r.stderr


def test_endless_header(fetch, evil):
    def answer(line, c, n):
        with contextlib.suppress(OSError):
            while True:
                c.sendall(b"2" * 16384)

    r = fetch(evil(answer).url())
    assert r.returncode == 1
    assert b"does not end" in r.stderr


def test_timeout(fetch, evil, hurry):  # noqa: F811
    def slow_header(c, over):
        for byte in b"20 text/gemini\r\n" * 100:
            over.wait(0.3 / hurry)
            c.sendall(bytes([byte]))

    def stalled_body(c, over):
        c.sendall(b"20 text/gemini\r\nhal")
        over.wait()

    def late(answer, expected):
        over = threading.Event()
        r = fetch("--timeout", "1", evil(
            lambda line, c, n: answer(c, over)).url())
        over.set()
        assert r.returncode == 1
        assert expected in r.stderr and b"no answer within 1 s" in r.stderr

    def deaf():
        """Accepts, and never says a word."""
        with socket.create_server(("127.0.0.1", 0)) as s:
            r = fetch("--timeout", "1", f"localhost:{s.getsockname()[1]}/")
        assert r.returncode == 1
        assert b"TLS handshake: no answer within 1 s" in r.stderr

    parallel(lambda: late(slow_header, b"waiting for a header"),
             lambda: late(stalled_body, b"in the middle"), deaf)


def test_unreachable(fetch):
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    r = fetch(f"gemini://127.0.0.1:{port}/")
    assert r.returncode == 1
    assert b"Connection refused" in r.stderr


def test_no_tls(fetch):
    def plain(listener):
        c, _ = listener.accept()
        with c:
            c.sendall(b"20 text/plain\r\nhello")

    with socket.create_server(("127.0.0.1", 0)) as s:
        threading.Thread(target=plain, args=(s,), daemon=True).start()
        r = fetch(f"localhost:{s.getsockname()[1]}/")
    assert r.returncode == 1
    assert b"TLS handshake: " in r.stderr


def test_ipv6(fetch, evil, tmp_path):
    s = evil(b"20 text/plain\r\nsix", family=socket.AF_INET6,
             pair=make_pair(tmp_path / "six", "::1"))
    r = fetch(f"gemini://[::1]:{s.port}/")
    assert (r.returncode, r.stdout) == (0, b"six")
    known = (tmp_path / "data" / "carnation" / "known_hosts").read_text()
    assert known.startswith(f"[::1]:{s.port} ")


def test_client_certificate(fetch, evil, tmp_path):
    crt, key = make_pair(tmp_path / "me", "me")
    other = evil(b"20 text/plain\r\nelsewhere", client_ca=crt)
    s = evil(lambda line, c, n: c.sendall(
        b"30 /2\r\n" if n == 1 else f"30 {other.url()}\r\n".encode()),
        client_ca=crt)
    r = fetch("--cert", crt, "--key", key, s.url())
    assert (r.returncode, r.stdout) == (0, b"elsewhere")
    der = ssl.PEM_cert_to_DER_cert(crt.read_text())
    assert s.peers == [der, der]
    assert other.peers == [None]  # not for somebody else's eyes
    r = fetch(s.url())
    assert s.peers[2] is None


@pytest.mark.parametrize("words", [
    [], ["a", "b"], ["--timeout", "0", "a"], ["--timeout", "x", "a"],
    ["--timeouts", "1", "a"], ["--cert", "x", "a"], ["-o"],
    ["https://localhost/"], ["gemini://user@localhost/"],
    ["gemini://local host/"], ["gemini://localhost/" + "x" * 1024],
])
def test_usage(fetch, words):
    r = fetch(*words)
    assert r.returncode == 2
    assert r.stdout == b"" and r.stderr.startswith(b"carnation")


