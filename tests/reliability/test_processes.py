"""Two processes of two devices each, for real: the results of one, and no one left waiting for the dead."""

import os
import re
import signal
import time

import numpy as np
import pytest

import gmjax
from tests.reliability import commands
from tests.reliability.conftest import SOAK_MINUTES
from tests.reliability.test_interruptions import RUNS, SHORT, wait_for

# In a soak as users have them.
FEW_SECONDS = {} if SOAK_MINUTES else {"SILENT_SECONDS": 5}
LONG = (*RUNS["a common face from minibatches"][:-1], 100_000, "--save-every", 0)
# Whom it befalls, and what the other says.
FAULTS = {
    "kill -9 of process 1": (1, r"process 1 of 2 \(.*\) has said nothing for"),
    "a stopped process 1": (1, r"process 1 of 2 \(.*\) has said nothing for"),
    "kill -9 of process 0": (0, "process 0, which leads the run at .* cannot be reached"),
}


@pytest.mark.parametrize("run", RUNS if SOAK_MINUTES else SHORT)
def test_the_same_as_of_one(tmp_path, trials, run):
    for _ in trials(f"{run} on 2 processes of 2 devices", short=1, long=1, share=0):
        require_same_as_of_one(tmp_path, run)
    trials.cost("nothing: the models of one process with one device, bit for bit")


def require_same_as_of_one(tmp_path, run):
    commands.fill(tmp_path / "in", 20 if run.startswith("many") else 600)
    (tmp_path / "in" / "0" / "broken.png").write_bytes(b"no picture")
    commands.finish(tmp_path, *RUNS[run], "--out", "one")
    together = commands.start_together(tmp_path, 2, *RUNS[run], "--out", "two")
    expected = 1 if run.startswith("many") else 0
    assert [command.status() for command in together] == [expected] * 2, together[0].said() + together[1].said()
    one, two = commands.results(tmp_path / "one"), commands.results(tmp_path / "two")
    assert sorted(one) == sorted(two)
    # Of minibatches the losses, of which nothing is made, may differ in their last bit.
    differ = {name for name in one if one[name] != two[name]}
    assert differ <= ({"loss.csv", "loss.png"} if "minibatches" in run else set())
    assert b"broken.png" in two["skipped.csv"]
    for name in (name for name in one if name.endswith(".safetensors")):
        drawn = [gmjax.render(gmjax.load(tmp_path / folder / name), (12, 12)) for folder in ("one", "two")]
        assert np.abs(drawn[0] - drawn[1]).max() <= 1e-5


def test_a_killed_run_of_two_goes_on(tmp_path):
    """On one process too: what was done counts, whoever did it."""
    run = RUNS["a common face from minibatches"]
    commands.fill(tmp_path / "in", 600)
    commands.finish(tmp_path, *run, "--out", "one")
    together = commands.start_together(tmp_path, 2, *run, "--out", "two", "--save-every", 0)
    wait_for(lambda: (tmp_path / "two" / "checkpoints" / "fit.npz").exists(), together[0])
    for command in together:
        command.process.kill()
        command.process.join()
    last = commands.finish(tmp_path, *run, "--out", "two")
    assert "is resumed" in last.said()
    name = "model.safetensors"
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize("fault", FAULTS if SOAK_MINUTES else [fault for fault in FAULTS if "kill" in fault])
def test_the_others_end_and_say_who_is_missing(tmp_path, trials, fault):
    victim, said = FAULTS[fault]
    commands.fill(tmp_path / "in", 200)
    longest = 0.0
    for number in trials(f"{fault} of 2", short=1, long=5, share=0.05):
        out = tmp_path / f"out{number}"
        together = commands.start_together(tmp_path, 2, *LONG, "--out", out, **FEW_SECONDS)
        wait_for(lambda out=out: (out / "checkpoints" / "fit.npz").exists(), together[0])
        time.sleep(0.3 * number)
        os.kill(together[victim].process.pid, signal.SIGSTOP if "stopped" in fault else signal.SIGKILL)
        begun, other = time.monotonic(), together[1 - victim]
        assert other.status(60) != 0
        longest = max(longest, time.monotonic() - begun)
        together[victim].process.kill()
        until = time.monotonic() + 5
        while not re.search(said, other.said()) and time.monotonic() < until:
            time.sleep(0.1)
        assert re.search(said, other.said()), other.said()
    trials.cost(f"what was not saved yet; the other ended in {longest:.0f} s at most, naming it")


