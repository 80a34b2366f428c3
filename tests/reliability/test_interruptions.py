"""Runs that are killed, stopped, or started again: they end bit for bit where an undisturbed run ends."""

import functools
import os
import signal
import time

import numpy as np
import pytest

from tests.reliability import commands
from tests.reliability.conftest import SOAK_MINUTES

SAVING = ("--save-every", 0.2)
FEW = ("--aligned", "--size", 12, "--components", 4)
EPOCHS = 60 if SOAK_MINUTES else 30
RUNS = {
    "a common face": ("common-model", "--data", "in", *FEW, "--steps", 4000),
    "a common face by lm": ("common-model", "--data", "in", *FEW, "--solver", "lm", "--steps", 1000),
    "a common face from minibatches": ("common-model", "--data", "in", *FEW, "--batch-size", 100, "--epochs", EPOCHS),
    "many personal faces": ("fit", "in", *FEW, "--steps", 400),
}
SHORT = ["a common face from minibatches", "many personal faces"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The folder of a run without interruptions, what it gave, and the seconds that it took; each is run once."""

    @functools.cache
    def of(run: str):
        folder = tmp_path_factory.mktemp("undisturbed")
        count, fewer = (60, 30) if run.startswith("many") else (700, 120)
        commands.fill(folder / "in", count if SOAK_MINUTES else fewer)
        if SOAK_MINUTES:  # the seconds are to be those of a run that compiles nothing
            commands.finish(folder, *RUNS[run], *SAVING, "--out", "compiled")
        begun = time.monotonic()
        commands.finish(folder, *RUNS[run], *SAVING, "--out", "whole")
        return folder, commands.results(folder / "whole"), time.monotonic() - begun

    return of


@pytest.mark.parametrize("run", RUNS if SOAK_MINUTES else SHORT[:1])
def test_killed_at_random_moments(undisturbed, trials, run):
    """The same command until it has ended; so long as kills are left, none of its starts is undisturbed."""
    rng = np.random.default_rng(0)
    folder, expected, seconds = undisturbed(run)
    for number in trials(f"kill -9 of {run}, at random", short=2 if run.startswith("many") else 1, long=20, share=0.1):
        if number and (folder / "killed" / "finished.json").exists():
            assert commands.results(folder / "killed") == expected
            os.rename(folder / "killed", folder / f"killed{number}")
        command = commands.start(folder, *RUNS[run], *SAVING, "--out", "killed")
        command.process.join(rng.uniform(0, seconds))
        command.process.kill()
        command.process.join()
    commands.finish(folder, *RUNS[run], *SAVING, "--out", "killed")
    found = commands.results(folder / "killed")
    assert sorted(found) == sorted(expected)
    assert found == expected
    trials.cost("nothing: every run ended with the same bits")


@pytest.mark.parametrize("run", SHORT if SOAK_MINUTES else ["many personal faces"])
def test_sigterm_saves_and_leaves(undisturbed, trials, run):
    folder, expected, seconds = undisturbed(run)
    longest = 0.0
    for number in trials(f"SIGTERM to {run}", short=1, long=5, share=0.03):
        out = f"stopped{number}"
        command = commands.start(folder, *RUNS[run], "--out", out)
        begun = "models/**/*.safetensors" if run.startswith("many") else "config.json"
        wait_for(lambda out=out, begun=begun: any((folder / out).glob(begun)), command)
        if SOAK_MINUTES:
            time.sleep(0.3 * seconds)
        begun = time.monotonic()
        os.kill(command.process.pid, signal.SIGTERM)
        assert command.status(30) == 128 + signal.SIGTERM, command.said()
        longest = max(longest, time.monotonic() - begun)
        assert "the same command resumes" in command.said()
        command = commands.finish(folder, *RUNS[run], "--out", out)
        assert "is resumed" in command.said()
        assert commands.results(folder / out) == expected
    trials.cost(f"nothing: saved and left within {longest:.1f} s, and ended with the same bits")


def test_a_finished_run(tmp_path):
    """It repeats what it said and does nothing, refuses what would be another run, and is discarded on demand."""
    commands.fill(tmp_path / "in", 3)
    others = ("fit", "in", "--aligned", "--size", 12, "--steps", 5, "--out", "out", "--components")
    arguments = (*others, 4)
    first = commands.finish(tmp_path, *arguments).said()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    again = commands.start(tmp_path, *arguments)
    assert again.status() == 0
    assert "out is finished, nothing was done" in again.said()
    assert first in again.said()

    other = commands.start(tmp_path, *others, 5)
    assert other.status() == 2
    assert "--components was 4, is 5" in other.said()

    # Or the new picture would be taken for fitted.
    os.rename(tmp_path / "in" / "0" / "1.png", tmp_path / "in" / "0" / "new.png")
    other = commands.start(tmp_path, *arguments)
    assert other.status() == 2
    assert "0/new.png is new, and 1 more" in other.said()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before

    assert commands.start(tmp_path, *arguments, "--overwrite").status() == 0
    assert (tmp_path / "out" / "models" / "0" / "new.png.safetensors").exists()


def test_other_pictures_are_refused(tmp_path):
    """In a run that is not finished: the new picture would have no share in what is done already."""
    commands.fill(tmp_path / "in", 60)
    arguments = ("fit", "in", *FEW, "--steps", 3000, "--out", "out")
    command = commands.start(tmp_path, *arguments)
    wait_for(lambda: (tmp_path / "out" / "models").exists(), command)
    command.process.kill()
    command.process.join()
    os.rename(tmp_path / "in" / "0" / "3.png", tmp_path / "in" / "0" / "new.png")
    other = commands.start(tmp_path, *arguments)
    assert other.status() == 2
    assert "0/new.png is new, and 1 more" in other.said()


def test_two_at_once_in_one_folder(tmp_path):
    commands.fill(tmp_path / "in", 60)
    arguments = ("fit", "in", *FEW, "--steps", 3000, "--out", "out")
    first = commands.start(tmp_path, *arguments)
    wait_for(lambda: (tmp_path / "out" / "config.json").exists(), first)
    second = commands.start(tmp_path, *arguments, name="second")
    assert second.status() == 2
    assert "another run is using it" in second.said()
    first.process.kill()


def wait_for(condition, command):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, command.said()
        assert command.process.is_alive(), command.said()
        time.sleep(0.02)
