# SPDX-License-Identifier: ISC
"""The operator of a mirror, with carnation-mirror(7) in hand: every command that
THE OPERATOR OF A MIRROR shows is run as it is printed, where it is needed."""
import os
import re
import shutil
import subprocess
import time

import pytest

from harness import CARNATION, ROOT, tree
from life import carnation, own_network, root_only, wrapper
from signed import Key, check, check_store, object_path
from tools import end_with_us, wait_for

PAGE = (ROOT / "src/man/carnation-mirror.7").read_text()
HOSTS = {"example.org": "127.0.0.1", "mirror.example.com": "127.0.0.2",
         "mirror.example.org": "127.0.0.3", "mirror.example.net": "127.0.0.4"}
ORIGIN = "gemini://example.org/"


def section(title, text=PAGE):
    return re.split(r"\n\.S[hs] ", text.split(f"\n{title}\n")[1])[0]


def blocks(title):
    """The literal blocks of a section, as a person would type them."""
    text = section(title)
    found = [b.replace("\\e\n", "\\\n") for b in re.findall(
        r"^\.Bd -literal.*?\n(.*?)^\.Ed$", text, re.M | re.S)]
    assert found, title
    return found


def commands(block):
    return [line for line in block.replace("\\\n", " ").splitlines() if line]


