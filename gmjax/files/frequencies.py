"""The probabilities of a compact file, as tables of integers. docs/format.md specifies them.

Only integers are used, below 2^53 throughout, so any language computes the same tables. Their totals are at most
``range_coder.MAX_TOTAL``, for counts of at most 100 000.
"""

import bisect
import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

# 2^12 times the powers 2^(i / 48).
POWERS = tuple(round(2**12 * 2 ** (i / 48)) for i in range(48))
# 2^16 times exp(-1 / (2 s^2)) for the standard deviations s = 2^(t / 2).
NORMAL_RATIOS = tuple(round(2**16 * math.exp(-0.5 / 2**t)) for t in range(12))
# Scales of magnitudes: 1/256 times 2^(t / 4) in 1/256.
SCALES = tuple(POWERS[12 * (t % 4)] * 2 ** (t // 4) // 2**12 for t in range(81))
_ONE = 2**16


class Table:
    """Frequencies, each at least 1, with their running sums."""

    def __init__(self, frequencies: Sequence[int]) -> None:
        self.starts = [0, *accumulate(frequencies)]

    @property
    def total(self) -> int:
        return self.starts[-1]

    @property
    def count(self) -> int:
        return len(self.starts) - 1

    def find(self, target: int) -> int:
        """The symbol that contains the part ``target``."""
        return bisect.bisect_right(self.starts, target) - 1


@lru_cache(4096)
def binomial(count: int, left: int, right: int) -> Table:
    """How many of ``count`` fall on the left, where the sides have the masses ``left`` and ``right``, above 0."""
    # The sum grows with the square root of the count.
    shift = max(0, (count.bit_length() - 6) // 2)
    while left + right >= _ONE:
        left, right = max(1, left >> 1), max(1, right >> 1)
    mode = min(count, (count + 1) * left // (left + right))
    frequencies = [1] * (count + 1)
    frequencies[mode] += _ONE >> shift
    value = _ONE
    for k in range(mode, count):
        value = value * (count - k) * left // ((k + 1) * right)
        if not value >> shift:
            break
        frequencies[k + 1] += value >> shift
    value = _ONE
    for k in range(mode, 0, -1):
        value = value * k * right // ((count - k + 1) * left)
        if not value >> shift:
            break
        frequencies[k - 1] += value >> shift
    return Table(frequencies)


@lru_cache(128)
def magnitudes(scale: int) -> Table:
    """|v| = 0, 1, 2 ... of a two-sided geometric distribution with the mean |v| ``SCALES[scale]`` / 256; the last
    entry is for all that are larger."""
    mean = SCALES[scale]
    ratio = (mean << 16) // (256 + math.isqrt(256 * 256 + mean * mean))
    value = ((_ONE - ratio) << 28) // (_ONE + ratio)
    frequencies = [(value >> 12) + 1]
    value *= 2
    while (value := value * ratio >> 16) >> 12:
        frequencies.append((value >> 12) + 1)
    return Table([*frequencies, 1])


def scale_of(mean: int) -> int:
    """The index of the largest of ``SCALES`` that is at most ``mean``, in 1/256."""
    low, high = 0, len(SCALES) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if SCALES[middle] <= mean else (low, middle - 1)
    return low


@lru_cache(64)
def normal(count: int, mean: int, spread: int) -> tuple[int, ...]:
    """Running masses of the classes 0 ... ``count`` - 1: a normal distribution about the class ``mean``, with the
    standard deviation 2^(``spread`` / 2) classes."""
    first = NORMAL_RATIOS[spread]
    decay = first * first >> 16
    masses = [1] * count
    masses[mean] += _ONE
    for direction in (1, -1):
        value, ratio, index = _ONE, first, mean + direction
        while 0 <= index < count and (value := value * ratio >> 16):
            masses[index] += value
            ratio, index = ratio * decay >> 16, index + direction
    return (0, *accumulate(masses))
