# SPDX-License-Identifier: ISC
"""Options that check and serve must judge alike, suites that are named, and hosts
that are addresses."""
import json
import re
import ssl
import subprocess

import pytest

from harness import CARNATION, TIMEOUT, ROOT, Client, Server, context, settings, tree
from life import Plain, carnation, mark, status


@pytest.fixture
def words(place):
    """Writes a configuration; the words that name it."""
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})

    def write(**options):
        (place / "c").write_text(settings({
            "listen": ["127.0.0.1:0"],
            "capsules": [{"host": "localhost", "root": root}], **options}))
        return "-c", place / "c", "--certs", place / "certs"

    return write


def test_too_many_workers_are_refused_by_all_alike(words, place):
    why = re.compile(r"c:3: .*workers.*64")
    in_file = words(workers=65)
    for verb in ("check", "serve"):
        done = carnation(verb, *in_file, timeout=TIMEOUT)
        assert done.returncode == 1
        assert why.search(done.stdout + done.stderr), done
    said = []
    for verb in ("check", "serve"):
        done = carnation(verb, *words(), "--workers", 65, timeout=TIMEOUT)
        said.append((done.returncode, (done.stdout + done.stderr).replace(
            f"carnation {verb}", "carnation").split("\n")[0]))
    assert said[0] == said[1] and said[0][0] != 0 and "65" in said[0][1], said


def test_a_dry_run_takes_the_options_of_check(words):
    files = words()
    for more in (["--dump"], ["--json"], ["--dump", "--json"]):
        dry = carnation("serve", "--dry-run", *files, *more, timeout=TIMEOUT)
        check = carnation("check", *files, *more)
        assert (dry.returncode, dry.stdout) == (0, check.stdout), dry
    assert carnation("serve", "-n", *files, "--dump").stdout
    json.loads(carnation("serve", "-n", *files, "--json").stdout or "{}")
    for option in ("--json", "--dump"):
        done = carnation("serve", *files, option, timeout=TIMEOUT)
        assert done.returncode == 2 and "-n" in done.stderr, done


def test_suites_of_both_versions_take_effect(place):
    one = "ECDHE-ECDSA-AES256-GCM-SHA384"
    other = "ECDHE-ECDSA-CHACHA20-POLY1305"
    suites = f"TLS_AES_256_GCM_SHA384:{one}"
    with Server(directory=place, listen=(4,),
                options={"tls": {"suites": suites}}) as server:
        with Client(server, tls="1.3") as c:
            assert c.tls.cipher()[0] == "TLS_AES_256_GCM_SHA384"
        with Client(server, tls="1.2") as c:
            assert c.tls.cipher()[0] == one
        with pytest.raises(ssl.SSLError):
            Client(server, ctx=context("1.2", other)).close()


@pytest.mark.parametrize("verb", ["check", "serve"])
def test_suites_without_forward_secrecy_are_refused(words, verb):
    done = carnation(verb, *words(tls={
        "suites": "TLS_AES_128_GCM_SHA256:AES128-SHA"}), timeout=TIMEOUT)
    assert done.returncode == 1
    assert re.search(r"c:3: .*AES128-SHA", done.stdout + done.stderr)


def test_an_address_among_the_hosts_has_a_certificate(place):
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    with Plain("--listen", "127.0.0.1:0", "--workers", 1, "--certs",
               place / "certs", "--host", "localhost", "--host", "::1", root,
               directory=place) as server:
        assert "warning" not in server.log(), server.log()
        assert server.ask("/").whole
        assert server.ask("gemini://[::1]:{P}/", sni=None).status == 20


VERBS = ("serve", "check", "cert new", "cert renew", "cert show", "fetch", "lint",
         "feed", "key new", "key show", "publish", "rollback", "prune", "verify",
         "mirror")


@pytest.mark.parametrize("verb", VERBS)
def test_short_options_are_those_of_the_usage(place, verb):
    """No letter is one by accident, as the number of an option inside."""
    usage = carnation("help", *verb.split()).stdout
    for letter in map(chr, range(ord("!"), ord("~") + 1)):
        if letter in "-h" or f" -{letter}, " in usage:
            continue
        done = carnation(*verb.split(), f"-{letter}", cwd=place, timeout=TIMEOUT)
        assert done.returncode == 2, letter
        assert f"unknown option -{letter}" in done.stderr, letter
        assert list(place.iterdir()) == []


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_anywhere_on_the_line(place, verb, word):
    usage = carnation("help", *verb.split()).stdout
    assert usage.startswith(f"usage: carnation {verb} ")
    for words in ([word], ["x", word], [word, "x"], ["--nonsense", word],
                  ["a", "b", word, "c"]):
        done = carnation(*verb.split(), *words, cwd=place, timeout=TIMEOUT)
        assert (done.returncode, done.stdout, done.stderr) == (0, usage, "")
        assert list(place.iterdir()) == []


def test_help_after_the_end_of_options_is_a_word(place):
    done = carnation("rollback", "--", "--help", cwd=place)
    assert done.returncode != 0 and "usage: " not in done.stdout