class World:
    """An author at example.org, with a key, pages and a store; servers at the
    other names as they are wanted; and a shell that knows them all."""

    def __init__(self, place):
        self.place, self.servers, self.stores = place, {}, {}
        self.mirror = place / "srv/mirror"
        (place / "srv").mkdir()
        (place / "hosts").write_text("".join(
            f"{a} {h}\n" for h, a in HOSTS.items()))
        for name in ("capsule-1", "capsule-2"):
            self.good(carnation("key", "new", place / name))
        self.src = tree(place / "src", {
            "index.gmi": "# Home\n=> page.gmi A page\n",
            "page.gmi": "# A page\n", "picture.bin": b"\0\1" * 5000})
        self.store = place / "store"

    def good(self, done, status=0):
        assert done.returncode == status, (
            done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def publish(self, text, *words, key="capsule-1"):
        tree(self.src, {"page.gmi": f"# {text}\n"})
        self.good(carnation("publish", "--key", self.place / f"{key}.sec",
                            "--origin", ORIGIN, *words, self.src, self.store))
        release = os.readlink(self.store / "current")
        for host in [h for h, s in self.stores.items() if s == self.store]:
            wait_for(lambda: self.serves(host, release.split("/")[1]))

    def serves(self, host, serial):
        """Whether a server has followed to that release."""
        done = carnation("fetch", f"gemini://{host}/mirror/MANIFEST",
                         wrapper=wrapper("hosts", self.place / "hosts"),
                         env={"XDG_DATA_HOME": str(self.place / "data")})
        return f"# serial: {serial}\n" in done.stdout

    def serve(self, host, store):
        """Until it is stopped."""
        log = open(self.place / f"{host}.log", "wb")
        self.servers[host] = subprocess.Popen(
            [CARNATION, "serve", "--host", host, "--listen",
             f"{HOSTS[host]}:1965", "--certs", self.place / "certs",
             "--workers", "1", store], stderr=log, stdout=log,
            preexec_fn=end_with_us)
        wait_for(lambda: b"ready:" in (
            self.place / f"{host}.log").read_bytes())
        self.stores[host] = store

    def stop(self, host):
        self.stores.pop(host, None)
        self.servers[host].kill()
        self.servers.pop(host).wait()

    def run(self, command, status=0):
        """A line of the page, below place instead of /, and what it said."""
        command = re.sub(r"(?<![\w/])/srv/", f"{self.place}/srv/", command)
        done = subprocess.run(
            [*wrapper("hosts", self.place / "hosts"), "sh", "-euc",
             f'carnation() {{ {CARNATION.resolve()} "$@"; }}\n{command}'],
            cwd=self.place, text=True, capture_output=True, timeout=120,
            stdin=subprocess.DEVNULL,
            env=dict(os.environ, XDG_DATA_HOME=str(self.place / "data")))
        return self.good(done, status)

    def first_run(self):
        copy, _ = commands(blocks(".Ss First run")[0])
        return self.run(copy)

    def key(self, name="capsule-1"):
        return Key.read(self.place / f"{name}.sec").public

    def serial(self, *names):
        """Of a mirror that is sound."""
        return check_store(self.mirror, [
            self.key(n) for n in names or ["capsule-1"]]).serial


@pytest.fixture
def world(place):
    world = World(place)
    yield world
    for host in list(world.servers):
        world.stop(host)


def operator(test):
    return root_only(own_network(test))


@operator
def test_a_first_run_and_those_after_it(world):
    world.publish("One")
    world.serve("example.org", world.store)
    copy, serve = commands(blocks(".Ss First run")[0])
    assert "now serving 1" in world.run(copy)
    assert world.serial() == 1
    words = serve.split()
    assert words[:3] == ["carnation", "serve", "--host"]
    world.serve(words[3], world.mirror)
    assert "# Home" in world.run(
        f"carnation fetch gemini://{words[3]}/ 2>/dev/null")
    again, = commands(blocks(".Ss Every run after that")[0])
    assert world.run(again) == ""
    world.publish("Two")
    assert "now serving 2" in world.run(again)
    assert world.serial() == 2


@operator
def test_a_first_run_without_the_origin(world):
    """Refused without its name, and the refusal has the command."""
    world.publish("One")
    world.serve("mirror.example.com", world.store)
    command = blocks(".Ss First run")[1]
    plain = re.sub(r"--origin \S+ ", "", command)
    assert plain != command
    assert f"--origin {ORIGIN}" in world.run(plain, status=3)
    world.run(command)
    assert world.serial() == 1


@operator
def test_the_lines_for_cron(world):
    world.publish("One")
    world.serve("example.org", world.store)
    world.first_run()
    shutil.copytree(world.mirror, world.place / "srv/mirrors/example",
                    symlinks=True)
    world.publish("Two")
    for line in commands(blocks(".Ss Every run after that")[1]):
        assert line.startswith("17 */6 * * * carnation ")
        assert "%" not in line
        assert "now serving 2" in world.run(line.split("* * * ")[1])


@operator
def test_how_it_stands(world):
    world.publish("One")
    world.serve("example.org", world.store)
    world.first_run()
    show, = commands(blocks(".Ss Every run after that")[-1])
    said = world.run(show)
    for word in (ORIGIN, "mirror.example.net", world.key()):
        assert word in said, said


@operator
def test_a_missed_rotation(world):
    world.publish("One")
    world.serve("example.org", world.store)
    world.first_run()
    world.publish("Two", "--next-key", world.place / "capsule-2.pub")
    world.publish("Three", key="capsule-2")
    said = world.run("carnation mirror /srv/mirror", status=3)
    assert "--add-key" in said
    assert world.serial() == 1
    for command in commands(blocks(".Ss A missed rotation")[0]):
        world.run(command)
    assert world.serial("capsule-2") == 3
    world.run("carnation verify /srv/mirror")


@operator
def test_a_stolen_key(world):
    world.publish("One")
    world.serve("example.org", world.store)
    world.first_run()
    for serial in (2, 3):
        world.publish("Stolen", "--serial", serial + 10)
    world.run("carnation mirror /srv/mirror")
    assert world.serial() == 13
    text = section(".Sh KEYS")
    back, keys, take = commands(re.search(
        r"^\.Bd -literal\n(.*?)^\.Ed$", text, re.M | re.S)[1].replace(
        "\\e\n", "\\\n"))
    assert " 41" in back and "--allow-serial 42" in take
    world.run(back.replace(" 41", " 1"))
    world.stop("example.org")
    shutil.rmtree(world.store)
    world.publish("Ours", "--serial", "2", key="capsule-2")
    world.serve("example.org", world.store)
    world.run(keys)
    said = world.run(take.replace(" 42 ", " 2 "))
    assert "trace" not in said, said
    world.run("carnation verify /srv/mirror")
    assert world.serial("capsule-2") == 2
    assert (world.mirror / "current/page.gmi").read_text() == "# Ours\n"


@operator
def test_a_lost_origin(world):
    world.publish("One")
    world.serve("example.org", world.store)
    world.first_run()
    world.serve("mirror.example.com", world.store)
    world.stop("example.org")
    command = blocks(".Ss A lost origin")[0]
    world.publish("Two")
    assert "now serving 2" in world.run(command)
    world.publish("Three")
    assert "now serving 3" in world.run("carnation mirror /srv/mirror")


@operator
def test_a_stale_source(world):
    world.publish("One")
    world.serve("example.org", world.store)
    world.first_run()
    state = world.mirror / "state"
    state.write_text(re.sub(r"heard: \d{4}", "heard: 2001",
                            state.read_text()))
    world.stop("example.org")
    world.run("carnation mirror --stale-after 14 /srv/mirror", status=5)
    command, = commands(blocks(".Ss A stale source")[0])
    world.run(command, status=1)
    assert "stale-after: never\n" in state.read_text()
    world.run("carnation mirror /srv/mirror", status=1)


@operator
def test_a_corrupt_disk(world):
    world.publish("One")
    world.serve("example.org", world.store)
    world.first_run()
    m = check((world.mirror / "current/mirror/MANIFEST").read_bytes(),
              [world.key()])
    file = object_path(world.mirror, m.hashes[b"picture.bin"])
    file.chmod(0o644)
    file.write_bytes(b"\0\2" * 5000)
    file.chmod(0o444)
    look, repair = commands(blocks(".Ss A corrupt disk")[0])
    assert "picture.bin" in world.run(look, status=3)
    world.run(repair)
    assert world.serial() == 1
    world.run(look)


@operator
def test_a_lost_state(world):
    world.publish("One")
    world.serve("example.org", world.store)
    world.first_run()
    assert "remove it, and begin again" in section(".Ss A corrupt disk")
    (world.mirror / "state").write_text("nonsense\n")
    world.run("carnation mirror /srv/mirror", status=4)
    (world.mirror / "state").unlink()
    world.first_run()
    assert world.serial() == 1


@operator
@pytest.mark.skipif(not shutil.which("rsync"), reason="no rsync")
def test_another_machine(world):
    world.publish("One")
    world.serve("example.org", world.store)
    world.first_run()
    steps = [line for line in commands(section(".Sh THE STORE").replace(
        "\\e\n", "")) if line.startswith("rsync ")]
    assert len(steps) == 2
    for step in steps:
        world.run(step.replace(" store/", " /srv/mirror/").replace(
            "server:store/", "/srv/moved/"))
    shutil.rmtree(world.mirror)
    (world.place / "srv/moved").rename(world.mirror)
    look, again = commands(blocks(".Ss Another machine")[0])
    world.run(look)
    assert world.run(again) == ""
    world.publish("Two")
    assert "now serving 2" in world.run(again)


@operator
def test_what_an_author_needs_to_begin_again(world):
    world.publish("One")
    world.serve("example.org", world.store)
    world.first_run()
    world.stop("example.org")
    shutil.rmtree(world.store)
    world.serve("mirror.example.net", world.mirror)
    copy, again = commands(blocks(".Ss What to back up")[0])
    world.run(copy)
    world.run(again)
    assert check_store(world.store, [world.key()]).serial == 2
    shutil.rmtree(world.store)
    alone, = commands(blocks(".Ss What to back up")[1])
    world.run(alone)
    assert check_store(world.store, [world.key()]).serial == 43
    world.serve("example.org", world.store)
    assert "now serving 43" in world.run("carnation mirror /srv/mirror")


@operator
def test_a_withdrawn_file(world):
    """The author's command, and the operator's."""
    tree(world.src, {"notes/mistake.gmi": "# Oh\n"})
    world.publish("One")
    world.serve("example.org", world.store)
    world.first_run()
    mistake = (world.store / "releases/1/notes/mistake.gmi")
    assert mistake.exists()
    (world.src / "notes/mistake.gmi").unlink()
    world.stop("example.org")
    command, = commands(blocks(".Sh WITHDRAWING A FILE")[0])
    world.run(command)
    assert not (world.store / "releases/1").exists()
    assert check_store(world.store, [world.key()]).serial == 2
    world.serve("example.org", world.store)
    world.run("carnation mirror /srv/mirror")
    assert (world.mirror / "releases/1/notes/mistake.gmi").exists()
    prune = re.search(r"^\.Ql (carnation prune .*) \.$", section(
        ".Sh WITHDRAWING A FILE"), re.M)[1]
    old = time.time() - 300
    for release in (world.mirror / "releases").iterdir():
        os.utime(release, (old, old))
    world.run(prune)
    assert [p.name for p in (world.mirror / "releases").iterdir()] == ["2"]
    assert world.serial() == 2
