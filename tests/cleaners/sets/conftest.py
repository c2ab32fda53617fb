"""What the tests of whole sets share."""

from pathlib import Path

import pytest

from tests.cleaners.sets.twins import Source


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)
