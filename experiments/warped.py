"""Photographs warped to the mean shape of their landmarks: what face research averages."""

from pathlib import Path

import numpy as np

from experiments import collection
from gmjax.data import Crop, Faces, ListedPictures, PictureError, frame_of, list_pictures, read_templates, root_of, warp


def warped_faces(options: collection.Options, name: str, faces: Faces) -> np.ndarray | None:
    """The ``faces`` of the collection ``name`` (N, size, size), or None where they have no templates of landmarks."""
    folder = folder_of(options, name)
    if folder is None or options.aligned:
        return None
    try:
        templates = read_templates(root_of(folder), faces.names)
    except PictureError:
        return None
    if templates.wrong:
        return None
    entries = {entry.name: entry for entry in list_pictures(folder)}
    pictures = ListedPictures([entries[n] for n in faces.names], root_of(folder), Crop(options.size), None, templates)
    target = templates.mean_in(frame_of("paper", options.size)[0], options.size)

    def warped(number: int) -> np.ndarray:
        photo = pictures.face(number).photo
        return warp(photo, templates.points_of(faces.names[number]), target, options.size)

    return np.stack([warped(number) for number in range(len(faces))])


def folder_of(options: collection.Options, name: str) -> Path | None:
    """The folder of photographs that the collection ``name`` was read from, if it is one."""
    if name != collection.name_of(options):
        return options.also
    return None if options.data in ("orl", "caspeal") else Path(options.data)
