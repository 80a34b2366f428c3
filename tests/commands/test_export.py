"""``gmjax export``, as a person runs it."""

import re

import jax
import numpy as np
import pytest

import gmjax
from gmjax import export
from gmjax.commands import main
from gmjax.commands.export import Export, LanguageName
from gmjax.files import models


@pytest.fixture
def file(model):
    models.save("m.safetensors", model, {"height": "24", "width": "20", "source": "*/ --> \n=1+1"})
    return "m.safetensors"


def run(*arguments) -> int:
    return main.main(["export", *map(str, arguments)])


def test_the_command_has_all_languages():
    assert LanguageName.__args__ == tuple(export.LANGUAGES)


@pytest.mark.parametrize("language", export.LANGUAGES)
def test_every_language(file, model, capsys, language):
    expected = export.to_text(model, language, shape=(24, 20), metadata=models.load_metadata(file))
    assert run(file, "--to", language) == 0
    assert capsys.readouterr().out == expected
    for suffix in export.LANGUAGES[language].suffixes:
        assert run(file, f"face{suffix}") == 0
        with open(f"face{suffix}") as stream:
            assert stream.read() == expected
        assert f"face{suffix}: m.safetensors in {language}\n" in capsys.readouterr().out


@pytest.mark.parametrize("language", ["c", "latex-table"])
def test_what_rounding_costs(file, model, capsys, language):
    assert run(file, "--to", "c") == 0
    assert capsys.readouterr().err == "The numbers are exact.\n"
    assert run(file, "out", "--to", language, "--digits", 4) == 0
    error, psnr = re.search(r"by at most (\S+), PSNR (\S+) dB at 24 x 20", capsys.readouterr().out).groups()
    difference = gmjax.render(export.LANGUAGES[language].rounded(model, 4), (24, 20)) - gmjax.render(model, (24, 20))
    assert float(error) == pytest.approx(np.abs(difference).max(), rel=0.06)
    assert float(psnr) == pytest.approx(-10 * np.log10(np.mean(difference**2)), abs=0.06)
    assert run(file, "--to", "svg") == 0
    assert "not of the picture" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_other_commands_read_it(file, model, capsys, suffix):
    assert run(file, f"m.{suffix}") == 0
    assert main.main(["render", f"m.{suffix}", "a.png"]) == 0
    assert "a.png: 24 x 20 pixels" in capsys.readouterr().out
    assert main.main(["transform", f"m.{suffix}", "same.safetensors"]) == 0
    for mine, theirs in zip(jax.tree.leaves(gmjax.load(f"m.{suffix}")), jax.tree.leaves(model), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["m.safetensors"], "--to is needed without OUT: give one of csv, json"),
        (["m.safetensors", "face.foo"], "--to is needed: face.foo has none of the suffixes .csv"),
        (["m.safetensors", "m.safetensors", "--to", "c"], "is the model itself"),
        (["m.safetensors", "none/face.c"], "none/face.c cannot be written: the folder none does not exist"),
        (
            ["m.safetensors", "face.glsl", "--to", "c"],
            "--to c does not agree with the name face.glsl: .glsl is",
        ),
        (["m.safetensors", "face.gmf"], "face.gmf has the suffix of a model file, which gmjax convert writes"),
        (["m.safetensors", "--to", "c", "--digits", "0"], "--digits must be from 1 to 17; got 0"),
        (["two.safetensors", "--to", "c"], "two.safetensors holds a batch"),
        (["five.safetensors", "--to", "glsl"], "five.safetensors has 5 channels"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(file, model, capsys, arguments, words):
    models.save("two.safetensors", gmjax.stack([model, model]))
    models.save("five.safetensors", model.replace(weights=np.ones((5, 5), np.float32)))
    assert run(*arguments) == 2
    output = capsys.readouterr()
    assert words in output.err
    assert output.err.count("\n") == 1
    assert not output.out


def test_help_says_which_to_take(capsys):
    with pytest.raises(SystemExit):
        run("--help")
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for name in export.LANGUAGES:
        assert f"{name}: " in said
    assert "For statistics programs and spreadsheets take csv" in said
    assert Export.__doc__.split("\n")[0] in said
