# SPDX-License-Identifier: ISC
"""`carnation mirror --survey`: one look at all mirrors, however they answer."""
import re
import subprocess
import threading
import time

import pytest

import origin as o
from harness import CARNATION, TIMEOUT, wait_for
from life import Plain, carnation, free_port
from origin import Origin
from preload import hurry  # noqa: F401
from signed import (CAPSULE, MANIFEST, Author, Key, make_store, opened, sha256,
                    stamp)
from socks import Socks
from tools import tree

TRACE = "mirror/trace"
DAY = 86400


def trace(origin, serial, **fields):
    now = time.time()
    fields = {"host": "localhost", "origin": origin, "serial": serial,
              "checked": stamp(now), "synced": stamp(now - 3600),
              "software": "python", **fields}
    return "".join(f"{n}: {v}\n" for n, v in fields.items()
                   if v is not None).encode()


class Net:
    """An author, the origin, and mirrors that all have the last serial."""

    def __init__(self, place, mirrors=2, more=""):
        self.key, self.more = Key.new(), more
        self.origin = Origin(place)
        self.mirrors = [Origin(place) for _ in range(mirrors)]
        self.author = Author(self.key, self.origin.url())
        self.publish()

    def publish(self, **fields):
        links = "".join(f"=> {m.url()} Mirror {n}, here\n"
                        for n, m in enumerate(self.mirrors, 1))
        files = self.author.publish(
            {"mirrors.gmi": f"# Mirrors\n{links}{self.more}"}, **fields)
        self.origin.serve(files)
        for m in self.mirrors:
            self.give(m, files)
        return files

    def give(self, mirror, files, **fields):
        text = opened(files[MANIFEST], [self.key.public])[0].decode()
        serial = re.search(r"^# serial: (\d+)$", text, re.M)[1]
        mirror.serve({**files, TRACE: trace(self.origin.url(), serial,
                                            **fields)})

    def survey(self, *words, timeout=120):
        words = words or ("--key", self.key.public, self.origin.url())
        return carnation("mirror", "--survey", *words, timeout=timeout)

    def close(self):
        for m in (self.origin, *self.mirrors):
            m.close()


@pytest.fixture
def net(place):
    net = Net(place)
    yield net
    net.close()


def sections(page):
    """Lines by the heading they stand beneath."""
    found = {}
    for line in page.split("\n"):
        if line.startswith("#"):
            lines = found.setdefault(line.lstrip("# "), [])
        lines.append(line)
    return found


def ill(done, heading):
    """The faults told of one mirror; all others are well."""
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert done.stderr == ""
    all_of_them = {
        name: [line for line in lines
               if line.startswith(("* Warning: ", "* ALARM: "))]
        for name, lines in sections(done.stdout).items()}
    faults = all_of_them.pop(heading)
    assert faults and not any(all_of_them.values()), done.stdout
    return "\n".join(faults)


def test_all_are_well(net):
    done = net.survey()
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    page = sections(done.stdout)
    assert list(page) == [f"Mirrors of {net.origin.url()}", "The origin",
                          "Mirror 1, here", "Mirror 2, here"]
    assert "Places asked: 3; well: 3; with warnings: 0; with alarms: 0. The " \
        "highest serial is 1, of " in done.stdout
    text, *_ = opened(net.origin.files[MANIFEST], [net.key.public])
    for lines in list(page.values())[1:]:
        assert f"* manifest, signed: SHA-256 {sha256(text)}" in lines
        assert any(re.fullmatch(r"\* serial 1 of \S+Z, the highest", line)
                   for line in lines)
        sample, = (line for line in lines if line.startswith("* sample, as"))
        assert sample.split(": ", 1)[1] in CAPSULE | {"mirrors.gmi": 1}
        assert any(re.fullmatch(r"\* certificate, good until \S+Z: SHA-256 "
                                r"([0-9A-F]{2}:){31}[0-9A-F]{2}", line)
                   for line in lines)
    for lines in list(page.values())[2:]:
        assert any(re.fullmatch(r"\* last looked \S+Z, \d+ seconds? ago", line)
                   for line in lines)
        assert "* software: python" in lines


def test_asked_by_a_mirror(net):
    """The list is the same from everyone; others of it are reported."""
    third = net.mirrors.pop()
    net.publish()
    net.give(third, net.origin.files)
    done = net.survey("--key", net.key.public, third.url())
    assert done.returncode == 0, done.stdout
    assert f"## {third.url()}\n\n=> {third.url()}\n" in done.stdout


