"""Any model is saved and loaded unchanged; no table of eyes and no file name causes a crash."""

import os
import re
import tarfile

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmjax.commands.fit_folder import result_paths
from gmjax.data import PictureError, eyes_table, list_pictures, read_eyes_csv
from gmjax.files.models import HEADER, load, load_metadata, save
from tests.files.test_models import assert_same_bits, models

# Any text that UTF-8 can write; and what stands in for it in a table or a name.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NAMES = st.sampled_from(
    [
        "..",
        "../a.png",
        "/etc/passwd",
        "a\x00.png",
        "a\nb.png",
        "C:\\a.png",
        "a/../../b.png",
        "",
        ".",
        " ",
        "~/a.png",
        "1" * 5000 + ".png",
        "a/" * 3000,
        "x" * 200000,
        "٣.png",
        "a\x1b[2J.png",
        "\ufeff",
    ]
)
FIELDS = st.one_of(TEXT, NAMES, st.sampled_from(["1", "nan", "inf", "-1e400", "1" * 5000, "1_0", "\u0663", '"', '"a']))
QUICK = settings(max_examples=150, deadline=None)


@QUICK
@given(
    model=models(), notes=st.dictionaries(TEXT.filter(lambda name: name not in {*HEADER, "offset"}), TEXT, max_size=4)
)
def test_models_and_notes_come_back(tmp_path_factory, model, notes):
    path = tmp_path_factory.getbasetemp() / "hostile_round_trip.safetensors"
    save(path, model, notes)
    assert_same_bits(load(path), model)
    assert load_metadata(path) == {"offset": "1.0", **HEADER, **notes}
    with jax.enable_x64(True):
        assert_same_bits(load(path), model)


@QUICK
@given(rows=st.lists(st.lists(FIELDS, max_size=6), max_size=4), ending=st.sampled_from(["\n", "\r\n", "\r"]))
def test_no_table_of_eyes_crashes(tmp_path_factory, rows, ending):
    """A table is read, with names inside the folder and finite numbers, or refused by an error that names it."""
    folder = tmp_path_factory.getbasetemp()
    path = folder / "hostile_eyes.csv"
    lines = ["file,left_x,left_y,right_x,right_y", *(",".join(row) for row in rows)]
    path.write_bytes(ending.join(lines).encode())
    check_table(folder, path)


@QUICK
@given(content=st.binary(max_size=200))
def test_no_bytes_for_a_table_crash(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp()
    path = folder / "hostile_eyes.csv"
    path.write_bytes(b"file,left_x,left_y,right_x,right_y\n" + content)
    check_table(folder, path)


def test_a_name_with_more_digits_than_a_number_may_have(tmp_path):
    path = tmp_path / "eyes.csv"
    path.write_text("file,left_x,left_y,right_x,right_y\n" + "1" * 5000 + ".png,1,2,3,4\n")
    check_table(tmp_path, path)


def check_table(folder, path):
    try:
        table = read_eyes_csv(path)
    except PictureError as error:
        return names(path, error)
    assert np.isfinite(list(table.values())).all()
    for name in table:
        assert os.path.abspath(folder / name).startswith(f"{folder}{os.sep}")
    try:
        eyes_table(folder, path, ["a.png"])
    except PictureError as error:
        names(path, error)


def names(path, error):
    assert str(path) in str(error)


@QUICK
@given(
    names=st.lists(st.one_of(st.binary(min_size=1, max_size=60), st.just(b"\xff\n9"), st.just(b"1" * 240)), max_size=5)
)
def test_no_names_of_files_crash(tmp_path_factory, names):
    """Any bytes that the file system takes for a name."""
    folder = tmp_path_factory.mktemp("names")
    made = set()
    for name in names:
        name = name.replace(b"/", b"_").replace(b"\0", b"_") + b".png"
        with open(os.fsencode(folder) + b"/" + name, "wb"):
            made.add(os.fsdecode(name))
    visible = {name for name in made if not name.startswith(".")}
    plain = {name for name in visible if min(map(ord, name)) >= 32}
    if visible:
        found = list_pictures(folder)
        assert {entry.name for entry in found if entry.wrong is None} == plain
        assert sum(entry.wrong is not None for entry in found) == len(visible - plain)
    else:
        with pytest.raises(PictureError, match=re.escape(str(folder))):
            list_pictures(folder)


@QUICK
@given(
    parts=st.lists(
        st.sampled_from(["..", ".", "", "a", "b.png", "~", "C:", "...", "\\", "/etc"]), min_size=1, max_size=6
    )
)
def test_no_listed_name_leads_out_of_the_run(tmp_path_factory, parts):
    """Names in a list, and of members of a shard."""
    folder = tmp_path_factory.mktemp("names")
    name = "/".join([*parts, "x.png"])
    (folder / "list.txt").write_text(name + "\n")
    with tarfile.open(folder / "shard.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    for source in ("list.txt", "shard.tar"):
        for entry in list_pictures(folder / source):
            if entry.wrong is not None:
                assert ".." in parts
                continue
            for path in result_paths(folder / "run", entry.name):
                assert os.path.realpath(path).startswith(f"{os.path.realpath(folder)}/run/")
