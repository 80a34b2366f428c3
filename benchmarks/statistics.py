"""Collections of any size: a step on 100 and on 100,000 pictures, and the pass that computes their statistics.

Step: `gmjax.fit_common` from `ImageStatistics`, 120 x 120, m = 80. The pictures are ORL faces with varying brightness,
generated while `gmjax.parallel.image_statistics` reads them (as one array they would take 5.8 GB).
Pass: the aligned ORL faces as PNG files of 120 x 120; `load_folder` and `image_statistics` against decoding the same
files with Pillow. Expected: step times within 5 % of each other; the pass at least at half the speed of decoding.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
from PIL import Image

import gmjax
from benchmarks.timing import against_first, alternately
from experiments.markdown import table
from gmjax import parallel
from gmjax.data import load_folder, orl_faces, write_picture

COUNTS = (100, 100_000)
STEPS = 300


class GeneratedPictures:
    """``count`` pictures, generated when a slice of them is read."""

    def __init__(self, faces: np.ndarray, count: int):
        self.faces, self.count = faces, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, which: slice) -> np.ndarray:
        numbers = np.arange(*which.indices(self.count))
        brightness = np.float32(0.5 + 0.5 * np.cos(numbers) ** 2)
        return self.faces[numbers % len(self.faces)] * brightness[:, None, None]


def run() -> str:
    faces = orl_faces().images
    return f"{_steps(faces)}\n\n{_pass(faces)}"


def _steps(faces) -> str:
    start, sides, lines = gmjax.published_common_face(), {}, []
    for count in COUNTS:
        began = time.perf_counter()
        statistics = jax.block_until_ready(parallel.image_statistics(GeneratedPictures(faces, count)))
        lines.append(f"Statistics of {count} generated pictures: {time.perf_counter() - began:.1f} s.")
        assert statistics.count == count
        config = gmjax.FitConfig(steps=STEPS)
        sides[f"{count} pictures"] = lambda s=statistics, c=config: gmjax.fit_common(s, start, config=c)
    # In kilobytes on Linux, in bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
    lines.append(f"Peak memory of the process up to here: {peak:.1f} GiB.")
    seconds = {name: s / STEPS for name, s in alternately(sides).items()}
    return "\n".join(lines) + "\n\n" + against_first("one step on", seconds)


def _pass(faces) -> str:
    with tempfile.TemporaryDirectory() as name:
        for number, face in enumerate(faces):
            write_picture(Path(name, f"{number}.png"), face)
        paths = sorted(Path(name).iterdir())
        sides = {
            "decoding alone": lambda: [np.asarray(Image.open(path)) for path in paths][-1],
            "read_picture": lambda: [gmjax.data.read_picture(path) for path in paths][-1],
            "load_folder": lambda: load_folder(name, aligned=True).images,
            "load_folder and image_statistics": lambda: parallel.image_statistics(
                load_folder(name, aligned=True).images
            ),
        }
        seconds = alternately(sides, rounds=7)
    speeds = {name: len(faces) / s for name, s in seconds.items()}
    rows = [(name, speed, speed / speeds["decoding alone"]) for name, speed in speeds.items()]
    return table(("pass", "pictures/s", "relative to decoding alone"), rows)
