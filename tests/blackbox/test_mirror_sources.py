# SPDX-License-Identifier: ISC
"""Whom `carnation mirror` asks, in which order, how often and how long: other
mirrors, redirects, "slow down", slow and broken answers."""
import json
import re
import time

import pytest

import certs
import origin as o
from harness import LONG, Server, wait_for
from life import carnation
from mirroring import (Mirror, fresh, key, mirror, origin, page,  # noqa: F401
                       second, singly)
from preload import built, hurry, preloaded  # noqa: F401
from signed import (ARCHIVE, CAPSULE, MANIFEST, Author, Key, make_store,
                    sha256)
from socks import Socks

pytestmark = pytest.mark.usefixtures("hurry")
NOWHERE = "gemini://nothing.invalid/"
NEW = b"# Version 2\n"


def links(*urls):
    return {"mirrors.gmi": "# Mirrors\n" + "".join(
        f"=> {url} Somebody, somewhere, since 2026\n" for url in urls)}


# ------------------------------------------------------------ other mirrors

def test_from_another_mirror(place, fresh, second, origin):
    """By hash; the origin is not even asked by a run that goes well."""
    singly(second)
    fresh.updated("--key", fresh.pub, url=second.url())
    assert set(second.paths) == {MANIFEST, ARCHIVE} | {
        f"mirror/objects/{sha256(d)}" for d in CAPSULE.values()}
    # a first run asks all that it knows, hence the origin too
    assert origin.paths == [MANIFEST]
    assert fresh.state()["origin"] == origin.url()
    assert fresh.state()["upstream"] == second.url()
    origin.publish(page(2))
    second.serve(origin.files)
    second.clear()
    origin.clear()
    fresh.updated(url=second.url())
    assert len(second.log) == 2 and origin.log == []


def test_a_mirror_without_objects(fresh, second):
    """Asked by hash once or twice, then by path."""
    singly(second)
    second.on("mirror/objects/*", o.answer("51 Not found"))
    fresh.updated("--key", fresh.pub, url=second.url())
    assert sum(p.startswith("mirror/objects/") for p in second.paths) <= 2
    assert set(CAPSULE) <= set(second.paths)


@pytest.mark.parametrize("fault", [
    o.answer("53 Not I"), o.answer("59 No such form"), o.loop,
    o.redirect("https://localhost/")])
def test_a_mirror_that_wants_no_hashes(fresh, second, fault):
    """No reason not to ask it for pages."""
    singly(second)
    second.on("mirror/objects/*", fault)
    fresh.updated("--key", fresh.pub, url=second.url())
    assert set(CAPSULE) <= set(second.paths)


def test_first_run_takes_the_highest(fresh, origin, second):
    old = origin.files
    origin.publish(page(2))
    second.serve(old)
    done = fresh.updated("--key", fresh.pub, "--also", second.url())
    assert done["serial"] == "2"
    assert MANIFEST in second.paths


def test_first_run_with_an_old_mirror(fresh, origin, second):
    """Given a mirror that lags: the origin, which its manifest names, is asked
    too."""
    origin.publish(page(2))
    done = fresh.updated("--key", fresh.pub, url=second.url())
    assert done["serial"] == "2"
    assert fresh.state()["upstream"] == origin.url()


def test_first_run_sees_equivocation(fresh, origin, second):
    second.serve(origin.files)
    origin.publish(page(2), serial=1)
    said = fresh.refused("--key", fresh.pub, "--also", second.url())
    assert "equivocation" in said and "serial 1" in said
    assert second.url() in said and origin.url() in said


def test_first_run_passes_over_a_forger(fresh, origin, second):
    second.author = Author(Key.new("capsule-1"), origin.url(), serial=41)
    second.publish()
    done = fresh.updated("--key", fresh.pub, "--also", second.url())
    assert done["serial"] == "1"
    assert f"{second.url()}" in done["said"]


def test_the_first_that_answers_is_enough(mirror, origin, second):
    origin.publish(page(2))
    mirror.updated("--also", second.url())
    assert second.log == []


