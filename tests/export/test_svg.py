"""The ellipses of the SVG lie where the components are."""

import dataclasses
import re
import xml.etree.ElementTree as ElementTree

import numpy as np

from gmjax.export import svg
from tests.export.formulas import formula

NAME = "{http://www.w3.org/2000/svg}"


def test_ellipses():
    """Their axes are eigenvectors of the precision matrices in pixels, with q = 1/2 at their ends."""
    made = dataclasses.replace(formula(), digits=14)
    root = ElementTree.fromstring(svg.write(made))
    height, width = made.shape
    assert root.get("viewBox") == f"0 0 {width} {height}"
    assert "not of the picture" in root.find(f"{NAME}desc").text
    drawn = root.findall(f".//{NAME}ellipse")
    assert len(drawn) == 4
    for ellipse, weight, mean, (l11, l21, l22) in zip(drawn, made.weights, made.means, made.chol, strict=True):
        turn, *center = re.match(r"rotate\((.*)\)$", ellipse.get("transform"))[1].split()
        assert center == [ellipse.get("cx"), ellipse.get("cy")]
        # Pixel (0, 0), counted from the offset, has its middle at (0.5, 0.5).
        row, column = mean * made.shape - made.offset + 0.5
        np.testing.assert_allclose(np.array(center, float), [column, row], rtol=1e-12)
        factor = np.array([[l11, 0], [l21, l22]])
        to_normalised = np.array([[0, 1 / height], [1 / width, 0]])  # (x, y) in pixels to (row, column)
        matrix = to_normalised.T @ factor @ factor.T @ to_normalised
        angle = np.radians(float(turn))
        for axis, radius in ((0.0, "rx"), (np.pi / 2, "ry")):
            direction = np.array([np.cos(angle + axis), np.sin(angle + axis)])
            half = 1 / (2 * float(ellipse.get(radius)) ** 2)
            np.testing.assert_allclose(matrix @ direction, half * direction, rtol=1e-5, atol=1e-12 * np.trace(matrix))
        assert (ellipse.get("stroke") == "#c8423b") == (weight.mean() >= 0)
