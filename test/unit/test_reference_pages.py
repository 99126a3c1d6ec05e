"""Pages that are written from the source are as the source is."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import reference  # noqa: E402


@pytest.mark.parametrize("path", reference.PAGES, ids=lambda path: path.name)
def test_a_written_page_is_up_to_date(path):
    assert path.read_text(encoding="utf-8") == reference.PAGES[path](), "run: python scripts/reference.py"
