"""What is computed once is used again, and only where nothing has changed."""

import numpy as np

from experiments.kept import Kept

CALLS = []


def measured(array, number):
    CALLS.append(number)
    return array * number


def test_a_result_is_computed_once(tmp_path):
    CALLS.clear()
    array = np.arange(3.0)
    for _ in range(2):
        kept = Kept(tmp_path)
        np.testing.assert_array_equal(kept(measured, array, 2), [0, 2, 4])
        np.testing.assert_array_equal(kept(measured, array + 1, 2), [2, 4, 6])
        assert kept.seconds > 0
    assert CALLS == [2, 2]
    kept(measured, array, 3)
    assert CALLS == [2, 2, 3]


def test_other_versions_compute_again(tmp_path, monkeypatch):
    CALLS.clear()
    Kept(tmp_path)(measured, np.ones(2), 1)
    monkeypatch.setattr("experiments.kept.runs.versions", lambda: {"jax": "another"})
    Kept(tmp_path)(measured, np.ones(2), 1)
    assert CALLS == [1, 1]
