"""Table 2, Fig. 6 and Fig. 7: training the common face as in the paper, and from statistics.

Minibatches of 256 faces, Adam with its published defaults, m = 40, 60, 80, from Gaussians at random positions. The
paper reports losses near 0.1, but neither lambda nor whether a loss is an error or its root. Both readings are trained:
the loss as MSE + 0.1 PAE, and as the root of the MSE (trained as MSE + 1e-4 PAE, because Adam takes nearly the same
steps for an error and its root). Then the same common faces are fitted from statistics, four numbers per pixel that
suffice for the loss: in how many steps and seconds do they reach the same error?

Command:   python -m experiments.training
Cost:      9 minutes on 2 cores
Expected:  with MSE + 0.1 PAE the MSE between common and average face stays at about 1e-3; with the root of the MSE it
           ends within a factor of 2 of the paper's, which speaks for that reading. From statistics, the same error
           takes a small fraction of the time.
"""

import dataclasses
import time
from itertools import islice
from typing import NamedTuple

import jax
import numpy as np
from matplotlib.figure import Figure

import gmjax
from experiments import collection, script
from experiments.cache import Cache
from experiments.figures import grid_of_pictures, plain_axes
from experiments.models import on_host
from experiments.progress import progress
from experiments.report import Report
from gmjax import parallel
from gmjax.losses import statistics_mse, statistics_pae
from gmjax.solvers import starts
from gmjax.solvers.stages import Position
from gmjax.statistics import ImageStatistics

PAPER_EPOCHS = 100, 200, 500, 1000, 2000
PAPER_LOSSES = {
    40: (0.10826, 0.10185, 0.10014, 0.09962, 0.09892),
    60: (0.10385, 0.10130, 0.09973, 0.09905, 0.09853),
    80: (0.10195, 0.10029, 0.09963, 0.09860, 0.09815),
}
PAPER_TO_AVERAGE = 2.86e-5
# 1870 faces in minibatches of 256.
PAPER_STEPS_PER_EPOCH = 8
SUM, ROOT = "MSE + 0.1 PAE", "root of the MSE"
PAE_WEIGHTS = {SUM: 0.1, ROOT: 1e-4}
MINIBATCHES, SAME_RATES, ADAM, LM = "minibatches", "the same rates, from statistics", "gmjax's Adam", "gmjax's lm"


@dataclasses.dataclass(frozen=True)
class Config(collection.Options):
    components: tuple[int, ...] = (40, 60, 80)
    """Numbers of components m."""

    epochs: tuple[int, ...] = PAPER_EPOCHS
    """The epochs to report; training ends at the last one."""

    batch_size: int = 256
    """Faces per step."""

    save_every: int = 100
    """Epochs between saved states; an interrupted training resumes from the last one."""


FULL = Config()


class Plan(NamedTuple):
    """A minibatch training: what its result depends on besides the faces and the start."""

    pae_weight: float
    batch_size: int
    epochs: int
    seed: int

    @property
    def config(self) -> gmjax.FitConfig:
        return gmjax.FitConfig.paper(batch_size=self.batch_size, epochs=self.epochs, pae_weight=self.pae_weight)


class Errors(NamedTuple):
    """MSE and PAE over all faces, and the MSE to their average."""

    mse: float
    pae: float
    to_average: float

    def loss(self, reading: str) -> float:
        return self.mse + 0.1 * self.pae if reading == SUM else self.mse**0.5


class Training(NamedTuple):
    """``models`` at the reported epochs and their ``errors``; the mean loss of each epoch; ``seconds`` per epoch."""

    models: list[gmjax.GmFace]
    errors: list[Errors]
    losses: np.ndarray
    steps: int
    seconds: float


class Effort(NamedTuple):
    """What a fit took to reach an error."""

    steps: int
    seconds: float