@pytest.mark.parametrize("line", [
    "mirror --key=K gemini://localhost/ s --host=a", "prune --keep=1 s",
    "publish --key=K --origin=gemini://a.example --refresh=1 --next-key=K "
    "--unsigned=o --author=a src s", "publish --signed=o src s",
    "feed --origin=gemini://a.example --author=a d", "lint --config=c d", "fetch --output=o "
    "--timeout=1 --cert=c --key=k --known-hosts=h gemini://localhost:1/",
    "cert renew --certs=d --yes", "cert renew --cert=c --key=k --yes",
    "check --config=c --certs=d --workers=1 --log=l"])
def test_a_value_given_twice_is_refused(place, line):
    """The first would be lost without a word."""
    key = "RWQ" + "A" * 53
    words = [w.replace("=K", f"={key}") for w in line.split()]
    for word in words:
        option, equals, _ = word.partition("=")
        if not equals:
            continue
        done = carnation(*words, word, cwd=place, timeout=TIMEOUT)
        assert done.returncode == 2, word
        assert f"duplicate option {option}\n" in done.stderr
        assert list(place.iterdir()) == []


@pytest.mark.parametrize("line", [
    "check d --host=a.example --host=b.example --listen=127.0.0.1:0 "
    "--listen=[::1]:0 --certs=certs", "lint -W G001=off -W G001=error d",
    "verify --key=K --key=K d", "mirror --also=gemini://a.example/ "
    "--also=gemini://b.example/ --key=none gemini://localhost:1/ s",
    "mirror --survey --key=K --key=K gemini://localhost:1/"])
def test_what_may_be_given_several_times(place, line):
    tree(place / "d", {"index.gmi": "# Hello\n"})
    done = carnation(*line.replace("=K", f"=RWQ{'A' * 53}").split(), cwd=place,
                     timeout=TIMEOUT)
    assert "duplicate option" not in done.stderr
    assert done.returncode != 2 or "none" in done.stderr


def options_of(text):
    return set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", text))


def test_the_manual_has_the_options_of_each_verb():
    """Those that the usage page of a verb lists, and no others."""
    manual = (ROOT / "src/man/carnation.8").read_text()
    sections = dict(re.findall(r"^\.Ss ([a-z]+)\n(.*?)(?=^\.S[hs] )", manual,
                               re.M | re.S))
    for verb in sorted({v.split()[0] for v in VERBS}):
        page = carnation("help", verb).stdout
        listed = options_of(" ".join(re.findall(r"^  (?:-\w, )?--\S+", page, re.M)))
        items = {o for line in re.findall(r"^\.It (.*)", sections[verb], re.M)
                 for o in re.findall(r"Fl -([a-z][a-z-]*)", line)}
        if verb == "serve":  # check describes what only it and -n take
            listed -= {"json", "dump"}
        if verb == "check":
            assert items == {"json", "dump"} and items < listed
        else:
            assert items == listed, verb


def test_options_may_stand_before_the_second_word(place):
    for words in (("cert", "--json", "show", "--certs", place),
                  ("cert", "--certs", place, "show", "--json")):
        done = carnation(*words)
        assert (done.returncode, done.stdout) == (1, "[]\n"), done
        assert "no certificate (HOST.crt)" in done.stderr
    for words in (("cert", "--json"), ("cert", "--", "show"), ("cert show",),
                  ("help", "prune", "x")):
        done = carnation(*words)
        assert (done.returncode, done.stdout) == (2, ""), done


@pytest.mark.parametrize("line", [
    "--version", "help", "help mirror", "prune --help", "check --json d", "cert show d/a.crt",
    "cert new --certs c b.example", "key new k", "key show --json d/k.pub",
    "lint d", "lint --json d", "verify --json d"])
def test_a_full_disk_behind_the_standard_output_is_a_failure(place, line):
    tree(place / "d", {"index.gmi": "# Hello\n"})
    assert carnation("cert", "new", "--certs", place / "d", "a").returncode == 0
    assert carnation("key", "new", place / "d/k").returncode == 0
    for name in ("a.key", "k.sec"):
        (place / "d" / name).unlink()
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([CARNATION, *line.split()], stdout=full, check=False,
                              stderr=subprocess.PIPE, text=True, cwd=place)
    assert done.returncode in (1, 2) and done.returncode == (
        2 if line.startswith("verify") else 1), done
    assert done.stderr.count("standard output: No space left on device\n") == 1


@pytest.mark.parametrize("line", [
    "mirror gemini://x/ --key none", "mirror http://x/ s --key none",
    "mirror gemini://x/ s --key none --key none",
    "mirror --survey --key none gemini://x/y", "mirror --survey --key none s --json",
    "mirror --survey s --max-files 3", "mirror --survey s --max-bytes 1G"])
def test_wrong_use_is_seen_before_a_key_is_read(place, line):
    done = carnation(*line.split(), cwd=place)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 2, done
