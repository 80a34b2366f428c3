"""Picture files: every kind is read correctly, and errors say what is wrong."""

import errno
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from gmjax.data import MAX_PIXELS, PictureError, read_picture, write_picture

RNG = np.random.default_rng(7)
BYTES = RNG.integers(0, 256, (6, 5), dtype=np.uint8)
RGB = RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8)
WORDS = RNG.integers(0, 65536, (6, 5), dtype=np.uint16)
LUMA = np.array([0.299, 0.587, 0.114])


def png(size, color_type, depth, rows, **chunks):
    """A PNG file of a kind that Pillow does not write, with more ``chunks`` before its pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", size[1], size[0], depth, color_type, 0, 0, 0)
    more = b"".join(chunk(kind.encode(), data) for kind, data in chunks.items())
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def check(image, shape, expected, tolerance=1e-6):
    assert image.dtype == np.float32
    assert image.shape == shape
    assert 0 <= image.min() <= image.max() <= 1
    np.testing.assert_allclose(image, expected, atol=tolerance)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm", ".bmp"])
def test_gray_of_8_bits(tmp_path, suffix):
    path = tmp_path / f"gray{suffix}"
    Image.fromarray(BYTES).save(path)
    check(read_picture(path), (6, 5), BYTES / 255)
    check(read_picture(path, color=True), (6, 5, 3), np.stack([BYTES] * 3, -1) / 255)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm", ".bmp"])
def test_colour_and_its_luma(tmp_path, suffix):
    path = tmp_path / f"colour{suffix}"
    Image.fromarray(RGB).save(path)
    check(read_picture(path, color=True), (6, 5, 3), RGB / 255)
    check(read_picture(path), (6, 5), RGB / 255 @ LUMA)


def test_gray_of_16_bits(tmp_path):
    Image.fromarray(WORDS).save(tmp_path / "words.png")
    Image.fromarray(WORDS).save(tmp_path / "words.tif")
    (tmp_path / "words.pgm").write_bytes(b"P5 5 6 65535\n" + WORDS.astype(">u2").tobytes())
    big_endian = Image.frombytes("I;16B", (5, 6), WORDS.astype(">u2").tobytes())
    big_endian.save(tmp_path / "big.tif")
    for name in ("words.png", "words.tif", "words.pgm", "big.tif"):
        check(read_picture(tmp_path / name), (6, 5), WORDS / 65535)


def test_colour_of_16_bits_keeps_8(tmp_path):
    words = RNG.integers(0, 65536, (6, 5, 3)).astype(">u2")
    path = tmp_path / "words.png"
    path.write_bytes(png((6, 5), 2, 16, [row.tobytes() for row in words]))
    check(read_picture(path, color=True), (6, 5, 3), words / 65535, tolerance=1 / 255)


def test_float_tiff(tmp_path):
    values = RNG.random((6, 5), dtype=np.float32)
    path = tmp_path / "float.tif"
    Image.fromarray(values).save(path)
    check(read_picture(path), (6, 5), values)
    for wrong in (np.nan, 255.0, -0.5):
        values[2, 2] = wrong
        Image.fromarray(values).save(path)
        with pytest.raises(PictureError, match=r"float\.tif.*outside"):
            read_picture(path)


def test_alpha_lies_over_white(tmp_path):
    alpha = RNG.integers(0, 256, (6, 5), dtype=np.uint8)
    a = alpha[..., None] / 255
    Image.fromarray(np.dstack([RGB, alpha])).save(tmp_path / "rgba.png")
    check(read_picture(tmp_path / "rgba.png", color=True), (6, 5, 3), RGB / 255 * a + 1 - a)
    Image.fromarray(np.dstack([BYTES, alpha])).save(tmp_path / "la.png")
    check(read_picture(tmp_path / "la.png"), (6, 5), BYTES / 255 * a[..., 0] + 1 - a[..., 0])
    Image.fromarray(BYTES).save(tmp_path / "clear.png", transparency=int(BYTES[2, 2]))
    check(read_picture(tmp_path / "clear.png"), (6, 5), np.where(BYTES[2, 2] == BYTES, 255, BYTES) / 255)


def test_a_transparent_value_of_16_bits(tmp_path):
    """Every pixel of exactly that value is clear, and lies over white; for colour, of its upper 8 bits."""
    words = WORDS.copy()
    words[2, 2:4] = 1234, 1235
    rows = [row.astype(">u2").tobytes() for row in words]
    (tmp_path / "gray.png").write_bytes(png((6, 5), 0, 16, rows, tRNS=struct.pack(">H", 1234)))
    check(read_picture(tmp_path / "gray.png"), (6, 5), np.where(words == 1234, 65535, words) / 65535)
    colors = RNG.integers(0, 65536, (6, 5, 3)).astype(">u2")
    rows = [row.tobytes() for row in colors]
    (tmp_path / "color.png").write_bytes(png((6, 5), 2, 16, rows, tRNS=colors[1, 1].tobytes()))
    colors[1, 1] = 65535
    check(read_picture(tmp_path / "color.png", color=True), (6, 5, 3), colors / 65535, tolerance=1 / 255)


@pytest.mark.parametrize("exif", [b"", b"garbage", b"II*\0\xff\xff\xff\xff", b"Exif\0\0II*\0"])
def test_damaged_exif(tmp_path, exif):
    (tmp_path / "a.png").write_bytes(png((6, 5), 0, 8, [row.tobytes() for row in BYTES], eXIf=exif))
    check(read_picture(tmp_path / "a.png"), (6, 5), BYTES / 255)
    Image.fromarray(BYTES).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + exif, quality=100)
    check(read_picture(tmp_path / "a.jpg"), (6, 5), BYTES / 255, tolerance=0.02)


@pytest.mark.parametrize("options", [{}, {"compression": "tga_rle"}, {"orientation": 1}])
def test_tga(tmp_path, options):
    """Which is known only by its name."""
    alpha = RNG.integers(0, 256, (6, 5), dtype=np.uint8)
    a = alpha[..., None] / 255
    path = tmp_path / "a.TGA"
    Image.fromarray(np.dstack([RGB, alpha])).save(path, **options)
    check(read_picture(path, color=True), (6, 5, 3), RGB / 255 * a + 1 - a)
    with pytest.raises(PictureError, match=r"a\.png.*of no known kind: read are PNG, JPEG.*AVIF"):
        read_picture(path.rename(tmp_path / "a.png"))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_avif(tmp_path, orientation):
    smooth = np.add.outer(np.linspace(0, 0.5, 40), np.linspace(0, 0.5, 48))
    smooth = np.stack([smooth, smooth**2, 1 - smooth], axis=-1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.fromarray(np.round(255 * smooth).astype(np.uint8))
    picture.save(tmp_path / "a.avif", quality=95, exif=exif)
    picture.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(picture)) / 255
    check(read_picture(tmp_path / "a.avif", color=True), expected.shape, expected, tolerance=0.05)


def test_palettes(tmp_path):
    indices = RNG.integers(0, 4, (6, 5), dtype=np.uint8)
    colors = np.array([[255, 0, 0], [0, 255, 0], [10, 20, 30], [0, 0, 255]], np.uint8)
    picture = Image.fromarray(indices)
    picture.putpalette(colors.ravel().tolist())
    picture.save(tmp_path / "palette.png")
    picture.save(tmp_path / "palette.gif")
    for name in ("palette.png", "palette.gif"):
        check(read_picture(tmp_path / name, color=True), (6, 5, 3), colors[indices] / 255)
    picture.save(tmp_path / "clear.png", transparency=2)
    colors[2] = 255
    check(read_picture(tmp_path / "clear.png", color=True), (6, 5, 3), colors[indices] / 255)


def test_one_bit(tmp_path):
    bits = RNG.random((6, 5)) > 0.5
    Image.fromarray(bits).save(tmp_path / "bits.png")
    Image.fromarray(bits).save(tmp_path / "bits.pbm")
    check(read_picture(tmp_path / "bits.png"), (6, 5), bits)
    check(read_picture(tmp_path / "bits.pbm"), (6, 5), bits)


def test_cmyk_jpeg(tmp_path):
    path = tmp_path / "cmyk.jpg"
    Image.new("RGB", (16, 16), (200, 60, 20)).convert("CMYK").save(path, quality=100)
    expected = np.broadcast_to(np.array([200, 60, 20]) / 255, (16, 16, 3))
    check(read_picture(path, color=True), (16, 16, 3), expected, tolerance=0.02)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["gray.png", "palette.png", "colour.png", "deep.png", "gray.tif"])
def test_orientation(tmp_path, name, orientation):
    """As Pillow applies it, for pictures with one plane and with several."""
    picture = {
        "gray": Image.fromarray(BYTES),
        "palette": Image.fromarray(RGB).quantize(16),
        "colour": Image.fromarray(RGB),
        "deep": Image.fromarray(WORDS),
    }[name.split(".")[0]]
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(tmp_path / name, exif=exif)
    # From a stream: by its name, Pillow 13 scrambles uncompressed TIFF files that it has to turn.
    with open(tmp_path / name, "rb") as stream, Image.open(stream) as opened:
        upright = ImageOps.exif_transpose(opened)
        expected = np.asarray(upright if name == "deep.png" else upright.convert("RGB"))
    expected = expected / (65535 if name == "deep.png" else 255)
    if expected.ndim == 2:
        expected = np.stack([expected] * 3, -1)
    assert expected.shape == ((6, 5, 3) if orientation < 5 else (5, 6, 3))
    check(read_picture(tmp_path / name, color=True), expected.shape, expected)


@pytest.mark.parametrize("name", ["film.gif", "film.png", "pages.tif"])
def test_first_frame(tmp_path, name):
    frames = [Image.fromarray(np.full((6, 5), value, np.uint8)) for value in (10, 200)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    check(read_picture(tmp_path / name), (6, 5), 10 / 255)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm", "a.bmp", "a.JPG", "a.jpe", "a.jfif", "a.webp"])
def test_write_then_read(tmp_path, name):
    smooth = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    write_picture(tmp_path / name, smooth)
    lossy = name.endswith(("JPG", "jpe", "jfif", "webp"))
    check(read_picture(tmp_path / name), (8, 8), smooth, tolerance=0.05 if lossy else 0.5 / 255)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_write_clips_and_keeps_colour(tmp_path):
    image = np.broadcast_to(np.array([-1.0, 0.5, 7.0]), (4, 3, 3))
    write_picture(tmp_path / "a.png", image)
    expected = np.broadcast_to([0, 128 / 255, 1], (4, 3, 3))
    check(read_picture(tmp_path / "a.png", color=True), (4, 3, 3), expected)


@pytest.mark.parametrize(
    ("name", "image", "reason"),
    [
        ("a.png", np.full((3, 3), np.nan), "NaN"),
        ("a.png", BYTES, "uint8"),
        ("a.png", np.zeros((3, 3, 4)), "shape"),
        ("a.png", np.zeros((0, 3)), "shape"),
        ("a.xyz", np.zeros((3, 3)), "suffix"),
        ("a.heic", np.zeros((3, 3)), "suffix"),
        ("none/a.png", np.zeros((3, 3)), "folder"),
    ],
)
def test_what_cannot_be_written(tmp_path, name, image, reason):
    with pytest.raises(PictureError, match=reason):
        write_picture(tmp_path / name, image)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    write_picture(path, np.ones((3, 3)))

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match=r"a\.png cannot be written.*No space left") as caught:
        write_picture(path, np.zeros((3, 3)))
    assert caught.value.errno == errno.ENOSPC
    check(read_picture(path), (3, 3), 1)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_what_cannot_be_read(tmp_path):
    def refused(name, reason):
        with pytest.raises(PictureError, match=reason) as caught:
            read_picture(tmp_path / name)
        assert name in str(caught.value)

    refused("absent.png", "no such file")
    (tmp_path / "folder.png").mkdir()
    refused("folder.png", "folder")
    (tmp_path / "nothing.png").write_bytes(b"")
    refused("nothing.png", "0 bytes")
    (tmp_path / "text.png").write_text("a letter, renamed")
    refused("text.png", "cannot be read")
    Image.fromarray(BYTES[:1, :1]).save(tmp_path / "dot.png")
    refused("dot.png", "1 pixel")

    noise = RNG.integers(0, 256, (64, 64), dtype=np.uint8)
    for suffix in ("png", "jpg", "tif", "pgm", "bmp", "webp"):
        whole = tmp_path / f"whole.{suffix}"
        Image.fromarray(noise).save(whole)
        (tmp_path / f"half.{suffix}").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
        refused(f"half.{suffix}", "damaged")


@pytest.mark.parametrize("side", [9_000, 12_000, 40_000])
def test_enormous_pictures_are_refused_undecoded(tmp_path, side):
    """The file holds a header only, so any decoding would fail in another way."""
    assert side**2 > MAX_PIXELS
    path = tmp_path / "bomb.png"
    path.write_bytes(png((side, side), 0, 8, []))
    with pytest.raises(PictureError, match=r"bomb\.png.*pixels.*smaller"):
        read_picture(path)
