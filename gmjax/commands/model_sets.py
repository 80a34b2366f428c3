"""Models that belong together: those of run folders and files, and what they must have in common."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gmjax.commands.correspond import PAIRS, START
from gmjax.commands.run_files import COMMON_FACE
from gmjax.commands.run_folder import CONFIG, FINISHED, MODELS
from gmjax.commands.terminal import notice
from gmjax.data.listing import natural_key
from gmjax.errors import ArgumentError
from gmjax.files import models
from gmjax.gmface import GmFace, render, require_gaussians, stack
from gmjax.space import mean, middle_of, mirror_pairs

_SUFFIX = ".safetensors"


@dataclasses.dataclass(frozen=True)
class ModelSet:
    """A batch of models with their names, the size of the pictures that they were fitted to, and what their headers
    have in common."""

    names: tuple[str, ...]
    params: GmFace
    shape: tuple[int, int]
    metadata: dict[str, str]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def kind(self) -> tuple:
        """What models must share to be in one batch."""
        return self.params.num_components, self.params.channels, self.params.offset, *self.shape

    @property
    def start(self) -> str | None:
        """Which common face they stay near, as a hash; None if they do not correspond."""
        return self.metadata.get(START)

    @property
    def center(self) -> float:
        """The column in the middle of the pictures."""
        return middle_of(self.params, self.shape[1])

    def pairs(self) -> np.ndarray:
        """The mirror image of each component, as the files say, or the nearest ones in the average of the models."""
        said, m = self.metadata.get(PAIRS, "").split(), self.params.num_components
        if sorted(said) == sorted(map(str, range(m))):
            return np.array(said, int)
        return mirror_pairs(mean(self.params), self.center)


def load_models(paths: Sequence[Path], *, like: ModelSet | None = None, corresponding: bool = True) -> ModelSet:
    """All models in ``paths``, model files and run folders of ``gmjax fit``.

    Raises ArgumentError for models that differ in size from each other or from those of ``like``, or ``corresponding``
    ones that were not fitted from one face.
    """
    if not paths:
        raise ArgumentError("MODELS", "is needed: give run folders of gmjax fit --correspond, or model files in them")
    files = [file for path in paths for file in _files(path)]
    loaded = [require_gaussians(models.load(file), str(file)) for file in files]
    texts = [models.load_metadata(file) for file in files]
    for file, params in zip(files, loaded, strict=True):
        if params.means.ndim > 2:
            raise ArgumentError(str(file), "holds a batch of models: save each with gmjax.unstack in a file of its own")
    first = ModelSet((str(files[0]),), loaded[0], models.fitted_shape(texts[0]), texts[0]) if like is None else like
    for file, params, text in zip(files, loaded, texts, strict=True):
        one = ModelSet((str(file),), params, models.fitted_shape(text), text)
        if one.kind != first.kind:
            problem = "differ in their number of components, colour or size: fit them in the same way"
            raise ArgumentError(str(file), f"and {first.names[0]} {problem}")
        if corresponding and one.start is None:
            problem = "was fitted without --correspond: fit its picture, or folder, again with gmjax fit --correspond"
            raise ArgumentError(str(file), problem)
        if corresponding and one.start != first.start:
            remedy = f"fit one of them again, with --correspond and --start {COMMON_FACE} of the other's run folder"
            raise ArgumentError(str(file), f"and {first.names[0]} stay near different common faces: {remedy}")
    # Only what all of them say holds for the batch.
    common = {name: text for name, text in texts[0].items() if all(other.get(name) == text for other in texts)}
    return ModelSet(_names(files), stack(loaded), first.shape, common)


def pictures_of(params: GmFace, shape: tuple[int, int]) -> np.ndarray:
    """The pictures of one model or a batch, clipped to [0, 1], without a channel axis of length 1."""
    drawn = np.clip(np.asarray(render(params, shape)), 0, 1)
    return drawn[..., 0] if params.channels == 1 else drawn


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    inner = path / MODELS if (path / MODELS).is_dir() else path
    if (path / CONFIG).is_file() and not (path / FINISHED).is_file():
        notice(f"{path} is not finished: some faces are missing; the command that made it goes on with it")
    found = sorted(inner.rglob(f"*{_SUFFIX}"), key=lambda file: natural_key(str(file)))
    if not found:
        problem = (
            f"holds no models: first gmjax fit {path} --correspond if it has photographs, then give its run folder"
        )
        raise ArgumentError(str(path), problem)
    return found


def _names(files: Sequence[Path]) -> tuple[str, ...]:
    """As short as they stay different."""
    for names in ([file.name for file in files], [str(file) for file in files]):
        shown = tuple(name.removesuffix(_SUFFIX) for name in names)
        if len(set(shown)) == len(shown):
            break
    return shown
