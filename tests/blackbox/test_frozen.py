# SPDX-License-Identifier: ISC
"""What tests/README.md calls frozen is what the program has: the list is read
from there and held against real output, both ways."""
import json
import re

import pytest

import origin as answers
from client import connect
from harness import ROOT, Server, tree, wait_for
from life import carnation
from mirroring import Mirror, fresh, key, origin  # noqa: F401
from signed import ARCHIVE, MANIFEST, Key

LIST = (ROOT / "tests/README.md").read_text().partition("\n## Frozen\n")[2]
# "  - `verify --json`: ..." up to the next point, in one line.
POINTS = [" ".join(p.split()) for p in re.split(r"\n *- ", LIST)[1:]]
NAME = re.compile(r"`([^`]+)`")


def point(start):
    """The one point that begins so, without that."""
    found = [p[len(start):] for p in POINTS if p.startswith(start)]
    assert len(found) == 1, (start, found)
    return found[0]


def json_of(verb):
    """Keys, keys of the objects in the last of them, words allowed by key."""
    text = point(f"`{verb} --json`: ")
    words = {m[1]: set(NAME.findall(m[2]))
             for m in re.finditer(r"`(\w+)` \(([^)]*)\)", text)}
    outer, _, inner = re.sub(r"\([^)]*\)", "", text).partition(" of ")
    return set(NAME.findall(outer)), set(NAME.findall(inner)), words


class Seen:
    """All objects that one verb has printed."""

    def __init__(self, verb):
        self.keys, self.inner, self.words = json_of(verb)
        self.seen, self.values = set(), {k: set() for k in self.words}

    def add(self, done, status=0):
        assert done.returncode == status, done
        value = json.loads(done.stdout)
        for entry in value if isinstance(value, list) else [value]:
            self.seen |= set(entry)
            self.note(entry)
            for name, list_of in entry.items():
                for item in list_of if isinstance(list_of, list) else []:
                    if isinstance(item, dict):
                        assert set(item) == self.inner, (name, item)
                        self.note(item)

    def note(self, entry):
        for name in self.values.keys() & entry.keys():
            self.values[name].add(entry[name])

    def is_all(self):
        assert self.seen == self.keys
        assert self.values == self.words


# --------------------------------------------------------- the command line

VERBS = {m[1]: m[2] for p in POINTS
         if (m := re.fullmatch(r"`(\w+)`: (.*)", p))}


def test_verbs():
    names = re.findall(r"^  (\w+) ", carnation("help").stdout, re.M)
    assert sorted(set(names)) == sorted([*VERBS, "help"])


@pytest.mark.parametrize("verb", VERBS)
def test_options(verb):
    text = VERBS[verb]
    own = set(NAME.findall(text)) - set(VERBS)
    others = {o for v in NAME.findall(text) if v in VERBS
              for o in NAME.findall(VERBS[v])}
    usage = carnation("help", verb).stdout
    there = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", usage)) - {"--help"}
    assert {o for o in own if o.startswith("--")} <= there
    assert there <= own | others
    for letter in own - there:
        assert re.search(rf"(?<![\w-]){letter}(?!\w)", usage), letter


@pytest.mark.parametrize("verb", VERBS)
def test_wrong_use_is_2(verb):
    assert "2 wrong usage" in point("Exit statuses: ")
    assert carnation(verb, "--no-such-option").returncode == 2


def test_lint_codes():
    table = (ROOT / "src/capsule/lint.c").read_text()
    for level in ("error", "warning", "info"):
        assert set(NAME.findall(point(f"{level}: "))) == set(re.findall(
            rf'^\t\{{\s*"(\w+)",\s*LINT_{level.upper()},', table, re.M))


def test_levels_of_lint(place):
    codes = [c for level in ("error", "warning", "info")
             for c in NAME.findall(point(f"{level}: "))]
    words = NAME.findall(point("Lint codes and their levels;"))[1:]
    assert sorted(words) == ["error", "off", "warn"]
    root = tree(place / "a", {"index.gmi": "# Home\n"})
    for word in words:
        done = carnation("lint", *(f"-W{c}={word}" for c in codes), root)
        assert done.returncode in (0, 1), done.stderr
    assert carnation("lint", "-WX001=off", root).returncode == 2
    assert carnation("lint", "-WG001=info", root).returncode == 2


# ------------------------------------------------------------- JSON, statuses

def test_check_and_lint(place):
    root = tree(place / "a", {"index.gmi": "# Home\n=> none.gmi\n"})
    seen = Seen("lint")
    seen.add(carnation("lint", "--json", root), 1)
    seen.is_all()
    conf = place / "x.conf"
    seen = Seen("check")
    for word in seen.words["sandbox"]:
        conf.write_text(f'sandbox = "{word}";'
                        f'capsules = ({{ host = "a"; root = "{place}/b"; }});')
        seen.add(carnation("check", "--json", "-c", conf), 1)
    seen.is_all()


def test_cert_and_key(place):
    assert carnation("cert", "new", "--certs", place, "a").returncode == 0
    seen = Seen("cert show")
    seen.add(carnation("cert", "show", "--json", "--certs", place))
    seen.is_all()
    assert carnation("key", "new", place / "k").returncode == 0
    seen = Seen("key show")
    text = (place / "k.pub").read_text().split("\n")[1]
    seen.add(carnation("key", "show", "--json", place / "k.pub",
                       place / "k.sec", text))
    seen.is_all()


