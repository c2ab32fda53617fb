"""The makers of test models, for the tests of this folder."""

from types import ModuleType

import pytest

from tests.taggers import models as makers


@pytest.fixture
def models() -> ModuleType:
    """The module models.py beside this file."""
    return makers
