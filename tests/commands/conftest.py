"""What all tests of commands have in common."""

import pytest

from gmjax.commands import main


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    """Run folders go to ``tmp_path``; the suite's own process keeps its settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(main, "_keep_compiled_programs", lambda: None)
