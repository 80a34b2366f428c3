"""Whatever a picture file contains, reading it gives a picture in [0, 1] or an error that names the file."""

import io
import struct
import zlib
from random import Random

import imagecodecs
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from gmjax.data import PictureError, pictures, read_picture
from tests.data.tiff_files import BLACK_IS_ZERO, FLOAT, RGB, tiff
from tests.reliability.mutations import claim, mutated, says_clearly, within

SECONDS_A_TRIAL = 20
SIZES = (0, 1, 7, 50, 1000, 9000, 16383, 65535, 2**20, 2**31 - 1, 2**31, 2**32 - 1)


def valid_files() -> list[bytes]:
    """Every format, with its kinds of pixels and compression."""
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 4), dtype=np.uint8)
    rgb = Image.fromarray(pixels[..., :3])
    gray, words = Image.fromarray(pixels[..., 0]), Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    floats, clear = Image.fromarray(np.float32(pixels[..., 0] / 255)), Image.fromarray(pixels)
    palette, bits, cmyk = rgb.quantize(16), gray.convert("1"), rgb.convert("CMYK")
    kinds = [(picture, "PNG", {}) for picture in (gray, rgb, clear, words, palette, bits)]
    kinds += [(picture, "JPEG", options) for picture in (gray, rgb, cmyk) for options in ({}, {"progressive": True})]
    for compression in ("raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg"):
        kinds += [(picture, "TIFF", {"compression": compression}) for picture in (gray, rgb)]
    kinds += [(bits, "TIFF", {"compression": "group4"}), (words, "TIFF", {}), (floats, "TIFF", {}), (cmyk, "TIFF", {})]
    kinds += [(clear, "WEBP", {"lossless": True}), (rgb, "WEBP", {}), (rgb, "GIF", {"comment": b"a"})]
    kinds += [(gray, "GIF", {"save_all": True, "append_images": [gray.rotate(180)]})]
    kinds += [(picture, format_, {}) for picture in (gray, rgb, bits) for format_ in ("BMP", "PPM")]
    kinds += [(words, "PPM", {}), (palette, "BMP", {}), (rgb, "AVIF", {}), (clear, "AVIF", {})]
    kinds += [(picture, "JPEG2000", options) for picture in (gray, rgb, words) for options in ({}, {"no_jp2": True})]
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds += [(rgb, format_, {"exif": exif}) for format_ in ("PNG", "JPEG", "WEBP")]
    files = []
    for picture, format_, options in kinds:
        stream = io.BytesIO()
        picture.save(stream, format_, **options)
        files.append(stream.getvalue())
    return files + files_of_the_extra(pixels)


def files_of_the_extra(pixels: np.ndarray) -> list[bytes]:
    """What other readers than Pillow read."""
    files = [b"PF\n7 9\n-1\n" + np.float32(pixels[..., :3] / 255).tobytes()]
    for samples in (pixels[..., 0], pixels[..., :3]):
        photometric = BLACK_IS_ZERO if samples.ndim == 2 else RGB
        files += [tiff(samples, 12, photometric, packed=packed) for packed in (False, True)]
        files += [tiff(samples / 255, bits, photometric, form=FLOAT, packed=True) for bits in (16, 64)]
        stream = io.BytesIO()
        pillow_heif.from_pillow(Image.fromarray(samples)).save(stream)
        files.append(stream.getvalue())
    files.append(tiff(pixels[..., :3], 16, RGB, planar=True))
    files += [imagecodecs.jpeg2k_encode(np.uint16(pixels[..., :3]) * 256, codecformat=form) for form in ("jp2", "j2k")]
    return files


def check_read(path, color: bool) -> bool:
    """Whether the file holds a picture. It must be valid, or refused by an error that names the file."""
    try:
        image = read_picture(path, color=color)
    except PictureError as error:
        return not says_clearly(str(error), path)
    assert image.dtype == np.float32
    assert image.ndim == (3 if color else 2)
    assert image.shape[2:] == ((3,) if color else ())
    assert 2 <= image.shape[0] * image.shape[1] <= pictures.MAX_PIXELS
    assert 0 <= image.min() <= image.max() <= 1  # and not so if anything is NaN
    return True