def test_the_origin_is_gone_for_good(mirror, origin, second):
    origin.publish(links(NOWHERE, second.url()))
    second.serve(origin.files)
    mirror.updated()
    files = origin.publish(page(3))
    second.serve(files)
    origin.close()
    # nobody named the other one but the page that was mirrored
    done = mirror.updated()
    assert done["serial"] == "3" and second.log
    assert mirror.state()["upstream"] == second.url()
    assert f"{origin.url()}: localhost port {origin.port}: " in done["said"]
    second.clear()
    done = mirror.run()  # nothing new there
    assert done.returncode == 0 and done.stdout == ""
    # and whether it copies from us, or heard of the author elsewhere
    assert second.paths == [MANIFEST, "mirror/trace"]
    second.close()
    said = mirror.fails(1)
    assert "no source answered with a manifest; still serving 3" in said


def test_our_own_name_is_not_asked(mirror, origin):
    origin.publish(links("gemini://me.invalid/", NOWHERE,
                         "gemini://other.invalid/page.gmi",
                         "https://web.invalid/"))
    mirror.updated("--host", "me.invalid")
    origin.close()
    said = mirror.fails(1)
    assert "nothing.invalid" in said
    for name in ("me.invalid", "other.invalid", "web.invalid"):
        assert name not in said


def test_a_bad_mirror_first(mirror, origin, second):
    """Old at the one, which is behind, the new serial at the other: taken."""
    origin.publish(page(2))
    mirror.updated()
    origin.publish(page(3))  # second still has serial 1
    done = mirror.updated(url=second.url())
    assert done["serial"] == "3"
    assert "refused" not in done["said"]


def test_a_mirror_that_lags(mirror, origin, second):
    """Does not keep us from the origin's news."""
    origin.publish(page(2))
    done = mirror.updated(url=second.url())
    assert done["serial"] == "2" and mirror.state()["upstream"] == origin.url()
    second.serve(origin.files)
    origin.clear()
    mirror.silent(url=second.url())
    assert origin.paths == [MANIFEST]


def test_a_mirror_with_nothing_new_and_no_origin(mirror, origin, second):
    origin.on(MANIFEST, o.hang_up)
    mirror.run(url=second.url())  # which shows its certificate
    origin.clear()
    mirror.silent(url=second.url())
    assert origin.paths == [MANIFEST]
    origin.author = Author(Key.new("capsule-1"), origin.url(), serial=41)
    origin.forget()
    origin.publish()
    done = mirror.run(url=second.url())  # somebody else's by now
    assert (done.returncode, done.stdout) == (0, ""), done
    assert origin.url() in done.stderr


def test_a_mirror_with_nothing_new_and_another_at_the_origin(
        mirror, origin, second):
    """What the other has is good; the origin's is told every time."""
    mirror.run(url=second.url())  # which shows its certificate
    origin.publish(page(2), serial=1)
    for _ in range(2):
        done = mirror.run(url=second.url())
        assert (done.returncode, done.stdout) == (0, ""), done
        assert f"{origin.url()}: refused: equivocation" in done.stderr


def test_a_bad_mirror_and_nothing_new(mirror, origin, second):
    origin.publish(page(2))
    mirror.updated()
    mirror.run(url=second.url())  # which shows its certificate
    mirror.silent(url=second.url())
    told = json.loads(mirror.run("--json", url=second.url()).stdout)
    assert (told["source"], told["serial"]) == (origin.url(), 2)


def test_a_refusal_is_told_of_whom_it_was(mirror, origin, second, place):
    """The one with another certificate, and not the one that was taken."""
    files = origin.publish(page(2))
    second.serve(files)
    origin.renew(certs.pair(place / "other", "localhost"))
    done = mirror.updated("--strict-tls", "--also", second.url())
    assert f"{origin.url()}: refused" in done["said"]
    assert f"{second.url()}: refused" not in done["said"]


@pytest.mark.parametrize("fault", [o.flip(), o.added(), o.cut(2),
                                   o.answer("51 No"), o.answer("40 No"),
                                   o.hang_up, o.redirect("gemini://x.test/")])
def test_one_file_from_elsewhere(mirror, origin, second, fault):
    origin.publish(page(2))
    second.serve(origin.files)
    origin.on("page.gmi", fault)
    origin.on("mirror/objects/*", fault)
    mirror.updated("--also", second.url())
    assert second.paths == [f"mirror/objects/{sha256(NEW)}"]


