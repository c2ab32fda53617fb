"""Any row of taggings and edits by hand: what a person wrote stands, and no booru's tag is lost."""

import random

import numpy as np
import pytest
from PIL import Image

from datasetkit.dataset.captions import with_hand_edits
from datasetkit.pixels import Picture
from datasetkit.record import HAND, Record, Tag
from datasetkit.taggers.merge import MODES
from datasetkit.taggers.tag import Tagging
from datasetkit.tags import join_caption

NAMES = "abcdef"
ONE = dict(zip(NAMES, (0.9, 0.7, 0.5, 0.3, 0.2, 0.1), strict=True))
OTHER = dict(zip(NAMES, (0.1, 0.2, 0.4, 0.6, 0.8, 0.9), strict=True))
SURE = {"one": ONE, "other": OTHER}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, Picture]:
    from tests.taggers import models

    folder = tmp_path_factory.mktemp("sequences")
    Image.new("RGB", (20, 20)).save(folder / "p.png")
    labels = [(name, 4 if name == "f" else 0) for name in NAMES]
    for name, chances in SURE.items():
        models.fixed_tagger(folder / name, np.array(list(chances.values())), labels)
    return str(folder / "one"), str(folder / "other"), Picture(folder / "p.png", (20, 20))


def begun(rng: random.Random, picture: Picture) -> Record:
    """A picture as a booru and a folder's caption had it."""
    told = [
        Tag(name, by=("danbooru",)) for name in rng.sample([*NAMES, "x", "y"], rng.randint(0, 4))
    ]
    return Record(
        "p", picture, (*told, *([Tag("w", by=("folder",))] if rng.random() < 0.3 else []))
    )


def edited(rng: random.Random, record: Record) -> Record:
    words = [name for name in record.names if rng.random() < 0.7]
    words += [f"mine_{rng.randint(1, 9)}"] * (rng.random() < 0.5)
    words += [rng.choice(NAMES)] * (rng.random() < 0.3)
    return with_hand_edits(record, join_caption(words if rng.random() > 0.1 else []))


def tagging(rng: random.Random, models: tuple[str, str]) -> Tagging:
    model = rng.choice([*models, ",".join(models)])
    return Tagging(model, threshold=rng.choice([None, 0.15, 0.5, 0.75]), merge=rng.choice(MODES))


def typed(record: Record) -> set[str]:
    return {tag.name for tag in record.tags if HAND in tag.by}


@pytest.mark.parametrize("seed", range(6))
def test_what_a_person_did_stands_and_no_boorus_tag_is_lost(made, seed: int) -> None:
    one, other, picture = made
    rng = random.Random(seed)
    for _ in range(40):
        first = record = begun(rng, picture)
        for _ in range(rng.randint(1, 7)):
            if rng.random() < 0.35:
                record = edited(rng, record)
                continue
            before, stage = record, tagging(rng, (one, other))
            record = stage(before)
            assert stage(record) is record
            assert typed(record) == typed(before)
            assert record.removed == before.removed and not record.removed & set(record.names)
            assert all(tag.by and len(tag.by) == len(set(tag.by)) for tag in record.tags)
            assert record.has("w") == before.has("w")
        plain = Tagging(one, threshold=0.15)(Tagging(other, threshold=0.15)(record))
        assert {tag.name for tag in first.tags} <= {*plain.names, *plain.removed}
        for tag in plain.tags:
            if HAND not in tag.by:
                sure = [SURE[who][tag.name] for who in tag.by if who in SURE]
                assert tag.score == pytest.approx(np.mean(sure) if sure else 1, abs=1e-4)
