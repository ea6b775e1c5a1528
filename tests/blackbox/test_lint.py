# SPDX-License-Identifier: ISC
"""carnation lint: what it finds, how it says so, and what it does not mind."""
import json
import os
import re
import resource
import subprocess

import pytest

from harness import CARNATION
from life import IS_ROOT, NOBODY, carnation, root_only, wrapper
from tools import settings, tree

GOOD = {
    "index.gmi": "# Home\n=> page.gmi A page\n",
    "page.gmi": "# A page\n=> / Home\n",
    "capsule.conf": 'lang = "en";\n',
}
FINDING = re.compile(r"([A-Z]\d{3}) (.*?)(?::(\d+))?: (?:(warning|info): )?(.*)")


def lint(*words, status):
    """The findings as (code, file, line, level, text)."""
    done = carnation("lint", *words)
    assert done.returncode == status, done.stdout + done.stderr
    found = []
    for line in done.stdout.splitlines():
        code, file, number, level, text = FINDING.fullmatch(line).groups()
        found.append((code, file, int(number or 0), level or "error", text))
    return found


def codes(found):
    return [f[0] for f in found]


def test_a_good_capsule(place):
    done = carnation("lint", tree(place / "c", GOOD))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == ("0 errors, 0 warnings, 0 external links, "
                           "0 other remarks\n")


def test_the_line_that_is_promised(place):
    page = "# A page\n" + "text\n" * 10 + "=> /nigth.gmi The night\n"
    done = carnation("lint", tree(place / "c", GOOD | {"page.gmi": page}))
    assert done.returncode == 1
    assert done.stdout == "G007 page.gmi:12: link to /nigth.gmi: no such page\n"
    assert done.stderr.startswith("1 error, 0 warnings")


def test_levels_are_told_before_the_text(place):
    root = tree(place / "c", GOOD | {
        "page.gmi": "# A page\n## x\n\n\n\n=> https://example.org/ x\n#### y\n"})
    assert lint(root, status=0) == [
        ("G024", "page.gmi", 7, "warning",
         "headings have three levels: the fourth # is shown"),
        ("G032", "page.gmi", 5, "info", "more than 2 blank lines in a row"),
        ("G020", "page.gmi", 6, "info",
         "external link to https://example.org/"),
    ]
    assert carnation("lint", root).stderr == (
        "0 errors, 1 warning, 1 external link, 1 other remark\n")