def as_directory(place, net):
    return tree(place / "root", {**net.origin.files,
                                 TRACE: trace(net.origin.url(), 2)})


def as_store(place, net):
    store = make_store(place / "store", [net.origin.files])
    (store / "trace").write_bytes(trace(net.origin.url(), 2))
    return store


@pytest.mark.parametrize("kept", [as_directory, as_store])
def test_a_real_mirror(net, place, kept):
    """carnation, serving what was signed."""
    port = free_port()
    net.more = f"=> gemini://localhost:{port}/ A real one\n"
    net.publish()
    with Plain("--listen", f"127.0.0.1:{port}", "--certs", place / "certs",
               kept(place, net)) as s:
        done = net.survey()
        assert done.returncode == 0, done.stdout
        lines = "\n".join(sections(done.stdout)["A real one"])
        assert "* sample, as signed: " in lines
        assert "* last looked " in lines
        by_hash = re.search(r" 20 .* /mirror/objects/[0-9a-f]{64}$", s.log(),
                            re.M)
        assert bool(by_hash) == (kept is as_store), s.log()


def other_words(net):
    """The same serial, signed too: other pages for other people."""
    twin = Author(net.key, net.origin.url(), net.author.files)
    return twin.publish({"page.gmi": "# Other words\n"}, serial=1)


def an_older_one(net, **fields):
    old = dict(net.origin.files)
    net.publish(**fields)
    net.give(net.mirrors[0], old)


def serve_other_words(net, m):
    net.give(m, other_words(net))


def behind(net, m, days):
    an_older_one(net, created=int(time.time()) - days * DAY)


def signed_by_another(net, m):
    files = Author(Key.new(), net.origin.url(), net.author.files).publish()
    m.serve({**m.files, MANIFEST: files[MANIFEST]})


def of_another_origin(net, m):
    files = Author(net.key, "gemini://elsewhere.example/",
                   net.author.files).publish()
    m.serve({**m.files, MANIFEST: files[MANIFEST]})


def own_pages(m, fault):
    """A fault for all that is signed, by path or by hash."""
    m.on(lambda talk: talk.path not in (MANIFEST, TRACE), fault)


def wrong_bytes(talk):
    talk.answer(talk.body + b"and more")


def other_bytes(talk):
    talk.answer(b"x" * len(talk.body) if talk.body else b"")


FAULTS = {
    "refuses": (lambda net, m: m.refuse(), "Warning: not reached: "),
    "hangs up": (lambda net, m: m.on("*", o.hang_up), "Warning: no manifest"),
    "says nothing of Gemini": (
        lambda net, m: m.on("*", o.raw(b"HTTP/1.1 400\r\n\r\n")),
        "Warning: no manifest: "),
    "has none": (lambda net, m: m.on(MANIFEST, o.answer("51 Not found")),
                 "Warning: no manifest: answers 51 Not found"),
    "is busy": (lambda net, m: m.on("*", o.answer("44 3600")),
                "Warning: no manifest: asks to wait 60 minutes"),
    "sends elsewhere": (
        lambda net, m: m.on("*", o.redirect("gemini://other.example/")),
        "Warning: no manifest: redirects to another host"),
    "sends round": (lambda net, m: m.on("*", o.loop),
                    "Warning: no manifest: redirects too often"),
    "escapes": (lambda net, m: m.on("*", o.answer("40 \u202e=> gemini://x")),
                r"Warning: no manifest: answers 40 \xe2\x80\xae=> gemini://x"),
    "a bit": (lambda net, m: m.on(MANIFEST, o.flip(-2)),
              "ALARM: the manifest is not to be trusted: the signature is "
              "wrong"),
    "a page": (lambda net, m: m.on(MANIFEST, o.instead(b"# Welcome\n")),
               "ALARM: the manifest is not to be trusted: not a signed"),
    "a key": (signed_by_another, "ALARM: the manifest is not to be trusted: "
                                 "signed by key "),
    "an origin": (of_another_origin,
                  "ALARM: the manifest is not to be trusted: a manifest of "
                  "gemini://elsewhere.example/"),
    "endless": (lambda net, m: m.on(MANIFEST, o.endless()),
                "Warning: no manifest: more bytes than it may have"),
    "behind": (lambda net, m: behind(net, m, 3),
               "Warning: serial 1 of "),
    "far behind": (lambda net, m: behind(net, m, 15), "ALARM: serial 1 of "),
    "no trace": (lambda net, m: m.on(TRACE, o.answer("51 Not found")),
                 "Warning: no trace: when it last looked is not known: "
                 "answers 51 Not found"),
    "an odd trace": (
        lambda net, m: m.on(TRACE, o.instead(b"serial: \xff\n\0")),
        "Warning: its trace cannot be read"),
    "an endless trace": (lambda net, m: m.on(TRACE, o.endless()),
                         "Warning: no trace: more bytes"),
    "asleep": (lambda net, m: net.give(
        m, net.origin.files, checked=stamp(time.time() - 3 * DAY)),
               "Warning: last looked "),
    "fast asleep": (lambda net, m: net.give(
        m, net.origin.files, checked=stamp(time.time() - 15 * DAY)),
                    "ALARM: last looked "),
    "other bytes": (lambda net, m: own_pages(m, other_bytes),
                    "ALARM: sample, NOT what was signed: "),
    "more bytes": (lambda net, m: own_pages(m, wrong_bytes),
                   "ALARM: sample, NOT what was signed: "),
    "endless pages": (lambda net, m: own_pages(m, o.endless()),
                      "ALARM: sample, NOT what was signed: "),
    "no pages": (lambda net, m: own_pages(m, o.answer("51 Not found")),
                 "Warning: sample, not there: "),
    "failing pages": (lambda net, m: own_pages(m, o.answer("42 Oh")),
                      "Warning: sample, not got: "),
}