def test_the_origin_ends_halfway(fresh, origin, second):
    """The rest comes from the mirror."""
    singly(origin, second)
    files = origin.publish({f"many/{n:02}.txt": f"{n}\n" for n in range(30)})
    second.serve(files)

    def end(talk):
        origin.refuse()
        return False

    origin.on("many/10.txt", end)
    done = fresh.updated("--key", fresh.pub, "--also", second.url())
    assert done["new"] == str(len(CAPSULE) + 30)
    assert len(second.log) > 15


# ----------------------------------------------------------------- status 44

def test_slow_down(mirror, origin, hurry):  # noqa: F811
    origin.publish(page(2))
    origin.on("page.gmi", o.answer("44 2"), times=1)
    mirror.updated()
    asked = [t.at for t in origin.log if t.path == "page.gmi"]
    assert len(asked) == 2 and asked[1] - asked[0] >= 1.9 / hurry


@pytest.mark.soak
def test_a_server_with_a_rate(place, key, monkeypatch):
    """carnation's own, as it is to strangers: ten a second after sixty. A run
    takes its time, and gets all."""
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    n = 900 if LONG else 100
    author = Author(key, "gemini://localhost/", CAPSULE)
    store = make_store(place / "store", [author.publish(
        {f"many/{i}.txt": f"{i}\n" for i in range(n)})])
    with Server([{"host": "localhost", "root": store}], listen=(4,), alive=None,
                options={"limits": {"exempt": []}}) as server:
        pub, _ = key.write(place)
        done = carnation(
            "mirror", "--key", pub, f"gemini://localhost:{server.port()}/",
            place / "copy", timeout=600)
        # it is asked whether it is well, at that rate
        wait_for(lambda: server.ask("/").status == 20)
    assert done.returncode == 0, done.stderr


def test_slow_down_holds_for_all(fresh, origin, hurry):  # noqa: F811
    singly(origin)
    origin.publish({f"many/{n}.txt": f"{n}\n" for n in range(20)})
    origin.on("many/7.txt", o.answer("44 2"), times=1)
    fresh.updated("--key", fresh.pub)
    at = next(t.at for t in origin.log if t.path == "many/7.txt")
    # what was under way may still have come
    quiet = [t for t in origin.log if at < t.at < at + 1.9 / hurry]
    assert len(quiet) <= 1


def test_slow_down_forever(mirror, origin, second):
    origin.publish(page(2))
    second.serve(origin.files)
    origin.on("page.gmi", o.answer("44 61"))
    origin.on("mirror/objects/*", o.answer("44 61"))
    mirror.updated("--also", second.url())
    second.serve(origin.publish(page(3)))
    second.on("*", o.answer("51 Not found"))
    origin.clear()
    assert "asks to wait 61 seconds" in mirror.fails(1)
    assert origin.paths.count("page.gmi") == 1, "not waited for"
    origin.on(MANIFEST, o.answer("44 3600"))
    assert "asks to wait 60 minutes" in mirror.fails(1)


# ------------------------------------------------------------------ redirects

def test_redirects(mirror, origin):
    """Five are followed, to wherever it is on that host."""
    def hop(talk):
        n = int(re.search(r"\d*$", talk.path)[0] or 0)
        if n == 5:
            talk.answer(b"# Version 2\n")
        else:
            talk.header(f"3{n % 2} /hop/{n + 1}")

    origin.publish(page(2))
    origin.on("page.gmi", hop)
    origin.on("hop/*", hop)
    assert mirror.updated()["requests"] == "7"
    assert origin.paths[-1] == "hop/5"


