# SPDX-License-Identifier: ISC
"""Directories as pages: row A26, rule 1.2.36, and what a reader expects."""
import os
import re
from urllib.parse import unquote_to_bytes, urljoin

import pytest
from conftest import CANARY, own_directory
from harness import Server, tree

MANY = 1005
NAMES = 10000

FILES = {
    "index.gmi": "# x\n",
    "open/page10.gmi": "# Ten\n\ntext\n",
    "open/page9.gmi": "\n# Nine, the title\n## Not this\n",
    "open/no-heading.gmi": "text\n",
    "open/notes.txt": "n" * 17,
    "open/Big.bin": b"\0" * 5000,
    "open/huge.bin": b"\0" * (3 << 20),
    "open/zdir/x.txt": "x\n",
    "open/adir/index.gmi": "# Not the title of a directory\n",
    "open/sp ace.txt": "x\n",
    "open/é.txt": "x\n",
    "open/per%41cent.txt": "x\n",
    "open/que?stion.txt": "x\n",
    "open/ha#sh.txt": "x\n",
    "open/co:lon.txt": "x\n",
    "open/gemini:x": "x\n",
    "open/quo\"te<>.txt": "x\n",
    "open/back\\slash.txt": "x\n",
    "open/new\nline.txt": "x\n",
    "open/cr\rlf\r\n.txt": "x\n",
    "open/esc\x1b[31m.txt": "x\n",
    "open/=> link.txt": "x\n",
    "open/# heading.txt": "x\n",
    "open/```": "x\n",
    "open/.hidden": CANARY,
    "open/.dir/x": CANARY,
    "open/noread.txt": CANARY,
    "open/control-title.gmi": "# a\x1b[2Jb\rc\n",
    "open/long-title.gmi": "# " + "long " * 2000 + "\n",
    "empty/.gitkeep": "",
    "indexed/index.gmi": "# The index wins\n", "indexed/a.txt": "x\n",
    "shut/a.txt": "x\n",
    "many/last.txt": "x\n",
}


@pytest.fixture(scope="module")
def listed():
    d = own_directory()
    root = tree(d / "main", FILES)
    tree(d / "outside", {"x.txt": CANARY})
    for i in range(MANY):
        (root / "many" / f"file{i}.txt").touch()
    with open(os.fsencode(root) + b"/open/bad\xffbyte.txt", "wb") as f:
        f.write(b"x\n")
    (root / "open/noread.txt").chmod(0)
    (root / "open/out.txt").symlink_to("../../outside/x.txt")
    (root / "open/outdir").symlink_to("../../outside")
    (root / "open/dangling").symlink_to("nowhere")
    (root / "open/inside.txt").symlink_to("notes.txt")
    os.mkfifo(root / "open/fifo")
    with Server([
            {"host": "localhost", "root": root, "listing": True, "lang": "en",
             "paths": [{"glob": "/shut/*", "listing": False},
                       {"glob": "/shut", "listing": False}]},
            {"host": "bypath.example", "root": root,
             "paths": [{"glob": "/open/*", "listing": True}]},
    ]) as server:
        server.root = root
        yield server


def links(reply):
    """(target, label) of each link, in order."""
    found = []
    for line in reply.text.split("\n"):
        if line.startswith("=>"):
            parts = line[2:].split(None, 1)
            found.append((parts[0], parts[1] if len(parts) > 1 else ""))
    return found


def names(reply):
    """What the links lead to, decoded, without the way up."""
    return [os.path.basename(unquote_to_bytes(t).rstrip(b"/"))
            + (b"/" if t.endswith("/") else b"")
            for t, _ in links(reply) if t.rstrip("/") not in ("..", "")]


def test_A26_with_listing(listed, via):
    reply = listed.ask("/open/", tls=via.tls, family=via.family)
    assert reply.status == 20 and reply.whole
    assert reply.meta == "text/gemini; lang=en"
    assert reply.text.startswith("#")


def test_A26_off_by_default_and_by_glob(listed, site, via):
    how = {"tls": via.tls, "family": via.family}
    assert site.ask("/empty/", **how).status == 51
    assert listed.ask("/shut/", **how).status == 51
    bypath = "gemini://bypath.example:{P}"
    for path, status in (("/open/", 20), ("/open/adir/", 20), ("/many/", 51),
                         ("/open/zdir/", 20)):
        reply = listed.ask(bypath + path, sni="bypath.example", **how)
        assert reply.status == status, path


def test_more_names_than_a_listing_reads(place):
    """However many more there are, reading ends one after the bound."""
    root = tree(place / "capsule", {"index.gmi": "# x\n"})
    (root / "full").mkdir()
    (root / "over").mkdir()
    for i in range(NAMES):
        (root / "full" / f"{i}").touch()
        (root / "over" / f".{i}").touch()  # hidden ones are names, too
    (root / "over" / "last").touch()
    with Server([{"host": "localhost", "root": root,
                  "listing": True}]) as server:
        full = server.ask("/full/")
        assert full.status == 20
        assert full.text.endswith(f"\n{NAMES - 1000} more are not listed.\n")
        assert server.ask("/over/").status == 51
        assert server.ask("/over/last").status == 20
        (root / "over" / "last").unlink()
        assert server.ask("/over/").status == 20


