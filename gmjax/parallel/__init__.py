"""The same fits on several devices and processes, under ``pmap``: the only modules that know of either.

1, 2 or 8 devices, in 1 or 2 processes, give the same bits: sums over pictures are sums of whole numbers.
"""

from gmjax.parallel.common import fit_common, prepare_common
from gmjax.parallel.devices import AXIS, shares_of
from gmjax.parallel.many import fit_many, pictures_at_once
from gmjax.parallel.statistics import image_statistics

__all__ = ["AXIS", "fit_common", "fit_many", "image_statistics", "pictures_at_once", "prepare_common", "shares_of"]
