"""The drawings are deterministic, tagged by what is on them, and of every shape asked for."""

import random
import re
from dataclasses import replace

import pytest
from PIL import Image

from datasetkit.demo.colours import hair_colour, teal_share
from datasetkit.demo.drawing import CHARACTERS, HAIR, KIRARA, Traits, draw, random_traits


def test_same_seed_same_pixels_and_another_seed_others() -> None:
    first, tags = draw("kirara", 5)
    again, same_tags = draw("kirara", 5)
    other, _ = draw("kirara", 6)
    assert first.tobytes() == again.tobytes()
    assert tags == same_tags
    assert first.tobytes() != other.tobytes()


@pytest.mark.parametrize("size", [(64, 64), (512, 640), (1280, 400), (96, 320)])
def test_size_is_what_was_asked_for(size: tuple[int, int]) -> None:
    picture, _ = draw("akane", 1, size)
    assert picture.size == size
    assert picture.mode == "RGB"


def test_seed_draws_the_same_character_in_any_size() -> None:
    large, _ = draw("sumire", 3, (512, 512))
    small, _ = draw("sumire", 3, (128, 128))
    shrunk = large.resize((128, 128), Image.Resampling.BOX)
    apart = [abs(a - b) for a, b in zip(shrunk.tobytes(), small.tobytes(), strict=True)]
    assert sum(apart) / len(apart) < 3


def test_transparent_variant_has_real_alpha_and_says_so() -> None:
    picture, tags = draw(replace(KIRARA, transparent=True), 2, (256, 256))
    assert picture.mode == "RGBA"
    alpha = picture.getchannel("A")
    assert (alpha.getpixel((3, 3)), alpha.getpixel((128, 128))) == (0, 255)
    assert "transparent_background" in tags
    assert "simple_background" not in tags


def test_tags_are_in_booru_form() -> None:
    rng = random.Random(1)
    for seed in range(40):
        _, tags = draw(random_traits(rng), seed, (64, 64))
        assert len(tags) == len(set(tags))
        assert {"1girl", "solo"} <= set(tags)
        assert all(re.fullmatch(r"[a-z0-9_]+|:\|", tag) for tag in tags)


def test_named_characters_keep_their_looks_and_come_first() -> None:
    for name, known in CHARACTERS.items():
        for seed in range(5):
            _, tags = draw(name, seed)
            assert tags[0] == name
            assert {f"{known.hair}_hair", f"{known.eyes}_eyes", f"{known.shirt}_shirt"} <= set(tags)


def test_held_out_colours_are_hers_alone() -> None:
    rng = random.Random(2)
    hers = [draw("kirara", seed)[0] for seed in range(10)]
    others = [draw(random_traits(rng), seed)[0] for seed in range(60)]
    assert min(map(teal_share, hers)) > 0.1
    assert max(map(teal_share, others)) < 0.005
    assert not {"aqua_hair", "streaked_hair", "orange_shirt"} & set(random_traits(rng).tags())


def test_hair_colour_reads_every_palette_colour() -> None:
    for hair in HAIR:
        for seed, style in enumerate(["short", "long", "twintails"]):
            assert hair_colour(draw(Traits(hair=hair, style=style), seed)[0]) == hair
