"""Which pictures there are in folders, lists and shards: their order, their names, and what is wrong with them."""

import io
import pickle
import tarfile

import pytest

from gmjax.data import Entry, Listing, PictureError, entries_of, root_of, write_listing


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
    return [entry.name for entry in entries_of(source)]


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
    entries = list(entries_of(path))
    assert [entry.name for entry in entries] == ["7.tar/b/2.png", "7.tar/a.png"]
    assert [path.read_bytes()[e.offset : e.offset + e.size] for e in entries] == [b"two", b"one!"]
    assert root_of(path) == root_of(tmp_path) == tmp_path


@pytest.mark.parametrize("mode", ["w:gz", "w:xz"])
def test_a_compressed_shard_is_named_with_a_reason(tmp_path, mode):
    shard(tmp_path / "a.tar", {"1.png": b"x" * 100}, mode)
    (entry,) = entries_of(tmp_path)
    assert entry.name == "a.tar"
    assert "cannot be read as an uncompressed shard" in entry.wrong


def test_of_a_shard_cut_short_the_beginning_counts(tmp_path):
    path = shard(tmp_path / "a.tar", {f"{i}.png": b"x" * 2000 for i in range(5)})
    path.write_bytes(path.read_bytes()[: 3 * 2560 + 700])
    found = list(entries_of(tmp_path))
    assert [entry.name for entry in found if entry.wrong is None][:3] == [f"a.tar/{i}.png" for i in range(3)]
    assert found[-1].name == "a.tar"
    assert found[-1].wrong


def test_lists(tmp_path):
    elsewhere = touch(tmp_path / "elsewhere", "z.png") / "z.png"
    shard(tmp_path / "a.tar", {"1.png": b"x"})
    path = tmp_path / "list.txt"
    path.write_text(f"b.png\n\n  in/c.jpg  \na.tar\n{elsewhere}\nb.png\n../d.png\n")
    entries = list(entries_of(path))
    assert [entry.name for entry in entries] == [
        "b.png", "in/c.jpg", "a.tar/1.png", str(elsewhere), "b.png", "../d.png",
    ]  # fmt: skip
    assert [entry.wrong is None for entry in entries] == [True] * 5 + [False]
    assert "leads out of its folder" in entries[-1].wrong


def test_names_that_lead_out_of_a_shard(tmp_path):
    shard(tmp_path / "a.tar", {"../../1.png": b"x", "b/../2.png": b"x", "3..png": b"x"})
    found = {entry.name: entry.wrong for entry in entries_of(tmp_path)}
    assert [wrong is None for wrong in found.values()] == [False, False, True]


def test_line_breaks_and_odd_bytes_in_names(tmp_path):
    folder = touch(tmp_path / "in", "a\nb.png", "c\td.png")
    (folder / b"e\xff.png".decode("utf-8", "surrogateescape")).write_bytes(b"x")
    listing = write_listing(tmp_path / "pictures.txt", folder)
    assert [entry.name for entry in listing] == ["a?b.png", "c?d.png", "e\udcff.png"]
    assert [entry.wrong is None for entry in listing] == [False, False, True]


def test_a_listing_holds_what_was_listed(tmp_path):
    folder = touch(tmp_path / "in", *(f"{i}/{j}.png" for i in range(20) for j in range(30)))
    shard(folder / "s.tar", {"1.png": b"x", "../2.png": b"x"})
    listing = write_listing(tmp_path / "pictures.txt", folder)
    expected = list(entries_of(folder))
    assert len(listing) == len(expected) == 602
    assert list(listing) == expected
    assert [listing[number] for number in (601, 0, 300)] == [expected[number] for number in (601, 0, 300)]


def test_ends_of_lines_where_two_reads_meet(tmp_path, monkeypatch):
    folder = touch(tmp_path / "in", *(f"{i}.png" for i in range(50)))
    monkeypatch.setattr("gmjax.data.listing._BYTES_AT_ONCE", 7)
    listing = write_listing(tmp_path / "pictures.txt", folder)
    assert [entry.name for entry in listing] == [f"{i}.png" for i in range(50)]


def test_a_listing_goes_to_other_processes_by_its_path(tmp_path):
    folder = touch(tmp_path / "in", *(f"{i}.png" for i in range(2000)))
    listing = write_listing(tmp_path / "pictures.txt", folder)
    assert listing[1999] == Entry("1999.png")
    packed = pickle.dumps(listing)
    assert len(packed) < 1000
    assert list(pickle.loads(packed)) == list(listing)


def test_nothing_is_left_of_a_listing_that_fails(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(PictureError, match="holds no pictures"):
        write_listing(tmp_path / "pictures.txt", tmp_path / "empty")
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


@pytest.mark.parametrize(("name", "said"), [("absent", "no such folder"), ("a.csv", "is no folder, list")])
def test_what_is_no_collection(tmp_path, name, said):
    touch(tmp_path, "a.csv")
    with pytest.raises(PictureError, match=said):
        list(entries_of(tmp_path / name))


def test_a_listing_without_its_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        len(Listing(tmp_path / "absent.txt"))
