"""Fits that correspond, and what is made of them, through the command."""

import csv

import imageio.v3 as iio
import numpy as np
import pytest

import gmjax
from gmjax import space
from gmjax.commands import main
from gmjax.data import read_picture, write_picture
from gmjax.files.models import load_metadata

FIT = ["--aligned", "--size", 16, "--components", 4, "--steps", 40]


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """The run folder of five pictures that correspond."""
    folder = tmp_path_factory.mktemp("faces")
    fill(folder / "photos", 5)
    patch = pytest.MonkeyPatch()
    patch.setattr(main, "_keep_compiled_programs", lambda: None)
    assert run("fit", folder / "photos", "--correspond", *FIT, "--out", folder / "run") == 0
    patch.undo()
    return folder / "run"


def fill(folder, count):
    folder.mkdir()
    row, column = np.mgrid[:16, :16] / 16
    rng = np.random.default_rng(0)
    for number, (a, b, c) in enumerate(rng.uniform(-0.2, 0.2, (count, 3))):
        write_picture(
            folder / f"{number}.png", 0.4 + c + 0.4 * np.exp(-8 * ((row - 0.5 - a) ** 2 + (column - 0.5 - b) ** 2))
        )


def run(*arguments) -> int:
    return main.main([str(argument) for argument in arguments])