def run(config: Config, cached: Cache) -> Report:
    config = dataclasses.replace(config, epochs=tuple(sorted(set(config.epochs))))
    images = collection.main_faces(config).images
    statistics = on_host(parallel.image_statistics(images))
    key = jax.random.key(config.seed)
    start_of = {m: on_host(starts.at_random(key, statistics.mean, m)) for m in config.components}
    trained = {
        (m, reading): train(cached, images, statistics, start_of[m], config, pae_weight)
        for reading, pae_weight in PAE_WEIGHTS.items()
        for m in config.components
    }
    paper_steps = PAPER_STEPS_PER_EPOCH * config.epochs[-1]
    efforts = {
        m: efforts_from_statistics(cached, statistics, start_of[m], trained[m, ROOT].errors[-1], paper_steps)
        for m in config.components
    }
    largest = max(config.components)
    ends = [
        cached(end_of_same_rates, statistics, start_of[largest], steps)
        for steps in (trained[largest, ROOT].steps, paper_steps)
    ]

    report = Report("Table 2, Figs. 6 and 7: training the common face")
    variance = float(np.mean(statistics.mean_square - np.square(statistics.mean)))
    report.text(
        f"{collection.name_of(config)}, {len(images)} faces in minibatches of {config.batch_size}, starting from "
        f"random Gaussians, seed {config.seed}. The variance of the faces about their average is {variance:.4g}, its "
        f"root {variance**0.5:.5f}: no common face has a smaller MSE. Losses are over all faces, after the epoch."
    )
    add_losses(report, config, trained)
    add_errors_to_average(report, config, trained)
    add_reading(report, config, trained)
    compare(report, config, trained, ends)
    report.figure(
        "fig6",
        draw_renders(config, trained),
        "Fig. 6: the common face in training, the loss as root of the MSE; last column: as MSE + 0.1 PAE, at the end",
    )
    report.figure(
        "fig7",
        draw_losses(config, trained),
        "Fig. 7: mean loss over the minibatches of each epoch (root: of MSE + 1e-4 PAE); crosses: the paper",
    )
    add_efforts(report, config, trained, efforts)
    return report


def train(cached: Cache, images, statistics: ImageStatistics, start, config: Config, pae_weight: float) -> Training:
    """Trains by minibatches; the position after every ``save_every`` epochs is cached."""
    plan = Plan(pae_weight, config.batch_size, config.epochs[-1], config.seed)
    ends = sorted({*config.epochs, *range(config.save_every, plan.epochs, config.save_every)})
    position, models, seconds = None, [], []
    for epochs in (range(first, last) for first, last in zip([0, *ends], ends, strict=False)):
        position, took = cached(train_epochs, images, statistics, start, plan, position, epochs)
        seconds.append(took / len(epochs))
        if epochs.stop in config.epochs:
            models.append(on_host(gmjax.from_unconstrained(position.state.free)))
    errors = [errors_of(model, statistics) for model in models]
    (losses,) = position.losses
    return Training(
        models, errors, losses.reshape(plan.epochs, -1).mean(axis=1), len(losses), float(np.median(seconds))
    )


