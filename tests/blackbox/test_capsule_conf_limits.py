# SPDX-License-Identifier: ISC
"""capsule.conf may be a stranger's: what it may ask of the server is bounded,
and each refusal has its file and line (capsule.conf(5))."""
import pytest

from harness import Server
from sound import errors, setup  # noqa: F401

ENTRIES = 256
PLAIN = 1024  # of what is compared, not matched or looked for
GLOB = 255


def entries(name, n):
    """A list of n entries on as many lines, the first on line 2."""
    one = {
        "paths": '{ glob = "/x%d/*"; lang = "az"; }',
        "redirects": '{ from = "/from%d"; to = "/to%d"; }',
        "gone": '"/gone%d"',
        "index": '"index%d.gmi"',
        "order": '"page%d.gmi"',
    }[name]
    rows = ",\n".join(one.replace("%d", str(i)) for i in range(n))
    return f"{name} = (\n{rows}\n);\n"


@pytest.mark.parametrize("name, limit", [
    ("paths", ENTRIES), ("index", ENTRIES), ("redirects", PLAIN),
    ("gone", PLAIN), ("order", PLAIN)])
def test_entries(setup, name, limit):
    conf = setup.root / "capsule.conf"
    conf.write_text("\n" + entries(name, limit))
    assert not errors(setup.check())
    conf.write_text("\n" + entries(name, limit + 1))
    done = setup.check()
    assert done.returncode != 0
    assert [e for e in errors(done) if f"capsule.conf:2: error: {name}: "
            f"too many entries: {limit + 1} (limit {limit})" in e], done.stdout


def test_globs_among_what_is_gone(setup):
    conf = setup.root / "capsule.conf"
    for wild in "*?[\\":
        text = wild.replace("\\", "\\\\")
        globs = [f'"/{i}{text}"' for i in range(ENTRIES + 1)]
        conf.write_text(f'gone = (\n"/a", {", ".join(globs[1:])} );\n')
        assert not errors(setup.check())
        conf.write_text(f'gone = (\n"/a", {", ".join(globs)} );\n')
        done = setup.check()
        assert [e for e in errors(done) if "capsule.conf:1: error: gone: too "
                "many entries with wildcards: 257 (limit 256)" in e], done


@pytest.mark.parametrize("name", [
    "paths", "index", "redirects", "gone", "order"])
def test_the_operator_is_not_bounded(setup, name):
    setup.write(f"""capsules = ( {{ host = "localhost"; root = "{setup.root}";
        {entries(name, PLAIN + 1)} }} );""")
    assert not errors(setup.check())


@pytest.mark.parametrize("text", [
    'paths = (\n{ glob = "%s"; lang = "az"; } );\n', 'gone = (\n"%s" );\n'])
def test_globs(setup, text):
    """What is before the first wildcard is only compared."""
    conf = setup.root / "capsule.conf"
    plain = "/" + 300 * "b"
    conf.write_text(text % (plain + "[" + (GLOB - 2) * "a" + "]"))
    assert not errors(setup.check())
    conf.write_text(text % (plain + "[" + (GLOB - 1) * "a" + "]"))
    done = setup.check()
    assert done.returncode != 0
    assert [e for e in errors(done) if "capsule.conf:2: error: " in e
            and "255 bytes" in e], done.stdout


def test_a_path_that_is_gone_may_be_longer_than_a_glob(setup):
    """It is compared, not matched; a request line holds 1,024 bytes."""
    conf = setup.root / "capsule.conf"
    conf.write_text('gone = ( "/%s" );\n' % (1000 * "a"))
    assert not errors(setup.check())


def test_the_worst_that_is_allowed_is_served(setup):
    """Full lists of globs that match nearly, for a path as long as can be; and
    of redirects whose ends differ, followed as far as clients do."""
    glob = "*[a-z]" * 41 + "b"
    globs = ",\n".join(
        '{ glob = "%s%03d"; lang = "az"; }' % (glob, i) for i in range(ENTRIES))
    gone = ",\n".join('"/%s%03d"' % (glob, i) for i in range(ENTRIES))
    ways = [f"/{20 * 'r'}{i:04}/*" for i in range(PLAIN - 4)]
    last = [f"/{20 * 'r'}{i}/*" for i in "abcde"]
    redirects = ",\n".join(
        f'{{ from = "{a}"; to = "{b}"; }}' for a, b in
        [*((w, last[0]) for w in ways), *zip(last, last[1:])])
    root = setup.root
    (root / "capsule.conf").write_text(
        f"paths = (\n{globs}\n);\ngone = (\n{gone}\n);\n"
        f"redirects = (\n{redirects}\n);\n")
    assert not errors(setup.check())
    with Server([{"host": "localhost", "root": root}]) as server:
        for _ in range(5):
            assert server.ask("/" + 900 * "a").status == 51