def test_errors_are_first_and_the_summary_last(place):
    root = tree(place / "c", GOOD | {
        "page.gmi": "# A page\n## B\n### C\n" + "#### x\n" * 1005 + "=> no.gmi No\n"})
    done = carnation("lint", root)
    assert done.stdout.startswith("G007 page.gmi:1009: link to no.gmi")
    assert done.stdout.count("\n") == 1006
    # On one stream, as on a terminal.
    done = subprocess.run([CARNATION, "lint", root], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert done.stdout.splitlines()[-1].startswith("1 error, 1005 warnings, ")
    done = carnation("lint", "--json", root)
    levels = [f["level"] for f in json.loads(done.stdout)["findings"]]
    assert levels == ["error"] + ["warning"] * 1005


def test_levels_can_be_set(place):
    root = tree(place / "c", GOOD | {
        "page.gmi": "# A page\n=> x a\n=> y b\n## c\n#### d\n"})
    assert codes(lint(root, status=1)) == ["G007", "G007", "G024"]
    assert codes(lint("-W", "G007=off", root, status=0)) == ["G024"]
    assert codes(lint("-WG007=off", "-WG024=off", root, status=0)) == []
    assert codes(lint(root, "--level=G024=error", "-WG007=off",
                      status=1)) == ["G024"]
    found = lint("-W", "G007=warn", root, status=0)
    assert [f[3] for f in found] == ["warning"] * 3
    # The last word counts.
    assert codes(lint("-WG007=off", "-WG007=error", "-WG007=warn", root,
                      status=0)) == ["G007", "G007", "G024"]


@pytest.mark.parametrize("words, said", [
    ((), "missing argument: DIR"),
    (("a", "b"), "too many arguments: b"),
    (("-W", "G07=off", "a"), "did you mean G007?"),
    (("-W", "g007=off", "a"), "did you mean G007?"),
    (("-W", "nonsense=off", "a"), 'unknown check "nonsense"\n'),
    (("-W", "G007", "a"), "CODE=off"),
    (("-W", "G007=", "a"), "CODE=off"),
    (("-W", "G007=fatal", "a"), "CODE=off"),
    (("-W", "=off", "a"), "unknown check"),
    (("-W", "x" * 100 + "=off", "a"), "unknown check"),
    (("-W",), "missing value: CODE=LEVEL"),
    (("--jsn", "a"), "--json"),
])
def test_wrong_usage(words, said):
    done = carnation("lint", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.endswith("See 'carnation help lint'.\n")


def test_what_is_no_directory(place):
    tree(place, {"file": "x"})
    for name in ("nowhere", "file"):
        done = carnation("lint", place / name)
        assert (done.returncode, done.stdout) == (1, "")
        assert len(done.stderr.splitlines()) == 1
        assert name in done.stderr


def test_an_index_page_that_its_directory_answers_with_is_checked(place):
    """`/index.gmi` is often redirected to `/`: the page is read all the
    same, and what it alone links to is no orphan."""
    root = tree(place / "c", GOOD | {
        "index.gmi": "# Home\n=> log/ Log\n=> nowhere.gmi x\n",
        "log/index.gmi": "# Log\n=> ../page.gmi A page\n",
        "orphan.gmi": "# Orphan\n",
        "capsule.conf": 'order = ["index.gmi"]; redirects = ('
                        '{ from = "/index.gmi"; to = "/"; });\n'})
    found = lint("-W", "C008=off", root, status=1)
    assert [f[:3] for f in found] == [
        ("G007", "index.gmi", 3), ("C001", ".", 0), ("C004", "orphan.gmi", 0)]


def test_json(place):
    root = tree(place / "c", GOOD | {
        "page.gmi": '# A page\n=> "x" x\n=> https://e.org/ x\n',
        "capsule.conf": ""})
    done = carnation("lint", "--json", root)
    assert done.returncode == 1
    assert done.stderr == ""
    got = json.loads(done.stdout)
    assert (got["errors"], got["warnings"], got["infos"]) == (1, 1, 1)
    assert got["findings"][0]["text"].startswith('link to "x": ')
    assert got["findings"][1] == {
        "code": "C001", "level": "warning", "file": None, "line": 0,
        "text": "no page has a language; set lang in capsule.conf"}
    assert got["findings"][2] == {
        "code": "G020", "level": "info", "file": "page.gmi", "line": 3,
        "text": "external link to https://e.org/"}
    got = json.loads(carnation("lint", "--json",
                               tree(place / "good", GOOD)).stdout)
    assert got == {"errors": 0, "warnings": 0, "infos": 0, "findings": []}


def test_names_and_texts_are_safe_to_show(place):
    root = tree(place / "c", GOOD | {
        "bad\x1b[31m.gmi": "# x\n=> \x1b[31m\u202ex x\n"})
    for words in ((), ("--json",)):
        done = carnation("lint", *words, root)
        assert done.returncode == 1
        assert "\x1b" not in done.stdout and "\u202e" not in done.stdout
        assert "31m.gmi" in done.stdout


def test_a_backslash_is_escaped_once(place):
    root = tree(place / "c", GOOD | {
        "page.gmi": "# A page\n=> /a\\b\x1b x\n"})
    done = carnation("lint", "-WG005=off", root)
    assert done.stdout.startswith(
        r"G009 page.gmi:2: link to /a\x5cb\x1b: a backslash, or one of ")
    assert done.stdout.count("\\") == 2
    found = json.loads(carnation(
        "lint", "--json", "-WG005=off", root).stdout)["findings"]
    assert found[0]["text"].startswith("link to /a\\b\x1b: a backslash, or")


def test_redirects_and_gone(place):
    root = tree(place / "c", {
        "index.gmi": "# Home\n=> old.gmi a\n=> gone.gmi b\n=> lost/x.gmi c\n"
                     "=> page.gmi d\n=> moved/page.gmi e\n",
        "page.gmi": "# A page\n", "gone.gmi": "# Gone\n",
        "capsule.conf": 'lang = "en";\nredirects = (\n'
                        '{ from = "/old.gmi"; to = "/page.gmi"; },\n'
                        '{ from = "/moved/*"; to = "/"; permanent = true; },\n'
                        '{ from = "/lost/*"; to = "/nowhere/"; } );\n'
                        'gone = ["/gone.gmi"];\n'})
    assert [f[:3] for f in lint(root, status=1)] == [
        ("C009", "capsule.conf", 5), ("G013", "index.gmi", 3),
        ("G007", "index.gmi", 4), ("C010", "gone.gmi", 0),
        ("G012", "index.gmi", 2), ("G012", "index.gmi", 6)]


def test_a_broken_capsule_conf_is_a_finding(place):
    root = tree(place / "c", GOOD | {
        "capsule.conf": 'lang = "en";\nnonsense = 1;\n',
        "page.gmi": "# A page\n=> x a\n"})
    found = lint("-WC001=off", root, status=1)
    assert [f[:3] for f in found] == [
        ("C006", "capsule.conf", 2), ("G007", "page.gmi", 2)]


def test_one_mistake_in_capsule_conf_hides_nothing_else(place):
    conf = ('lang = "en";\nfeed = "log.gmi";\n'
            'redirects = ({ from = "/old.gmi"; to = "/page.gmi"; });\n'
            'order = ["nope.gmi"];\n')
    root = tree(place / "c", GOOD | {
        "page.gmi": "# A page\n=> old.gmi Old\n=> log.gmi Log\n",
        "log.gmi": "# Log\n=> page.gmi 2026-02-30 x\n=> / 2026-01-01 y\n"})
    (root / "capsule.conf").write_text(conf)
    right = lint(root, status=1)
    assert {"C007", "G012", "S003"} <= set(codes(right))
    assert not {"C001", "C006", "G007"} & set(codes(right))
    (root / "capsule.conf").write_text(conf + 'charsett = "x";\n')
    wrong = lint(root, status=1)
    assert [f for f in wrong if f not in right] == [
        ("C006", "capsule.conf", 5, "error",
         'unknown option "charsett"; did you mean "charset"?')]
    assert [f for f in right if f not in wrong] == []
    (root / "capsule.conf").write_text(conf + "charset = ;\n")
    done = lint(root, status=1)
    assert [f[:3] for f in done] == [("C006", "capsule.conf", 5)]
    assert "this file is ignored" in done[0][4]


def test_what_is_there_and_is_not_served(place):
    root = tree(place / "c", GOOD | {"closed.gmi": "# Closed\n"})
    os.mkfifo(root / "fifo")
    (root / "lost.gmi").symlink_to("nowhere.gmi")
    (root / "out.gmi").symlink_to("/etc/passwd")
    (root / "in.gmi").symlink_to("page.gmi")
    (root / "closed.gmi").chmod(0)
    (root / "closed.txt").write_text("x\n")
    (root / "closed.txt").chmod(0)
    done = carnation("lint", root,
                     wrapper=wrapper("user", NOBODY) if IS_ROOT else ())
    assert done.returncode == 1, done.stderr
    assert re.findall(r"^C013 (\S+): info: not served: unreadable",
                      done.stdout, re.M) == [
        "fifo", "lost.gmi", "out.gmi"]
    assert re.findall(r"^C016 (\S+): .*", done.stdout, re.M) == [
        "closed.gmi", "closed.txt"]


@root_only
def test_root_reads_as_the_configured_user(place):
    root = tree(place / "c", GOOD | {
        "closed.gmi": "# Closed\n", ".dot.gmi": "x", "gone.gmi": "x",
        "capsule.conf": 'lang = "en"; gone = ["/gone.gmi"];\n'})
    for name in ("closed.gmi", ".dot.gmi", "gone.gmi"):
        (root / name).chmod(0o600)
    conf = place / "carnation.conf"
    conf.write_text(settings({"user": "nobody", "capsules": [
        {"host": "localhost", "root": str(root)}]}))
    found = lint("-c", conf, root, status=1)
    assert [f[:2] for f in found if f[3] == "error"] == [
        ("C016", "closed.gmi")]
    assert codes(lint(root, status=1)).count("C016") == 1, "the default user"
    done = carnation("check", "-c", conf)
    assert "user nobody cannot read closed.gmi: chmod a+r" in done.stdout
    assert "dot.gmi" not in done.stdout and "gone.gmi" not in done.stdout
    (root / "closed.gmi").chmod(0o644)
    assert "C016" not in codes(lint("-c", conf, root, status=0))
    assert "cannot read" not in carnation("check", "-c", conf).stdout
    root.chmod(0o700)
    done = carnation("lint", "-c", conf, root)
    assert (done.returncode, done.stdout) == (1, "")
    assert "user nobody cannot enter that directory" in done.stderr


@root_only
def test_each_missing_right_is_one_error(place):
    root = tree(place / "c", GOOD | {
        "page.gmi": "# A page\n=> / Home\n=> a.txt A\n=> sub/ B\n"
                    "=> sub/x.gmi C\n=> log/ D\n=> drafts/ E\n",
        "a.txt": "x\n", "sub/x.gmi": "# X\n", "sub/y.txt": "y\n",
        "log/index.gmi": "# L\n", "log/z.txt": "z\n",
        "drafts/d.gmi": "# D\n", "shut/s.txt": "s\n",
        "capsule.conf": 'lang = "en"; gone = ["/drafts/*"];\n'})
    (root / "a.txt").chmod(0o600)
    (root / "log/index.gmi").chmod(0o600)
    (root / "index.gmi").chmod(0o600)
    for name in ("sub", "drafts"):
        (root / name).chmod(0o700)
    (root / "shut").chmod(0o744)
    conf = place / "carnation.conf"
    conf.write_text(settings({"user": "nobody", "capsules": [
        {"host": "localhost", "root": str(root)}]}))
    denied = {"a.txt": "chmod a+r", "index.gmi": "chmod a+r",
              "log/index.gmi": "chmod a+r", "shut": "chmod a+rx",
              "sub": "chmod a+rx"}
    for words in ((root,), ("-c", conf, root)):
        found = lint(*words, status=1)
        assert {f[1]: f[4].rpartition(": ")[2] for f in found
                if f[0] == "C016"} == denied
        assert {f[0] for f in found if f[3] == "error"} == {"C016", "G013"}
        assert not {"C003", "C012"} & {f[0] for f in found}
    done = carnation("check", "-c", conf)
    for name, remedy in denied.items():
        assert f"user nobody cannot read {name}: {remedy}" in done.stdout
    assert done.stdout.count("cannot read") == len(denied), done.stdout
    assert "index page" not in done.stdout
    (root / "capsule.conf").chmod(0o600)
    assert [f[0] for f in lint("-c", conf, root, status=1)
            if f[1] == "capsule.conf"] == ["C006"]
    done = carnation("check", "-c", conf)
    assert done.stdout.count("capsule.conf") == 1, done.stdout


def test_orphans(place):
    root = tree(place / "c", GOOD | {"alone.gmi": "# Alone\n=> alone.gmi x\n"})
    assert lint(root, status=0) == [
        ("C004", "alone.gmi", 0, "warning",
         "no other page links to this one")]


def test_external_links_are_listed_and_not_fetched(place):
    links = ["https://192.0.2.1/a?b=c", "gemini://192.0.2.1/", "mailto:a@b.c",
             "gopher://192.0.2.1/1/", "//192.0.2.1/d"]
    page = "# A page\n" + "".join(f"=> {link} x\n" for link in links)
    found = lint(tree(place / "c", GOOD | {"page.gmi": page}), status=0)
    assert found == [
        ("G020", "page.gmi", n, "info", f"external link to {link}")
        for n, link in enumerate(links, 2)]


@pytest.fixture
def server(place):
    """An operator's file with two capsules, one of them ours."""
    ours = tree(place / "ours", GOOD | {
        "page.gmi": "# A page\n=> gemini://ours.example/ a\n"
                    "=> gemini://www.ours.example/x b\n"
                    "=> gemini://theirs.example/page.gmi c\n"
                    "=> gemini://theirs.example/none.gmi d\n"
                    "=> gemini://localhost/ e\n=> /pic f\n=> / g\n"})
    theirs = tree(place / "theirs", GOOD)
    options = {"capsules": [
        {"host": "ours.example", "aliases": ["www.ours.example"],
         "root": str(ours),
         "redirects": [{"from": "/pic", "to": "/page.gmi"}]},
        {"host": "theirs.example", "root": str(theirs)}]}
    (place / "carnation.conf").write_text(settings(options))
    return place


def test_the_operators_configuration(server):
    found = lint("-c", server / "carnation.conf", server / "ours", status=1)
    assert [(f[0], f[2]) for f in found] == [
        ("G007", 3), ("G007", 5), ("G014", 2), ("G014", 3), ("G012", 7),
        ("G020", 4), ("G020", 5), ("G020", 6)]
    # Without it these are other people's hosts.
    found = lint(server / "ours", status=1)
    assert [(f[0], f[2]) for f in found] == [
        ("G007", 7), ("G014", 6), ("G020", 2), ("G020", 3), ("G020", 4),
        ("G020", 5)]


def test_which_capsule_of_several(server):
    (server / "link").symlink_to("theirs")
    assert lint("-c", server / "carnation.conf", server / "link",
                status=0) == []
    tree(server / "third", GOOD)
    done = carnation("lint", "-c", server / "carnation.conf", server / "third")
    assert (done.returncode, done.stdout) == (1, "")
    assert "third is not the root of one of the 2 capsules" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_another_capsule_need_not_be_here(server):
    (server / "theirs").rename(server / "elsewhere")
    found = lint("-c", server / "carnation.conf", server / "ours", status=1)
    assert [f[0] for f in found if f[2] == 5] == ["G020"]


def test_a_directory_stands_for_the_only_root(place):
    root = tree(place / "c", GOOD | {
        "page.gmi": "# A page\n=> gemini://one.example/ a\n"})
    (place / "carnation.conf").write_text(settings({"capsules": [
        {"host": "one.example", "root": str(place / "published")}]}))
    found = lint("-c", place / "carnation.conf", root, status=0)
    assert codes(found) == ["G014"]


def test_a_broken_operators_file(place):
    root = tree(place / "c", GOOD)
    (place / "carnation.conf").write_text("workrs = 3;\n")
    done = carnation("lint", "-c", place / "carnation.conf", root)
    assert (done.returncode, done.stdout) == (1, "")
    assert "carnation.conf:1: " in done.stderr and "workers" in done.stderr
    done = carnation("lint", "-c", place / "nowhere.conf", root)
    assert (done.returncode, done.stdout) == (1, "")


# ------------------------------------------------------------ hostile capsules

@pytest.mark.parametrize("page, code, most", [
    (b"\0" * 1_000_000, "G004", 10),
    (b"# x\n" + b"a" * 10_000_000, "G034", 10),
    (b"# x\n" + b"*a _b [c](d <e " * 600_000 + b"\n", "G034", 10),
    (b"# x\n=> " + b"a" * 10_000_000 + b"\n", "G007", 10),
    (b"# x\n=> " + b"/.." * 3_000_000 + b"\n", "G007", 10),
    (b"# x\n=> " + b"q:" * 3_000_000 + b"\n", "G036", 10),
    (b"\xff" * 1_000_000, "G001", 10),
    (b"#" * 1_000_000, "G024", 10),
    (b"```\n" * 100_001, "G021", 200_000),
    (b"=>\n" * 100_000, "G008", 100_010),
    (b"".join(b"=> p%d x\n" % i for i in range(100_000)), "G007", 100_010),
    (b"=> / x\n" * 100_000, None, 10),
], ids=["nul", "line", "marks", "url", "dots", "colons", "bytes", "heading",
        "toggles", "no urls", "links", "one link"])
def test_hostile_pages(place, page, code, most):
    root = tree(place / "c", GOOD | {"page.gmi": page})
    done = carnation("lint", root, timeout=120)
    assert done.returncode in (0, 1), done.stderr
    found = done.stdout.splitlines()
    assert len(found) <= most
    assert code is None or any(line.startswith(code) for line in found), found
    assert max(map(len, found), default=0) < 20_000


def test_links_in_circles_and_out(place):
    root = tree(place / "c", GOOD)
    (root / "loop").symlink_to(".")
    (root / "self").symlink_to("self")
    (root / "out").symlink_to("/etc")
    (root / "sub").mkdir()
    (root / "sub/up").symlink_to("..")
    (root / "index.gmi").write_text(
        "# Home\n=> page.gmi a\n=> self b\n=> out/passwd c\n")
    found = lint(root, status=1)
    assert [f[:3] for f in found if f[0] == "G007"] == [
        ("G007", "index.gmi", 3), ("G007", "index.gmi", 4)]


def test_directories_deeper_than_any_walk(place):
    deep = place / "c"
    tree(deep, GOOD)
    for _ in range(150):
        deep = deep / "d"
        deep.mkdir()
    (deep / "x.gmi").write_text("# x\n")
    lint(place / "c", status=0)


def duration(root):
    """Seconds of CPU, the shortest of three runs."""
    def spent():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    took = []
    for _ in range(3):
        began = spent()
        assert carnation("lint", root).returncode == 0
        took.append(spent() - began)
    return min(took)


def test_ten_times_the_pages_take_ten_times_as_long_at_most(place):
    def capsule(name, count):
        page = "# Page\n" + "A line of text.\n" * 50
        files = {f"p{i}.gmi": page + "".join(
            f"=> p{(i * 7 + k) % count}.gmi x\n" for k in range(20))
            for i in range(count)}
        files["index.gmi"] = "# Home\n" + "".join(
            f"=> p{i}.gmi x\n" for i in range(count))
        return tree(place / name, GOOD | files)

    few, many = capsule("few", 200), capsule("many", 2000)
    # Twice that, for machines with other things to do.
    assert duration(many) < 20 * duration(few)