@pytest.mark.parametrize("what", FAULTS)
def test_one_is_not_well(net, what):
    """It is told in its place, and the others are looked at all the same."""
    do, words = FAULTS[what]
    # Neither empty nor too short to be cut or changed, whichever is tried.
    net.author.files = {"page.gmi": CAPSULE["page.gmi"]}
    net.publish(serial=1)
    do(net, net.mirrors[0])
    assert words in ill(net.survey(), "Mirror 1, here")


def test_a_cut_sample_is_no_wrong_one(net):
    net.author.files = {"page.gmi": CAPSULE["page.gmi"]}
    net.publish()
    own_pages(net.mirrors[0], o.cut())
    said = ill(net.survey(), "Mirror 1, here")
    assert "Warning: sample, not got: " in said
    assert said.endswith(": broke off without close_notify")
    # All of it, and no close_notify: the hash says that it is all.
    net.mirrors[0].forget()
    own_pages(net.mirrors[0], o.no_close_notify)
    assert net.survey().returncode == 0


def test_pages_by_path_where_there_are_no_objects(net):
    for m in net.mirrors:
        m.on("mirror/objects/*", o.answer("51 Not found"))
    assert net.survey().returncode == 0
    assert any(p in net.author.files for p in net.mirrors[0].paths)


def test_equivocation_is_told_of_both(net):
    """Nobody can tell which of two that are signed is the author's."""
    serve_other_words(net, net.mirrors[0])
    done = net.survey()
    assert done.returncode == 1
    found = sections(done.stdout)
    words = "* ALARM: equivocation: signed, and yet another manifest of this "
    assert f"{words}serial than that of {net.origin.url()}" \
        in found["Mirror 1, here"]
    assert f"{words}serial than that of {net.mirrors[0].url()}" \
        in found["The origin"]


def test_the_origin_is_gone(net):
    net.origin.refuse()
    done = net.survey("--key", net.key.public, net.mirrors[0].url())
    assert "Warning: not reached: " in ill(done, "The origin")


def test_a_slow_one_holds_nothing_up(net, hurry):  # noqa: F811
    """A byte a second is too slow, and is not read to its end."""
    net.mirrors[0].on(MANIFEST, o.drip(0.9 / hurry))
    assert "Warning: no manifest: " in ill(net.survey(), "Mirror 1, here")
    slow, = (t for t in net.mirrors[0].log if t.path == MANIFEST)
    assert slow.sent < len(slow.body) / 2


