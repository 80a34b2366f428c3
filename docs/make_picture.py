"""Make the picture in the README from the project's own renders.

Command: make picture   (after make common-model; a few seconds)
"""

import math
from pathlib import Path

from matplotlib.figure import Figure

import gmjax
from gmjax import analysis, frame, transforms

SHAPE = (240, 240)


def main() -> None:
    model = gmjax.load("runs/common-model/model.safetensors")
    middle, order = (0.5, 0.5), analysis.order_by_weight(model)
    panels = {
        "20 of 80 components": gmjax.render(analysis.take(model, order[:20]), SHAPE),
        "40": gmjax.render(analysis.take(model, order[:40]), SHAPE),
        "80: the common face": gmjax.render(model, SHAPE),
        "rotated": moved(model, transforms.rotation(math.radians(30))),
        "scaled": moved(model, transforms.scaling(2.0, middle)),
        "moved": moved(model, transforms.translation((0.0, 0.2))),
    }
    figure = Figure(figsize=(12, 2.3), layout="constrained")
    for axes, (name, picture) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axes.set_title(name, fontsize="medium")
        axes.set_axis_off()
    figure.savefig(Path("docs/common_face.png"), dpi=100)


def moved(model: gmjax.GmFace, how: transforms.Map):
    return frame.render(gmjax.affine(model, *how), SHAPE, *how)


if __name__ == "__main__":
    main()
