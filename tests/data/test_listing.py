"""The pictures of folders, lists and shards: their order and names, when they changed, and what is wrong with them."""

import gc
import io
import os
import tarfile
import tracemalloc

import pytest

from gmjax.data import PICTURE_SUFFIXES, Entry, PictureError, list_pictures, root_of


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def shard(path, members, mode="w"):
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def names(source):
    return [entry.name for entry in list_pictures(source)]


def test_numbers_by_their_value_folders_among_files(tmp_path):
    touch(tmp_path, "s10/1.png", "s2/10.png", "s2/9.JPG", "s2/note.md", "b.png", "a.png", ".hidden.png", ".h/1.png")
    assert names(tmp_path) == ["a.png", "b.png", "s2/9.JPG", "s2/10.png", "s10/1.png"]


def test_links_to_folders_are_not_followed(tmp_path):
    touch(tmp_path, "a/1.png")
    (tmp_path / "a" / "round").symlink_to(tmp_path)
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a" / "1.png")
    assert names(tmp_path) == ["a/1.png", "b.png", "self.png"]


def test_shards_in_a_folder_and_alone(tmp_path):
    path = shard(tmp_path / "7.tar", {"b/2.png": b"two", "1.json": b"{}", "a.png": b"one!"})
    touch(tmp_path, "10.png")
    assert names(tmp_path) == ["7.tar/b/2.png", "7.tar/a.png", "10.png"]
    entries = list_pictures(path)
    assert [entry.name for entry in entries] == ["7.tar/b/2.png", "7.tar/a.png"]
    assert [path.read_bytes()[e.offset : e.offset + e.size] for e in entries] == [b"two", b"one!"]
    assert root_of(path) == root_of(tmp_path) == tmp_path


@pytest.mark.parametrize("mode", ["w:gz", "w:xz"])
def test_a_compressed_shard_is_named_with_a_reason(tmp_path, mode):
    shard(tmp_path / "a.tar", {"1.png": b"x" * 100}, mode)
    (entry,) = list_pictures(tmp_path)
    assert entry.name == "a.tar"
    assert "cannot be read as an uncompressed tar file" in entry.wrong


def test_the_beginning_of_a_truncated_shard_is_listed(tmp_path):
    path = shard(tmp_path / "a.tar", {f"{i}.png": b"x" * 2000 for i in range(5)})
    path.write_bytes(path.read_bytes()[: 3 * 2560 + 700])
    found = list_pictures(tmp_path)
    assert [entry.name for entry in found if entry.wrong is None][:3] == [f"a.tar/{i}.png" for i in range(3)]
    assert found[-1].name == "a.tar"
    assert found[-1].wrong


def test_lists(tmp_path):
    elsewhere = touch(tmp_path / "elsewhere", "z.png") / "z.png"
    shard(tmp_path / "a.tar", {"1.png": b"x"})
    path = tmp_path / "list.txt"
    path.write_text(f"b.png\n\n  in/c.jpg  \na.tar\n{elsewhere}\nb.png\n../d.png\n")
    entries = list_pictures(path)
    assert [entry.name for entry in entries] == [
        "b.png", "in/c.jpg", "a.tar/1.png", str(elsewhere), "b.png", "../d.png",
    ]  # fmt: skip
    assert [entry.wrong is None for entry in entries] == [True] * 5 + [False]
    assert "leads out of its folder" in entries[-1].wrong


def test_names_that_lead_out_of_a_shard(tmp_path):
    shard(tmp_path / "a.tar", {"../../1.png": b"x", "b/../2.png": b"x", "3..png": b"x"})
    found = {entry.name: entry.wrong for entry in list_pictures(tmp_path)}
    assert [wrong is None for wrong in found.values()] == [False, False, True]


def test_line_breaks_and_odd_bytes_in_names(tmp_path):
    folder = touch(tmp_path / "in", "a\nb.png", "c\td.png")
    (folder / b"e\xff.png".decode("utf-8", "surrogateescape")).write_bytes(b"x")
    found = list_pictures(folder)
    assert [entry.name for entry in found] == ["a?b.png", "c?d.png", "e\udcff.png"]
    assert [entry.wrong is None for entry in found] == [False, False, True]


