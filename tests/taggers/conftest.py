"""The makers of test models, for the tests of this folder."""

from types import ModuleType

import pytest

from datasetkit.taggers.tagger import Tagger
from tests.taggers import models as makers


@pytest.fixture
def models() -> ModuleType:
    """The module models.py beside this file."""
    return makers


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which model looked at a picture, each time."""
    seen: list[str] = []
    real = Tagger._run
    monkeypatch.setattr(
        Tagger, "_run", lambda self, pixels: seen.append(self.name) or real(self, pixels)
    )
    return seen
