"""Faces as NumPy arrays: pictures read and written, aligned by their eyes, collected from folders; no JAX."""
# ruff: noqa: F401

from gmjax.data.alignment import EYES, Eyes, align, resize
from gmjax.data.caspeal import caspeal_faces
from gmjax.data.eyes import NoFaceError, eyes_of, find_eyes, read_eyes_csv
from gmjax.data.faces import Faces, eyes_table, load_folder, load_picture
from gmjax.data.formats import PICTURE_SUFFIXES
from gmjax.data.listing import COLLECTION_SUFFIXES, Entry, list_pictures, root_of
from gmjax.data.orl import orl_faces
from gmjax.data.pictures import MAX_PIXELS, Picture, PictureError, read_picture, write_picture
from gmjax.data.reading import PicturesAgain, cores, keep_memory, read_ahead, read_pictures, workers_for
from gmjax.data.sources import ArrayPictures, Crop, ListedPictures, Pictures, read_or_reason