@pytest.mark.parametrize("fault, said", [
    (o.loop, "redirects too often"),
    (o.redirect(lambda t: f"gemini://127.0.0.1:{t.origin.port}/page.gmi"),
     "redirects to another host"),
    (o.redirect(lambda t: "gemini://localhost:1/page.gmi"),
     "redirects to another host"),
    (o.redirect("https://localhost/"), "redirects to what is not Gemini"),
    (o.redirect("titan://localhost/x"), "redirects to what is not Gemini"),
    (o.redirect("gemini://a@localhost/"),
     "redirects to nowhere: invalid URL: "),
    (o.redirect("/%zz"), "redirects to nowhere: invalid URL: "),
])
def test_redirects_elsewhere(mirror, origin, fault, said):
    origin.publish(page(2))
    for which in ("page.gmi", "mirror/objects/*"):
        origin.on(which, fault)
    assert said in mirror.fails(1)
    origin.on(MANIFEST, fault)
    assert said in mirror.fails(1)


# ----------------------------------------------------------- broken and slow

@pytest.mark.parametrize("end", [o.no_close_notify, o.then(o.rst), o.then(o.stay)],
                         ids=["end", "reset", "open"])
def test_an_end_that_is_none(mirror, origin, end):
    """The hash and the signature say that all came."""
    origin.publish({"page.gmi": b"x" * 4000})
    origin.on("*", end)
    mirror.updated()
    assert origin.paths == [MANIFEST, "page.gmi"]


@pytest.mark.parametrize("at", [0, 3])
@pytest.mark.parametrize("end", [o.rst, o.stay])
def test_an_end_too_early(mirror, origin, second, end, at):
    """The same without the last bytes is not it; the other one has them."""
    files = origin.publish({"page.gmi": b"x" * 4000})
    second.serve(files)
    origin.on("p*", o.cut(at, end=end))
    mirror.updated("--also", second.url())
    assert second.paths


@pytest.mark.parametrize("at", [0, 3])
def test_cut(mirror, origin, at):
    """No proof of anything: try again later."""
    origin.publish(page(2))
    for which in ("page.gmi", "mirror/objects/*"):
        origin.on(which, o.cut(at))
    said = mirror.fails(1)
    assert "1 file could not be fetched; still serving 1" in said
    assert "broke off without close_notify" in said
    origin.forget()
    origin.on(MANIFEST, o.cut(200))
    assert "its manifest broke off" in mirror.fails(1)


def test_one_failure_is_forgiven(mirror, origin):
    origin.publish(page(2))
    origin.on("page.gmi", o.hang_up, times=2)
    mirror.updated()
    assert origin.paths == [MANIFEST, "page.gmi", "page.gmi", "page.gmi"]


@pytest.mark.parametrize("fault", [
    o.raw(b""), o.raw(b"HTTP/1.1 200 OK\r\n\r\n"), o.raw(b"20" * 2000),
    o.answer("99 x"), o.answer("10 What?"), o.answer("60 Who?"),
    o.answer("41 Later"), o.answer("50 Never"), o.answer("53 Not I"),
    o.answer("51 Not found\x1b[31m")])
def test_odd_answers(mirror, origin, fault):
    origin.publish(page(2))
    origin.on("*", fault)
    said = mirror.fails(1)
    assert "\x1b" not in said
    origin.forget()
    origin.on("page.gmi", fault)
    origin.on("mirror/objects/*", fault)
    mirror.fails(1)


@pytest.mark.parametrize("fault", [
    o.drip, lambda s: o.drip(s, header=False), lambda s: o.silence()],
    ids=["drip", "dripping header", "silence"])
@pytest.mark.parametrize("which", [MANIFEST, "p*"])
@pytest.mark.soak
def test_too_slow(mirror, origin, second, which, fault, hurry):  # noqa: F811
    """1 byte a second does not hold the run: the other mirror is asked."""
    origin.publish({"page.gmi": b"x" * 9000})
    second.serve(origin.files)
    origin.on(which, fault(1 / hurry))
    began = time.monotonic()
    mirror.updated("--also", second.url())
    assert 5 / hurry < time.monotonic() - began


@pytest.mark.soak
def test_slow_and_right_is_asked_last(
        mirror, origin, second, hurry):  # noqa: F811
    """Each file comes in the end, but the other has them at once."""
    singly(origin, second)
    origin.publish({f"p{n}.gmi": f"{n}\n" * 5000 for n in range(12)})
    second.serve(origin.files)
    origin.on("p*", o.drip(1 / hurry, 1500))
    mirror.updated("--also", second.url())
    # two that were on their way when it was found out
    assert sum(p.startswith("p") for p in origin.paths) == 2
    assert len(second.log) == 12
    # what the other does not have comes from there all the same
    origin.publish({"p1.gmi": b"x" * 12000})
    mirror.updated("--also", second.url())


