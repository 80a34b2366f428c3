"""Two processes of two devices each: the results of one process with one device; no process waits for a lost one."""

import os
import re
import signal
import time

import pytest

from tests.reliability import commands
from tests.reliability.conftest import SOAK_MINUTES
from tests.reliability.test_interruptions import RUNS, wait_for

# A soak keeps the timeouts that users have.
TIMEOUTS = {} if SOAK_MINUTES else {"HEARTBEAT_SECONDS": 6}
MINIBATCHES, MANY = "a common face from minibatches", "many personal faces"
LONG = (*RUNS[MINIBATCHES][:-1], 100_000)
# What JAX prints on the other process.
LOST = {0: "leader task|coordination service", 1: r"stopped sending heartbeats\):\s+1\s"}


# The last bit of a loss of a minibatch, which affects nothing else, may differ with the number of processes.
LOSSES = {"loss.csv", "loss.png"}


def test_a_common_face_of_two_processes(tmp_path):
    """It has the bits of one process, although one of the two was lost and the same command resumed."""
    fill(tmp_path, 150)
    commands.finish(tmp_path, *RUNS[MINIBATCHES], "--out", "one")
    lose_one(tmp_path, 1, *RUNS[MINIBATCHES], out="two")
    together = commands.start_together(tmp_path, 2, *RUNS[MINIBATCHES], "--out", "two")
    require_success(together, 0)
    assert "is resumed" in together[0].said()
    require_same(tmp_path, may_differ=LOSSES)


@pytest.mark.soak
def test_personal_faces_of_two_processes(tmp_path):
    """They have the bits of one process, although SIGTERM to one stopped both; one process alone resumes."""
    fill(tmp_path, 40)
    run = (*RUNS[MANY][:-1], 700)
    commands.finish(tmp_path, *run, "--out", "one")
    stop_both(tmp_path, 1, *run, out="two")
    assert list((tmp_path / "two" / "models").rglob("*.safetensors")), "nothing was fitted by two processes"
    assert "is resumed" in commands.finish(tmp_path, *run, "--out", "two").said()
    require_same(tmp_path)


@pytest.mark.skipif(not SOAK_MINUTES, reason="make soak")
def test_one_process_resumes_a_common_face_of_two(tmp_path):
    fill(tmp_path, 150)
    commands.finish(tmp_path, *RUNS[MINIBATCHES], "--out", "one")
    lose_one(tmp_path, 1, *RUNS[MINIBATCHES], out="two")
    assert "is resumed" in commands.finish(tmp_path, *RUNS[MINIBATCHES], "--out", "two").said()
    require_same(tmp_path, may_differ=LOSSES)


@pytest.mark.skipif(not SOAK_MINUTES, reason="make soak")
def test_two_processes_resume_personal_faces(tmp_path):
    fill(tmp_path, 100)
    run = (*RUNS[MANY][:-1], 700)
    commands.finish(tmp_path, *run, "--out", "one")
    stop_both(tmp_path, 1, *run, out="two")
    together = commands.start_together(tmp_path, 2, *run, "--out", "two")
    require_success(together, 1)
    assert "is resumed" in together[0].said()
    require_same(tmp_path)


@pytest.mark.skipif(not SOAK_MINUTES, reason="make soak")
@pytest.mark.parametrize("run", [run for run in RUNS if run != MANY])
def test_an_undisturbed_common_face_of_two_processes(tmp_path, run):
    fill(tmp_path, 600)
    commands.finish(tmp_path, *RUNS[run], "--out", "one")
    require_success(commands.start_together(tmp_path, 2, *RUNS[run], "--out", "two"), 0)
    require_same(tmp_path, may_differ=LOSSES if run == MINIBATCHES else frozenset())


@pytest.mark.skipif(not SOAK_MINUTES, reason="make soak")
@pytest.mark.parametrize(("fault", "victim"), [(signal.SIGKILL, 0), (signal.SIGKILL, 1), (signal.SIGSTOP, 1)])
def test_a_lost_process_ends_the_other(tmp_path, trials, fault, victim):
    fill(tmp_path, 200)
    longest = 0.0
    for number in trials(f"{fault.name} to process {victim} of 2", short=1, long=5, share=0.05):
        seconds = lose_one(tmp_path, victim, *LONG, out=f"out{number}", delay=0.3 * number, fault=fault)
        longest = max(longest, seconds)
    trials.cost(f"what was not saved yet; the other ended in {longest:.0f} s at most, with a message")


