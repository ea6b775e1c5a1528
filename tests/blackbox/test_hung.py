# SPDX-License-Identifier: ISC
"""Workers that hang: the parent kills and replaces them, and never one of a
machine that was merely paused."""
import os
import signal

import pytest
from harness import Client, Server, wait_for
from life import free_port, hup, mark, settle

pytestmark = pytest.mark.soak
HANGS_S = 30  # ten heartbeats, on a busy machine


def test_a_worker_that_hangs_is_replaced(place):
    with Server(directory=place, listen=(4,), workers=2) as server:
        server.may_restart = True
        victim, other = server.workers()
        os.kill(victim, signal.SIGSTOP)
        server.wait_log(
            rf"worker \d+ \(process {victim}\) does not respond: killed",
            HANGS_S)
        wait_for(lambda: len(server.workers()) == 2
                 and victim not in server.workers())
        assert other in server.workers()
        server.expect_workers()


def test_a_paused_machine_loses_no_worker(place):
    """Parent and workers stand still for longer than ten heartbeats."""
    with Server(directory=place, listen=(4,)) as server, \
            Server(listen=(4,)) as clock:
        stopped, = server.workers()
        reference, = clock.workers()
        everybody = [server.process.pid, stopped]
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        os.kill(reference, signal.SIGSTOP)
        clock.may_restart = True
        clock.wait_log(r"does not respond: killed", HANGS_S)  # so long it took
        for pid in everybody:
            os.kill(pid, signal.SIGCONT)
        assert server.ask("/").whole
        assert server.workers() == [stopped]
        assert "does not respond" not in server.log()
        wait_for(lambda: clock.workers() and reference not in clock.workers())
        clock.expect_workers()


def test_TERM_ends_a_worker_that_hangs(place):
    server = Server(directory=place, listen=(4,), workers=2,
                    options={"limits": {"drain": 1}})
    Server.running.remove(server)
    victim = server.workers()[0]
    os.kill(victim, signal.SIGSTOP)
    server.signal(signal.SIGTERM)
    assert server.process.wait(HANGS_S) == 0
    assert "1 worker did not exit in time: killed" in server.log()
    assert not os.path.exists(f"/proc/{victim}")


def test_an_old_worker_that_hangs_is_killed(place):
    """It holds the old listening socket, and a client that the kernel gives to that
    one would wait for as long as it lives."""
    port = free_port()
    with Server(directory=place, listen=(), alive=None,
                options={"listen": [f"127.0.0.1:{port}"]}) as server:
        old, = server.workers()
        slow = Client(server)
        os.kill(old, signal.SIGSTOP)
        server.options["listen"] = [f"*:{port}"]
        server.write_config()
        since = mark(server)
        hup(server)
        server.wait_log(
            rf"worker 0 \(process {old}\) does not respond: killed", HANGS_S,
            since)
        wait_for(lambda: old not in server.workers())
        assert server.ask("/").whole
        slow.close()
        settle(server)


def test_an_old_worker_that_is_only_slow_is_not(place):
    """A client who takes long is no heartbeat missed."""
    with Server(directory=place, listen=(4,)) as server:
        old, = server.workers()
        with Client(server) as slow:
            hup(server)
            assert old in server.workers()
            assert slow.ask("/").reply().whole
        settle(server)
        assert "does not respond" not in server.log()
