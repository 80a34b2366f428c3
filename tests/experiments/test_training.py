"""Table 2: the training, both readings of its loss, and an interrupted training."""

import pytest

from experiments import training
from experiments.cache import Cache
from gmjax import parallel

TINY = training.Config(size=24, components=(6,), epochs=(2, 4), save_every=1, batch_size=256)


def test_the_papers_losses_as_roots_are_errors_to_the_average():
    """At the end 2.86e-5 for m = 80 (Fig. 8), which implies about 1.8e-4 for m = 40."""
    assert training.papers_to_average(80)[-1] == pytest.approx(2.86e-5)
    assert training.papers_to_average(40)[-1] == pytest.approx(1.8e-4, rel=0.02)


def not_reached(statistics, start, target) -> None:
    """In place of the fit by lm, which has hundreds of steps."""


@pytest.mark.soak
def test_an_interrupted_training_resumes_to_the_same_result(cached, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "second_order", not_reached)
    whole = training.run(TINY, cached)
    text = "\n".join(whole.parts)
    assert "| 6 | root of the MSE | 0." in text
    assert "Neither reading is close enough" in text, "eight steps are too few to tell"
    assert set(whole.figures) == {"fig6.png", "fig7.png"}

    epochs_of_all, last = [], [3]
    real = parallel.prepare_common

    def counted(*arguments, **options):
        prepared = real(*arguments, **options)
        if "images" not in options:
            return prepared
        (stage,) = prepared.stages

        def inputs(first, steps):
            if len(epochs_of_all) == last[0]:
                raise KeyboardInterrupt
            epochs_of_all.append(first // steps)
            return stage.xs(first, steps)

        return prepared._replace(stages=(stage._replace(xs=inputs),))

    monkeypatch.setattr(parallel, "prepare_common", counted)
    other = Cache(tmp_path / "other")
    with pytest.raises(KeyboardInterrupt):
        training.run(TINY, other)
    last[0] = None
    resumed = training.run(TINY, other)
    assert epochs_of_all == [0, 1, 2, 3] * len(training.PAE_WEIGHTS), "none was computed twice"
    assert resumed.comparisons == whole.comparisons
    assert resumed.parts[:5] == whole.parts[:5]

    again = training.run(TINY, other)
    assert len(epochs_of_all) == 8
    assert again.parts == resumed.parts, "the times too are those of the run that measured them"
