"""A model that loads but fails at work: whose fault it is, and what it costs."""

from pathlib import Path

import pytest
from PIL import Image

from datasetkit.errors import ModelError
from datasetkit.grabbers.folder import Folder
from datasetkit.taggers.examine import examine
from datasetkit.taggers.models import model_named
from datasetkit.taggers.tag import Tagging
from tests.homes import Home
from tests.taggers.failing import fail


@pytest.fixture
def model(models, tmp_path) -> Path:
    return models.small_tagger(tmp_path / "failing", 32)


@pytest.fixture
def home(tmp_path) -> Home:
    """A dataset of one red picture with a caption."""
    source = tmp_path / "source"
    source.mkdir()
    Image.new("RGB", (40, 24), (255, 51, 0)).save(source / "a.png")
    (source / "a.txt").write_text("long hair")
    made = Home(tmp_path / "set")
    made.run(Folder(str(source)))
    return made


def test_on_every_picture_it_stops_the_run_and_not_the_pictures(model, home):
    fail(model, below=9)
    with pytest.raises(ModelError, match=r"failing.*fails on every picture \(.*out of data bounds"):
        home.run(Tagging(str(model)))
    assert (home.path / "a.txt").read_text() == "long hair\n"
    assert len(home.records) == 1


def test_on_one_picture_it_is_that_pictures_fault(model, home):
    fail(model, below=0.5)
    outcome = home.run(Tagging(str(model)))
    assert list(outcome.errors) == ["a.png"]
    assert "fails on this picture" in outcome.errors["a.png"]


@pytest.mark.parametrize("below", [9, 0.9])
def test_a_check_says_so(model, below):
    fail(model, below=below)  # 0.9: on noise, but not on white
    with pytest.raises(ModelError, match=r"model\.onnx' fails on a test picture \(.*out of data"):
        examine(model_named(str(model)))
