"""Files damaged on purpose, the same for the same random numbers, and a limit on how long one trial may take."""

import contextlib
import signal
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

_EXTREME = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**48, 2**63 - 1, 2**64 - 1)


def mutated(content: bytes, random: Random, others: Sequence[bytes] = ()) -> bytes:
    """``content`` after one to four mutations; some put in parts of ``others``."""
    for _ in range(random.randint(1, 4)):
        content = _mutated_once(bytearray(content or b"\0"), random, others)
    return content


def _mutated_once(content: bytearray, random: Random, others: Sequence[bytes]) -> bytes:
    size = len(content)
    place, length = random.randrange(size), random.randint(1, 32)
    match random.randrange(9):
        case 0:
            content[place] ^= 1 << random.randrange(8)
        case 1:
            content[place : place + length] = random.randbytes(length)
        case 2:
            del content[place:]
        case 3:
            content[place:place] = random.randbytes(length)
        case 4:
            del content[place : place + length]
        case 5:
            content[place:place] = content[place : place + length] * random.randint(1, 8)
        case 6:
            content[place : place + length] = bytes(length)
        case 7:  # an extreme number of one, two, four or eight bytes
            width = random.choice((1, 2, 4, 8))
            value = random.choice(_EXTREME) % 2 ** (8 * width)
            content[place : place + width] = value.to_bytes(width, random.choice(("little", "big")))
        case 8 if others:
            other = random.choice(others)
            content[place:] = other[random.randrange(len(other)) :]
    return bytes(content)


@contextlib.contextmanager
def within(seconds: float, what: str) -> Iterator[None]:
    """Fails, naming ``what``, when the block takes longer; one that never comes back to Python hangs visibly."""

    def too_long(*_):
        raise TimeoutError(f"{what} took more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def says_clearly(text: str, path: Path) -> bool:
    """An error's text names the file, and neither fills the terminal nor steers it."""
    assert str(path) in text
    assert len(text) < 2000
    assert text.isprintable()
    return True


def claim(content: bytes, width: int, height: int) -> bytes:
    """A picture file whose header says another size; as it is where that is written in no simple way."""
    data = bytearray(content)

    def put(place: int, form: str, *values: int) -> None:
        limits = [2 ** (8 * struct.calcsize("<" + letter)) for letter in form[1:]]
        struct.pack_into(form, data, place, *(value % limit for value, limit in zip(values, limits, strict=True)))

    if content.startswith(b"\x89PNG"):
        put(16, ">II", width, height)
        put(29, ">I", zlib.crc32(data[12:29]))
    elif content.startswith(b"GIF8"):
        put(6, "<HH", width, height)
    elif content.startswith(b"BM"):
        put(18, "<II", width, height)
    elif content.startswith(b"P"):
        kind, _, _, rest = content.split(maxsplit=3)
        return b"%s %d %d %s" % (kind, width, height, rest)
    elif content.startswith(b"\xff\xd8"):
        for marker in (b"\xff\xc0", b"\xff\xc2"):
            if marker in content:
                put(content.index(marker) + 5, ">HH", height, width)
    elif content[12:16] == b"VP8 ":
        put(26, "<HH", width % 2**14, height % 2**14)
    elif content[12:16] == b"VP8L":
        put(21, "<I", (width - 1) % 2**14 | (height - 1) % 2**14 << 14)
    elif b"\xff\x4f\xff\x51" in content:  # JPEG 2000
        put(content.index(b"\xff\x4f\xff\x51") + 8, ">II", width, height)
    elif content[4:8] == b"ftyp" and b"ispe" in content:  # HEIC and AVIF
        put(content.index(b"ispe") + 8, ">II", width, height)
    elif content.startswith(b"II*\0"):
        first = struct.unpack_from("<I", content, 4)[0]
        for entry in range(first + 2, first + 2 + 12 * struct.unpack_from("<H", content, first)[0], 12):
            tag = struct.unpack_from("<H", content, entry)[0]
            if tag in (256, 257):
                put(entry + 2, "<HII", 4, 1, width if tag == 256 else height)
    return bytes(data)


def png_file(width: int, height: int, color_type: int, packed: bytes) -> bytes:
    """A PNG file of 8 bits by hand, its rows packed already."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, color_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
