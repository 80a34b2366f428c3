"""What pixels are better at than parameters: recognition, inpainting and super-resolution, each by both."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

import gmjax
from experiments import codecs
from experiments.models import fit_faces
from gmjax import space

# A small picture has one pixel for a square of so many.
REDUCTION = 3
# Rows and columns of the mouth in the paper's crop, in shares of its side.
MOUTH = slice(0.66, 0.9), slice(0.25, 0.75)


class LinearFaces(NamedTuple):
    """Faces as ``mean`` (H, W) plus ``axes`` (K, H, W), each as strong as one standard deviation.

    rest: the variance of a pixel that the axes leave.
    """

    mean: np.ndarray
    axes: np.ndarray
    rest: float


def linear_eigenfaces(pictures: np.ndarray, count: int) -> LinearFaces:
    """The first ``count`` eigenfaces of ``pictures`` (N, H, W) and their mirror images."""
    mean, basis = codecs.eigenfaces(pictures)
    return _linear(mean, basis[:count], pictures)


def linear_geometry(axes: space.PrincipalAxes, pictures: np.ndarray) -> LinearFaces:
    """The pictures of ``axes`` of models with one geometry, whose pictures are linear in the weights."""
    shape = pictures.shape[1:]
    mean = np.asarray(gmjax.render(axes.mean, shape), np.float64)
    models = space.from_scores(axes, np.eye(len(axes.shares), dtype=np.float32))
    return _linear(mean, np.linalg.qr((rendered(models, shape) - mean).reshape(len(axes.shares), -1).T)[0].T, pictures)


def _linear(mean: np.ndarray, basis: np.ndarray, pictures: np.ndarray) -> LinearFaces:
    """``basis`` (K, H W), orthonormal, turned to the principal axes of ``pictures`` in it."""
    both = np.concatenate([pictures, pictures[..., ::-1]])
    steps = (both - mean).reshape(len(both), -1).astype(np.float64)
    scores = steps @ basis.T
    values, vectors = np.linalg.eigh(scores.T @ scores / len(both))
    rest = float(np.mean(np.square(steps - scores @ basis)))
    axes = np.sqrt(np.maximum(values, 0))[:, None] * (vectors.T @ basis)
    return LinearFaces(mean, axes.reshape(-1, *mean.shape), rest)


def inpainting(faces: LinearFaces, images: np.ndarray) -> np.ndarray:
    """PSNR (n,) in the mouth, which is covered, of the most likely faces given all other pixels of ``images``.

    A ridge of the variance that the axes leave draws the scores towards the mean.
    """
    side = images.shape[-1]
    covered = np.zeros(images.shape[1:], bool)
    covered[tuple(slice(round(s.start * side), round(s.stop * side)) for s in MOUTH)] = True
    visible = faces.axes[:, ~covered]
    right = (images - faces.mean)[:, ~covered] @ visible.T
    scores = np.linalg.solve(visible @ visible.T + faces.rest * np.eye(len(visible)), right.T).T
    guessed = faces.mean[covered] + scores @ faces.axes[:, covered]
    return psnr_of(np.mean(np.square(guessed - images[:, covered]), axis=1))


def recognised(distances: np.ndarray, people: np.ndarray, in_gallery: np.ndarray) -> np.ndarray:
    """Whether the nearest neighbour in the gallery shows the same person, for each picture outside the gallery.

    distances: (n, n). people: (n,). in_gallery: (n,) of True and False.
    """
    nearest = np.argmin(distances[~in_gallery][:, in_gallery], axis=1)
    return people[in_gallery][nearest] == people[~in_gallery]


def by_persons(known: np.ndarray, people: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """``scores`` (n, K) in units of how far pictures of one person lie apart, as in linear discriminant analysis.

    Learnt from the scores ``known`` (N, K) of ``people`` (N,), with a tenth of the mean variance as ridge.
    """
    _, number = np.unique(people, return_inverse=True)
    means = np.stack([known[number == person].mean(axis=0) for person in range(number.max() + 1)])
    apart = np.cov(known - means[number], rowvar=False, bias=True)
    ridge = 0.1 * np.trace(apart) / len(apart)
    return np.linalg.solve(np.linalg.cholesky(apart + ridge * np.eye(len(apart))), scores.T).T


def first_half_of_each(people: np.ndarray) -> np.ndarray:
    """Whether each picture is in the first half of its person's."""
    earlier = np.array([np.sum(people[:number] == person) for number, person in enumerate(people)])
    return earlier < np.array([np.sum(people == person) // 2 for person in people])


def eigenface_scores(known: np.ndarray, images: np.ndarray, count: int) -> np.ndarray:
    """The scores (n, K) of ``images`` on the first eigenfaces of ``known``, in standard deviations."""
    faces = linear_eigenfaces(known, count)
    axes = faces.axes.reshape(len(faces.axes), -1)
    return (images - faces.mean).reshape(len(images), -1) @ axes.T / np.sum(np.square(axes), axis=1)


def euclidean(points: np.ndarray) -> np.ndarray:
    """Distances (n, n) of ``points`` (n, ...)."""
    points = np.asarray(points, np.float64).reshape(len(points), -1)
    products = points @ points.T
    squares = np.diagonal(products)
    return np.sqrt(np.maximum(squares[:, None] + squares - 2 * products, 0))


def bicubic(images: np.ndarray) -> np.ndarray:
    """PSNR (n,) of ``images`` made again from the small pictures by bicubic interpolation."""
    size = images.shape[-1], images.shape[-2]
    pictures = [Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC) for picture in shrunk(images)]
    return psnr_of(mse_of(np.stack([np.asarray(picture) for picture in pictures]), images))


def super_resolution(images: np.ndarray, common: gmjax.GmFace, config: gmjax.FitConfig) -> np.ndarray:
    """PSNR (n,) of ``images`` made again from the small pictures by fits to them from ``common``, drawn large."""
    # The centre of a small picture's pixel lies at the same place of the plane as that of the pixels it stands for.
    offset = (common.offset + (REDUCTION - 1) / 2) / REDUCTION
    fits = fit_faces(shrunk(images), dataclasses.replace(common, offset=offset), config, 0, "small pictures")
    large = rendered(dataclasses.replace(fits.params, offset=common.offset), images.shape[1:])
    return psnr_of(mse_of(large, images))


def shrunk(images: np.ndarray) -> np.ndarray:
    n, height, width = images.shape
    squares = images.reshape(n, height // REDUCTION, REDUCTION, width // REDUCTION, REDUCTION)
    return squares.mean(axis=(2, 4))


def rendered(models: gmjax.GmFace, shape: tuple[int, int]) -> np.ndarray:
    """The pictures (n, H, W) of a batch."""
    return np.asarray(jax.lax.map(lambda model: gmjax.render(model, shape), jax.tree.map(jnp.asarray, models)))


def mse_of(pictures, images) -> np.ndarray:
    """The MSE (n,) of each two pictures."""
    return np.mean(np.square(np.asarray(pictures, np.float64) - images), axis=(1, 2))


def psnr_of(mse: np.ndarray) -> np.ndarray:
    return -10 * np.log10(mse)
