"""What the taggers that people used before get wrong, shown not to happen here.

Two of their faults are looked for elsewhere: tags to come first that end in reverse order
(``tests/cleaners``), and a half-finished download that counts as a model (``tests/hub``).
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasetkit.grabbers.folder import Folder
from datasetkit.taggers.tag import Tagging
from tests.homes import Home

RED = (255, 51, 0)
FACES = """
    0_0 (o)_(o) +_+ +_- ._. <o>_<o> <|>_<|> =_= >_< 3_3 6_9 >_o @_@ ^_^ o_o u_u x_x |_| ||_||
""".split()


def home(folder: Path, **captions: str) -> Home:
    """A dataset of pictures with captions ("" for none)."""
    source = folder / "source"
    source.mkdir()
    for number, (name, text) in enumerate(captions.items()):
        Image.new("RGB", (40, 24), (255 - number, 51, 0)).save(source / f"{name}.png")
        if text:
            (source / f"{name}.txt").write_text(text)
    made = Home(folder / "set")
    made.run(Folder(str(source)))
    return made


def captions(made: Home) -> dict[str, str]:
    return {path.stem: path.read_text().strip() for path in sorted(made.path.glob("*.txt"))}


def fixed(models, folder: Path, names: list[str]) -> str:
    chances = np.linspace(0.99, 0.5, len(names))
    return str(models.fixed_tagger(folder / "fixed", chances, [(name, 0) for name in names]))


@pytest.mark.parametrize("merge", ["union", "replace"])
def test_a_character_tag_does_not_crash_the_run(models, merge, tmp_path):
    folder = models.fixed_tagger(
        tmp_path / "wd", np.array([0.9, 0.9, 0.6]),
        [("hat", 0), ("byleth_(female)_(fire_emblem)", 4), ("general", 9)],
    )  # fmt: skip
    made = home(tmp_path, a="", b="")
    outcome = made.run(Tagging(str(folder), merge=merge))
    assert (outcome.changed, outcome.errors) == (2, {})
    assert set(captions(made).values()) == {"byleth (female) (fire emblem), hat"}


def test_a_replacement_replaces(models, tmp_path):
    folder = fixed(models, tmp_path, ["red_theme", "long_hair"])
    made = home(tmp_path, a="")
    made.run(Tagging(str(models.small_tagger(tmp_path / "first", 32))))
    assert captions(made)["a"] == ">_<, red theme, white corner"
    made.run(Tagging(folder, merge="replace"))
    assert captions(made)["a"] == "red theme, long hair"
    made.run(Tagging(folder, merge="replace", drop=("red theme",)))  # in the caption's form
    assert captions(made)["a"] == "long hair"


def test_kaomoji_keep_their_underscores_from_the_model_to_the_caption_and_back(models, tmp_path):
    folder = fixed(models, tmp_path, [*FACES, "long_hair", "star_(symbol)", ";d"])
    made = home(tmp_path, a="", b=">_<, <|>_<|>, long hair")
    made.run(Tagging(folder))
    words = [*FACES, "long hair", "star (symbol)", ";d"]
    assert captions(made)["a"].split(", ") == words
    assert sorted(captions(made)["b"].split(", ")) == sorted(words)  # none of them twice
    text = made.path / "a.txt"
    text.write_text(text.read_text().replace("long hair", "long_hair"))  # the same to a person
    made.run(Tagging(folder, threshold=0.2))
    assert made.records["a"].removed == frozenset()
    assert not any("hand" in tag.by for tag in made.records["a"].tags)


def test_a_truncated_picture_does_not_abort_the_run(models, tmp_path):
    made = home(tmp_path, a="", b="", c="")
    broken = made.path / "b.png"
    broken.write_bytes(broken.read_bytes()[:60])
    outcome = made.run(Tagging(fixed(models, tmp_path, ["hat"])))
    assert (outcome.changed, list(outcome.errors)) == (2, ["b.png"])
    assert captions(made) == {"a": "hat", "c": "hat"}


def test_existing_captions_are_not_overwritten(models, tmp_path):
    made = home(tmp_path, a="my own words, in my order", b="")
    for merge in ("union", "prefer-booru", "prefer-model", "only-missing", "replace"):
        made.run(Tagging(fixed(models, tmp_path, ["hat", "sky"]), merge=merge))
        assert captions(made)["a"].startswith("my own words, in my order")
        assert captions(made)["b"] == "hat, sky"


def test_a_tag_in_two_spellings_is_one_tag(models, tmp_path):
    made = home(tmp_path, a="long hair, star_(symbol), >_<", b="long_hair, hat")
    made.run(Tagging(fixed(models, tmp_path, ["long_hair", "star_(symbol)", ">_<"])))
    assert captions(made)["a"] == "long hair, star (symbol), >_<"
    assert captions(made)["b"].count("long hair") == 1
