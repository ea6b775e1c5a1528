# SPDX-License-Identifier: ISC
"""`carnation fetch` with a person before it: escapes, progress, input."""
import contextlib
import os
import pty
import re
import select
import signal
import termios
import time

import pytest

from evil import ESC, evil, known_pair  # noqa: F401
from harness import CARNATION, TIMEOUT
from preload import hurry  # noqa: F401


class Terminal:
    """A command whose three descriptors are one terminal."""

    def __init__(self, words, env):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.execve(CARNATION, [str(CARNATION), *words], env)

    def read_until(self, wanted):
        end = time.monotonic() + TIMEOUT
        while wanted not in self.seen:
            assert time.monotonic() < end, self.seen
            if select.select([self.fd], [], [], 0.1)[0]:
                self.seen += os.read(self.fd, 4096)

    def type(self, text):
        os.write(self.fd, text)

    def finish(self):
        end = time.monotonic() + TIMEOUT
        with contextlib.suppress(OSError):  # EIO is a terminal's end
            while time.monotonic() < end:
                got = os.read(self.fd, 4096)
                if not got:
                    break
                self.seen += got
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


@pytest.fixture
def terminal(tmp_path):
    env = dict(os.environ, XDG_DATA_HOME=str(tmp_path / "data"))
    return lambda *words: Terminal(["fetch", *map(str, words)], env)


def test_terminal_body(terminal, evil):
    body = "# é\tx\n" + "y\r\n"
    s = evil(b"20 text/plain\r\n" + body.encode() + ESC
             + b"[31m\rZ\x9b\xc2\x9b")
    t = terminal(s.url())
    assert t.finish() == 0
    assert ESC not in t.seen and b"\x9b" not in t.seen
    assert "# é\tx\r\ny\r".encode() in t.seen
    assert b"\\x1b[31m\\x0dZ\\x9b\\xc2\\x9b" in t.seen


def test_progress(hurry, terminal, evil, tmp_path):  # noqa: F811
    def answer(line, c, n):
        c.sendall(b"20 text/plain\r\n")
        for _ in range(5):
            c.sendall(b"x" * 1048576)
            time.sleep(0.25 / hurry)

    t = terminal("-o", tmp_path / "big", evil(answer).url())
    assert t.finish() == 0
    assert re.search(rb"\r\S*big: \d\.\d MiB", t.seen)
    assert (tmp_path / "big").stat().st_size == 5 << 20


def ask(line, c, n):
    code, _, query = line.partition("?")[0][-2:], None, line.partition("?")[2]
    c.sendall(b"20 text/plain\r\ngot " + query.encode() if query
              else code.encode() + b" Your name\r\n")


def test_input(terminal, evil):
    s = evil(ask)
    t = terminal(s.url("/10"))
    t.read_until(b"Your name: ")
    t.type("Əli & co\n".encode())
    assert t.finish() == 0
    assert b"got %C6%8Fli%20%26%20co" in t.seen
    assert s.lines[1] == s.url("/10?%C6%8Fli%20%26%20co")


def test_sensitive_input(terminal, evil):
    s = evil(ask)
    t = terminal(s.url("/11"))
    t.read_until(b"Your name: ")
    t.type(b"secret\n")
    assert t.finish() == 0
    assert t.seen.count(b"secret") == 1  # what the server said, no echo
    assert s.lines[1] == s.url("/11?secret")


def test_input_refused(terminal, evil):
    """Ctrl-D is no answer; Ctrl-C ends it at once, with an echo again."""
    for path in ("/10", "/11"):
        for key, status in ((b"\x04", 10), (b"\x03", -signal.SIGINT)):
            s = evil(ask)
            t = terminal(s.url(path))
            t.read_until(b"Your name: ")
            t.type(key)
            if key == b"\x03":
                t.read_until(b": \r\n" if path == "/11" else b"^C\r\n")
                assert termios.tcgetattr(t.fd)[3] & termios.ECHO
            assert t.finish() == status
            assert len(s.lines) == 1
            assert t.seen.count(b"Your name") == 1


def test_an_unseen_key_is_not_sent(terminal, evil):
    s = evil(ask)
    t = terminal(s.url("/11"))
    t.read_until(b"Your name: ")
    t.type(b"se\x1acret\n")
    assert t.finish() == 10
    assert b"contains a control character" in t.seen and len(s.lines) == 1


def test_a_killed_question_leaves_an_echo(terminal, evil):
    t = terminal(evil(ask).url("/11"))
    t.read_until(b"Your name: ")
    os.kill(t.pid, signal.SIGTERM)
    t.read_until(b": \r\n")
    assert termios.tcgetattr(t.fd)[3] & termios.ECHO
    assert t.finish() == -signal.SIGTERM


def test_an_error_has_a_line_of_its_own(terminal, evil, tmp_path):
    def answer(line, c, n):
        c.sendall(b"20 text/plain\r\nhalf a line")
        return False

    t = terminal(evil(answer).url())
    assert t.finish() == 1
    assert b"half a line\r\ncarnation fetch: error: no close" in t.seen
    t = terminal("-o", tmp_path / "x", evil(answer).url())
    assert t.finish() == 1
    assert re.search(rb"\x1b\[K.{0,2}carnation fetch: error: no close", t.seen)
