"""Pages that are written from the source are as the source is."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import reference  # noqa: E402


@pytest.mark.parametrize("path", reference.PAGES, ids=lambda path: path.name)
def test_a_written_page_is_up_to_date(path):
    assert path.read_text(encoding="utf-8") == reference.PAGES[path](), "run: python scripts/reference.py"


def test_each_finding_of_a_receipt_is_explained():
    used = set()
    for source in (ROOT / "sumatra").rglob("*.py"):
        if "testing" in source.parts:
            continue
        used |= set(re.findall(r'Finding\(\s*"([a-z-]+)"', source.read_text(encoding="utf-8")))
    page = (ROOT / "doc" / "reference" / "receipt.rst").read_text(encoding="utf-8")
    explained = set(re.findall(r"^``([a-z-]+)``$", page, re.MULTILINE))
    assert used == explained
