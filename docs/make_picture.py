"""Make the picture in the README from the project's own renders.

Command: make picture   (after make common-model; a few seconds)
"""

import math
from pathlib import Path

from matplotlib.figure import Figure

import gmjax
from gmjax import analysis

SHAPE = (240, 240)


def main() -> None:
    model = gmjax.load("runs/common-model/model.safetensors")
    middle, order = (0.5, 0.5), analysis.order_by_weight(model)
    panels = {
        "20 of 80 components": analysis.take(model, order[:20]),
        "40": analysis.take(model, order[:40]),
        "80: the common face": model,
        "rotated": gmjax.rotate(model, math.radians(30)),
        "scaled": gmjax.scale(model, 2.0, middle),
        "moved": gmjax.translate(model, (0.0, 0.2)),
    }
    figure = Figure(figsize=(12, 2.3), layout="constrained")
    for axes, (name, params) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        axes.imshow(gmjax.render(params, SHAPE), cmap="gray", vmin=0, vmax=1)
        axes.set_title(name, fontsize="medium")
        axes.set_axis_off()
    figure.savefig(Path("docs/common_face.png"), dpi=100)


if __name__ == "__main__":
    main()
