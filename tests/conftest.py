"""Strict settings for the whole suite: types and shapes checked, no silent rank promotion, eight devices on the CPU.

What is compiled is kept in the tree, for all workers and for the commands that tests start.
"""

import gc
import os
from pathlib import Path

import jax
import jaxtyping
import numpy as np
import pytest
from jaxtyping import install_import_hook

# Tracing makes many objects, and few of them are garbage.
gc.set_threshold(100_000, 20, 20)
# For this process, and for those that tests start.
CACHE = Path(__file__).parent.parent / ".cache" / "jax"
jax.config.update("jax_compilation_cache_dir", str(CACHE))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.15)
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(CACHE)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.15"

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")

with install_import_hook("gmjax", "beartype.beartype"):
    import gmjax

from tests.browser import browser, page  # noqa: E402, F401

SOAKING = bool(os.environ.get("GMJAX_SOAK_MINUTES"))
# All of these are part of a soak; of other files, what is marked.
SOAKED = "tests/reliability/", "tests/experiments/test_processes.py"


def pytest_collection_modifyitems(config, items):
    """Outside of a soak, what is marked ``soak`` is left out; in a soak, what is neither marked nor in SOAKED."""
    chosen = {True: [], False: []}
    for item in items:
        is_marked = item.get_closest_marker("soak") is not None
        chosen[item.nodeid.startswith(SOAKED) or is_marked if SOAKING else not is_marked].append(item)
    config.hook.pytest_deselected(items=chosen[False])
    items[:] = chosen[True]


def pytest_report_header():
    return f"jax {jax.__version__}, numpy {np.__version__}"


@pytest.fixture
def unchecked():
    """Without jaxtyping, as users run gmjax: for tests of gmjax's own refusals."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def published() -> gmjax.GmFace:
    return gmjax.published_common_face()


@pytest.fixture
def model() -> gmjax.GmFace:
    """Five components of very different shape, one of them outside the picture."""
    return small_model()


@pytest.fixture
def color_model() -> gmjax.GmFace:
    return small_model(channels=3)


def small_model(channels: int | None = None, seed: int = 0) -> gmjax.GmFace:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(5,) if channels is None else (5, channels))
    means = rng.uniform(-0.1, 1.1, size=(5, 2))
    chol = np.stack([np.geomspace(0.5, 30, 5), rng.normal(size=5) * 4, np.geomspace(20, 1, 5)], axis=-1)
    return gmjax.GmFace(*(np.float32(part) for part in (weights, means, chol)))


@pytest.fixture
def picture() -> np.ndarray:
    """A smooth gray picture (24, 20) that no small sum of Gaussians writes exactly."""
    row, column = np.mgrid[:24, :20] / 20
    return np.float32(0.5 + 0.3 * np.sin(5 * row) * np.cos(4 * column) + 0.1 * column)
