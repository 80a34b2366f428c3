"""Faces as NumPy arrays: pictures read and written, aligned by eyes or landmarks, collected from folders; no JAX."""
# ruff: noqa: F401

from gmjax.data.alignment import CROPS, EYES, CropName, Eyes, align, frame_of, resize
from gmjax.data.caspeal import caspeal_faces
from gmjax.data.eyes import FoundFace, NoFaceError, find_eyes, find_face, read_eyes_csv, read_eyes_of
from gmjax.data.faces import DoubtfulFaceWarning, Faces, eyes_table, load_face, load_folder, load_picture
from gmjax.data.formats import PICTURE_SUFFIXES
from gmjax.data.landmarks import Points, Templates, eyes_of, mean_shape, read_points_csv, read_tem, read_templates, warp
from gmjax.data.listing import COLLECTION_SUFFIXES, Entry, list_pictures, root_of
from gmjax.data.orl import orl_faces
from gmjax.data.pictures import MAX_PIXELS, Picture, PictureError, read_picture, write_picture
from gmjax.data.reading import PicturesAgain, cores, keep_memory, read_ahead, read_pictures, workers_for
from gmjax.data.sources import ArrayPictures, Crop, Face, ListedPictures, Pictures, read_or_reason
