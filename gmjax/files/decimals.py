"""Numbers as decimal text, and rounded to so many decimal digits."""

import numpy as np

EXACT_DIGITS = {np.dtype(np.float32): 9, np.dtype(np.float64): 17}
"""So many significant digits keep every number of a type."""


def shortest(value: np.floating) -> str:
    """The shortest decimal that reads back as ``value``, with a point or an exponent: ``0.18``, ``22.0``, ``1e-05``."""
    text = str(value)
    # A reader that goes through float64 rounds twice, and very rarely ends at the neighbour.
    return text if value.dtype.type(float(text)) == value else f"{float(value):.{EXACT_DIGITS[value.dtype]}g}"


def rounded(values: np.ndarray, digits: int) -> np.ndarray:
    """Each of ``values`` as the nearest number of its type to its first ``digits`` significant decimal digits."""
    if digits >= EXACT_DIGITS[values.dtype]:
        return values
    decimals = [float(f"{value:.{digits - 1}e}") for value in values.ravel().tolist()]
    return np.array(decimals, values.dtype).reshape(values.shape)
