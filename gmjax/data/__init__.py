"""Faces as arrays: pictures read and written, aligned by their eyes, collected from folders.

NumPy only. Decoders and eye finders are imported when they are first used.
"""

from gmjax.data.alignment import EYES, Eyes, align, resize
from gmjax.data.caspeal import caspeal_faces
from gmjax.data.eyes import NoFaceError, find_eyes, read_eyes_csv
from gmjax.data.faces import Faces, eyes_table, load_folder, load_picture, picture_names
from gmjax.data.orl import orl_faces
from gmjax.data.pictures import (
    MAX_PIXELS,
    PICTURE_SUFFIXES,
    PictureError,
    read_picture,
    write_picture,
)

__all__ = [
    "EYES",
    "MAX_PIXELS",
    "PICTURE_SUFFIXES",
    "Eyes",
    "Faces",
    "NoFaceError",
    "PictureError",
    "align",
    "caspeal_faces",
    "eyes_table",
    "find_eyes",
    "load_folder",
    "load_picture",
    "orl_faces",
    "picture_names",
    "read_eyes_csv",
    "read_picture",
    "resize",
    "write_picture",
]
