#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Runs a program as on a kernel that lacks landlock(7), seccomp(2) or both:

    without.py landlock,seccomp PROGRAM [ARGUMENT]...

A filter of our own answers ENOSYS to the calls of the one, and EINVAL and ENOSYS to
those of the other, as a kernel built without them does."""
import ctypes
import errno
import os
import struct
import sys
from pathlib import Path

PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PR_SET_NO_NEW_PRIVS = 22, 2, 38
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
ALLOW, ERRNO = 0x7fff0000, 0x00050000
LANDLOCK = (444, 445, 446)
# seccomp and prctl
NUMBERS = {"x86_64": (317, 157), "aarch64": (277, 167)}


def statement(code, value, yes=0, no=0):
    return struct.pack("HBBI", code, yes, no, value)


def refuse(number, error):
    return (statement(EQUAL, number, 0, 1)
            + statement(RETURN, ERRNO | error))


def filter_of(missing):
    """Looks at the number of a call, and of prctl at its first argument."""
    seccomp, prctl = NUMBERS[os.uname().machine]
    program = statement(LOAD, 0)
    if "landlock" in missing:
        for number in LANDLOCK:
            program += refuse(number, errno.ENOSYS)
    if "seccomp" in missing:
        program += refuse(seccomp, errno.ENOSYS)
        program += statement(EQUAL, prctl, 0, 3) + statement(LOAD, 16)
        program += refuse(PR_SET_SECCOMP, errno.EINVAL)
    return program + statement(RETURN, ALLOW)


def install(missing):
    libc = ctypes.CDLL(None, use_errno=True)
    program = filter_of(missing)
    memory = ctypes.create_string_buffer(program, len(program))
    head = ctypes.create_string_buffer(struct.pack(
        "HxxxxxxP", len(program) // 8, ctypes.addressof(memory)))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or libc.prctl(
            PR_SET_SECCOMP, SECCOMP_MODE_FILTER, head) != 0:
        raise OSError(ctypes.get_errno(), "no filter of our own")


def known():
    """Whether the calls of this processor are."""
    return os.uname().machine in NUMBERS


def wrapper(*missing):
    """The words before a program."""
    return [sys.executable, str(Path(__file__).resolve()), ",".join(missing)]


if __name__ == "__main__":
    install(sys.argv[1].split(","))
    os.execv(sys.argv[2], sys.argv[2:])
