"""What a model tells beside tags is kept with the dataset, without another look."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from datasetkit.dataset import Dataset, undo
from datasetkit.engines.local import run_leg
from datasetkit.grabbers.folder import Folder
from datasetkit.taggers.models import model_named
from datasetkit.taggers.tag import Tagging
from datasetkit.taggers.tagger import Tagger
from tests.taggers.families import INTERFACES, family_model

COLOURS = [(255, 51, 0), (0, 51, 255), (20, 200, 20)]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model of a family whose exports tell features, small enough to be quick."""
    return family_model(tmp_path / "models", replace(INTERFACES["pixai 0.9"]))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.mkdir()
    for number, colour in enumerate(COLOURS):
        Image.new("RGB", (60, 40), colour).save(source / f"{number}.png")
    with Dataset(tmp_path / "set", write=True) as dataset:
        run_leg(dataset, [Folder(str(source))], quiet)
    return tmp_path / "set"


def quiet(event: object) -> None:
    pass


def tag(home: Path, model: Path, **options: object):
    with Dataset(home, write=True) as dataset:
        return run_leg(dataset, [Tagging(str(model), **options)], quiet)


def files(home: Path) -> set[str]:
    folder = home / ".dsk" / "embeddings"
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def test_kept_by_the_print_that_stands_in_the_facts(home, model):
    tag(home, model)
    tagger = Tagger(model_named(str(model)))
    with Dataset(home) as dataset:
        store = dataset.embeddings(tagger.name)
        assert len(store) == 3
        for record in dataset.records:
            fact = record.facts["tag"][tagger.name]
            assert fact["embedding"] is True and record.embeddings == {}
            _, features = tagger.look(record.picture.pixels, record.picture.size)
            np.testing.assert_allclose(store.get(fact["print"]), features, rtol=1e-3)
    assert files(home) == {"pixai-tagger-v0.9.npy", "pixai-tagger-v0.9.prints.npy"}


def test_nothing_is_looked_at_twice(home, model, looks):
    tag(home, model)
    assert tag(home, model).changed == 0
    tag(home, model, threshold=0.9)
    assert len(looks) == 3
    with Dataset(home, write=True) as dataset:
        undo(dataset)
        undo(dataset)
    tag(home, model)
    assert len(looks) == 6
    with Dataset(home) as dataset:
        assert len(dataset.embeddings("pixai-tagger-v0.9")) == 3


def test_not_wanted_and_wanted_later(home, model, looks):
    tag(home, model, embeddings=False)
    assert files(home) == set()
    assert tag(home, model, embeddings=False).changed == 0
    captions = [path.read_text() for path in sorted(home.glob("*.txt"))]
    assert tag(home, model).changed == 3
    assert len(looks) == 6 and len(files(home)) == 2
    assert [path.read_text() for path in sorted(home.glob("*.txt"))] == captions
    assert tag(home, model, embeddings=False).changed == 0


def test_deleted_they_are_made_again(home, model, looks):
    tag(home, model)
    shutil.rmtree(home / ".dsk" / "embeddings")
    assert tag(home, model).errors == {}
    assert len(looks) == 6 and len(files(home)) == 2


def test_a_dry_run_keeps_nothing(home, model):
    with Dataset(home) as dataset:
        run_leg(dataset, [Tagging(str(model))], quiet, dry_run=True)
    assert files(home) == set()


def test_a_model_without_features_costs_nothing(home, models, tmp_path):
    plain = models.small_tagger(tmp_path / "tiny-tagger", 32)
    tag(home, plain)
    assert files(home) == set()
    with Dataset(home) as dataset:
        assert "embedding" not in dataset.records[0].facts["tag"]["tiny-tagger"]


def test_numbers_that_do_not_fit_are_not_kept(home, model):
    path = model / "model.onnx"
    graph = onnx.load(path)
    for node in graph.graph.node:
        if "embedding" in node.output:
            node.output[0] = "small"
    graph.graph.node.append(onnx.helper.make_node("Div", ["small", "nought"], ["embedding"]))
    graph.graph.initializer.append(
        onnx.numpy_helper.from_array(np.array(1e-30, np.float32), "nought")
    )
    onnx.save(graph, path)
    outcome = tag(home, model)
    assert (outcome.changed, outcome.errors) == (3, {})
    assert files(home) == set()
