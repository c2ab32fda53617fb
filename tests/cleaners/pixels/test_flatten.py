"""The flatten stage on real files: what is composited, what is left alone, how tags follow."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from datasetkit.cleaners.pixels.flatten import Flatten
from datasetkit.errors import UsageError
from datasetkit.pixels import Picture, read_header
from datasetkit.record import HAND, Record, Tag

TRANSPARENT = Tag("transparent_background", by=("danbooru",))


def record(path: Path, *tags: Tag) -> Record:
    return Record("1", Picture(path, read_header(path)[1]), tags)


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def half_clear(mode: str = "RGBA") -> Image.Image:
    """Red on the left, clear on the right, where black is hidden."""
    image = Image.new("RGBA", (8, 4), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 4, 4))
    return image.convert(mode)


def palette_png(path: Path) -> Path:
    image = Image.new("P", (8, 4), 1)
    image.putpalette([255, 0, 0, 0, 0, 0])
    image.paste(0, (0, 0, 4, 4))
    return saved(path, image, transparency=1)


def rgb_key_png(path: Path) -> Path:
    image = Image.new("RGB", (8, 4), (1, 2, 3))
    image.paste((255, 0, 0), (0, 0, 4, 4))
    return saved(path, image, transparency=(1, 2, 3))


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: saved(folder / "a.png", half_clear()),
        lambda folder: saved(folder / "a.webp", half_clear(), lossless=True, exact=True),
        lambda folder: saved(folder / "a.avif", half_clear(), quality=100, subsampling="4:4:4"),
        lambda folder: saved(folder / "a.gif", half_clear()),
        lambda folder: palette_png(folder / "a.png"),
        lambda folder: rgb_key_png(folder / "a.png"),
    ],
    ids=["RGBA png", "webp", "avif", "gif", "palette key", "rgb key"],
)
def test_every_kind_of_transparency_becomes_the_colour(make, tmp_path):
    flat = Flatten()(record(make(tmp_path), TRANSPARENT))
    assert flat.picture.painted is not None
    assert flat.picture.pixels.mode == "RGB"
    assert all(value >= 253 for value in flat.picture.pixels.getpixel((6, 2)))
    red, green, blue = flat.picture.pixels.getpixel((1, 1))
    assert red >= 250 and green <= 5 and blue <= 5
    assert flat.names == ("white_background", "simple_background")


def test_gray_with_alpha(tmp_path):
    image = Image.new("LA", (4, 4), (10, 0))
    image.putpixel((0, 0), (10, 255))
    flat = Flatten()(record(saved(tmp_path / "a.png", image))).picture.pixels
    assert flat.getpixel((0, 0)) == (10, 10, 10)
    assert flat.getpixel((3, 3)) == (255, 255, 255)


def test_half_transparent_pixels_are_mixed(tmp_path):
    image = Image.new("RGBA", (2, 2), (0, 0, 0, 128))
    flat = Flatten("#ff0000")(record(saved(tmp_path / "a.png", image)))
    assert flat.picture.pixels.getpixel((0, 0)) == (127, 0, 0)


def test_tags_follow_in_the_same_place_with_the_same_say(tmp_path):
    path = saved(tmp_path / "a.png", half_clear())
    tags = (
        Tag("1girl", by=("danbooru",)),
        Tag("transparent_background", by=("danbooru", "wd"), score=0.75),
        Tag("hat"),
        Tag("simple_background", by=(HAND,)),
    )
    flat = Flatten()(record(path, *tags))
    assert flat.names == ("1girl", "white_background", "hat", "simple_background")
    assert flat.tags[1] == Tag("white_background", "general", ("danbooru", "wd"), 0.75)
    assert flat.tags[3] == tags[3]


@pytest.mark.parametrize(
    ("color", "names"),
    [
        ("#FFFFFF", ("white_background", "simple_background")),
        ("gray", ("grey_background", "simple_background")),
        ("black", ("black_background", "simple_background")),
        ("#123456", ("simple_background",)),
        ("rebeccapurple", ("simple_background",)),
    ],
)
def test_other_colours(color, names, tmp_path):
    stage = Flatten(color)
    stage.check()
    assert stage(record(saved(tmp_path / "a.png", half_clear()), TRANSPARENT)).names == names


def test_a_removed_tag_does_not_come_back(tmp_path):
    path = saved(tmp_path / "a.png", half_clear())
    before = Record(
        "1", Picture(path, (8, 4)), (TRANSPARENT,), removed=frozenset({"simple_background"})
    )
    assert Flatten()(before).names == ("white_background",)


def test_transparency_without_the_tag_says_nothing_of_the_background(tmp_path):
    flat = Flatten()(record(saved(tmp_path / "a.png", half_clear()), Tag("1girl")))
    assert flat.picture.painted is not None
    assert flat.names == ("1girl",)


def test_an_opaque_picture_is_the_same_record_and_is_not_decoded(tmp_path):
    for name in ("a.jpg", "a.png", "a.webp", "a.avif"):
        before = record(saved(tmp_path / name, Image.new("RGB", (8, 4), "red")), Tag("1girl"))
        assert Flatten()(before) is before
        assert before.picture._decoded is None


def test_alpha_that_hides_nothing_is_the_same_record(tmp_path):
    path = saved(tmp_path / "a.png", Image.new("RGBA", (8, 4), (255, 0, 0, 255)))
    content = path.read_bytes()
    before = record(path, Tag("1girl"))
    assert Flatten()(before) is before
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("ground", "names"),
    [("white", ("white_background", "simple_background", "hat")), ("navy", ("hat",))],
)
def test_a_wrong_tag_on_an_opaque_picture_goes(ground, names, tmp_path):
    image = Image.new("RGB", (64, 64), ground)
    image.paste("red", (20, 10, 44, 64))  # cut off by the lower border
    before = record(saved(tmp_path / "a.jpg", image, quality=90), TRANSPARENT, Tag("hat"))
    flat = Flatten()(before)
    assert flat.picture is before.picture
    assert flat.names == names


def test_what_a_person_typed_on_an_opaque_picture_stays(tmp_path):
    path = saved(tmp_path / "a.png", Image.new("RGB", (64, 64), "navy"))
    before = record(path, Tag("transparent_background"), Tag("hat"))
    assert Flatten()(before) is before


def test_flatten_twice_changes_nothing_the_second_time(tmp_path):
    flat = Flatten()(record(saved(tmp_path / "a.png", half_clear()), TRANSPARENT))
    assert Flatten()(flat) is flat
    again = record(saved(tmp_path / "b.png", flat.picture.pixels), *flat.tags)
    assert Flatten()(again) is again


@pytest.mark.parametrize("color", ["", "whit", "#12", "#ffffff00", "white_background", "1,2,3"])
def test_a_bad_colour_is_refused_before_the_run(color):
    with pytest.raises(UsageError, match="CSS colour name"):
        Flatten(color).check()


# --- the picture's own colour ----------------------------------------------------------------


def card(ground: tuple[int, int, int], noise: int = 0) -> Image.Image:
    """A card with round, clear corners, as cut out of a page."""
    image = Image.new("RGBA", (120, 90), (0, 0, 0, 0))
    ImageDraw.Draw(image).rounded_rectangle((0, 0, 119, 89), 20, (*ground, 255))
    image.paste((200, 30, 30, 255), (40, 30, 80, 60))
    if noise:
        pixels = image.load()
        for x in range(120):
            for y in range(90):
                *colour, alpha = pixels[x, y]
                pixels[x, y] = (*(max(0, min(255, c + (x * y) % noise)) for c in colour), alpha)
    return image


@pytest.mark.parametrize(
    ("ground", "noise", "names"),
    [
        ((255, 192, 203), 0, ("pink_background", "simple_background")),
        ((250, 250, 250), 5, ("white_background", "simple_background")),
        ((18, 52, 86), 0, ("simple_background",)),
        ((3, 4, 2), 5, ("black_background", "simple_background")),
    ],
)
def test_auto_takes_the_colour_of_the_own_border(ground, noise, names, tmp_path):
    stage = Flatten("auto")
    stage.check()
    flat = stage(record(saved(tmp_path / "a.png", card(ground, noise)), TRANSPARENT))
    corner = flat.picture.pixels.getpixel((0, 0))
    assert max(abs(a - b) for a, b in zip(corner, ground, strict=True)) <= noise
    assert flat.names == names
    assert stage(flat) is flat


def test_auto_is_white_where_the_border_has_no_colour_of_its_own(tmp_path):
    image = half_clear().resize((60, 200), Image.Resampling.NEAREST)  # a figure cut off below
    image.paste((0, 0, 0, 0), (0, 0, 60, 120))
    flat = Flatten("auto")(record(saved(tmp_path / "a.png", image), TRANSPARENT))
    assert flat.picture.pixels.getpixel((0, 0)) == (255, 255, 255)
    assert flat.names == ("white_background", "simple_background")
    clear = record(saved(tmp_path / "b.png", Image.new("RGBA", (4, 4), (9, 9, 9, 0))))
    assert Flatten("auto")(clear).picture.pixels.getpixel((0, 0)) == (255, 255, 255)


def test_auto_names_the_ground_of_an_opaque_picture_with_the_wrong_tag(tmp_path):
    image = Image.new("RGB", (64, 64), "pink")
    image.paste("red", (20, 10, 44, 64))
    before = record(saved(tmp_path / "a.png", image), TRANSPARENT)
    assert Flatten("auto")(before).names == ("pink_background", "simple_background")
    busy = Image.radial_gradient("L").convert("RGB")
    before = record(saved(tmp_path / "b.png", busy), TRANSPARENT, Tag("hat"))
    assert Flatten("auto")(before).names == ("hat",)


def test_another_colour_later_changes_nothing(tmp_path):
    flat = Flatten("white")(record(saved(tmp_path / "a.png", half_clear()), TRANSPARENT))
    again = record(saved(tmp_path / "b.png", flat.picture.pixels), *flat.tags)
    for stage in (Flatten("black"), Flatten("auto"), Flatten(blend="linear"), Flatten(skip=True)):
        assert stage(again) is again


# --- half-clear pixels, and none touched -----------------------------------------------------


@pytest.mark.parametrize(
    ("color", "over", "alpha", "srgb", "linear"),
    [
        ("white", 0, 128, 127, 188),  # half the light of white is 188
        ("black", 255, 128, 128, 188),
        ("white", 0, 255, 0, 0),
        ("white", 0, 0, 255, 255),
        ("#808080", 128, 77, 128, 128),
    ],
)
def test_both_ways_to_mix(color, over, alpha, srgb, linear, tmp_path):
    image = Image.new("RGBA", (3, 2), (over, over, over, alpha))
    image.putpixel((0, 0), (1, 2, 3, 200))
    path = saved(tmp_path / "a.png", image)
    for blend, value in (("srgb", srgb), ("linear", linear)):
        found = Flatten(color, blend=blend)(record(path)).picture.pixels
        assert found.mode == "RGB"
        assert max(abs(v - value) for v in found.getpixel((2, 1))) <= 1


def test_linear_leaves_clear_and_opaque_pixels_as_the_other_does(tmp_path):
    path = saved(tmp_path / "a.png", half_clear())
    one, other = (Flatten("tan", blend=blend)(record(path)) for blend in ("srgb", "linear"))
    assert one.picture.pixels.tobytes() == other.picture.pixels.tobytes()


def test_skip_leaves_pixels_and_tells_which_they_are(tmp_path):
    path = saved(tmp_path / "a.png", half_clear())
    before = record(path, Tag("1girl"))
    after = Flatten(skip=True)(before)
    assert after.picture is before.picture
    assert after.names == ("1girl", "transparent_background")
    assert after.tags[1].by == ("flatten",)
    assert Flatten(skip=True)(after) is after
    known = record(path, TRANSPARENT)
    assert Flatten(skip=True)(known) is known
    refused = Record("1", known.picture, (), removed=frozenset({"transparent_background"}))
    assert Flatten(skip=True)(refused) is refused


def test_skip_does_not_call_soft_corners_a_ground_and_puts_wrong_tags_right(tmp_path):
    image = Image.new("RGBA", (100, 100), "red")
    image.putpixel((0, 0), (0, 0, 0, 0))
    before = record(saved(tmp_path / "a.png", image))
    assert Flatten(skip=True)(before) is before
    opaque = record(saved(tmp_path / "b.png", image.convert("RGB")), TRANSPARENT, Tag("hat"))
    assert Flatten(skip=True)(opaque).names == ("hat",)


def test_an_unknown_way_to_mix_is_refused():
    with pytest.raises(UsageError, match=r"blend 'lineal' is unknown; did you mean 'linear'"):
        Flatten(blend="lineal").check()


def test_pictures_that_were_laid_on_another_colour_are_told_of_once(tmp_path, caplog):
    records = []
    for name in "ab":
        flat = Flatten(color="lightblue")(record(saved(tmp_path / f"{name}.png", half_clear())))
        flat.picture.path.write_bytes(flat.picture.content)
        records.append(replace(flat, picture=record(flat.picture.path).picture))

    def said(stage: Flatten, records: list[Record] = records) -> list[str]:
        caplog.clear()
        with caplog.at_level("INFO", "datasetkit.cleaners"):
            assert all(stage(each) is each for each in records)
        return caplog.messages

    assert said(Flatten(color="white")) == [
        "There are pictures that were laid on lightblue (srgb) before; they stay as they are. "
        "To lay them on another colour, take that step back first: dsk undo."
    ]
    assert len(said(Flatten(color="lightblue", blend="linear"))) == 1
    assert len(said(Flatten(color="auto"))) == 1
    assert not said(Flatten(color="lightblue"))
    assert not said(Flatten(color="#ADD8E6"))
    by_hand = [each.with_facts(HAND, "pixels") for each in records]
    assert not said(Flatten(), by_hand)  # what was laid on lightblue is not there any more
    assert not said(Flatten(), [record(saved(tmp_path / "c.png", half_clear("RGB")))])
