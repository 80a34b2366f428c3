"""What is computed once is used again, and only where nothing has changed."""

import warnings

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
    versions = {"jax": "another", "devices": 1}
    monkeypatch.setattr("experiments.kept.runs.versions", lambda: versions)
    Kept(tmp_path)(measured, np.ones(2), 1)
    assert CALLS == [1, 1]
    versions["devices"] = 2
    Kept(tmp_path)(measured, np.ones(2), 1)
    assert CALLS == [1, 1], "the number of devices changes nothing"


def test_a_result_cut_short_is_computed_again(tmp_path):
    """As a full disk or a loss of power may leave it."""
    CALLS.clear()
    Kept(tmp_path)(measured, np.ones(3), 4)
    (whole,) = tmp_path.rglob("test_kept.measured/*")
    whole.write_bytes(whole.read_bytes()[:20])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(Kept(tmp_path)(measured, np.ones(3), 4), [4, 4, 4])
    assert CALLS == [4, 4]


def test_a_result_that_is_asked_for_twice_took_its_time_once(tmp_path):
    kept = Kept(tmp_path)
    kept(measured, np.ones(3), 6)
    once = kept.seconds
    kept(measured, np.ones(3), 6)
    assert kept.seconds == once > 0