def test_a_process_that_hangs_is_named(tmp_path, trials):
    """It lives, but reads a picture that never comes."""
    commands.fill(tmp_path / "in", 600)
    longest = 0.0
    for number in trials("a process 1 of 2 that hangs", short=1, long=3, share=0.05):
        begun = time.monotonic()
        run = (*RUNS["a common face"], "--out", f"out{number}")
        together = commands.start_together(tmp_path, 2, *run, hang=1, **({} if SOAK_MINUTES else {"STUCK_SECONDS": 8}))
        assert together[0].status(70) == 4
        longest = max(longest, time.monotonic() - begun)
        assert re.search(r"process 1 of 2 \(.*\) has done nothing for .* s: it hangs at", together[0].said())
        together[1].process.kill()
    trials.cost(f"what was not saved yet; the other ended {longest:.0f} s after the start at most, naming it")


@pytest.mark.parametrize("run", SHORT if SOAK_MINUTES else ["many personal faces"])
def test_sigterm_to_one_stops_all(tmp_path, trials, run):
    """Each saves its own, and the same command goes on."""
    commands.fill(tmp_path / "in", 600 if "minibatches" in run else 100)
    arguments = LONG if "minibatches" in run else (*RUNS[run][:-1], 3000)
    for number in trials(f"SIGTERM to one of two, {run}", short=1, long=4, share=0.02):
        out = tmp_path / f"out{number}"
        together = commands.start_together(tmp_path, 2, *arguments, "--out", out)
        begun = "models/**/*.safetensors" if "many" in run else "checkpoints/fit.npz"
        wait_for(lambda pattern=begun, out=out: any(out.glob(pattern)), together[0])
        os.kill(together[number % 2].process.pid, signal.SIGTERM)
        assert [command.status(60) for command in together] == [128 + signal.SIGTERM] * 2, together[0].said()
    trials.cost("nothing: both saved and left")


def test_an_error_of_one_ends_all(tmp_path):
    commands.fill(tmp_path / "in", 20)
    (tmp_path / "in" / "0" / "broken.png").write_bytes(b"no picture")
    run = (*RUNS["many personal faces"], "--on-error", "stop", "--out", "out")
    together = commands.start_together(tmp_path, 2, *run)
    assert 0 not in [command.status(60) for command in together]
    assert all("broken.png" in command.said() for command in together), together[0].said() + together[1].said()


def test_another_command_is_refused(tmp_path):
    """Or half of the faces would be those of other steps."""
    commands.fill(tmp_path / "in", 4)
    together, run = commands.of_several(2), RUNS["many personal faces"][:-1]
    both = [
        commands.start(tmp_path, *run, 400 + i, "--out", "out", *together, i, name=f"log{i}", devices=2) for i in (0, 1)
    ]
    assert 0 not in [command.status(60) for command in both]
    assert all("--steps is 400 there and 401 here" in command.said() for command in both), both[0].said()
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize("process", [0, 1])
def test_a_process_alone_says_whom_it_waits_for(tmp_path, process):
    alone = commands.start(
        tmp_path, "common-model", *commands.of_several(2), process, START_SECONDS=2, NOTICE_SECONDS=0.5
    )
    assert alone.status(60) == 2
    assert f"gmjax: waiting for the other processes of this run, process {process} of 2" in alone.said()
    assert "were not enough" in alone.said()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_waiting_for_others_can_be_interrupted(tmp_path, number):
    alone = commands.start(tmp_path, "common-model", *commands.of_several(2), 0, NOTICE_SECONDS=0.5)
    wait_for(lambda: "waiting for" in alone.said(), alone)
    os.kill(alone.process.pid, number)
    assert alone.status(10) == 128 + number
