"""Table 4, on a few small faces."""

import numpy as np

from experiments import personal
from experiments.models import Fits
from gmjax.data import Faces
from tests.experiments import TINY
from tests.experiments.conftest import aligned_once

CONFIG = personal.Config(**TINY, components=(40,), people=3, every_picture=40, named=2, chunk=2)


def test_both_recipes_next_to_the_paper(cached, monkeypatch, without_fits):
    without_fits(personal)
    few = Faces((faces := aligned_once(size=CONFIG.size)).images[::100], faces.names[::100])
    monkeypatch.setattr(personal.collection, "main_faces", lambda config: few)
    report = personal.run(CONFIG, cached)
    text = "\n".join(report.parts)
    assert text.count("| gmjax's lm |") == text.count("| paper's recipe |") == 3
    assert "s1/1.pgm" in text
    assert "s31/1.pgm" in text
    assert "All 4 pictures of ORL, m = 40, by lm: MSE" in text
    assert set(report.figures) == {"table4.png"}


def test_chunks_are_concatenated():
    def fits(values, seconds):
        values = np.array(values)
        return Fits({"w": values[:, None]}, values, 2 * values, seconds)

    whole = personal.concatenate([fits([1.0, 2.0], 1.0), fits([3.0], 4.0)])
    np.testing.assert_array_equal(whole.mse, [1, 2, 3])
    np.testing.assert_array_equal(whole.params["w"], [[1], [2], [3]])
    assert whole.seconds == 2.0
