"""Own photographs through the command: crops, doubts, the check sheet, landmarks and masks."""

import csv
import os
import re
from pathlib import Path

import numpy as np
import pytest

import gmjax
from gmjax import parallel
from gmjax.commands import check_sheet, main
from gmjax.data import CROPS, eyes_of, load_folder, load_picture, read_picture, write_picture
from gmjax.data.alignment import placement_by_eyes
from gmjax.data.landmarks import outline_mask, points_in_crop
from gmjax.files import models
from gmjax.parallel import fit_many as real_fit_many

FEW = ["--size", 16, "--components", 4, "--steps", 10, "--out", "out"]
EYES = {"a.png": (60, 60, 90, 62), "b<i>.png": (60, 60, 84, 80), "sub/c.png": (58, 61, 92, 60)}  # b is tilted
HEADER = "file,left_x,left_y,right_x,right_y\n"


@pytest.fixture
def photos(tmp_path):
    """Three photographs with a table of eyes, and a file that is none."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    rows, columns = np.mgrid[:150, :160] / 150
    for seed, name in enumerate(EYES):
        write_picture(folder / name, 0.5 + 0.2 * np.sin((9 + seed) * rows) + 0.2 * np.cos(8 * columns + seed))
    (folder / "broken.png").write_bytes(b"no picture")
    table = "".join(f"{name},{','.join(map(str, eyes))}\n" for name, eyes in EYES.items())
    (folder / "eyes.csv").write_text(f"{HEADER}{table}broken.png,1,2,3,4\n")
    return folder


def rows(path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def run(*arguments) -> int:
    return main.main([str(argument) for argument in arguments])


def names_in(page) -> list[str]:
    return re.findall("<b>(.*?)</b>", Path(page).read_text())


def test_a_folder_leaves_its_crops_doubts_and_check_sheet(photos, capsys):
    assert run("fit", photos, "--crop", "face", *FEW) == 1
    faces = load_folder(photos, crop="face", size=16)
    for name, image in zip(faces.names, faces.images, strict=True):
        np.testing.assert_allclose(read_picture(f"out/crops/{name}.png"), image, atol=0.5 / 255 + 1e-6)
    (doubtful,) = rows("out/doubtful.csv")
    assert doubtful == {"picture": "b<i>.png", "reason": "tilted by 40 degrees"}
    assert faces.doubtful == (("b<i>.png", "tilted by 40 degrees"),)
    said = capsys.readouterr().out
    assert "1 of 4 are used although they are doubtful" in said
    assert "b<i>.png: tilted by 40 degrees" in said

    errors = {row["picture"]: float(row["mse"]) for row in rows("out/metrics.csv")}
    better, worse = sorted(("a.png", "sub/c.png"), key=errors.get)
    assert names_in("out/check.html") == ["broken.png", "b&lt;i&gt;.png", worse, better]
    page = Path("out/check.html").read_text()
    assert page.count("<img") == 9  # photograph, crop and model of each that could be read
    assert f"MSE {errors['a.png']:.3g}" in page
    assert "doubtful: tilted by 40 degrees" in page
    assert "http" not in page
    assert not os.path.exists("out/checks")


def test_crops_and_eyes_of_a_run_make_it_again(photos):
    assert run("fit", photos, *FEW) == 1
    assert run("fit", "out/crops", "--aligned", *FEW[:-1], "again") == 0
    for row in rows("again/metrics.csv"):
        first = next(other for other in rows("out/metrics.csv") if f"{other['picture']}.png" == row["picture"])
        assert abs(float(row["psnr"]) - float(first["psnr"])) < 0.3
    assert run("fit", photos, "--eyes", "out/eyes.csv", *FEW[:-1], "eyes") == 1
    for name in EYES:
        assert Path(f"eyes/crops/{name}.png").read_bytes() == Path(f"out/crops/{name}.png").read_bytes()


def test_strict_leaves_doubtful_ones_out(photos):
    assert run("fit", photos, "--crop", "face", "--strict", *FEW) == 1
    skipped = {row["picture"]: row["reason"] for row in rows("out/skipped.csv")}
    assert set(skipped) == {"b<i>.png", "broken.png"}
    assert skipped["b<i>.png"] == "doubtful (--strict): tilted by 40 degrees"
    assert not os.path.exists("out/doubtful.csv")
    assert Path("out/check.html").read_text().count('class="skipped"') == 2
    faces = load_folder(photos, crop="face", size=16, strict=True)
    assert faces.names == ("a.png", "sub/c.png")
    assert dict(faces.skipped)["b<i>.png"] == "tilted by 40 degrees"


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.soak)])
def test_a_common_face_leaves_them_too(photos, capsys, workers):
    assert run("common-model", photos, "--crop", "face", "--workers", workers, *FEW) == 0
    assert [row["picture"] for row in rows("out/doubtful.csv")] == ["b<i>.png"]
    assert "1 of 4 are used although they are doubtful" in capsys.readouterr().out
    drawn = np.asarray(gmjax.render(models.load("out/model.safetensors"), (16, 16)))
    page = Path("out/check.html").read_text()
    for name in EYES:
        error = np.mean((read_picture(f"out/crops/{name}.png") - drawn) ** 2)
        assert f"MSE {error:.3g}" in page
    assert "<th>model</th>" not in page


def test_an_interrupted_run_keeps_its_doubts(photos, monkeypatch):
    def fit_many(images, *args, **options):
        yield next(iter(real_fit_many(images, *args, **options)))
        raise KeyboardInterrupt

    monkeypatch.setattr(parallel, "fit_many", fit_many)
    arguments = ["fit", photos, "--crop", "face", *FEW]
    assert run(*arguments) == 130
    monkeypatch.undo()
    monkeypatch.chdir(photos.parent)
    assert run(*arguments) == 1
    assert [row["picture"] for row in rows("out/doubtful.csv")] == ["b<i>.png"]
    assert Path("out/check.html").read_text().count("<img") == 9


def test_many_pictures_have_several_pages(photos, monkeypatch):
    monkeypatch.setattr(check_sheet, "ROWS", 3)
    assert run("fit", photos, *FEW) == 1
    assert len(names_in("out/check.html")) == 3
    assert len(names_in("out/check-2.html")) == 1
    assert 'href="check-2.html"' in Path("out/check.html").read_text()
    for name in ("broken.png", "sub/c.png"):
        (photos / name).unlink()
    (photos / "eyes.csv").write_text(HEADER + "a.png,60,60,90,62\nb<i>.png,60,60,90,62\n")
    assert run("fit", photos, *FEW, "--overwrite") == 0
    assert not os.path.exists("out/check-2.html")
    assert not os.path.exists("out/crops/sub")


def test_one_picture_says_its_doubts(photos, capsys):
    path = photos / "b<i>.png"
    assert run("fit", path, "--crop", "face", *FEW) == 0
    assert "b<i>.png is doubtful: tilted by 40 degrees" in capsys.readouterr().err
    with pytest.warns(gmjax.data.DoubtfulFaceWarning, match="tilted by 40 degrees"):
        image = load_picture(path, crop="face", size=16)
    np.testing.assert_allclose(read_picture("out/picture.png"), image, atol=0.5 / 255 + 1e-6)
    assert run("fit", path, "--crop", "face", "--strict", *FEW, "--overwrite") == 2
    assert "is doubtful (--strict): tilted" in capsys.readouterr().err


@pytest.mark.parametrize(("crop", "components"), [("face", 240), ("head", 480)])
def test_each_crop_has_its_own_size_and_number_of_components(photos, monkeypatch, crop, components):
    asked = []
    monkeypatch.setattr(gmjax.personal, "prepare", lambda image, init, **options: asked.append((image, init, options)))
    with pytest.raises(AttributeError):  # what comes after it
        run("fit", photos / "a.png", "--crop", crop, "--color")
    ((image, init, options),) = asked
    assert image.shape == (CROPS[crop].size, CROPS[crop].size, 3)
    assert init is None
    assert options["config"].num_components == components
    assert options["config"].start == "grid"


def points_of(eyes):
    """Eyes and a rectangle around the face, as a template has them."""
    x, y, right_x, right_y = eyes
    d = right_x - x
    return [
        (x, y),
        (right_x, right_y),
        (x - d, y - d),
        (right_x + d, y - d),
        (right_x + d, y + 2 * d),
        (x - d, y + 2 * d),
    ]


@pytest.fixture
def templates(photos):
    for name, eyes in EYES.items():
        points = points_of(eyes)
        text = "".join(f"{x}\t{y}\n" for x, y in points)
        (photos / name).with_suffix(".tem").write_text(f"{len(points)}\n{text}0\n")
    return photos


def test_alignment_by_templates(templates):
    assert run("fit", templates, "--templates", templates, "--crop", "face", *FEW) == 1
    (doubtful,) = rows("out/doubtful.csv")
    assert doubtful["picture"] == "b<i>.png"
    assert "no such file" in rows("out/skipped.csv")[0]["reason"]
    faces = load_folder(templates, templates=templates, crop="face", size=16)
    for name, image in zip(faces.names, faces.images, strict=True):
        np.testing.assert_allclose(read_picture(f"out/crops/{name}.png"), image, atol=0.5 / 255 + 1e-6)
    # A template that changed is noticed.
    (templates / "a.tem").write_text((templates / "a.tem").read_text() + "1\n")
    assert run("fit", templates, "--templates", templates, "--crop", "face", *FEW) == 2


def test_the_outline_of_templates_as_a_mask(templates):
    """Only the pixels inside count: the error is that inside."""
    more = ["--templates", templates, "--mask", "outline", "--crop", "head"]
    assert run("fit", templates / "a.png", *more, *FEW) == 0
    points = np.array(points_of(EYES["a.png"]), float)
    inside = outline_mask(points_in_crop(points, placement_by_eyes(eyes_of(points), CROPS["head"], 16)), 16)
    errors = (read_picture("out/picture.png") - gmjax.render(models.load("out/model.safetensors"), (16, 16))) ** 2
    (metrics,) = rows("out/metrics.csv")
    assert float(metrics["mse"]) == pytest.approx(float(errors[inside].mean()), rel=0.1)
    assert errors[~inside].mean() > 2 * errors[inside].mean()
    assert run("fit", templates, *more, *FEW, "--overwrite") == 1
    assert {row["picture"] for row in rows("out/metrics.csv")} == set(EYES)


def test_masks_are_the_librarys(photos):
    """One for all, and one for each, by name."""
    mask = np.zeros((32, 32))
    mask[:16] = 1
    write_picture("mask.png", mask)
    config = gmjax.FitConfig(num_components=4, steps=10)
    assert run("fit", photos, "--mask", "mask.png", *FEW) == 1
    Path("masks/sub").mkdir(parents=True)
    write_picture("masks/a.png", np.ones((16, 16)))
    write_picture("masks/sub/c.png", mask)
    assert run("fit", photos, "--mask", "masks", *FEW[:-1], "each") == 1
    assert "no mask" in {row["picture"]: row["reason"] for row in rows("each/skipped.csv")}["b<i>.png"]
    faces = load_folder(photos, size=16)
    images = dict(zip(faces.names, faces.images, strict=True))
    small = np.repeat(np.arange(16) < 8, 16).reshape(16, 16)
    for folder, name, expected in (("out", "a.png", small), ("each", "a.png", None), ("each", "sub/c.png", small)):
        result = gmjax.fit(images[name], config=config, mask=expected)
        (mse,) = (float(row["mse"]) for row in rows(f"{folder}/metrics.csv") if row["picture"] == name)
        assert mse == pytest.approx(float(result.info.mse), rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fit", "photos", "--crop", "face", "--aligned"], "--crop is for pictures that are to be aligned"),
        (["fit", "photos", "--templates", "photos", "--aligned"], "--templates is for pictures"),
        (["fit", "photos", "--templates", "photos", "--eyes", "photos/eyes.csv"], "exclude each other"),
        (["fit", "photos", "--templates", "none"], "none does not exist"),
        (["fit", "photos", "--templates", "photos"], "has no landmarks of the pictures"),
        (["fit", "photos", "--affine"], "--affine goes with --templates"),
        (["fit", "photos", "--crop", "head", "--start", "published"], "leave it out with --crop head"),
        (["fit", "photos", "--mask", "outline"], "outline goes with --templates"),
        (["fit", "photos", "--mask", "none.png"], "none.png does not exist"),
        (["fit", "photos/a.png", "--mask", "photos/broken.png"], "broken.png"),
        (["fit", "photos/a.png", "--mask", "photos/a.png"], "draw the mask over the picture as it was cropped"),
        (["fit", "photos/a.png", "--mask", "black.png"], "black.png is black"),
        (["common-model", "--crop", "face"], "--data is needed with"),
        (["common-model", "--strict"], "--data is needed with"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(photos, capsys, arguments, words):
    write_picture("black.png", np.zeros((8, 8)))
    assert run(*arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
    assert len([line for line in said.err.splitlines() if "is doubtful" not in line]) == 1
    assert not os.path.exists("runs")
