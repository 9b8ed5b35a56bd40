"""The public files, where they are at hand."""

import os
from pathlib import Path

import pytest

SHARED_DATA = Path(
    os.environ.get("TRANSLATOR_MIRROR")
    or Path(__file__).parents[2].parent / "shared" / "data"
)


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache folder; no mirror."""
    monkeypatch.setenv("TRANSLATOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TRANSLATOR_MIRROR", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def shared_mirror(cache, monkeypatch) -> Path:
    """The folder of the public files, as the mirror; skips where there is none."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the public corpora are not beside the repository")
    monkeypatch.setenv("TRANSLATOR_MIRROR", str(SHARED_DATA))
    return SHARED_DATA