@pytest.mark.skipif(not SOAK_MINUTES, reason="make soak")
@pytest.mark.parametrize("run", [MINIBATCHES, MANY])
def test_sigterm_to_one_stops_both(tmp_path, trials, run):
    fill(tmp_path, 200)
    arguments = LONG if run == MINIBATCHES else (*RUNS[run][:-1], 3000)
    for number in trials(f"SIGTERM to one of two, {run}", short=1, long=4, share=0.02):
        stop_both(tmp_path, number % 2, *arguments, out=f"out{number}")
    trials.cost("nothing: both saved and left")


def test_an_error_of_one_ends_the_other(tmp_path):
    """Process 1, whose picture is in order, would need minutes."""
    fill(tmp_path, 3, broken="0.png")
    run = (*RUNS[MANY][:-1], 1_000_000, "--on-error", "stop", "--out", "out")
    together = commands.start_together(tmp_path, 2, *run, **TIMEOUTS)
    assert together[0].status(60) == 2, together[0].said()
    assert "0.png" in together[0].said()
    assert together[1].status(60) != 0


def test_another_command_is_refused(tmp_path):
    """Otherwise half of the faces would have another number of steps."""
    commands.fill(tmp_path / "in", 4)
    together, run = commands.of_several(2), RUNS[MANY][:-1]
    both = [
        commands.start(tmp_path, *run, 400 + i, "--out", "out", *together, i, name=f"log{i}", devices=2, **TIMEOUTS)
        for i in (0, 1)
    ]
    assert 0 not in [command.status(60) for command in both]
    assert all("--steps is 400 there and 401 here" in command.said() for command in both), both[0].said()
    assert not (tmp_path / "out").exists()


def test_a_process_alone_gives_up(tmp_path):
    alone = commands.start(tmp_path, "common-model", *commands.of_several(2), 1, START_SECONDS=1)
    assert alone.status(60) == 2
    assert "the other processes of this run, process 1 of 2" in alone.said()


@pytest.mark.parametrize(("process", "number"), [(0, signal.SIGINT), (1, signal.SIGTERM)])
def test_a_process_alone_can_be_interrupted(tmp_path, process, number):
    alone = commands.start(tmp_path, "common-model", *commands.of_several(2), process, NOTICE_SECONDS=0.5)
    wait_for(lambda: f"waiting for the other processes of this run, process {process} of 2" in alone.said(), alone)
    os.kill(alone.process.pid, number)
    assert alone.status(10) == 128 + number


def fill(folder, count, broken="broken.png"):
    """``count`` pictures, and one that cannot be read."""
    commands.fill(folder / "in", count)
    (folder / "in" / "0" / broken).write_bytes(b"no picture")


def require_success(together, status):
    assert [command.status() for command in together] == [status] * 2, together[0].said() + together[1].said()


def require_same(folder, may_differ=frozenset()):
    """The files of the runs ``one`` and ``two`` are the same."""
    one, two = commands.results(folder / "one"), commands.results(folder / "two")
    assert sorted(one) == sorted(two)
    assert {name for name in one if one[name] != two[name]} <= may_differ
    assert b"broken.png" in two["skipped.csv"]


def lose_one(folder, victim, *arguments, out, delay=0.0, fault=signal.SIGKILL):
    """Kills process ``victim`` after the first checkpoint; the seconds in which the other one then ends."""
    together = commands.start_together(folder, 2, *arguments, "--save-every", 0, "--out", out, **TIMEOUTS)
    wait_for((folder / out / "checkpoints" / "fit.npz").exists, together[0])
    time.sleep(delay)
    os.kill(together[victim].process.pid, fault)
    began, other = time.monotonic(), together[1 - victim]
    assert other.status(60) != 0
    together[victim].process.kill()
    assert re.search(LOST[victim], other.said()), other.said()
    return time.monotonic() - began


def stop_both(folder, number, *arguments, out):
    """Sends SIGTERM to process ``number`` of a run that has begun; both save and leave."""
    together = commands.start_together(folder, 2, *arguments, "--out", out)
    # A fit of many compiles first, and stops after the faces in work.
    begun = "config.json" if arguments[0] == "fit" else "checkpoints/*.npz"
    wait_for(lambda: any((folder / out).glob(begun)), together[0])
    os.kill(together[number].process.pid, signal.SIGTERM)
    require_success(together, 128 + signal.SIGTERM)
