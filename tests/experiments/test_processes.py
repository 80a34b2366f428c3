"""Two processes with two devices each give the same section and cache as one process."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments import shares
from experiments.cache import Cache
from gmjax.errors import GmjaxError
from gmjax.parallel import processes
from tests.reliability.conftest import SOAK_MINUTES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(tmp_path):
    """Starts the tiny experiment in ``tmp_path``; what it prints is in the file ``name``."""
    started = []

    def start(name: str, *arguments: object, devices: int = 1) -> subprocess.Popen:
        command = [sys.executable, "-m", "tests.experiments.tiny", *map(str, arguments)]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_NUM_CPU_DEVICES": str(devices)}
        with open(tmp_path / name, "wb") as log:
            started.append(subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log))
        return started[-1]

    yield start
    for process in started:
        process.kill()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def results_in(runs) -> list[str]:
    return sorted(path.name for path in (runs / "cache").rglob("*") if path.is_file())


@pytest.mark.skipif(not SOAK_MINUTES, reason="make soak")
def test_the_same_as_one_process(tmp_path, folder_of_faces, start):
    arguments = ("--data", folder_of_faces, "--size", 24)
    one = start("log", *arguments, "--runs", "one")
    assert one.wait(240) == 0, (tmp_path / "log").read_text()
    address = "--distributed", "--coordinator", f"127.0.0.1:{free_port()}", "--processes", 2
    together = [start(f"log{i}", *arguments, "--runs", "two", *address, "--process", i, devices=2) for i in range(2)]
    statuses = [process.wait(240) for process in together]
    said = [(tmp_path / f"log{i}").read_text() for i in range(2)]
    assert statuses == [0, 0], "\n".join(said)
    sections = [(tmp_path / runs / "tiny" / "section.md").read_text() for runs in ("one", "two")]
    assert sections[0] == sections[1]
    assert results_in(tmp_path / "one") == results_in(tmp_path / "two")
    assert "figures in two" in said[0]
    assert "A tiny experiment" not in said[1], "only process 0 prints the section"


def test_other_pictures_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "allgather", lambda text: [text, json.dumps(["another key", False])])
    with pytest.raises(GmjaxError, match="process 1 has other pictures, options or code than process 0"):
        Cache(tmp_path)(results_in, tmp_path)


def test_a_folder_that_is_not_shared_is_refused(tmp_path, monkeypatch):
    """The other processes must not compute what process 0 reads."""
    monkeypatch.setattr(processes, "is_first", lambda: False)
    monkeypatch.setattr(processes, "allgather", lambda text: [text.replace("false", "true"), text])
    with pytest.raises(GmjaxError, match="use a folder for --runs that all share"):
        Cache(tmp_path)(results_in, tmp_path)


def test_gathered_restores_the_order_of_the_shares(monkeypatch):
    """Three processes share seven items; the results of the other two are simulated."""
    monkeypatch.setattr(processes, "count", lambda: 3)
    mine = []
    for index in range(3):
        monkeypatch.setattr(processes, "index", lambda index=index: index)
        mine.append(shares.share_of(7))
    assert [share.tolist() for share in mine] == [[0, 3, 6], [1, 4, 6], [2, 5, 6]]
    every = {"a": np.stack([10.0 * share for share in mine])}
    monkeypatch.setattr(shares.multihost_utils, "process_allgather", lambda share: every)
    np.testing.assert_array_equal(shares.gathered({"a": mine[0]}, 7)["a"], 10.0 * np.arange(7))


def test_one_process_has_everything():
    assert shares.share_of(3).tolist() == [0, 1, 2]
    tree = (np.arange(6.0).reshape(3, 2), np.arange(3))
    for a, b in zip(jax.tree.leaves(shares.gathered(tree, 3)), tree, strict=True):
        np.testing.assert_array_equal(a, b)
