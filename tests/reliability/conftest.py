"""Faults made on purpose: some of each in ``make test``; many in ``make soak``, which fills docs/reliability.md.

A test asks ``trials`` for the numbers of its trials and says what the faults cost::

    def test_mutated_model_files(trials):
        for number in trials("a mutated model file", short=2000, long=100_000, share=0.1):
            ...
        trials.cost("nothing: a clear error or a valid model")
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

# Set by `make soak`: how many minutes the whole may take, and the file that the table is made of.
SOAK_MINUTES = float(os.environ.get("GMJAX_SOAK_MINUTES", 0))
SOAK_ROWS = os.environ.get("GMJAX_SOAK_ROWS")


class Trials:
    def __init__(self) -> None:
        self.fault = ""
        self.tried = 0

    def __call__(self, fault: str, *, short: int, long: int, share: float) -> Iterator[int]:
        """The numbers 0 up to ``short``, or in a soak up to ``long``, as far as ``share`` of its minutes goes."""
        self.fault, self.tried = fault, 0
        until = time.monotonic() + 60 * share * SOAK_MINUTES
        for number in range(long if SOAK_MINUTES else short):
            if number >= short and time.monotonic() > until:
                break
            yield number
            self.tried = number + 1

    def cost(self, lost: str) -> None:
        """Called at the end of a test that passed, with what the faults cost: a row of the table."""
        assert self.tried
        if SOAK_ROWS:
            row = {"fault": self.fault, "tried": self.tried, "lost": lost}
            with open(Path(SOAK_ROWS), "a", encoding="utf-8") as stream:
                stream.write(json.dumps(row) + "\n")


@pytest.fixture
def trials() -> Trials:
    return Trials()
