"""Who a process is, and whether it lives."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from everfit.adapters.local.clock import SystemClock
from everfit.adapters.local.ids import TimedIds
from everfit.adapters.sql.processes import (
    described,
    identity,
    is_alive,
    is_gone,
    parsed,
    this_process,
)
from everfit.jobs.supervision.children import start_time_by_ps
from tests.stored import START


def test_this_process_lives_and_is_found_by_its_text() -> None:
    me = this_process()
    assert me.pid == os.getpid()
    assert is_alive(me)
    assert parsed(str(me)) == parsed(f"{me}#worker 3") == me
    assert not is_gone(str(me))


def test_a_process_that_was_killed_is_gone_even_before_its_parent_looks() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    who = identity(child.pid)
    assert who is not None
    assert is_alive(who)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(who)
    child.communicate()
    assert not is_alive(who)
    assert is_gone(str(who))
    assert identity(child.pid) is None


def test_another_process_of_the_same_number_is_another_process() -> None:
    me = this_process()
    moment, _, place = me.started.partition("@")
    assert not is_alive(replace(me, started=f"{moment}0@{place}"))


def test_no_process_survives_a_new_start_of_the_machine() -> None:
    me = this_process()
    moment, _, place = me.started.partition("@")
    assert not is_alive(replace(me, started=f"{moment}@other{place}"))


def test_what_cannot_be_known_from_here_is_alive() -> None:
    me = this_process()
    assert is_alive(replace(me, host="elsewhere", pid=1))
    assert is_alive(replace(me, started=me.started + "9"))
    assert is_alive(replace(me, started="unknown"))


@pytest.mark.parametrize("owner", ["", "ada", "a person/with slashes/9x/1"])
def test_an_owner_that_is_no_process_is_never_known_to_be_dead(owner: str) -> None:
    assert parsed(owner) is None
    assert not is_gone(owner)
    assert described(owner) == owner


def test_an_owner_is_described_so_that_a_person_finds_it() -> None:
    assert described("laptop/4242/99@b.c#worker") == "process 4242 on laptop"


def test_without_proc_the_start_is_asked_of_ps() -> None:
    first, second = start_time_by_ps(os.getpid()), start_time_by_ps(os.getpid())
    assert first is not None
    assert first == second
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert start_time_by_ps(child.pid) is None


def test_run_ids_sort_by_time_and_never_repeat() -> None:
    ids = TimedIds()
    moments = [START + timedelta(microseconds=number // 3) for number in range(300)]
    made = [ids.run_id(moment) for moment in moments]
    assert made == sorted(set(made))
    assert made[0].startswith("20261121-090000-")


def test_run_ids_of_two_processes_differ_within_a_microsecond() -> None:
    one, other = TimedIds(lambda below: 1), TimedIds(lambda below: below - 1)
    assert one.run_id(START) < other.run_id(START) < one.run_id(START + timedelta(microseconds=1))


def test_the_clock_tells_universal_time() -> None:
    now = SystemClock().now()
    assert now.utcoffset() == timedelta(0)
    assert now <= SystemClock().now()