def rows(path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def loaded(faces):
    return gmjax.stack([gmjax.load(path) for path in sorted((faces / "models").glob("*"))])


def test_a_corresponding_run_keeps_its_common_face(faces, capsys):
    common = gmjax.load(faces / "common_face.safetensors")
    picture = np.asarray(gmjax.render(common, (16, 16)))
    np.testing.assert_allclose(picture, picture[:, ::-1], atol=1e-5)
    params = gmjax.fit(
        read_picture(faces.parent / "photos" / "2.png"), common, config=gmjax.FitConfig(stay=1e-6, steps=40)
    ).params
    for one, other in zip(gmjax.unstack(loaded(faces))[2].__dict__.values(), params.__dict__.values(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    assert run("fit", faces.parent / "photos", "--correspond", *FIT, "--out", faces) == 0
    assert "nothing was done" in capsys.readouterr().out


def test_another_picture_joins_them(faces):
    fill_one = faces.parent / "photos" / "0.png"
    start = faces / "common_face.safetensors"
    options = ["--aligned", "--size", 16, "--steps", 40, "--start", start, "--out", "one"]
    assert run("fit", fill_one, "--correspond", *options) == 0
    assert run("average", faces, "one/model.safetensors", "--out", "average") == 0
    assert len(rows("average/faces.csv")) == 6


def test_average(faces, capsys):
    assert run("average", faces, "--weights", 1, 1, 2, 0, 0, "--size", 32, "--out", "out") == 0
    expected = space.mean(loaded(faces), np.float32([1, 1, 2, 0, 0]))
    np.testing.assert_allclose(gmjax.load("out/model.safetensors").means, expected.means, rtol=1e-5)
    np.testing.assert_allclose(
        read_picture("out/average.png"), np.clip(gmjax.render(expected, (32, 32)), 0, 1), atol=0.003
    )
    pixels = np.tensordot([0.25, 0.25, 0.5, 0, 0], np.clip(gmjax.render(loaded(faces), (32, 32)), 0, 1), 1)
    np.testing.assert_allclose(read_picture("out/pixels.png"), pixels, atol=0.003)
    assert [row["weight"] for row in rows("out/faces.csv")] == ["1.0", "1.0", "2.0", "0.0", "0.0"]
    assert "Average of 5 faces" in capsys.readouterr().out


def test_morph(faces):
    models = [faces / "models" / f"{number}.png.safetensors" for number in (0, 3)]
    assert run("morph", *models, "--frames", 5, "--format", "png", "--out", "out") == 0
    film = iio.imread("out/morph.png", plugin="pillow")
    ends = np.clip(gmjax.render(loaded(faces), (16, 16)), 0, 1)
    film = (film if film.ndim == 3 else film[..., 0]) / 255
    np.testing.assert_allclose(film[[0, 4]], ends[np.array([0, 3])], atol=0.003)
    assert [float(row["share"]) for row in rows("out/frames.csv")] == [0, 0.25, 0.5, 0.75, 1]
    half = gmjax.unstack(gmjax.load("out/frames.safetensors"))[2]
    expected = space.morph(gmjax.load(models[0]), gmjax.load(models[1]), 0.5)
    np.testing.assert_allclose(half.precision_chol, expected.precision_chol, rtol=1e-4, atol=1e-4)


@pytest.mark.soak
def test_a_loop_and_a_caricature(faces):
    assert run("morph", faces, "--frames", 10, "--loop", "--out", "out") == 0
    places = [(row["from"], row["to"]) for row in rows("out/frames.csv")]
    assert places[::2] == [(f"{n}.png", f"{(n + 1) % 5}.png") for n in range(5)]
    models = [faces / "models" / f"{number}.png.safetensors" for number in (0, 3)]
    assert run("morph", *models, "--frames", 3, "--reach", -0.5, 1.5, "--out", "beyond") == 0
    beyond = gmjax.unstack(gmjax.load("beyond/frames.safetensors"))[2]
    expected = space.morph(gmjax.load(models[0]), gmjax.load(models[1]), 1.5)
    np.testing.assert_allclose(beyond.means, expected.means, rtol=1e-4)


def test_symmetrise(faces):
    assert run("symmetrise", faces, "--out", "out") == 0
    for number in range(5):
        picture = np.asarray(gmjax.render(gmjax.load(f"out/{number}.png.safetensors"), (16, 16)))
        np.testing.assert_allclose(picture, picture[:, ::-1], atol=1e-5)
    asymmetry = [float(row["asymmetry"]) for row in rows("out/asymmetry.csv")]
    pictures = np.clip(gmjax.render(loaded(faces), (16, 16)), 0, 1)
    expected = np.sqrt(np.square(pictures - pictures[:, :, ::-1]).mean((1, 2)))
    np.testing.assert_allclose(asymmetry, expected, atol=1e-5)
    assert run("symmetrise", "out", "--out", "again") == 0
    assert max(float(row["asymmetry"]) for row in rows("again/asymmetry.csv")) < 1e-3


def test_what_a_header_says_of_itself_is_checked(faces):
    """Pairs that are none are found anew, and a size that cannot be is 120 x 120."""
    metadata = load_metadata(faces / "models" / "0.png.safetensors")
    params = gmjax.load(faces / "models" / "0.png.safetensors")
    for number, pairs in enumerate(("0 0 0 0", "nothing", "0 1 2 99")):
        gmjax.save(f"{number}.safetensors", params, metadata | {"mirror_pairs": pairs, "height": "99999"})
        assert run("symmetrise", f"{number}.safetensors", "--out", "out") == 0
        assert read_picture(f"out/{number}.png").shape == (120, 120)


def test_axis(faces):
    one, two, third = (faces / "models" / f"{number}.png.safetensors" for number in (0, 3, 1))
    assert run("axis", "--first", one, "--second", two, "--move", third, "--only", "shapes", "--out", "out") == 0
    moved = gmjax.load("out/1.png.safetensors")
    a, b, c = map(gmjax.load, (one, two, third))
    np.testing.assert_allclose(moved.means[5], c.means + (b.means - a.means), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(moved.weights[5], c.weights, rtol=1e-5)
    scores = {row["face"]: float(row["score"]) for row in rows("out/scores.csv")}
    assert [row["group"] for row in rows("out/scores.csv")] == ["first", "second", "moved"]
    assert scores["0.png"] == pytest.approx(-1, abs=1e-3)
    assert scores["3.png"] == pytest.approx(1, abs=1e-3)
    assert read_picture("out/1.png +3.png").shape == (16, 16)


def test_compare(faces, capsys):
    assert run("compare", faces, "--out", "out") == 0
    table = rows("out/distances.csv")
    found = np.array([[float(row[f"{n}.png"]) for n in range(5)] for row in table])
    pictures = np.clip(gmjax.render(loaded(faces), (16, 16)), 0, 1)
    expected = np.sqrt(np.square(pictures[:, None] - pictures[None]).mean((2, 3)))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    pairs = rows("out/pairs.csv")
    np.testing.assert_allclose([float(p["distance"]) for p in pairs], np.sort(found[np.triu_indices(5, 1)]), atol=1e-6)
    table = rows("out/formula_distances.csv")
    of_formulas = np.array([[float(row[f"{n}.png"]) for n in range(5)] for row in table])
    np.testing.assert_allclose(of_formulas, space.distances(loaded(faces)), atol=1e-5)
    nearest = rows("out/nearest.csv")[0]
    assert nearest["nearest"] == f"{1 + np.argmin(found[0, 1:])}.png"
    assert float(nearest["mean_distance"]) == pytest.approx(found[0].sum() / 4, rel=1e-4)
    assert read_picture("out/differences.png", color=True).min() < 0.9
    assert list(rows("out/scores.csv")[0]) == ["face", "axis 1", "axis 2", "axis 3", "axis 4"]
    assert "of the variance" in capsys.readouterr().out


def test_models_that_do_not_correspond(faces, capsys):
    assert run("fit", faces.parent / "photos", *FIT, "--out", "free") == 0
    for command in ("average", "morph", "symmetrise"):
        assert run(command, faces, "free", "--out", "out") == 2
        assert "was fitted without --correspond: fit its picture" in capsys.readouterr().err
    assert run("axis", "--first", faces, "--second", "free", "--out", "out") == 2
    assert "was fitted without --correspond" in capsys.readouterr().err
    assert run("compare", "free", "--out", "out") == 0
    assert run("fit", faces.parent / "photos", "--correspond", *FIT, "--seed", 1, "--overwrite", "--out", "free") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["average", "RUN", "--weights", 1, 2], "--weights must be one for each of the 5 faces; got 2"),
        (["average", "RUN", "--weights", 1, -1, 0, 0, 0], "their sum not 0"),
        (["average", "."], "holds no models"),
        (["average"], "MODELS is needed"),
        (["axis", "--first", "RUN", "--second", "RUN", "--places", "nan"], "--places must be finite"),
        (["morph", "RUN", "--reach", 0, 2], "--reach is for two faces"),
        (["morph", "RUN", "--frames", 1], "--frames must be at least 2"),
        (["compare", "RUN", "--axes", 9], "must be from 1 to 4"),
        (["average", "RUN", "--size", 1], "--size must be from 2 to 4096"),
        (["fit", "RUN/../photos", "--correspond", "--solver", "lm"], "--solver lm does not go with --correspond"),
        (["fit", "RUN/../photos/0.png", "--correspond"], "--start is needed for --correspond with a single picture"),
        (["fit", "RUN/../photos", "--correspond", "--components", 5], "must be even"),
    ],
)
def test_errors(faces, capsys, arguments, message):
    assert run(*(str(argument).replace("RUN", str(faces)) for argument in arguments), "--out", "out") == 2
    assert message in capsys.readouterr().err
