"""BlurHash and ThumbHash: the placeholders of web pages that compact files are compared with.

Both code a few cosines of a small picture in colour, and are drawn small and enlarged. A character of a BlurHash counts
as a byte; a ThumbHash is bytes.
"""

from collections.abc import Sequence

import blurhash
import numpy as np
import thash
from PIL import Image

# The longest side that is coded, and that which a BlurHash is drawn at.
_CODED, _DRAWN = 64, 32
# The most cosines along a side of a BlurHash.
_COSINES = 9
BLURHASH, THUMBHASH = "BlurHash", "ThumbHash"
KINDS = (BLURHASH, THUMBHASH)


def best_errors(picture: np.ndarray, kind: str, sizes: Sequence[int]) -> list[float]:
    """For each of ``sizes`` in bytes, the MSE of the best placeholder that is no larger to ``picture`` (H, W) or
    (H, W, 3) in [0, 1]; NaN if there is none. ``kind``: one of KINDS."""
    image = Image.fromarray(np.uint8(np.round(255 * np.clip(picture, 0, 1)))).convert("RGB")
    coded = image.copy()
    coded.thumbnail((_CODED, _CODED))
    tried = [_thumbhash(coded)] if kind == THUMBHASH else [_blurhash(coded, *n) for n in _numbers_of_cosines(sizes)]
    lengths = np.array([length for length, _ in tried])
    errors = np.array([_error(picture, drawn, image.size) for _, drawn in tried])
    return [float(errors[lengths <= size].min()) if (lengths <= size).any() else np.nan for size in sizes]


def _error(picture: np.ndarray, drawn: Image.Image, sides: tuple[int, int]) -> float:
    enlarged = np.asarray(drawn.resize(sides, Image.Resampling.BICUBIC), np.float32) / 255
    return float(np.mean(((enlarged if picture.ndim == 3 else enlarged.mean(axis=2)) - picture) ** 2))


def _numbers_of_cosines(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Those (along columns, along rows) that fill one of ``sizes``."""
    filling = {(n, min(_COSINES, (size - 4) // 2 // n)) for size in sizes for n in range(1, _COSINES + 1)}
    return sorted(numbers for numbers in filling if min(numbers) > 0)


def _blurhash(image: Image.Image, across: int, down: int) -> tuple[int, Image.Image]:
    text = blurhash.encode(np.asarray(image).tolist(), components_x=across, components_y=down)
    return len(text), Image.fromarray(np.uint8(blurhash.decode(text, _DRAWN, _DRAWN)))


def _thumbhash(image: Image.Image) -> tuple[int, Image.Image]:
    content = thash.encode(np.asarray(image))
    width, height, pixels = thash.thumb_hash_to_rgba(content, base_size=_DRAWN)
    return len(content), Image.frombytes("RGBA", (width, height), bytes(pixels)).convert("RGB")
