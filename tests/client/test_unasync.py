"""What exists sync and async is written once."""

from pathlib import Path

import pytest

from .unasync import ROOT, originals, twin_of, unasync


@pytest.mark.parametrize("original", originals(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_sync_twin_is_current(original: Path) -> None:
    assert twin_of(original).read_text() == unasync(original), "run: make unasync"
