# SPDX-License-Identifier: ISC
"""Prepares a process and becomes a command, as a wrapper of Server:

    become.py no-ipv6 COMMAND...        socket(AF_INET6) fails
    become.py no-links COMMAND...       hard links fail, as on FAT
    become.py no-close-range COMMAND... close_range fails, as before Linux 5.9
    become.py calls FILE COMMAND...     all system calls but those named in FILE
                                        fail with EPERM
    become.py no-proc COMMAND...        an empty /proc, seen by it alone
    become.py hide-proc COMMAND...      processes of others are not in /proc
    become.py user UID COMMAND...       not root any more
    become.py inherit ADDRESS COMMAND   a listening socket as LISTEN_FDS=1
    become.py tmpfs DIR KIB COMMAND     a small file system, seen by it alone
    become.py hosts FILE COMMAND        FILE in place of /etc/hosts
    become.py passwd FILE COMMAND       FILE in place of /etc/passwd
"""
import ctypes
import os
import platform
import socket
import struct
import subprocess
import sys

_libc = ctypes.CDLL(None, use_errno=True)


# BPF_LD|W|ABS, BPF_JMP|JEQ, BPF_RET; what a filter sees of a call
LOAD, EQUAL, ANSWER = 0x20, 0x15, 0x06
NUMBER, FIRST = 0, 16
ALLOW = (ANSWER, 0, 0, 0x7fff0000)


def _filter(*code):
    """A seccomp filter for this process and those that it starts."""
    program = b"".join(struct.pack("HBBI", *row) for row in code)
    buffer = ctypes.create_string_buffer(program)
    filter_ = struct.pack("HxxxxxxP", len(code), ctypes.addressof(buffer))
    assert _libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert _libc.prctl(22, 2, filter_, 0, 0) == 0  # PR_SET_SECCOMP


def _fail(error):
    return ANSWER, 0, 0, 0x00050000 | error


def _forbid_ipv6():
    """socket(AF_INET6, ...) fails with EAFNOSUPPORT."""
    number = {"x86_64": 41, "aarch64": 198}[platform.machine()]
    _filter((LOAD, 0, 0, NUMBER), (EQUAL, 0, 3, number), (LOAD, 0, 0, FIRST),
            (EQUAL, 0, 1, socket.AF_INET6), _fail(97), ALLOW)


def _forbid_links():
    """linkat fails with EPERM."""
    number = {"x86_64": 265, "aarch64": 37}[platform.machine()]
    _filter((LOAD, 0, 0, NUMBER), (EQUAL, 0, 1, number), _fail(1), ALLOW)


def _forbid_close_range():
    """close_range fails with ENOSYS."""
    _filter((LOAD, 0, 0, NUMBER), (EQUAL, 0, 1, 436), _fail(38), ALLOW)


def _only_calls(file):
    """As systemd's SystemCallFilter= with SystemCallErrorNumber=EPERM."""
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    lib.seccomp_init.argtypes = [ctypes.c_uint32]
    lib.seccomp_rule_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32,
                                     ctypes.c_int, ctypes.c_uint]
    lib.seccomp_load.argtypes = [ctypes.c_void_p]
    filter_ = lib.seccomp_init(0x00050000 | 1)
    with open(file, encoding="ascii") as f:
        for name in f.read().split():
            number = lib.seccomp_syscall_resolve_name(name.encode())
            if number != -1:  # this library's list may be older
                lib.seccomp_rule_add(filter_, 0x7fff0000, number, 0)
    assert lib.seccomp_load(filter_) == 0


def _become(uid):
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


def _inherit(address):
    host, port = address.rsplit(":", 1)
    family = (socket.AF_INET6 if ":" in host else socket.AF_INET)
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((host.strip("[]"), int(port)))
    s.listen(64)
    os.dup2(s.detach(), 3)
    os.set_inheritable(3, True)
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))


def _own_mounts():
    assert _libc.unshare(0x00020000) == 0  # CLONE_NEWNS
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def _tmpfs(directory, kib):
    _own_mounts()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "none",
                    directory], check=True)


def _no_proc():
    _own_mounts()
    subprocess.run(["mount", "-t", "tmpfs", "none", "/proc"], check=True)


def _hide_proc():
    _own_mounts()
    subprocess.run(["mount", "-t", "proc", "-o", "hidepid=2,subset=pid",
                    "proc", "/proc"], check=True)


def _bind(file, over):
    _own_mounts()
    subprocess.run(["mount", "--bind", file, over], check=True)


def main(word, *rest):
    rest = list(rest)
    if word == "no-ipv6":
        _forbid_ipv6()
    elif word == "no-links":
        _forbid_links()
    elif word == "no-close-range":
        _forbid_close_range()
    elif word == "calls":
        _only_calls(rest.pop(0))
    elif word == "no-proc":
        _no_proc()
    elif word == "hide-proc":
        _hide_proc()
    elif word == "user":
        _become(int(rest.pop(0)))
    elif word == "inherit":
        _inherit(rest.pop(0))
    elif word == "tmpfs":
        _tmpfs(rest.pop(0), rest.pop(0))
    elif word == "hosts":
        _bind(rest.pop(0), "/etc/hosts")
    elif word == "passwd":
        _bind(rest.pop(0), "/etc/passwd")
    else:
        sys.exit(__doc__)
    os.execvp(rest[0], rest)


if __name__ == "__main__":
    main(*sys.argv[1:])