def test_all_are_asked_at_once(place):
    """None gets an answer before all were asked."""
    net = Net(place, 6)
    asked = threading.Barrier(7)

    def fault(talk):
        asked.wait(TIMEOUT)
        talk.answer()

    try:
        for m in (net.origin, *net.mirrors):
            m.on(lambda talk: talk.path == TRACE, fault)
        done = net.survey()
        assert done.returncode == 0, done.stdout
        # in the order of the list, whoever answers first
        assert list(sections(done.stdout))[2:] == [
            f"Mirror {n}, here" for n in range(1, 7)]
    finally:
        net.close()


def test_more_than_are_asked_at_once(place):
    net = Net(place, 20)
    try:
        done = net.survey()
        assert done.returncode == 0, done.stdout
        assert "Places asked: 21; well: 21;" in done.stdout
    finally:
        net.close()


def test_no_line_is_forged(place):
    net = Net(place, 1)
    try:
        net.more = f"=> {net.mirrors[0].url()}\n" \
            "=> gemini://127.0.0.1:1/ \x1b[2J\u2028=> gemini://evil/\r# A\n"
        net.publish()
        net.give(net.mirrors[0], net.origin.files,
                 contact="=> gemini://evil/ \u2029# Mirrors of")
        done = net.survey()
        ours = re.compile(r"(# Mirrors of |As seen |## |=> gemini://\S+$|\* )")
        assert all(ours.match(line) for line in done.stdout.splitlines()
                   if line), done.stdout
        assert done.stdout.isprintable() or re.fullmatch(
            r"[ -~é\n]*", done.stdout)  # a page's name, if it is drawn
    finally:
        net.close()


# ----------------------------------------------------------- nothing to go by

@pytest.mark.parametrize("break_it, words", [
    (lambda net: net.origin.refuse(), "refused"),
    (lambda net: net.origin.on(MANIFEST, o.answer("51 Not found")),
     "answers 51 Not found"),
    (lambda net: net.origin.on(MANIFEST, o.flip(-2)),
     "the signature is wrong"),
    (lambda net: net.origin.on("mirrors.gmi", o.instead(b"# Mine\n")),
     "mirrors.gmi is not what was signed"),
])
def test_no_list_to_go_by(net, break_it, words):
    break_it(net)
    done = net.survey()
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr


def test_a_capsule_without_mirrors(net):
    files = net.author.publish({"mirrors.gmi": None})
    net.origin.serve(files)
    done = net.survey()
    assert done.returncode == 0, done.stdout
    assert list(sections(done.stdout)) == [
        f"Mirrors of {net.origin.url()}", "The origin"]


# ----------------------------------------------------------------- from a store

def store_of(net, place, retired=(), serial=None):
    files = net.origin.files
    text, *_ = opened(files[MANIFEST], [net.key.public])
    created = re.search(rb"# created: (\S+)", text)[1].decode()
    store = make_store(place / "store", [files])
    (store / "state").write_text(
        "carnation-store: 1\n"
        f"origin: {net.origin.url()}\nserial: {net.author.serial}\n"
        f"manifest: {sha256(text)}\ncreated: {created}\n"
        + "".join(f"retired-key: {k.public}\n" for k in retired)
        + f"key: {net.key.public}\n")
    return store


def test_from_a_store(net, place):
    """Its keys, its list; no key need be given."""
    done = net.survey(store_of(net, place))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert list(sections(done.stdout))[1:] == [
        "The origin", "Mirror 1, here", "Mirror 2, here"]


def test_from_a_store_though_all_are_gone(net, place):
    store = store_of(net, place)
    for m in (net.origin, *net.mirrors):
        m.refuse()
    done = net.survey(store)
    assert done.returncode == 1
    assert done.stdout.count("* Warning: not reached: ") == 3
    assert "The highest serial is 1, of " in done.stdout


def test_others_than_the_store(net, place):
    """What the store has itself is held against them too."""
    store = store_of(net, place)
    for m in (net.origin, *net.mirrors):
        net.give(m, other_words(net))
    done = net.survey(store)
    assert done.returncode == 1
    assert done.stdout.count(
        "* ALARM: equivocation: signed, and yet another manifest of this "
        "serial than ours\n") == 3


def test_a_retired_key_signs_nothing_new(net, place):
    old = Key.new("old")
    store = store_of(net, place, retired=[old])
    thief = Author(old, net.origin.url(), net.author.files, serial=1)
    net.mirrors[0].serve({**thief.publish(),
                          TRACE: trace(net.origin.url(), 2)})
    assert "signed by a key that has been retired" in ill(
        net.survey(store), "Mirror 1, here")
    # What it signed in its time is only old.
    thief.serial = 0
    net.publish()
    store_of(net, place / "2", retired=[old])
    net.mirrors[0].serve({**thief.publish(),
                          TRACE: trace(net.origin.url(), 1)})
    done = net.survey(place / "2" / "store")
    assert done.returncode == 0, done.stdout
    assert "* serial 1 of " in done.stdout


