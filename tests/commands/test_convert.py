"""``gmjax convert``, as a person runs it."""

import io
import sys
import time

import numpy as np
import pytest

import gmjax
from gmjax import compact
from gmjax.commands import main
from gmjax.files import models


@pytest.fixture
def file(model):
    models.save("m.safetensors", model, {"height": "24", "width": "20"})
    return "m.safetensors"


def run(*arguments) -> int:
    return main.main(["convert", *map(str, arguments)])


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def slow(monkeypatch, model):
    """An encoder that takes two seconds for one part of its work."""

    def encode(picture, init, *, report, **options):
        time.sleep(2.2)
        report()
        return compact.Encoded(b"123", model, 30.0, (3,))

    monkeypatch.setattr(compact, "encode", encode)


def test_there_and_back(file, capsys):
    assert run(file, "m.gmf") == 0
    assert run("m.gmf", "half.safetensors", "--dtype", "float16") == 0
    assert "PSNR to the drawing of the model: " in capsys.readouterr().out
    back, encoded = gmjax.load("half.safetensors"), gmjax.load("m.gmf")
    np.testing.assert_allclose(back.means, encoded.means, atol=1e-3)
    np.testing.assert_allclose(back.weights, encoded.weights, rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["m.gmf", "--bytes", 5], "--bytes must be at least 24; got 5"),
        (["m.gmf", "--bytes", -1], "--bytes must be at least 24; got -1"),
        (["m.gmf", "--bytes", 0], "--bytes must be at least 24; got 0"),
        (["m.gmf", "--bytes", 60, 70], "--bytes must rise by at least 24 from layer to layer; got 60 70"),
        (["m.gmf", "--bytes", 2**20 + 1], "--bytes allows 1048576 bytes"),
        (["m.gmf", "--bytes", *range(24, 25 * 102, 24)], "and 100 layers"),
        (["m.gmf", "--bytes", 100, "--psnr", 30], "--bytes and --psnr exclude each other"),
        (["m.gmf", "--psnr", 100], "--psnr must be above 0 and below 100 dB; got 100"),
        (["m.gmf", "--psnr", "nan"], "--psnr must be above 0 and below 100 dB; got nan"),
        (["m.gmf", "--dtype", "float16"], "--dtype is for .safetensors files"),
        (["m.npz", "--bytes", 100], "m.npz has the unknown suffix .npz: use one of .gmf .safetensors"),
        (["half.safetensors", "--psnr", 0], "--psnr is for .gmf files"),
        (["m.safetensors"], "m.safetensors is the model itself"),
        (["none/m.gmf"], "none/m.gmf cannot be written: the folder none does not exist"),
    ],
)
def test_what_cannot_be_done_is_said_before_any_work(file, monkeypatch, capsys, arguments, words):
    monkeypatch.setattr(models, "load", lambda path: pytest.fail("the model was read"))
    assert run(file, *arguments) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_errors_of_the_encoder_name_options_and_files(file, model, monkeypatch, capsys):
    models.save("third.safetensors", model.replace(offset=1 / 3))
    assert run("third.safetensors", "m.gmf") == 2
    assert "the offset of third.safetensors must be 1 or 0.5" in capsys.readouterr().err

    def encode(*args, **options):
        raise gmjax.ArgumentError("psnr", "is not reached; give max_bytes")

    monkeypatch.setattr(compact, "encode", encode)
    assert run(file, "m.gmf", "--psnr", 60) == 2
    assert "gmjax: --psnr is not reached; give --bytes\n" in capsys.readouterr().err


def test_the_clock_of_the_progress_bar_goes_on_during_a_part(file, slow, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert run(file, "out.gmf", "--bytes", 100) == 0
    assert "encoding, about 20 s: 0part [00:01" in terminal.getvalue()


def test_long_work_is_said_before(model, monkeypatch, capsys):
    models.save("m.safetensors", model, {"height": "256", "width": "256"})
    monkeypatch.setattr(compact, "encode", lambda *args, **options: compact.Encoded(b"123", model, 30.0, (3,)))
    assert run("m.safetensors", "out.gmf", "--bytes", 300) == 0
    assert capsys.readouterr().err == ""
    assert run("m.safetensors", "out.gmf", "--bytes", 1000) == 0
    assert "takes about 6 minutes on two CPU cores" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--dtype", "foo"], ["--dtype", "None"]])
def test_choices_are_listed_without_none(arguments, capsys):
    with pytest.raises(SystemExit):
        run("a", "b.safetensors", *arguments)
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "Expected one of ('float16', 'float32', 'float64')." in said


def test_help_says_how_long_it_takes(capsys):
    with pytest.raises(SystemExit):
        run("--help")
    assert "half a minute" in capsys.readouterr().out
