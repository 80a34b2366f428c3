"""All experiments together: RESULTS.md, and scripts run from the command line."""

import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from experiments import __main__ as experiments
from experiments import personal
from experiments.collection import Options, arguments
from experiments.report import Report
from experiments.script import main
from gmjax.commands.options import DistributedOptions


def test_results_are_written_from_the_runs(tmp_path):
    for name in experiments.NAMES:
        report = Report(f"Title of {name}: more")
        report.text(f"Text of {name}.")
        report.figure(f"picture_{name}", Figure(), f"Caption of {name}")
        report.compare("a claim", "1", "1", True)
        report.compare("another", "1", "2", name != "surface", "it is so")
        report.save(tmp_path / name, f"Origin of {name}.")
    out = tmp_path / "out"
    (out / "results").mkdir(parents=True)
    (out / "results" / "old.png").touch()
    (out / "results" / "mine.png").touch()
    (out / "RESULTS.md").write_text("![Old](results/old.png)")
    experiments.write_results(experiments.AllOptions(runs=tmp_path, out=out, full=True, also=tmp_path / "mine"))
    text = (out / "RESULTS.md").read_text()
    assert "(`python -m experiments --full --also mine`)" in text
    assert str(tmp_path) not in text, "no path of this machine"
    positions = [text.index(f"## Title of {name}") for name in experiments.NAMES]
    assert positions == sorted(positions)
    count = 2 * len(experiments.NAMES)
    assert f"{count - 1} of {count} comparisons agree" in text
    assert "- Title of surface: another: expected 1, measured 2; it is so." in text
    pictures = {f"picture_{name}.png" for name in experiments.NAMES}
    assert {path.name for path in (out / "results").iterdir()} == pictures | {"mine.png"}


@pytest.mark.parametrize("name", experiments.NAMES)
def test_every_script_states_its_command_cost_and_expectation(name):
    module = __import__(f"experiments.{name}", fromlist=["run"])
    for word in (f"Command:   python -m experiments.{name}", "Cost:", "Expected:"):
        assert word in module.__doc__
    assert hash(module.Config()) == hash(module.Config())
    assert isinstance(module.FULL, module.Config)


def test_a_script_from_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["experiments", "transforms", "--size", "24", "--runs", str(tmp_path)])
    monkeypatch.setenv("PYTHONPATH", str(Path(experiments.__file__).parents[1]))
    experiments.main()
    record = json.loads((tmp_path / "transforms" / "record.json").read_text())
    assert record["origin"].startswith("`python -m experiments.transforms --size 24`: the published common face")
    assert record["comparisons"][0]["agrees"]
    assert (tmp_path / "transforms" / "results" / "fig10_12.png").is_file()
    assert not (tmp_path / "RESULTS.md").exists()


@pytest.mark.parametrize(
    ("script", "options", "message"),
    [
        ("personal", ["--people", "0"], "--people must be at least 1"),
        ("space", ["--people", "1"], "--people must be at least 2"),
        ("space", ["--size", "50"], "--size must be a multiple of 3"),
        ("components", ["--counts", "2", "100"], "--counts must be from 1 to 80"),
        ("surface", ["--data", "nowhere"], "nowhere"),
        ("surface", ["--data", "caspeal"], "--root is needed with --data caspeal"),
        ("surface", ["--process", "0"], "--distributed is needed"),
        ("surface", ["--distributed", "--processes", "2"], "--coordinator goes with --processes and --process"),
    ],
)
def test_user_errors_are_one_line(script, options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["", *options, "--runs", str(tmp_path)])
    with pytest.raises(SystemExit) as exit:
        main(script)
    printed = capsys.readouterr().err if exit.value.code == 1 else exit.value.code
    assert message in printed
    assert len(printed.splitlines()) == 1


def test_sigterm_ends_a_run_before_its_next_result(tmp_path, monkeypatch, capsys):
    def run(config, cached):
        os.kill(os.getpid(), signal.SIGTERM)
        return cached(Report, "never made")

    monkeypatch.setattr(sys, "argv", ["", "--runs", str(tmp_path)])
    monkeypatch.setattr(personal, "run", run)
    with pytest.raises(SystemExit) as exit:
        main("personal")
    assert exit.value.code == 1
    assert "the same command resumes" in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()


def test_full_takes_other_defaults(tmp_path, monkeypatch, capsys):
    seen = []

    def run(config, cached):
        seen.append(config)
        return Report("Title")

    monkeypatch.setattr(sys, "argv", ["", "--full", "--seed", "3", "--runs", str(tmp_path)])
    monkeypatch.setattr(personal, "run", run)
    main("personal")
    assert (seen[0].people, seen[0].seed) == (None, 3)
    assert "--people None" in capsys.readouterr().out


def test_an_unknown_name_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["experiments", "nothing"])
    with pytest.raises(SystemExit) as exit:
        experiments.main()
    assert exit.value.code == 2
    assert "training" in "".join(capsys.readouterr())


def test_options_are_passed_to_every_script(tmp_path):
    options = experiments.AllOptions(also=tmp_path, aligned=True, distribution=DistributedOptions(process=3), size=60)
    passed = ["--also", str(tmp_path), "--aligned", "--size", "60"]
    assert arguments(options, Options()) == [*passed, "--process", "3"]
    assert arguments(options, Options(), for_report=True) == ["--also", tmp_path.name, "--aligned", "--size", "60"]


def test_experiments_do_not_depend_on_benchmarks():
    for path in Path(experiments.__file__).parent.glob("*.py"):
        assert not re.search(r"^\s*(from|import) benchmarks", path.read_text(encoding="utf-8"), re.MULTILINE), path
