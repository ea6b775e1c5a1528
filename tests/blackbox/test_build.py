# SPDX-License-Identifier: ISC
"""What a newcomer builds with, whatever compiler and tools are installed."""
import os
import platform
import re
import subprocess
import sys

import pytest

from binary import CARNATION, SANITIZED
from harness import ROOT


def run(*argv, **env):
    clean = {k: v for k, v in os.environ.items()
             if k not in ("WERROR", "MAKEFLAGS", "MFLAGS", "SAN", "V")}
    done = subprocess.run(argv, cwd=ROOT, env={**clean, **env}, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def compiling(*words, file="src/main.o", **env):
    """The command that would compile one file; nothing is built."""
    out = run("make", "-n", "V=1", "VARIANT=never", *words,
              f"build/never/{file}", **env)
    found = [line for line in out.splitlines() if " -c -o " in line]
    assert len(found) == 1, out
    return found[0].split()


@pytest.mark.parametrize("goal", ["all", "check", "lint", "soak", "cover"])
def test_warnings_are_errors_only_when_asked(goal):
    assert "-Werror" not in run("make", "-n", "V=1", goal, "VARIANT=never")
    assert "-Werror" not in compiling()


def test_deprecated_names_are_never_errors():
    for words, env in ((["WERROR=-Werror"], {}), ([], {"WERROR": "-Werror"})):
        command = compiling(*words, **env)
        assert "-Werror" in command
        assert "-Wno-error=deprecated-declarations" in command


def test_ci_makes_warnings_errors():
    assert "export WERROR=-Werror\n" in (ROOT / ".ci/run").read_text()


def test_sizes_and_times_have_64_bits():
    command = compiling()
    assert "-D_FILE_OFFSET_BITS=64" in command
    assert "-D_TIME_BITS=64" in command


def test_a_commit_compiles_one_file_again():
    assert "CARNATION_COMMIT" in " ".join(compiling())
    other = compiling(file="src/verbs/verbs.o")
    assert "CARNATION_COMMIT" not in " ".join(other)
    with_main = run("make", "-n", "-p", "VARIANT=never", "build/never/flags")
    depending = re.findall(r"^(\S+):.*\bbuild/never/commit\b", with_main, re.M)
    assert depending == ["build/never/src/main.o"]


HARDENED = {"-fstack-clash-protection", "-D_FORTIFY_SOURCE=3"}
PROCESSORS = {"x86_64": {"-fcf-protection"},
              "aarch64": {"-mbranch-protection=standard"}}


def test_programs_are_hardened_as_distributions_do():
    words = compiling()
    assert {"-fstack-protector-strong", "-fPIE", "-Wformat-security"} < set(words)
    want = run("scripts/hardening", "cc", "-O2", "-g").split()
    start = words.index(want[0])
    assert words[start:start + len(want)] == want


@pytest.mark.parametrize("words", [["SAN=address"], ["VARIANT=cover"]])
def test_instrumented_programs_are_not_hardened(words):
    out = run("make", "-n", "V=1", "VARIANT=never", *words,
              f"build/{'cover' if 'cover' in words[0] else 'never'}/src/main.o")
    assert " -c -o " in out
    assert "_FORTIFY_SOURCE" not in out and "-fstack-clash" not in out


def test_flags_of_the_user_win():
    """Distributions bring a level of their own: no name is defined twice."""
    for name in ("CPPFLAGS", "CFLAGS"):
        command = " ".join(compiling(f"{name}=-O2 -D_FORTIFY_SOURCE=2"))
        assert re.findall(r"_FORTIFY_SOURCE\S*", command) == [
            "_FORTIFY_SOURCE=2"]
    command = compiling("CFLAGS=-O2 -fcf-protection=none")
    assert command.index("-fstack-clash-protection") < command.index(
        "-fcf-protection=none")
    assert "_FORTIFY_SOURCE" not in " ".join(compiling("CFLAGS=-g"))


@pytest.mark.parametrize("unknown, words, want", [
    ("none", ["-O2"], HARDENED),
    ("none", [], HARDENED - {"-D_FORTIFY_SOURCE=3"}),
    ("none", ["-O2", "-U_FORTIFY_SOURCE"], HARDENED - {"-D_FORTIFY_SOURCE=3"}),
    ("*-fstack-clash*", ["-O2"], HARDENED - {"-fstack-clash-protection"}),
    ("*_FORTIFY_SOURCE=3*", ["-O2"], HARDENED - {"-D_FORTIFY_SOURCE=3"} |
     {"-D_FORTIFY_SOURCE=2"}),
    ("*", ["-O2"], set())])
def test_only_flags_that_the_compiler_knows_are_used(place, unknown, words,
                                                     want):
    compiler = place / "cc"
    compiler.write_text("#!/bin/sh\ncase $* in\n"
                        f"{unknown}) exit 1 ;;\nesac\nexec cc \"$@\"\n")
    compiler.chmod(0o755)
    said = set(run("scripts/hardening", compiler, *words).split())
    if unknown != "*":
        want = want | PROCESSORS.get(platform.machine(), set())
    assert said - {"-U_FORTIFY_SOURCE"} == want


def test_the_program_itself_is_hardened():
    def table(option):
        return subprocess.run(["readelf", "-W", option, CARNATION], check=True,
                              text=True, capture_output=True).stdout
    assert re.search(r"Type: +DYN", table("-h"))
    headers = table("-l")
    assert "GNU_RELRO" in headers
    assert re.search(r"GNU_STACK .* RW +0x", headers)
    assert re.search(r"FLAGS_1.*\bNOW\b.*\bPIE\b", table("-d"))
    names = table("--dyn-syms")
    assert "__stack_chk_fail" in names
    if SANITIZED or "gcov" in table("-s"):
        return
    assert "__memcpy_chk" in names or "__snprintf_chk" in names


@pytest.mark.parametrize("tool, says, want", [
    ("clang-format", "Debian clang-format version 19.1.7", True),
    ("clang-tidy", "Debian LLVM version 19.1.7\n  Optimized build.", True),
    ("cppcheck", "Cppcheck 2.17.1", True),
    ("shellcheck", "ShellCheck\nversion: 0.10.0", True),
    ("clang-format", "Debian clang-format version 14.0.6", False),
    ("shellcheck", "ShellCheck\nversion: 0.9.0", False),
])
def test_lint_names_tools_of_other_versions(place, tool, says, want):
    """scripts/test leaves lint out when anything is printed, and prints it."""
    fake = place / tool
    fake.write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\n")
    fake.chmod(0o755)
    said = run("scripts/lint", "--versions",
               PATH=f"{place}:{os.environ['PATH']}")
    assert (f"{tool} is " in said) == want, said


RULES = [sys.executable, ROOT / "scripts/rules"]


def language(folder, text, name="src/a.c"):
    """What scripts/rules --phrases complains of in one file."""
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    done = subprocess.run([*RULES, "--phrases", folder], text=True,
                          capture_output=True, check=False)
    assert done.returncode == (1 if done.stdout else 0), done.stderr
    return done.stdout


@pytest.mark.parametrize("text, line", [
    ('\nx = "%s is no serial";', 2),
    ('x = "%s is "\n\t"no serial";', 1),
    ("/* It\n * is no\n * error. */", 2),
    ("/* Whoever asks is served. */", 1),
    ('x = "has a value that cannot be";', 1),
    ('x = "state: key, or one too many";', 1),
    ("x = courier_start();", 1),
    ("enum { FETCH_PATIENCE = 3 };", 1),
    ("x = set_out(a);", 1),
])
def test_phrases_and_identifiers_are_found(place, text, line):
    assert language(place, text).startswith(f"src/a.c:{line}: ")


@pytest.mark.parametrize("text", [
    'x = "there is no release";',
    'x = "there is "\n\t"no release";',
    "/* It is no longer so; n is no more than 3. */",
    "/* Values that cannot be read. */",
    "/* Closed: one too many from that address. */",
    "x = is_no_file; y = renewed + heedless;",
    'x = "is"; /* no comment */',
])
def test_plain_words_are_no_phrases(place, text):
    assert language(place, text) == ""


def test_papers_are_read_for_phrases_too(place):
    assert language(place, "a\nIt is gone on\nwith.\n", "src/CHANGES") == (
        'src/CHANGES:2: "gone on with": write continue, resume\n')
    assert language(place, "is told\n", "src/notes").startswith("src/CHANGES")