def test_a_file_that_is_edited_in_place(place):
    root = tree(place / "capsule", {"index.gmi": "# x\n",
                                    "log/a.gmi": "# One\n"})
    for path in (root / "log" / "a.gmi", root / "log"):
        os.utime(path, (1000, 1000))
    with Server([{"host": "localhost", "root": root,
                  "listing": True}]) as server:
        for _ in range(3):
            assert "=> a.gmi One (6 B)\n" in server.ask("/log/").text
        with open(root / "log" / "a.gmi", "r+") as file:
            file.write("# Another\n")
        for _ in range(3):
            assert "=> a.gmi Another (10 B)\n" in server.ask("/log/").text


def test_R1_7_69_the_slash_comes_first(listed, via):
    reply = listed.ask("/open?q", tls=via.tls, family=via.family)
    assert (reply.status, reply.meta) == (31, "/open/?q")
    assert listed.ask("/open/?q").body == listed.ask("/open/").body


def test_the_index_wins(listed):
    assert listed.ask("/indexed/").text == "# The index wins\n"


def test_R1_2_36_lines_end_alike_and_hold_no_control(listed):
    text = listed.ask("/open/").text  # UTF-8, or this fails
    assert "\r" not in text and text.endswith("\n")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\ufeff]", text)
    assert max(map(len, text.split("\n"))) < 2000


def test_every_link_leads_somewhere(listed):
    """Encoded so that each is one target, and that target answers 20."""
    base = "gemini://localhost/open/"
    found = links(listed.ask("/open/"))
    assert len(found) > 25
    for target, _ in found:
        assert re.fullmatch(r"[A-Za-z0-9%._~!$&'()*+,;=:@/-]+", target)
        url = urljoin(base.replace("gemini", "http"), target)
        assert url.startswith("http://localhost/"), target
        reply = listed.ask(url.replace("http", "gemini", 1))
        assert reply.status == 20, (target, reply)


def test_all_that_can_be_served_and_nothing_else(listed):
    expected = {os.fsencode(f[5:]) for f in FILES
                if f.startswith("open/") and f.count("/") == 1}
    expected -= {b".hidden", b"noread.txt"}
    expected |= {b"bad\xffbyte.txt", b"inside.txt", b"adir/", b"zdir/"}
    assert set(names(listed.ask("/open/"))) == expected


def test_directories_first_then_numbers_in_order(listed):
    found = names(listed.ask("/open/"))
    kinds = [n.endswith(b"/") for n in found]
    assert kinds == sorted(kinds, reverse=True)
    assert found.index(b"adir/") < found.index(b"zdir/")
    assert found.index(b"page9.gmi") < found.index(b"page10.gmi")
    found = names(listed.ask("/many/"))
    numbers = [int(n[4:-4]) for n in found if n.startswith(b"file")]
    assert numbers == sorted(numbers)


def test_sizes_for_people_and_titles_for_pages(listed):
    label = {unquote_to_bytes(t).rpartition(b"/")[2]: text
             for t, text in links(listed.ask("/open/"))}
    assert "17 B" in label[b"notes.txt"]
    assert re.search(r"4\.9 KiB", label[b"Big.bin"])
    assert re.search(r"3(\.0)? MiB", label[b"huge.bin"])
    assert "Ten" in label[b"page10.gmi"]
    assert "Nine, the title" in label[b"page9.gmi"]
    assert "Not this" not in label[b"page9.gmi"]
    assert "no-heading" in label[b"no-heading.gmi"]


def test_the_way_up_everywhere_but_at_the_root(listed):
    up = [t for t, _ in links(listed.ask("/open/zdir/"))
          if t.rstrip("/") == ".." or t == "/open/"]
    assert len(up) == 1
    (listed.root / "index.gmi").rename(listed.root / "moved.gmi")
    try:
        reply = listed.ask("/")
        assert reply.status == 20
        assert not [t for t, _ in links(reply) if t.startswith("..")]
        assert b"open/" in names(reply)
    finally:
        (listed.root / "moved.gmi").rename(listed.root / "index.gmi")


def test_at_most_1000_entries_and_it_says_so(listed):
    reply = listed.ask("/many/")
    assert len(names(reply)) == 1000
    others = [line for line in reply.text.split("\n")
              if line and not line.startswith(("=>", "#"))]
    assert any(re.search(r"\d", line) for line in others), others


def test_an_empty_directory_is_a_page_too(listed):
    reply = listed.ask("/empty/")
    assert reply.status == 20 and reply.body
    assert names(reply) == []


def test_it_follows_changes(listed):
    """Cached by the directory's mtime: seen again when that changes."""
    where = listed.root / "open/zdir"
    assert names(listed.ask("/open/zdir/")) == [b"x.txt"]
    (where / "y.txt").write_text("y\n")
    assert names(listed.ask("/open/zdir/")) == [b"x.txt", b"y.txt"]
    (where / "y.txt").unlink()
    assert names(listed.ask("/open/zdir/")) == [b"x.txt"]
