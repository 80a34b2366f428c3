"""Time per face of a step with 1, 4 and 16 faces at once under `vmap`.

Input: the first ORL faces, aligned, 120 x 120, m = 80 from the published common face; `jit(vmap(fit))` with 100 steps.
Expected on a CPU: the same time per face, because `vmap` fits one face after the other there.
"""

import jax

import gmjax
from benchmarks.timing import against_first, alternately
from gmjax.data import orl_faces

STEPS = 100


def run() -> str:
    images, start = jax.numpy.asarray(orl_faces().images[:16]), gmjax.published_common_face()
    fit = jax.jit(jax.vmap(lambda image: gmjax.fit(image, start, config=gmjax.FitConfig(steps=STEPS))))
    seconds = alternately({str(count): lambda count=count: fit(images[:count]) for count in (1, 4, 16)}, rounds=5)
    return against_first("faces at once", {count: s / STEPS / int(count) for count, s in seconds.items()})
