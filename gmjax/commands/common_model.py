"""``gmjax common-model``."""

import dataclasses
from pathlib import Path
from typing import Annotated

import jax.numpy as jnp
import numpy as np
from tyro.conf import arg

from gmjax import io, runs
from gmjax.commands.fit_options import FitOptions, Flag
from gmjax.commands.shared import (
    UsageError,
    figures_of,
    fit_with_progress,
    line_of_figures,
    model_metadata,
    progress,
    say_skipped,
    write_loss,
    write_metrics,
)
from gmjax.data import Faces, caspeal_faces, load_folder, orl_faces, write_picture
from gmjax.gmface import render
from gmjax.losses import mse


@dataclasses.dataclass(kw_only=True)
class CommonModel(FitOptions):
    """Fit one formula to all faces of a collection: their common face."""

    data: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: the 400 ORL faces)")] = None
    """Folder with pictures of faces, folders in it included."""

    caspeal: Annotated[Path | None, arg(metavar="ROOT", help_behavior_hint="(default: not used)")] = None
    """Folder of the CAS-PEAL-R1 database; takes its 1040 frontal normal faces."""

    aligned: Flag = False
    """The pictures in --data are aligned to the paper's crop already."""

    batch_size: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: all faces in every step)")] = None
    """Faces a step, the paper's way (256)."""

    epochs: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: --steps counts)")] = None
    """With --batch-size: passes over the faces, in place of --steps (the paper: 2000)."""

    out: Path = Path("runs/common-model")
    """Run folder for the model, pictures, figures and configuration."""

    def run(self) -> int:
        self._check()
        config, init, start = self.plan(in_crop=True, batch_size=self.batch_size, epochs=self.epochs)
        config = config.settled(config.num_components, collection=True)
        folder = runs.create(self.out, overwrite=self.overwrite)
        faces = self._faces()
        runs.write_configuration(folder, "common-model", self, config, start=start, seed=self.seed)
        runs.write_versions(folder)
        if faces.skipped:
            runs.write_table(folder / runs.SKIPPED, ("picture", "reason"), faces.skipped)

        result, seconds = fit_with_progress(faces.images, init, config, self.seed)
        average = jnp.asarray(np.mean(faces.images, axis=0, dtype=np.float64), faces.images.dtype)
        drawn = render(result.params, average.shape[:2], offset=config.offset)
        to_average = float(mse(drawn, average))

        io.save(
            folder / runs.MODEL,
            result.params,
            model_metadata(config, average.shape, f"common face of {len(faces)} faces"),
        )
        write_picture(folder / "common_face.png", np.asarray(drawn))
        write_picture(folder / "average_face.png", np.asarray(average))
        write_loss(folder, result, config)
        figures = figures_of(result) | {"mse_to_average": to_average}
        write_metrics(folder, {"faces": len(faces), **figures, "seconds": round(seconds, 2)})
        from gmjax import plotting

        plotting.common_figure(result.params, average, config.offset).savefig(folder / "comparison.png", dpi=150)

        say_skipped(len(faces.skipped), len(faces.skipped) + len(faces), folder)
        print(f"Common face of {len(faces)} faces from {start}, seed {self.seed}, {seconds:.1f} s.")
        print(
            f"The model is {folder / runs.MODEL}; beside it common_face.png, comparison.png, loss.png and metrics.csv."
        )
        print(f"{line_of_figures(result)}  MSE to the average face {to_average:.3g}")
        return 0

    def _check(self) -> None:
        if self.data is not None and self.caspeal is not None:
            raise UsageError("give --data or --caspeal, not both")
        if self.data is None and (self.aligned or self.eyes or self.color):
            raise UsageError("--aligned, --eyes and --color go with --data: the others are gray, with known eyes")
        if self.data is not None and not self.data.is_dir():
            raise UsageError(f"--data {self.data}: no such folder")

    def _faces(self) -> Faces:
        if self.data is None and self.caspeal is None:
            return orl_faces(size=self.size)
        with progress("reading faces", "face") as bar:

            def report(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            if self.data is None:
                assert self.caspeal is not None
                return caspeal_faces(self.caspeal, size=self.size, report=report)
            return load_folder(
                self.data, eyes=self.eyes, aligned=self.aligned, size=self.size, color=self.color, report=report
            )
