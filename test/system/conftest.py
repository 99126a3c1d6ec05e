"""Fixtures of tests that use all of Sumatra."""

from pathlib import Path

import pytest

from sumatra.testing.traps import Trap, set_trap


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    """A command that leaves a trace."""
    return set_trap(tmp_path / "traps")
