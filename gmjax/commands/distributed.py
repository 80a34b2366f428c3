"""The options of a run that is shared by several processes."""

import dataclasses
from typing import Annotated

from tyro.conf import arg


@dataclasses.dataclass(frozen=True)
class DistributedOptions:
    distributed: Annotated[bool, arg(help_behavior_hint="")] = False
    """One of several processes that share the work, each started with the same command. On Cloud TPU, Slurm, Open MPI
    and Kubernetes they find each other; elsewhere give --coordinator, --processes and --process."""

    coordinator: Annotated[str | None, arg(metavar="HOST:PORT", help_behavior_hint="")] = None
    """With --distributed: where process 0 listens."""

    processes: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """With --distributed: how many there are."""

    process: Annotated[int | None, arg(metavar="I", help_behavior_hint="")] = None
    """With --distributed: which this one is, from 0."""
