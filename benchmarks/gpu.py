"""Personal faces fitted per second on a GPU: a collection through `gmjax.parallel.fit_many`.

Input: 1040 faces (as many as CAS-PEAL-R1 has people; here the ORL faces, repeated), 120 x 120, m = 80, 2000 steps
from the published common face. For comparison with the device's data sheet: exponentials per second, counted as
m x pixels per step, and bytes per second, as XLA counts the accesses of value and gradient. Skipped on a CPU.
"""

import time
from functools import partial

import jax
import numpy as np

import gmjax
from experiments.markdown import table
from gmjax import parallel
from gmjax.data import orl_faces
from gmjax.solvers.adam import Adam, Data
from gmjax.solvers.unconstrained import to_unconstrained
from gmjax.statistics import one_image

FACES, CONFIG = 1040, gmjax.FitConfig(steps=2000, pae_weight=1e-3)


def run() -> str:
    if jax.default_backend() == "cpu":
        return "Skipped: JAX found no GPU or TPU."
    faces, start = orl_faces().images, gmjax.published_common_face()
    images = faces[np.arange(FACES) % len(faces)]
    dict(parallel.fit_many(images[:1], start, config=CONFIG))
    began = time.perf_counter()
    errors = [float(result.info.mse) for _, result in parallel.fit_many(images, start, config=CONFIG)]
    seconds = time.perf_counter() - began
    evaluations = FACES * CONFIG.steps / seconds
    return table(
        ("device", "faces/s", "mean MSE", "1e9 exponentials/s", "GB/s"),
        [
            (
                jax.devices()[0].device_kind,
                FACES / seconds,
                float(np.mean(errors)),
                evaluations * start.num_components * images[0].size / 1e9,
                evaluations * _bytes_per_step(images[0], start) / 1e9,
            )
        ],
    )


def _bytes_per_step(image, start) -> float:
    """Bytes accessed per face by value and gradient, in a batch of 16."""
    free = to_unconstrained(start)

    def one(image):
        return jax.value_and_grad(partial(Adam(CONFIG).objective, Data(one_image(image), None)))(free)

    batch = jax.ShapeDtypeStruct((16, *image.shape), image.dtype)
    return jax.jit(jax.vmap(one)).lower(batch).compile().cost_analysis()["bytes accessed"] / 16
