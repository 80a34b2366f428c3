"""Two processes of two devices each, for real: the section of one, whichever of them asks for it again."""

import re

import pytest

from tests.reliability import commands

TINY = {
    "training": ("--epochs", 2, 4, "--stage", 2, "--batch-size", 4),
    "personal": ("--people", 3, "--every-picture", 6, "--named", 2, "--chunk", 4, "--steps", 8),
}


def section_of(runs, name: str) -> str:
    """Without what was measured in seconds."""
    text = (runs / name / "section.md").read_text()
    text = re.sub(r"[\d.e-]+ s\b", "", text)
    return re.sub(r"\| [\d.]+ \|$", "", text, flags=re.MULTILINE) if name == "personal" else text


def kept_in(runs) -> set:
    return {path.relative_to(runs) for path in (runs / "kept").rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", TINY)
def test_the_same_as_of_one(tmp_path, folder_of_faces, name):
    program = f"experiments.{name}"
    arguments = ("--data", folder_of_faces, "--size", 24, "--components", 6, *TINY[name])
    one = commands.start(tmp_path, *arguments, "--runs", "one", program=program)
    assert one.status() == 0, one.said()
    together = commands.start_together(tmp_path, 2, *arguments, "--runs", "two", program=program)
    assert [command.status() for command in together] == [0, 0], together[0].said() + together[1].said()
    assert section_of(tmp_path / "two", name) == section_of(tmp_path / "one", name)
    assert kept_in(tmp_path / "two") == kept_in(tmp_path / "one")
    assert "pictures in two" in together[0].said()
    assert together[1].said() == "", "the first one says it"
