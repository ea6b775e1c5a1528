# SPDX-License-Identifier: ISC
"""A mirror loads a release as serve would before it switches to it."""
import pytest

from harness import Server
from mirroring import (fresh, key, mirror, origin, page)  # noqa: F401


def with_conf(n, text):
    return {**page(n), "capsule.conf": text.encode()}


@pytest.mark.parametrize("conf", [
    'title = 7;\n', 'title = ;\n', '# ' + 'x' * 300_000 + '\n'],
    ids=["a wrong type", "syntax", "too large"])
def test_a_release_that_cannot_be_used_is_kept(mirror, origin, conf):
    before = mirror.trace()
    origin.publish(with_conf(2, conf))
    for _ in range(2):  # the next run tries again
        done = mirror.run()
        assert done.returncode == 0, done.stderr
        assert "release 2 is kept, but this version" in done.stderr
        assert mirror.serving() == 1
        assert mirror.trace()["serial"] == before["serial"]
        assert (mirror.store / "releases" / "2").is_dir()
    with Server(command=[str(mirror.store)], listen=(4,)) as server:
        assert server.ask("/").status == 20
    origin.publish(with_conf(3, 'lang = "en";\n'))
    mirror.updated()
    assert mirror.serving() == 3


def test_a_first_release_that_cannot_be_used(fresh, origin):
    origin.publish(with_conf(2, "title = 7;\n"))
    done = fresh.first()
    assert done.returncode == 0, done.stderr
    assert "release 2 is kept" in done.stderr
    assert not fresh.serving()
    origin.publish(with_conf(3, 'lang = "en";\n'))
    fresh.updated()
    assert fresh.serving() == 3


def test_an_option_of_a_newer_author_is_no_hindrance(mirror, origin):
    origin.publish(with_conf(2, "shiny = true;\n"))
    mirror.updated()
    assert mirror.serving() == 2


@pytest.mark.parametrize("conf", [
    'gone = ["/mirror/MANIFEST"];\n', 'gone = ["/*"];\n',
    'gone = ["/mirror/objects/*"];\n',
    'redirects = ({ from = "/*"; to = "gemini://else.example/"; });\n'],
    ids=["its manifest", "all of it", "its objects", "redirected away"])
def test_a_release_that_hides_itself_is_refused(mirror, origin, conf):
    origin.publish(with_conf(2, conf))
    said = mirror.refused()
    assert "its capsule.conf hides or redirects mirror/" in said
    assert mirror.serving() == 1