def train_epochs(images, statistics, start, plan: Plan, position: Position | None, epochs: range):
    """Some epochs of a training, from ``position`` on: the position after them, and the seconds they took."""
    prepared = parallel.prepare_common(
        statistics, start, config=plan.config, key=jax.random.key(plan.seed), images=images
    )
    (stage,) = prepared.stages
    by_epoch = prepared._replace(stages=(stage._replace(chunk=prepared.steps // plan.epochs),))
    label = f"m = {start.num_components}, lambda {plan.pae_weight:g}, from epoch {epochs.start}"
    began = time.perf_counter()
    some = islice(by_epoch.run(position), len(epochs))
    *_, position = progress(some, label=label, unit="epoch", total=len(epochs))
    return position, time.perf_counter() - began


def errors_of(model: gmjax.GmFace, statistics: ImageStatistics) -> Errors:
    rendered = gmjax.render(model, statistics.shape)
    to_average = float(gmjax.mse(rendered, statistics.mean))
    return Errors(float(statistics_mse(rendered, statistics)), float(statistics_pae(rendered, statistics)), to_average)


def efforts_from_statistics(cached: Cache, statistics, start, target: Errors, most: int) -> dict[str, Effort]:
    """The effort of each method to reach ``target`` in at most ``most`` steps; methods that do not are left out."""
    found = {
        SAME_RATES: cached(same_rates, statistics, start, target, most),
        ADAM: cached(adam, statistics, start, target, most),
        LM: cached(second_order, statistics, start, target),
    }
    return {method: effort for method, effort in found.items() if effort is not None}


def same_rates(statistics: ImageStatistics, start, target: Errors, most: int) -> Effort | None:
    """With the optimiser of the minibatch training."""
    result, seconds = timed_fit(statistics, start, paper_config(most))
    reached = np.asarray(result.info.loss["adam"]) <= target.mse + PAE_WEIGHTS[ROOT] * target.pae
    steps = int(reached.argmax())
    return Effort(steps, seconds * steps / most) if reached.any() else None


def adam(statistics: ImageStatistics, start, target: Errors, most: int) -> Effort | None:
    """With gmjax's Adam: the shortest of the fits of 25, 50, 100, ... steps whose result reaches the target."""
    steps = 25
    while steps <= most:
        result, seconds = timed_fit(statistics, start, gmjax.FitConfig(steps=steps))
        if errors_of(result.params, statistics).to_average <= target.to_average:
            return Effort(steps, seconds)
        steps *= 2
    return None


def second_order(statistics: ImageStatistics, start, target: Errors) -> Effort | None:
    """With gmjax's lm, until the model of some step reaches the target."""
    result, seconds = timed_fit(statistics, start, gmjax.FitConfig(solver="lm"))
    losses = np.asarray(result.info.loss["least_squares"])
    reached = losses <= target.to_average
    steps = int(reached.argmax()) + 1
    return Effort(steps, seconds * steps / len(losses)) if reached.any() else None


def end_of_same_rates(statistics: ImageStatistics, start, steps: int) -> float:
    """The MSE to the average face after ``steps`` steps of the minibatch training's optimiser, from statistics."""
    result = parallel.fit_common(statistics, start, config=paper_config(steps))
    return errors_of(result.params, statistics).to_average


def paper_config(steps: int) -> gmjax.FitConfig:
    return gmjax.FitConfig.paper(steps=steps, pae_weight=PAE_WEIGHTS[ROOT])


def timed_fit(statistics: ImageStatistics, start, config: gmjax.FitConfig) -> tuple[gmjax.FitResult, float]:
    """A fit and its seconds without compilation."""
    parallel.fit_common(statistics, start, config=config)
    began = time.perf_counter()
    result = jax.block_until_ready(parallel.fit_common(statistics, start, config=config))
    return result, time.perf_counter() - began


def add_losses(report: Report, config: Config, trained) -> None:
    report.text("The losses in both readings, and the paper's Table 2:")
    rows = []
    for m in config.components:
        for reading in PAE_WEIGHTS:
            rows.append((m, reading, *(f"{e.loss(reading):.5f}" for e in trained[m, reading].errors)))
        if is_papers(config, m):
            rows.append((m, "paper", *(f"{loss:.5f}" for loss in PAPER_LOSSES[m])))
    report.table(("m", "loss", *(f"epoch {epoch}" for epoch in config.epochs)), rows)


def add_errors_to_average(report: Report, config: Config, trained) -> None:
    report.text(
        "The MSE between the common face and the average face. The paper's values are computed from its losses, "
        "assuming that these are roots of the MSE and that the square of the last one is "
        f"{PAPER_TO_AVERAGE} above the variance (Fig. 8):"
    )
    rows = []
    for m in config.components:
        for reading in PAE_WEIGHTS:
            rows.append((m, reading, *(f"{e.to_average:.2e}" for e in trained[m, reading].errors)))
        if is_papers(config, m):
            rows.append((m, "paper, as roots", *(f"{value:.2e}" for value in papers_to_average(m))))
    report.table(("m", "loss", *(f"epoch {epoch}" for epoch in config.epochs)), rows)


def add_reading(report: Report, config: Config, trained) -> None:
    """Which reading of the loss fits the paper's error."""
    m = max(config.components)
    ends = {reading: trained[m, reading].errors[-1].to_average for reading in PAE_WEIGHTS}
    closer, other = sorted(ends, key=lambda reading: abs(np.log(ends[reading] / PAPER_TO_AVERAGE)))
    factor = max(ends[closer] / PAPER_TO_AVERAGE, PAPER_TO_AVERAGE / ends[closer])
    report.text(
        (
            f"**The data favour the loss as the {closer}.**"
            if factor < 3
            else "Neither reading is close enough to the paper's error to tell which one the paper used."
        )
        + f" With the {closer}, the common face of m = {m} ends at an MSE of {ends[closer]:.2e} to the average face; "
        f"with the {other}, at {ends[other]:.2e}. The paper reports {PAPER_TO_AVERAGE}. In the sum, one outlying pixel "
        "of one face outweighs all others."
    )


def compare(report: Report, config: Config, trained, ends: list[float]) -> None:
    """``ends``: the errors from statistics after as many steps as the training, and as many as the paper's."""
    m, last = max(config.components), config.epochs[-1]
    end = trained[m, ROOT].errors[-1].to_average
    report.compare(
        f"MSE of the common face to the average face, m = {m}, epoch {last}",
        f"at most {PAPER_TO_AVERAGE}",
        f"{end:.2e}",
        end <= PAPER_TO_AVERAGE,
        f"from statistics, without the noise of minibatches, the same rates end at {ends[0]:.2e} after the same "
        f"{trained[m, ROOT].steps} steps, and at {ends[1]:.2e} after the paper's {PAPER_STEPS_PER_EPOCH * last}",
    )
    losses = np.array([[e.loss(ROOT) for e in trained[m, ROOT].errors] for m in sorted(config.components)])
    claims = "the loss decreases with the number of components", "the loss decreases from epoch to epoch"
    for axis, claim in enumerate(claims):
        if losses.shape[axis] > 1:
            falls = bool(np.all(np.diff(losses, axis=axis) < 0))
            report.compare(claim, "yes", "yes" if falls else "no", falls, "see the table")


def add_efforts(report: Report, config: Config, trained, efforts: dict[int, dict[str, Effort]]) -> None:
    report.text(
        "Steps and seconds, without compilation, until the MSE to the average face is as small as at the end of the "
        "minibatch training (root of the MSE), from the same start. For gmjax's Adam: the shortest of the fits of 25, "
        "50, 100, ... steps that ends there. A dash: not reached."
    )
    methods, rows = (MINIBATCHES, SAME_RATES, ADAM, LM), []
    for m in config.components:
        training = trained[m, ROOT]
        found = {MINIBATCHES: Effort(training.steps, training.seconds * config.epochs[-1])} | efforts[m]
        cells = (f"{e.steps} steps, {e.seconds:.2g} s" if e else "-" for e in map(found.get, methods))
        rows.append((m, f"{training.errors[-1].to_average:.2e}", *cells))
    report.table(("m", "MSE to the average face", *methods), rows)


def draw_renders(config: Config, trained) -> Figure:
    shape = config.size, config.size
    rows = {
        f"m = {m}": [gmjax.render(model, shape) for model in [*trained[m, ROOT].models, trained[m, SUM].models[-1]]]
        for m in config.components
    }
    return grid_of_pictures(rows, [*(f"epoch {epoch}" for epoch in config.epochs), "MSE + 0.1 PAE"])


def draw_losses(config: Config, trained) -> Figure:
    figure = Figure(figsize=(11.0, 3.2), layout="constrained")
    panels = {
        reading: plain_axes(figure, 1, 3, number, title=f"loss: {reading}", xlabel="epoch", ylabel="loss", xscale="log")
        for number, reading in enumerate(PAE_WEIGHTS, start=1)
    }
    to_average = plain_axes(
        figure, 1, 3, 3, title=f"MSE to the average face ({ROOT})", xlabel="epoch", xscale="log", yscale="log"
    )
    for color, m in enumerate(config.components):
        style = {"color": f"C{color}", "linewidth": 1, "label": f"m = {m}"}
        for reading, axes in panels.items():
            losses = trained[m, reading].losses
            losses = losses if reading == SUM else np.sqrt(losses)
            axes.plot(np.arange(1, len(losses) + 1), losses, **style)
            if is_papers(config, m):
                axes.plot(PAPER_EPOCHS, PAPER_LOSSES[m], "x", color=f"C{color}")
        to_average.plot(config.epochs, [e.to_average for e in trained[m, ROOT].errors], "o-", markersize=3, **style)
        if is_papers(config, m):
            to_average.plot(PAPER_EPOCHS, papers_to_average(m), "x", color=f"C{color}")
    for axes in figure.axes:
        axes.legend(frameon=False)
    return figure


def papers_to_average(m: int) -> list[float]:
    """The MSE to the average face if the paper's losses are roots of the MSE, and the last one ends as in Fig. 8."""
    return [loss**2 - PAPER_LOSSES[80][-1] ** 2 + PAPER_TO_AVERAGE for loss in PAPER_LOSSES[m]]


def is_papers(config: Config, m: int) -> bool:
    """Whether the paper reports losses for m at the epochs of ``config``."""
    return m in PAPER_LOSSES and config.epochs == PAPER_EPOCHS


if __name__ == "__main__":
    script.main("training")
