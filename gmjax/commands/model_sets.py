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
from gmjax.gmface import GmFace, render, stack, unstack
from gmjax.space import middle_of, mirror_pairs

_SUFFIX = ".safetensors"


@dataclasses.dataclass(frozen=True)
class ModelSet:
    """A batch of models with their names, the size of the pictures that they were fitted to, and the file's text."""

    names: tuple[str, ...]
    params: GmFace
    shape: tuple[int, int]
    metadata: dict[str, str]
    corresponds: bool

    def __len__(self) -> int:
        return len(self.names)

    @property
    def center(self) -> float:
        """The column in the middle of the pictures."""
        return middle_of(self.params, self.shape[1])

    def pairs(self) -> np.ndarray:
        """The mirror image of each component, as the files say, or the nearest ones in the average of the models."""
        if PAIRS in self.metadata:
            return np.array(self.metadata[PAIRS].split(), int)
        return mirror_pairs(unstack(self.params)[0], self.center)


def load_models(paths: Sequence[Path], *, corresponding: bool = True) -> ModelSet:
    """All models in ``paths``, model files and run folders of ``gmjax fit``.

    Raises ArgumentError for models of different sizes, or ``corresponding`` ones that were not fitted from one face.
    """
    if not paths:
        raise ArgumentError("MODELS", "is needed: give run folders of gmjax fit --correspond, or model files in them")
    files = [file for path in paths for file in _files(path)]
    loaded = [models.load(file) for file in files]
    texts = [models.load_metadata(file) for file in files]
    kinds = [(x.num_components, x.channels, x.offset, *_shape(text)) for x, text in zip(loaded, texts, strict=True)]
    starts = [text.get(START) for text in texts]
    for file, params, kind, start in zip(files, loaded, kinds, starts, strict=True):
        if params.means.ndim > 2:
            raise ArgumentError(str(file), "holds a batch of models: save each with gmjax.unstack in a file of its own")
        if kind != kinds[0]:
            problem = f"and {files[0]} differ in their number of components, colour or size: fit them in the same way"
            raise ArgumentError(str(file), problem)
        if corresponding and start is None:
            problem = "was fitted without --correspond: fit its picture, or folder, again with gmjax fit --correspond"
            raise ArgumentError(str(file), problem)
        if corresponding and start != starts[0]:
            problem = (
                f"and {files[0]} stay near different common faces: fit one of them again, with --correspond and "
                f"--start {COMMON_FACE} of the other's run folder"
            )
            raise ArgumentError(str(file), problem)
    corresponds = starts[0] is not None and len(set(starts)) == 1
    return ModelSet(_names(files), stack(loaded), _shape(texts[0]), texts[0], corresponds)


def pictures_of(params: GmFace, shape: tuple[int, int]) -> np.ndarray:
    """The pictures of one model or a batch, clipped to [0, 1], without a channel axis of length 1."""
    drawn = np.clip(np.asarray(render(params, shape)), 0, 1)
    return drawn[..., 0] if params.channels == 1 else drawn


def _files(path: Path) -> list[Path]:
    if path.is_file() or path.suffix == _SUFFIX:
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


def _shape(metadata: dict[str, str]) -> tuple[int, int]:
    sides = [metadata.get(name, "") for name in ("height", "width")]
    return (int(sides[0]), int(sides[1])) if all(side.isdecimal() and len(side) < 6 for side in sides) else (120, 120)
