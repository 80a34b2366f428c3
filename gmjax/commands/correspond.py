"""``gmjax fit --correspond``: the common face that all fits of a run stay near, and how model files say so."""

import hashlib
from pathlib import Path

import jax
import numpy as np

from gmjax.commands.checked_pictures import CheckedPictures
from gmjax.commands.collection_statistics import collection_statistics
from gmjax.commands.options import FitOptions, Plan
from gmjax.commands.run_files import COMMON_FACE
from gmjax.commands.terminal import notice
from gmjax.correspondence import fit_symmetric
from gmjax.data import write_picture
from gmjax.files import models
from gmjax.gmface import GmFace, render
from gmjax.parallel import processes
from gmjax.solvers.config import FitConfig
from gmjax.space import middle_of, mirror_pairs

STAY = 1e-6
# In the header of a model file: a hash of the model that it stays near, and the mirror image of each component.
START, PAIRS = "corresponds_to", "mirror_pairs"


def with_common_face(folder: Path, pictures: CheckedPictures, plan: Plan, options: FitOptions) -> Plan:
    """``plan`` from the symmetric common face of all ``pictures``, which is made once and kept in ``folder``."""
    path = folder / COMMON_FACE
    if not processes.broadcast(path.exists()):
        statistics, _ = collection_statistics(pictures, folder, options)
        if processes.is_first():
            notice("fitting the symmetric common face, which all faces stay near")
            config = FitConfig(solver="lm", num_components=plan.config.num_components)
            common = fit_symmetric(statistics, config=config)
            write_picture(path.with_suffix(".png"), np.asarray(render(common, statistics.shape[:2])))
            height, width = statistics.shape[:2]
            models.save(path, common, {"height": str(height), "width": str(width), **correspondence_of(common, width)})
    processes.barrier("common face")
    return plan._replace(init=models.load(path), start=str(path))


def correspondence_of(start: GmFace, width: int) -> dict[str, str]:
    """What the header of a model says that stays near ``start``, on pictures of ``width`` columns."""
    content = b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(start))
    pairs = mirror_pairs(start, middle_of(start, width))
    return {START: hashlib.sha256(content).hexdigest()[:16], PAIRS: " ".join(map(str, pairs))}
