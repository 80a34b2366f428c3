"""The same fits on several devices and processes, under ``pmap``: the only modules that know of either.

- statistics: each device, or each process that reads files, sums some of the pictures; merged by psum, pmin and pmax
  (``statistics.py``);
- common face from statistics: costs what one picture costs, so one device does it (``common.py``);
- common face from minibatches: each device takes some of each batch's pictures (``common.py``);
- personal faces: each device takes some of the pictures, ``pmap(vmap(fit))`` (``many.py``);
- several processes: started, synchronised and ended together (``processes.py``).

1, 2 or 8 devices, in 1 or 2 processes, give the same bits: sums over pictures are sums of whole numbers.
"""

from gmjax.parallel.common import fit_common, prepare_common
from gmjax.parallel.devices import AXIS, shares_of
from gmjax.parallel.many import fit_many, pictures_at_once
from gmjax.parallel.statistics import image_statistics

__all__ = [
    "AXIS",
    "fit_common",
    "fit_many",
    "image_statistics",
    "pictures_at_once",
    "prepare_common",
    "shares_of",
]
