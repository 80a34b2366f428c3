"""Masks in the frame of the crop: one for all pictures, one for each, or the outline of its landmarks."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from gmjax.data import ListedPictures, PictureError, read_picture, resize

OUTLINE = "outline"

Mask = Float[np.ndarray, "h w"]


def mask_of(masks: str, pictures: ListedPictures, number: int, shape: tuple[int, ...]) -> Mask:
    """The mask of a picture whose crop has ``shape`` (H, W[, 3]): (H, W), white 1 for what counts.

    ``masks``: a picture; or a folder with one of each picture's name, or of its name with the suffix ``.png``; or
    ``OUTLINE``, the inside of the picture's landmarks. Raises PictureError.
    """
    if masks == OUTLINE:
        return pictures.outline(number).astype(np.float32)
    path, name = Path(masks), pictures.name(number)
    if path.is_dir():
        inner = path / Path(name).relative_to(Path(name).anchor)
        path = inner if inner.is_file() else inner.with_suffix(".png")
        if not path.is_file():
            raise PictureError(f"it has no mask: {masks} holds neither {name} nor {Path(name).with_suffix('.png')}")
    return read_mask(path, shape)


def read_mask(path: Path, shape: tuple[int, ...]) -> Mask:
    """The mask in a picture file, brought to the size of the crop. Raises PictureError."""
    mask, (height, width) = read_picture(path), shape[:2]
    if abs(mask.shape[1] / mask.shape[0] - width / height) > 0.02 * width / height:
        found = f"{mask.shape[1]} x {mask.shape[0]} pixels"
        problem = f"has {found}, the picture {width} x {height}: draw the mask over the picture as it was cropped"
        raise PictureError(f"the mask {path} {problem}")
    if not mask.any():
        raise PictureError(f"the mask {path} is black: what counts must be white")
    return mask if mask.shape == (height, width) else resize(mask, (height, width))
