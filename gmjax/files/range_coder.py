"""A range coder of integers: the same bytes on every machine. docs/format.md specifies it.

A symbol that has ``size`` of ``total`` parts of the probability, the parts before it being ``start``, takes
log2(total / size) bits. Totals are at most ``MAX_TOTAL``.
"""

from gmjax.errors import GmjaxError

MAX_TOTAL = 2**20
_TOP, _BOTTOM = 2**32, 2**24


class CompactFileError(GmjaxError, ValueError):
    """Bytes that are not a compact file, or are damaged or truncated."""


class Encoder:
    """Collects symbols; ``finish`` gives the bytes."""

    def __init__(self) -> None:
        self._low, self._range = 0, _TOP - 1
        self._bytes = bytearray()

    def encode(self, start: int, size: int, total: int) -> None:
        part = self._range // total
        self._low += start * part
        self._range = part * size
        self._carry()
        while self._range < _BOTTOM:
            self._bytes.append(self._low >> 24)
            self._low = self._low << 8 & _TOP - 1
            self._range <<= 8

    def finish(self) -> bytes:
        """The bytes, without zeros at their end: ``Decoder`` supplies them."""
        for count in range(5):
            unit = 1 << 32 - 8 * count
            value = -(-self._low // unit) * unit
            if value < self._low + self._range:
                break
        self._low = value
        self._carry()
        return bytes(self._bytes + self._low.to_bytes(4, "big")).rstrip(b"\0")

    def _carry(self) -> None:
        if self._low < _TOP:
            return
        self._low -= _TOP
        last = len(self._bytes) - 1
        while self._bytes[last] == 255:
            self._bytes[last] = 0
            last -= 1
        self._bytes[last] += 1


class Decoder:
    """Reads the symbols back in their order. Nearly all bytes decode to some symbols."""

    def __init__(self, content: bytes) -> None:
        self._bytes, self._next = content, 4
        self._code = int.from_bytes(content[:4].ljust(4, b"\0"), "big")
        self._range = _TOP - 1

    def target(self, total: int) -> int:
        """The part, below ``total``, that the next symbol contains; ``advance`` by that symbol must follow.

        Raises CompactFileError for a code beyond the last part, which no encoder writes.
        """
        self._part = self._range // total
        target = self._code // self._part
        if target >= total:
            raise CompactFileError("is damaged: its code is in no part")
        return target

    def advance(self, start: int, size: int) -> None:
        self._code -= start * self._part
        self._range = self._part * size
        while self._range < _BOTTOM:
            byte = self._bytes[self._next] if self._next < len(self._bytes) else 0
            self._code, self._range, self._next = self._code << 8 | byte, self._range << 8, self._next + 1