def test_pictures_of_formats_that_are_not_read_are_listed_with_the_remedy(tmp_path):
    others = ("eyes.csv", "eyes.txt", "a.json", "a.xmp", "a.mp4", "a", "Thumbs.db", ".b.jxl", "c/.d/e.jxl")
    unread = ("a.JXL", "b.exr", "b.psd", "d/e.cr2", "d/e.nef", "d/e.dng")
    touch(tmp_path, *others, *unread, "z.png")
    shard(tmp_path / "s.tar", {"1.jxl": b"x", "1.png": b"x", "1.json": b"{}"})
    (tmp_path / "list.txt").write_text("a.JXL\nz.png\n")
    found = list_pictures(tmp_path)
    assert sorted(entry.name for entry in found) == sorted((*unread, "z.png", "s.tar/1.jxl", "s.tar/1.png"))
    for entry in (*found, *list_pictures(tmp_path / "list.txt"), *list_pictures(tmp_path / "s.tar")):
        if entry.name.endswith(".png"):
            assert entry.wrong is None
        else:
            suffix = os.path.splitext(entry.name)[1].lower()
            assert suffix not in PICTURE_SUFFIXES
            assert suffix in entry.wrong
            assert "PNG" in entry.wrong
            assert "HEIC" in entry.wrong


def test_every_format_that_is_read_is_listed(tmp_path):
    read = ("a.HEIC", "b.heif", "c.avif", "d.jp2", "e.j2k", "f.jfif", "g.jpe", "h.tga", "i.pfm", "j.TIFF")
    touch(tmp_path, *read)
    assert names(tmp_path) == list(read)
    assert not any(entry.wrong for entry in list_pictures(tmp_path))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_lists_in_every_encoding(tmp_path, encoding, line_break):
    expected = ["first.png", "größe.png", "\u5bb6.png"]
    (tmp_path / "list.txt").write_bytes(line_break.join([*expected, ""]).encode(encoding))
    assert names(tmp_path / "list.txt") == expected


def test_a_list_with_names_in_another_unicode_form(tmp_path):
    within, after = "Jos\u00e9.png", "Jose\u0301.png"
    for on_disk, in_list in ((within, after), (after, within)):
        folder = touch(tmp_path / str(len(in_list)), on_disk)
        (folder / "list.txt").write_text(f"{in_list}\nabsent.png\n", encoding="utf-8")
        assert [(entry.name, entry.size) for entry in list_pictures(folder / "list.txt")] == [
            (on_disk, 1), ("absent.png", 0),
        ]  # fmt: skip


def test_a_picture_that_changed_under_its_name(tmp_path):
    """Its size or time differs, also through a link; for a member of a shard, the time of the shard."""
    elsewhere = touch(tmp_path / "elsewhere", "1.png") / "1.png"
    folder = touch(tmp_path / "in", "a.png")
    (folder / "b.png").symlink_to(elsewhere)
    (folder / "c.png").symlink_to(tmp_path / "absent.png")
    packed = shard(folder / "d.tar", {"1.png": b"one!"})
    for number, path in enumerate((folder / "a.png", elsewhere, packed)):
        os.utime(path, ns=(0, 10**18 + number))
    before = list_pictures(folder)
    assert before == [
        Entry("a.png", 1, 10**18),
        Entry("b.png", 1, 10**18 + 1),
        Entry("c.png"),
        Entry("d.tar/1.png", 4, 10**18 + 2, "d.tar", 512),
    ]
    (tmp_path / "list.txt").write_text("in/a.png\n")
    assert list_pictures(tmp_path / "list.txt") == [Entry("in/a.png", 1, 10**18)]
    elsewhere.write_bytes(b"another")
    os.utime(packed, ns=(0, 10**18 + 9))
    after = list_pictures(folder)
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True, False]


def test_memory_for_a_name(tmp_path):
    """A million names should take about 0.25 GB."""
    touch(tmp_path, *(f"{i // 100}/picture_{i}.png" for i in range(2000)))
    tracemalloc.start()
    try:
        found = list_pictures(tmp_path)
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert taken < 280 * len(found)


@pytest.mark.parametrize(
    ("name", "said"),
    [("absent", "no such folder"), ("a.csv", "is no folder, list"), ("in", "holds no pictures"), ("", "no pictures")],
)
def test_what_is_no_collection(tmp_path, name, said):
    touch(tmp_path, "a.csv", "in/note.md")
    with pytest.raises(PictureError, match=said):
        list_pictures(tmp_path / name)


def test_a_folder_that_cannot_be_searched(tmp_path, monkeypatch):
    touch(tmp_path, "a.png", "in/b.png")
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("in"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PictureError, match="in cannot be searched: Permission denied"):
        list_pictures(tmp_path)
