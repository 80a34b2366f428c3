"""One step of Adam (value, gradient and update) at 120 x 120 with m = 80: gmjax, plain JAX and PyTorch on the CPU.

Input: an aligned ORL face, MSE + 1e-3 PAE, from the published common face. gmjax and plain JAX run 100 steps in one
jitted loop, as `gmjax.fit` does, and one jitted step called 100 times from Python, as PyTorch does. Plain JAX is the
dense sum (benchmarks/dense.py) with autodiff. PyTorch is an `nn.Module` with `optim.Adam` (experiments/pytorch.py), and
the whole step under `torch.compile` (benchmarks/compiled_pytorch.py). Loss and gradient of all sides are first checked
to agree to 1e-4 of the largest entry.
Expected: eager PyTorch takes at least 10 times gmjax's time; the target for compiled PyTorch is 4 times.
"""

import jax
import numpy as np
import torch

import gmjax
from benchmarks import dense
from benchmarks.compiled_pytorch import CompiledTraining
from benchmarks.faces import one_face
from benchmarks.timing import against_first, alternately
from experiments.pytorch import EagerTraining
from gmjax.losses import one_image
from gmjax.solvers import adam
from gmjax.solvers.fitting import free_value_and_grad, optimizer_of, statistics_objective
from gmjax.solvers.unconstrained import to_unconstrained

STEPS, THREADS = 100, 2
CONFIG = gmjax.FitConfig(steps=2000, pae_weight=1e-3)


def run() -> str:
    torch.set_num_threads(THREADS)
    face, start = one_face(), gmjax.published_common_face()
    objectives = {
        "gmjax": statistics_objective(one_image(jax.numpy.asarray(face)), None, CONFIG),
        "plain JAX": lambda params: dense.loss(params, face, CONFIG.pae_weight),
    }
    trainings = {
        "PyTorch, eager": EagerTraining(start, face, CONFIG.pae_weight),
        "PyTorch, torch.compile": CompiledTraining(start, face, CONFIG.pae_weight),
    }
    _check_the_same(start, objectives, trainings["PyTorch, eager"])

    sides = {}
    for name, objective in objectives.items():
        sides[f"{name}, in a loop"], sides[f"{name}, step by step"] = _jax_sides(start, objective)
    for name, training in trainings.items():
        sides[name] = lambda training=training: [training.step() for _ in range(STEPS)][-1].item()
    seconds = {name: s / STEPS for name, s in alternately(sides, rounds=9).items()}
    return against_first("one step", seconds)


def _jax_sides(start, objective):
    optimizer = optimizer_of(CONFIG, CONFIG.settled_steps)
    value_and_grad = free_value_and_grad(objective)
    state = adam.init(to_unconstrained(start), optimizer)
    loop, step = (jax.jit(lambda state, n=n: adam.run(value_and_grad, optimizer, state, n)) for n in (STEPS, 1))

    def step_by_step():
        now = state
        for _ in range(STEPS):
            now, loss = step(now)
        return loss

    return lambda: loop(state), step_by_step


def _check_the_same(start, objectives, training) -> None:
    found = {name: jax.value_and_grad(objective)(start) for name, objective in objectives.items()}
    value = training.value_and_gradient().item()
    found["PyTorch"] = value, gmjax.GmFace(*(part.grad.numpy() for part in training.net.parameters()))
    value, gradient = found.pop("gmjax")
    for name, (other_value, other_gradient) in found.items():
        np.testing.assert_allclose(other_value, value, rtol=1e-4, err_msg=name)
        for a, b in zip(jax.tree.leaves(other_gradient), jax.tree.leaves(gradient), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4 * np.abs(b).max(), rtol=0, err_msg=name)
