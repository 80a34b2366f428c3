"""The same fits on all devices and machines, under ``pmap``: the only room that knows devices and processes.

- statistics: each device, or each process that reads files, takes some of the pictures; merged by psum, pmin and pmax
  (``statistics.py``);
- common face from statistics: costs what one picture costs, so one device does it (``common.py``);
- common face from minibatches: each device takes some of each batch's pictures (``minibatches.py``);
- personal faces: each device takes some of the pictures, ``pmap(vmap(fit))`` (``many.py``);
- several machines: started, watched, and ended together (``processes.py``, ``watch.py``).

1, 2 or 8 devices, on 1 or 2 machines, give the same bits: what is summed over pictures is summed in whole numbers.
"""

from gmjax.parallel.common import Course, NonFiniteLossError, course, fit_common
from gmjax.parallel.many import fit_many, pictures_at_once
from gmjax.parallel.minibatches import minibatch_epochs, minibatch_start
from gmjax.parallel.shares import AXIS, shares_of
from gmjax.parallel.statistics import image_statistics

__all__ = [
    "AXIS",
    "Course",
    "NonFiniteLossError",
    "course",
    "fit_common",
    "fit_many",
    "image_statistics",
    "minibatch_epochs",
    "minibatch_start",
    "pictures_at_once",
    "shares_of",
]