def test_a_store_that_holds_nothing(net, place):
    store = tree(place / "empty", {})
    for name in ("objects", "releases", "tmp"):
        (store / name).mkdir()
    (store / "current").symlink_to("releases/1")
    done = net.survey(store)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr


# ------------------------------------------------------------- through a proxy

def hidden_store(place, net, proxy):
    """Of a capsule whose names nobody but the proxy can look up."""
    author = Author(net.key, net.origin.url(host="origin.invalid"))
    mirror, = net.mirrors
    files = author.publish({
        "mirrors.gmi": f"=> {mirror.url(host='mirror.invalid')} Mirror 1\n"})
    net.origin.serve(files)
    net.origin.author, net.author = author, author
    mirror.serve({**files, TRACE: trace(author.origin, author.serial)})
    store = store_of(net, place)
    text = (store / "state").read_text().replace(
        net.origin.url(), author.origin)
    (store / "state").write_text(
        text.replace("carnation-store: 1", "carnation-store: 2")
        + f"proxy: {proxy.url}\n")
    return store


def test_through_the_proxy_that_the_store_remembers(place):
    """It resolves the names; there is no other way."""
    net = Net(place, 1)
    with Socks() as proxy:
        proxy.places = {
            "origin.invalid": ("127.0.0.1", net.origin.port),
            "mirror.invalid": ("127.0.0.1", net.mirrors[0].port)}
        store = hidden_store(place, net, proxy)
        done = net.survey(store)
        assert "Places asked: 2;" in done.stdout, done
        assert done.stdout.count("* sample, as signed: ") == 2, done.stdout
        assert {(kind, host) for kind, host, _ in proxy.asked} == {
            (3, "origin.invalid"), (3, "mirror.invalid")}
        assert {port for _, _, port in proxy.asked} == {
            net.origin.port, net.mirrors[0].port}
        del proxy.places["mirror.invalid"]
        proxy.reply = 4
        said = net.survey(store).stdout
        assert (f"* Warning: not reached: proxy: 127.0.0.1 port {proxy.port}: "
                "answers 4, host unreachable\n") in said, said
    assert "* Warning: not reached: proxy: 127.0.0.1 port " in net.survey(
        store).stdout
    net.close()


def test_past_the_proxy_that_the_store_remembers(net, place):
    store = store_of(net, place)
    with Socks(reply=1) as proxy:
        (store / "state").write_text(
            (store / "state").read_text().replace("store: 1", "store: 2")
            + f"proxy: {proxy.url}\n")
        assert net.survey(store).returncode == 1
        assert len(proxy.asked) == 3
        done = net.survey("--proxy", "none", store)
        assert done.returncode == 0, done
        assert len(proxy.asked) == 3


# ------------------------------------------------------------------ the words

@pytest.mark.parametrize("words, why", [
    ((), "missing argument: STORE"),
    (("gemini://localhost/",), "needs the author's --key"),
    (("https://localhost/",), "invalid URL"),
    (("gemini://localhost/page.gmi",), "invalid URL"),
    (("a", "b"), "too many arguments: b"),
    (("--json", "a"), "only --key and --proxy go with --survey"),
])
def test_wrong_words(words, why):
    done = carnation("mirror", "--survey", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr
    assert done.stderr.endswith("See 'carnation help mirror'.\n")


def test_no_such_store(place):
    done = carnation("mirror", "--survey", place / "none")
    assert (done.returncode, done.stdout) == (4, "")
    assert str(place / "none") in done.stderr


def test_a_signal_ends_it(net):
    """Though a mirror is silent: no page, and soon."""
    net.mirrors[0].on("*", o.silence())
    p = subprocess.Popen(
        [CARNATION, "mirror", "--survey", "--key", net.key.public,
         net.origin.url()], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: net.mirrors[0].log, what="the mirror to be asked")
    p.terminate()
    out, err = p.communicate(timeout=TIMEOUT)
    assert (p.returncode, out) == (1, b"")
    assert b"interrupted" in err
