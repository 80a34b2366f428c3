"""Other ways to write a picture down with few numbers, or few bytes: the controls that GmFace is measured against."""

import io
from collections.abc import Iterable

import numpy as np
from PIL import Image
from scipy.fft import dctn, idctn


def zigzag_dct(image: np.ndarray, numbers: int) -> np.ndarray:
    """From the first ``numbers`` coefficients of the picture's DCT, lowest frequencies first."""
    row, column = np.indices(image.shape)
    diagonal = row + column
    order = np.lexsort((np.where(diagonal % 2, row, column).ravel(), diagonal.ravel()))
    return _from_coefficients(image, order[:numbers])


def best_dct(image: np.ndarray, numbers: int) -> np.ndarray:
    """From the ``numbers`` largest coefficients; which these are costs nothing here."""
    return _from_coefficients(image, np.argsort(-np.abs(dctn(image, norm="ortho")).ravel())[:numbers])


def counted_dct(image: np.ndarray, numbers: int) -> np.ndarray:
    """The same with each position counted as a number too: half as many coefficients."""
    return best_dct(image, numbers // 2)


def _from_coefficients(image: np.ndarray, which: np.ndarray) -> np.ndarray:
    coefficients = dctn(image, norm="ortho").ravel()
    few = np.zeros_like(coefficients)
    few[which] = coefficients[which]
    return idctn(few.reshape(image.shape), norm="ortho")


class PrincipalComponents:
    """Eigenfaces of pictures ``(K, H, W)`` and of their mirror images; what a reader must have besides the numbers."""

    def __init__(self, pictures: np.ndarray):
        pictures = np.concatenate([pictures, pictures[..., ::-1]])
        self.mean = pictures.mean(axis=0)
        centred = (pictures - self.mean).reshape(len(pictures), -1)
        values, vectors = np.linalg.eigh(centred @ centred.T)
        kept = values > 1e-6 * values[-1]
        self.basis = ((vectors[:, kept] / np.sqrt(values[kept])).T @ centred)[::-1]

    def __call__(self, image: np.ndarray, numbers: int) -> np.ndarray:
        """From the first ``numbers`` coordinates, or as many as there are."""
        basis = self.basis[:numbers]
        return self.mean + ((basis @ (image - self.mean).ravel()) @ basis).reshape(image.shape)


def smallest_error(image: np.ndarray, kind: str, most_bytes: Iterable[int]) -> list[float]:
    """Of each number of bytes, the MSE of the best JPEG or WebP file of at most that size; NaN if there is none."""
    gray = Image.fromarray(np.uint8(np.round(255 * np.clip(image, 0, 1))))
    options = {"JPEG": {"optimize": True}, "WebP": {"method": 6}}[kind]
    sizes, errors = [], []
    for quality in range(1, 96):
        stream = io.BytesIO()
        gray.save(stream, kind, quality=quality, **options)
        decoded = np.asarray(Image.open(stream).convert("L"), np.float32) / 255
        sizes.append(stream.tell())
        errors.append(float(np.mean((decoded - image) ** 2)))
    sizes, errors = np.array(sizes), np.array(errors)
    return [errors[sizes <= most].min(initial=np.inf) if (sizes <= most).any() else np.nan for most in most_bytes]
