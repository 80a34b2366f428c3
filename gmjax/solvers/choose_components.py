"""How many components a picture needs: the search behind ``target_psnr``."""

import math
from collections.abc import Callable

from gmjax.errors import ArgumentError
from gmjax.solvers.fitting import FitResult

# Approximate gain in PSNR when the number of components doubles.
_DECIBELS = 4.0


def fewest_components(fit: Callable[[int], FitResult], target_psnr: float, first: int, most: int) -> FitResult:
    """The result of ``fit(m)`` with an m that reaches ``target_psnr`` (dB), at most 10 % above the smallest such m.

    The bound assumes that more components never fit worse, which may fail for nearly equal numbers. The search starts
    at ``first``. Raises ArgumentError if ``most`` components do not reach the target.
    """
    failed, failed_psnr = 0, -math.inf
    m = min(first, most)
    while True:
        result = fit(m)
        psnr = float(result.info.psnr)
        if psnr >= target_psnr:
            break
        if m == most:
            raise ArgumentError(
                "target_psnr",
                f"of {target_psnr:g} dB is out of reach: {most} components, which have as many numbers as the picture, "
                f"reach {psnr:.1f} dB; lower the target, or try more steps or another solver",
            )
        failed, failed_psnr = m, psnr
        m = min(most, _between(m * 1.5 + 1, m * _times(target_psnr - psnr), m * 4))
    bisect = False
    while m > 1.1 * (failed + 1) and m > failed + 1:
        # Interpolate, but bisect every other time, in case interpolation always errs to the same side.
        share = 0.5
        if not bisect and math.isfinite(failed_psnr):
            share = min(max((target_psnr - failed_psnr) / (psnr - failed_psnr), 0.2), 0.8)
        bisect = not bisect
        lower = m * min(max(_times(target_psnr - psnr), 0.25), 0.5)
        guess = failed * (m / failed) ** share if failed else lower
        middle = _between(failed + 1, guess, m - 1)
        other = fit(middle)
        if float(other.info.psnr) >= target_psnr:
            m, psnr, result = middle, float(other.info.psnr), other
        else:
            failed, failed_psnr = middle, float(other.info.psnr)
    return result


def _times(decibels: float) -> float:
    """The factor on m that is expected to gain ``decibels``."""
    return 2 ** min(decibels / _DECIBELS, 10.0) if math.isfinite(decibels) else 2.0


def _between(low: float | int, guess: float | int, high: float | int) -> int:
    return round(min(max(guess, low), high))