@pytest.mark.soak
def test_slow_but_steady(mirror, origin, hurry):  # noqa: F811
    """As much as the floor asks for is enough, however long it takes."""
    origin.publish({"page.gmi": b"x" * 9000})
    origin.on("page.gmi", o.drip(1 / hurry, 700))
    mirror.updated()


# ------------------------------------------------------------ rate and proxy

def test_limit_rate(place, fresh, origin, second):
    """Over all connections, TLS included: so many bytes need their time. That a
    mirror is read slowly is not its fault."""
    files = origin.publish({f"p{n}": bytes([n]) * 40000 for n in range(5)})
    second.serve(files)
    began = time.monotonic()
    fresh.updated("--key", fresh.pub, "--also", second.url(), "--limit-rate",
                  "40K")
    # by a clock that is five times as fast; less one record for each of two
    assert time.monotonic() - began >= (200000 - 2 * 16384) / 40960 / 5
    assert second.paths == [MANIFEST]


NO_LOOKUP = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
int getaddrinfo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **list)
{
	int (*real)(const char *, const char *, const struct addrinfo *,
	    struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
	if (strcmp(node, "127.0.0.1") != 0)
		abort();
	return real(node, service, hints, list);
}
"""


def test_through_a_proxy(place, key, origin):
    """It gets the names, and nobody else does: not even a name server."""
    origin.author = Author(key, origin.url(host="capsule.invalid"), CAPSULE)
    origin.publish()
    mirror = Mirror(place, origin, key, "hidden")
    with Socks({"capsule.invalid": ("127.0.0.1", origin.port)}) as proxy:
        words = ["--key", mirror.pub, "--proxy", proxy.url]
        url = origin.url(host="capsule.invalid")
        for library in built(NO_LOOKUP):
            mirror.updated(*words, url=url, env=preloaded(library))
        assert set(proxy.asked) == {(3, "capsule.invalid", origin.port)}
        assert len(proxy.asked) == len(origin.log)
        origin.publish(page(2))
        mirror.updated(url=url)  # it is remembered


@pytest.mark.parametrize("reply, words", [
    (1, "answers 1, failed"), (2, "answers 2, not allowed"),
    (4, "answers 4, host unreachable"), (5, "answers 5, connection refused"),
    (0xf4, "answers 244, a failure of its own")])
def test_what_a_proxy_answers(mirror, origin, reply, words):
    with Socks(reply=reply) as proxy:
        assert (f"{origin.url()}: proxy: 127.0.0.1 port {proxy.port}: {words}"
                ) in mirror.fails(1, "--proxy", proxy.url)
        proxy.login = True
        assert "wants a login" in mirror.fails(1, "--proxy", proxy.url)
    said = mirror.fails(1, "--proxy", proxy.url)
    assert f"proxy: 127.0.0.1 port {proxy.port}: Connection refused" in said


# ------------------------------------------------------------ ends of a run

@pytest.mark.parametrize("which", [MANIFEST, "p*"])
def test_deadline(mirror, origin, which):
    """A run ends, whatever it waits for."""
    origin.publish(page(2))
    origin.on(which, o.silence())
    said = mirror.fails(1, "--deadline", "5")
    assert "the deadline (--deadline) has passed" in said
    origin.forget()
    mirror.updated()


NO_SOCKET = """
#include <errno.h>
#include <sys/socket.h>
int socket(int domain, int type, int protocol)
{
	(void)domain, (void)type, (void)protocol;
	errno = EMFILE;
	return -1;
}
"""


def test_no_descriptor_to_connect_with(mirror, origin, second):
    """A local fault, which no source is blamed for."""
    origin.publish(page(2))
    for library in built(NO_SOCKET):
        said = mirror.fails(4, "--also", second.url(), env=preloaded(library))
    assert "no descriptors or memory to connect with" in said
    assert "Too many open files" not in said
    mirror.updated()
