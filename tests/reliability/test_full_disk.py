"""A disk that fills up while many faces are fitted, for real: a small one of memory."""

import shutil
import subprocess
import sys

import pytest

from tests.reliability import commands
from tests.reliability.test_interruptions import RUNS

SCRIPT = """
mount -t tmpfs -o size={size}k tmpfs disk || exit 77
exec {python} -c '{program}' {run} --out disk/out
"""
# The command twice, in one process because starting another takes seconds; between the two the disk grows.
PROGRAM = """
import contextlib, pathlib, shutil, subprocess, sys
from gmjax.commands import main

def run(name):
    with open(f"{name}.txt", "w") as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        status = main.main(sys.argv[1:])
    pathlib.Path(f"{name}.status").write_text(str(status))

run("first")
shutil.copytree("disk/out", "kept")
subprocess.run(["mount", "-o", "remount,size=64m", "disk"], check=True)
run("second")
shutil.copytree("disk/out", "out")
"""


@pytest.mark.soak
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs a disk of its own")
def test_a_disk_that_fills_up(tmp_path, trials):
    commands.fill(tmp_path / "in", 30)
    run = RUNS["many personal faces"]
    commands.finish(tmp_path, *run, "--out", "whole")
    expected = commands.results(tmp_path / "whole")
    for number in trials("a disk that fills up", short=1, long=6, share=0.05):
        place = tmp_path / str(number)
        (place / "disk").mkdir(parents=True)
        (place / "in").symlink_to(tmp_path / "in")
        words = " ".join(map(str, run))
        script = SCRIPT.format(size=200 + 24 * number, python=sys.executable, program=PROGRAM, run=words)
        done = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script], cwd=place)
        if done.returncode == 77 or not (place / "first.txt").exists():
            pytest.skip("no disk of our own may be mounted here")
        said = (place / "first.txt").read_text()
        assert (place / "first.status").read_text() == "2", said
        assert "No space left" in said
        models = list((place / "kept" / "models").rglob("*.safetensors"))
        assert f"{30 - len(models)} are missing" in said
        for path in models:
            assert path.read_bytes() == expected[path.relative_to(place / "kept").as_posix()]
        assert (place / "second.status").read_text() == "0", (place / "second.txt").read_text()
        assert "is resumed" in (place / "second.txt").read_text()
        assert commands.results(place / "out") == expected
    trials.cost("the chunk in flight; what is missing was said, and the same command fitted the rest")
