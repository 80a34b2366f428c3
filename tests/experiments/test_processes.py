"""Two processes of two devices each, for real: the same section as of one, and the same results kept."""

import jax
import numpy as np
import pytest

from experiments.kept import Kept
from gmjax.parallel import processes
from tests.reliability import commands

TINY = "tests.experiments.tiny"


def kept_in(runs) -> list[str]:
    return sorted(path.name for path in (runs / "kept").rglob("*") if path.is_file())


def test_the_same_as_of_one(tmp_path, folder_of_faces):
    arguments = ("--data", folder_of_faces, "--size", 24)
    one = commands.start(tmp_path, *arguments, "--runs", "one", program=TINY)
    assert one.status() == 0, one.said()
    together = commands.start_together(tmp_path, 2, *arguments, "--runs", "two", program=TINY)
    assert [command.status() for command in together] == [0, 0], together[0].said() + together[1].said()
    sections = [(tmp_path / runs / "tiny" / "section.md").read_text() for runs in ("one", "two")]
    assert sections[0] == sections[1]
    assert kept_in(tmp_path / "one") == kept_in(tmp_path / "two")
    assert "pictures in two" in together[0].said()
    assert "A tiny experiment" not in together[1].said(), "the first one says it"


def test_other_pictures_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "from_each", lambda text: [text, "another of another False"])
    with pytest.raises(OSError, match="process 1 has other pictures, options or code than process 0"):
        Kept(tmp_path)(kept_in, tmp_path)


def test_a_folder_that_is_not_shared_is_refused(tmp_path, monkeypatch):
    """What process 0 has is not to be computed by the others alone."""
    monkeypatch.setattr(processes, "is_first", lambda: False)
    monkeypatch.setattr(processes, "from_each", lambda text: [text.replace("False", "True"), text])
    with pytest.raises(OSError, match="give --runs a folder that all processes share"):
        Kept(tmp_path)(kept_in, tmp_path)


def test_shares_of_processes_join_to_the_whole(monkeypatch):
    """Of seven in threes; as the other two would send it."""
    monkeypatch.setattr(processes, "count", lambda: 3)
    shares = []
    for index in range(3):
        monkeypatch.setattr(processes, "index", lambda index=index: index)
        shares.append(processes.share_of(7))
    assert [share.tolist() for share in shares] == [[0, 3, 6], [1, 4, 6], [2, 5, 6]]
    monkeypatch.setattr(processes, "together", lambda: None)
    every = {"a": np.stack([10.0 * share for share in shares])}
    monkeypatch.setattr(processes.multihost_utils, "process_allgather", lambda share: every)
    np.testing.assert_array_equal(processes.gathered({"a": shares[0]}, 7)["a"], 10.0 * np.arange(7))


def test_one_process_has_everything():
    assert processes.share_of(3).tolist() == [0, 1, 2]
    tree = (np.arange(6.0).reshape(3, 2), np.arange(3))
    for a, b in zip(jax.tree.leaves(processes.gathered(tree, 3)), tree, strict=True):
        np.testing.assert_array_equal(a, b)
