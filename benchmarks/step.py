"""One step of Adam (value, gradient and update) at 120 x 120 with m = 80: gmjax, plain JAX and PyTorch on the CPU.

Input: an aligned ORL face, MSE + 1e-3 PAE, from the published common face. gmjax and plain JAX run 100 steps in one
jitted loop, as `gmjax.fit` does, and one jitted step called 100 times from Python, as PyTorch does. Plain JAX is the
dense sum (benchmarks/dense.py) with autodiff. PyTorch is an `nn.Module` with `optim.Adam` (experiments/pytorch.py), and
the whole step under `torch.compile` (benchmarks/compiled_pytorch.py). Loss and gradient of all sides are first checked
to agree to 1e-4 of the largest entry.
Expected: eager PyTorch takes at least 10 times gmjax's time; the target for compiled PyTorch is 4 times.
"""

import dataclasses

import jax
import numpy as np
import torch

import gmjax
from benchmarks import dense
from benchmarks.compiled_pytorch import CompiledTraining
from benchmarks.faces import one_face
from benchmarks.timing import against_first, alternately
from experiments.pytorch import EagerTraining
from gmjax.solvers.adam import Adam, Data
from gmjax.solvers.stages import advance, numbers_of_steps
from gmjax.solvers.unconstrained import from_unconstrained, to_unconstrained
from gmjax.statistics import one_image

STEPS, THREADS = 100, 2
CONFIG = gmjax.FitConfig(steps=2000, pae_weight=1e-3)


@dataclasses.dataclass(frozen=True)
class PlainAdam(Adam):
    """gmjax's Adam on the dense sum."""

    def objective(self, data: Data, free: gmjax.Unconstrained):
        return dense.loss(from_unconstrained(free), data.statistics.mean, self.config.pae_weight)


def run() -> str:
    torch.set_num_threads(THREADS)
    face, start = one_face(), gmjax.published_common_face()
    data, solvers = Data(one_image(face), None), {"gmjax": Adam(CONFIG), "plain JAX": PlainAdam(CONFIG)}
    trainings = {
        "PyTorch, eager": EagerTraining(start, face, CONFIG.pae_weight),
        "PyTorch, torch.compile": CompiledTraining(start, face, CONFIG.pae_weight),
    }
    _check_the_same(start, data, solvers, trainings["PyTorch, eager"])

    sides = {}
    for name, solver in solvers.items():
        sides[f"{name}, in a loop"], sides[f"{name}, step by step"] = _jax_sides(start, data, solver)
    for name, training in trainings.items():
        sides[name] = lambda training=training: [training.step() for _ in range(STEPS)][-1].item()
    seconds = {name: s / STEPS for name, s in alternately(sides, rounds=9).items()}
    return against_first("one step", seconds)


def _jax_sides(start, data, solver):
    state = jax.jit(solver.init)(data, start)
    step = jax.jit(solver.step)

    def step_by_step():
        now = state
        for _ in range(STEPS):
            now, loss = step(data, now)
        return loss

    return lambda: advance(solver, data, state, numbers_of_steps(0, STEPS)), step_by_step


def _check_the_same(start, data, solvers, training) -> None:
    def value_and_gradient(solver):
        """With respect to the parameters of the formula, as in PyTorch."""
        return jax.value_and_grad(lambda params: solver.objective(data, to_unconstrained(params)))(start)

    value, gradient = value_and_gradient(solvers["gmjax"])
    theirs = training.value_and_gradient().item()
    others = {
        "plain JAX": value_and_gradient(solvers["plain JAX"]),
        "PyTorch": (theirs, gmjax.GmFace(*(part.grad.numpy() for part in training.net.parameters()))),
    }
    for name, (other_value, other_gradient) in others.items():
        np.testing.assert_allclose(other_value, value, rtol=1e-4, err_msg=name)
        for a, b in zip(jax.tree.leaves(other_gradient), jax.tree.leaves(gradient), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4 * np.abs(b).max(), rtol=0, err_msg=name)
