"""Results are computed once and reused, but only where nothing has changed."""

import jax
import numpy as np

from experiments.cache import Cache

CALLS = []


def measured(array, number):
    CALLS.append(number)
    return array * number


def test_a_result_is_computed_once(tmp_path):
    CALLS.clear()
    array = np.arange(3.0)
    for _ in range(2):
        cached = Cache(tmp_path)
        np.testing.assert_array_equal(cached(measured, array, 2), [0, 2, 4])
        np.testing.assert_array_equal(cached(measured, array + 1, 2), [2, 4, 6])
        assert cached.seconds > 0
    assert CALLS == [2, 2]
    cached(measured, array, 3)
    assert CALLS == [2, 2, 3]


def test_other_versions_compute_again(tmp_path, monkeypatch):
    CALLS.clear()
    Cache(tmp_path)(measured, np.ones(2), 1)
    monkeypatch.setattr("experiments.cache.versions", lambda *packages: {"jax": "another"})
    Cache(tmp_path)(measured, np.ones(2), 1)
    assert CALLS == [1, 1]
    twice = 2 * jax.devices()
    monkeypatch.setattr("experiments.cache.jax.devices", lambda: twice)
    Cache(tmp_path)(measured, np.ones(2), 1)
    assert CALLS == [1, 1], "the number of devices changes nothing"


def test_a_damaged_result_is_computed_again(tmp_path):
    CALLS.clear()
    Cache(tmp_path)(measured, np.ones(3), 4)
    (whole,) = tmp_path.rglob("test_cache.measured/*")
    whole.write_bytes(whole.read_bytes()[:20])
    np.testing.assert_array_equal(Cache(tmp_path)(measured, np.ones(3), 4), [4, 4, 4])
    assert CALLS == [4, 4]


def test_the_time_of_a_result_counts_once(tmp_path):
    cached = Cache(tmp_path)
    cached(measured, np.ones(3), 6)
    once = cached.seconds
    cached(measured, np.ones(3), 6)
    assert cached.seconds == once > 0
