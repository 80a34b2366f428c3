"""Other ways to store a picture in few numbers: the controls for GmFace.

The codes are functions of a picture (H, W) and a count of numbers, and return the picture decoded from them.
"""

from collections.abc import Callable

import numpy as np
from scipy.fft import dctn, idctn


def zigzag_dct(image: np.ndarray, numbers: int) -> np.ndarray:
    """Keeps the first ``numbers`` coefficients of the DCT, lowest frequencies first."""
    row, column = np.indices(image.shape)
    diagonal = row + column
    order = np.lexsort((np.where(diagonal % 2, row, column).ravel(), diagonal.ravel()))
    return _from_coefficients(image, order[:numbers])


def best_dct(image: np.ndarray, numbers: int) -> np.ndarray:
    """Keeps the ``numbers`` largest coefficients of the DCT; their positions are not counted."""
    return _from_coefficients(image, np.argsort(-np.abs(dctn(image, norm="ortho")).ravel())[:numbers])


def counted_dct(image: np.ndarray, numbers: int) -> np.ndarray:
    """Keeps the largest coefficients of the DCT; the position of each counts as one of the ``numbers``."""
    return best_dct(image, numbers // 2)


def _from_coefficients(image: np.ndarray, which: np.ndarray) -> np.ndarray:
    coefficients = dctn(image, norm="ortho").ravel()
    few = np.zeros_like(coefficients)
    few[which] = coefficients[which]
    return idctn(few.reshape(image.shape), norm="ortho")


def eigenfaces(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean (H, W) and the principal components (r, H W) of ``pictures`` (K, H, W) with their mirror images.

    The components are orthonormal, and ordered from the largest variance to the smallest.
    """
    pictures = np.concatenate([pictures, pictures[..., ::-1]])
    mean = pictures.mean(axis=0)
    centred = (pictures - mean).reshape(len(pictures), -1)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    nonzero = values > 1e-6 * values[-1]
    return mean, ((vectors[:, nonzero] / np.sqrt(values[nonzero])).T @ centred)[::-1]


def eigenface_code(pictures: np.ndarray) -> Callable[[np.ndarray, int], np.ndarray]:
    """The code by coordinates along the eigenfaces of ``pictures``; all of them if there are fewer than the numbers."""
    mean, basis = eigenfaces(pictures)

    def code(image: np.ndarray, numbers: int) -> np.ndarray:
        first = basis[:numbers]
        return mean + ((first @ (image - mean).ravel()) @ first).reshape(image.shape)

    return code