def test_publish_verify_and_a_store(place):
    src = tree(place / "src", {"index.gmi": "# Home\n"})
    store = place / "store"
    assert carnation("key", "new", place / "k").returncode == 0
    seen = Seen("publish")
    seen.add(carnation("publish", src, store, "--key", place / "k.sec",
                       "--origin", "gemini://localhost", "--json"))
    seen.is_all()
    names = NAME.findall(point("Files in a store: "))
    release = store / "releases/1"
    assert {str(p.relative_to(release)) for p in release.rglob("mirror/*")
            } == {n for n in names if "/" in n} == {MANIFEST, ARCHIVE}
    first = NAME.findall(point("File formats: "))[0]
    assert (store / "state").read_text().split("\n")[0] == first

    seen = Seen("verify")
    release = store / "current/"
    keyed = ["--key", place / "k.pub"]
    verify = ["verify", "--json"]
    seen.add(carnation(*verify, store))
    seen.add(carnation(*verify, release), 2)
    seen.add(carnation(*verify, place / "none"), 4)
    seen.add(carnation(*verify, *keyed, "gemini://localhost:1/"), 1)
    page = store / "releases/1/index.gmi"
    page.chmod(0o644)
    page.write_text("changed\n")
    seen.add(carnation(*verify, *keyed, release), 3)
    seen.is_all()
    carnation("verify", store)  # lists what is wrong
    assert {p.name for p in store.iterdir()} == {
        n for n in names if "/" not in n}


def test_mirror(place, fresh, origin):  # noqa: F811
    seen = Seen("mirror")
    seen.add(fresh.run("--json"), 2)
    seen.add(fresh.first("--json"))
    seen.add(fresh.run("--json"))
    other = Mirror(place, origin, fresh.key, name="file")
    other.store.write_text("no store\n")
    seen.add(other.first("--json"), 4)
    origin.serve({**origin.files, MANIFEST: b"no manifest\n"})
    seen.add(fresh.run("--json"), 3)
    origin.close()
    seen.add(fresh.run("--json"), 1)
    state = fresh.store / "state"
    state.write_text(re.sub("(?m)^heard: .*$", "heard: 2001-01-01T00:00:00Z",
                            state.read_text()))
    seen.add(fresh.run("--json"), 5)
    seen.is_all()


def test_show_of_a_mirror(fresh, origin):  # noqa: F811
    """Keys of each standing."""
    old = fresh.key
    for n, key in enumerate([Key.new("b"), Key.new("c")]):
        origin.publish({"index.gmi": b"# Home\n"}, next_key=key.public)
        assert fresh.first().returncode == 0
        if n == 0:
            origin.author.key = key
    seen = Seen("mirror --show")
    seen.add(carnation("mirror", "--show", "--json", fresh.store))
    seen.is_all()
    assert old.public in carnation("mirror", "--show", fresh.store).stdout


def test_statuses_of_fetch(place, origin):  # noqa: F811
    known = ["--known-hosts", place / "known"]
    text = point("Exit statuses: ").partition("for `fetch`, also ")[2]
    wanted = {int(n) for n in re.findall(r"\d\d", text)}
    seen = set()
    for status in (10, 30, 40, 44, 50, 59, 60, 62):
        to = "gopher://localhost/" if status == 30 else "1"
        origin.on(str(status), answers.answer(f"{status} {to}"))
        done = carnation("fetch", *known, origin.url(str(status)))
        assert done.returncode == status // 10 * 10, done
        seen.add(done.returncode)
    assert seen == wanted
    origin.on("good", answers.answer("20 text/gemini", b"# Good\n"))
    done = carnation("fetch", *known, origin.url("good"))
    assert (done.returncode, done.stdout) == (0, "# Good\n")


# ------------------------------------------------------------ the access log

@pytest.mark.parametrize("form", ["text", "json"])
def test_access_log(place, form):
    text, _, keys = point("Access log, text: ").partition(" JSON: ")
    fields = text.partition(";")[0].split(", ")
    file = place / "access.log"
    with Server(directory=place, listen=(4,), options={
            "log": {"access": str(file), "format": form}}) as server:
        server.ask("/")
        line = wait_for(lambda: file.exists() and file.read_text())
        line = line.split("\n")[0]
    if form == "json":
        assert list(json.loads(line)) == NAME.findall(keys)
        return
    values = line.split(" ")
    assert len(values) == len(fields) == 10
    for field, value in zip(fields, values):
        if " or " in field:
            assert value in NAME.findall(field), (field, value)
    by_name = dict(zip(fields, values))
    assert by_name["status"] == "20" and by_name["path"] == "/"
    assert by_name["host"] == "localhost"
    assert by_name["TLS version"].startswith("TLSv1.")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", by_name["time"])


@pytest.mark.parametrize("form", ["text", "json"])
def test_access_log_of_failed_handshakes(place, form):
    text, _, keys = point("Access log, failed handshakes: ").partition(
        " JSON: ")
    assert NAME.findall(text) == ["-", "0", "new", "cut"]
    file = place / "access.log"
    with Server(directory=place, listen=(4,), options={"log": {
            "access": str(file), "format": form, "handshakes": True}}) as server:
        with connect(server) as s:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        line = wait_for(lambda: re.search(
            ".*not TLS.*", file.exists() and file.read_text() or ""))[0]
    if form == "text":
        assert re.fullmatch(r"\S+ \S+ - - 0 \d+ - new cut - not TLS", line)
        return
    e = json.loads(line)
    usual = NAME.findall(point("Access log, text: ").partition(" JSON: ")[2])
    assert list(e) == [*usual, NAME.findall(keys)[0]]
    assert e["handshake"] == "not TLS"
    assert e["status"] == 0 and e["path"] == ""
