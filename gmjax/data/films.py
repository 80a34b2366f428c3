"""Films: frames written as GIF, animated PNG or WebP, or MP4."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from gmjax.data.pictures import PictureError
from gmjax.errors import missing_extra
from gmjax.files.atomic import write_atomically

FILM_SUFFIXES = frozenset({".gif", ".png", ".webp", ".mp4"})


def write_film(path: str | Path, frames: Float[np.ndarray, "n h w *c"], *, seconds: float) -> None:
    """Writes frames (N, H, W) or (N, H, W, 3), clipped to [0, 1], as a film of ``seconds``, repeated without end.

    The suffix is the format: .gif (256 colours), .png and .webp (all colours), .mp4 (extra ``film``; not repeated;
    sides that are odd lose their last pixel). Raises PictureError for another suffix,
    and ImportError without the extra.
    """
    import imageio.v3 as iio

    path = Path(path)
    if (suffix := path.suffix.lower()) not in FILM_SUFFIXES:
        raise PictureError(f"{path}: unknown suffix of a film; use one of {' '.join(sorted(FILM_SUFFIXES))}")
    pixels = np.round(255 * np.clip(frames, 0, 1)).astype(np.uint8)
    options: dict[str, Any]
    if suffix == ".mp4":
        try:
            import av  # noqa: F401
        except ImportError as error:
            raise missing_extra("film", "Writing MP4") from error
        pixels = pixels[:, : pixels.shape[1] // 2 * 2, : pixels.shape[2] // 2 * 2]
        pixels = pixels if pixels.ndim == 4 else np.repeat(pixels[..., None], 3, axis=-1)
        options = {"plugin": "pyav", "fps": len(pixels) / seconds, "codec": "libx264"}
    else:
        options = {"plugin": "pillow", "duration": 1000 * seconds / len(pixels), "loop": 0}
        options |= {"lossless": True} if suffix == ".webp" else {}
    write_atomically(path, iio.imwrite("<bytes>", pixels, extension=suffix, **options))