def test_mutated_pictures(trials, tmp_path, monkeypatch):
    """Sizes up to a megapixel, for many trials; test_hostile_memory.py has the largest."""
    monkeypatch.setattr(pictures, "MAX_PIXELS", 2**20)
    path = tmp_path / "picture"
    files = valid_files()
    read = 0
    for number in trials("a mutated picture file", short=1500, long=10_000, share=0.02):
        random = Random(number)
        content = random.choice(files)
        if number % 4 == 0:
            content = claim(content, random.choice(SIZES), random.choice(SIZES))
        if number % 4 == 1:
            content = claim(content, random.randint(1, 12), random.randint(1, 12))
        if number % 8 != 0:
            content = mutated(content, random, files)
        path.write_bytes(content)
        with within(SECONDS_A_TRIAL, f"trial {number}"):
            read += check_read(path, color=number % 3 == 0)
    assert trials.tried / 100 < read < trials.tried * 0.9
    trials.cost("nothing: a clear error, or a valid picture all the same")


def test_nothing_is_handed_to_another_program(tmp_path, monkeypatch):
    """Pillow would have Ghostscript run what is in a PostScript file."""
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a program was started"))
    path = tmp_path / "face.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(%pipe%id) (w) file\nshowpage\n")
    with pytest.raises(PictureError, match=r"face\.png.*of no known kind"):
        read_picture(path)


def tiff_in_one_tile(side: int) -> bytes:
    """A picture of 10 x 10 pixels in a tile of ``side`` x ``side``, LZW."""
    data = b"\x81\x00" * 1000
    entries = (256, 10), (257, 10), (258, 8), (259, 5), (262, 1), (277, 1), (322, side), (323, side), (324, 134)
    entries = (*entries, (325, len(data)))
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4) + data


def test_a_small_picture_in_an_enormous_tile(tmp_path):
    path = tmp_path / "tile.tif"
    path.write_bytes(tiff_in_one_tile(46_000))
    with pytest.raises(PictureError, match=r"tile\.tif has tiles of 46000 x 46000"):
        read_picture(path)


def test_a_jpeg_of_very_many_scans(tmp_path):
    """A scan of a few bytes takes as long as the whole picture."""
    stream = io.BytesIO()
    Image.new("L", (4000, 4000)).save(stream, "JPEG", progressive=True, quality=30)
    content = stream.getvalue()
    path = tmp_path / "scans.jpg"
    path.write_bytes(content)
    assert check_read(path, color=False)
    last = content[content.rindex(b"\xff\xda") : -2]
    path.write_bytes(content[:-2] + last * 2000 + content[-2:])
    with within(SECONDS_A_TRIAL, "the JPEG"), pytest.raises(PictureError, match=r"scans\.jpg has 2006 scans"):
        read_picture(path)


def test_a_png_with_a_decompression_bomb_in_its_text(tmp_path):
    """Pillow limits it; decompressed it would be a hundred megabytes."""
    stream = io.BytesIO()
    Image.new("L", (4, 4)).save(stream, "PNG")
    packer = zlib.compressobj(9)
    text = b"".join([packer.compress(bytes(2**20)) for _ in range(100)] + [packer.flush()])
    body = b"zTXt" + b"note\0\0" + text
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    path = tmp_path / "text.png"
    path.write_bytes(stream.getvalue()[:33] + chunk + stream.getvalue()[33:])
    check_read(path, color=False)


@pytest.mark.parametrize("name", ["a" * 300, "a" * 5000, "a\0b", "../" * 2000, "a\nb", "\udcff"])
def test_names_that_no_file_has(tmp_path, name):
    with pytest.raises(PictureError):
        read_picture(tmp_path / name)
