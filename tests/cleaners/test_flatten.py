"""The flatten stage on real files: what is composited, what is left alone, how tags follow."""

from pathlib import Path

import pytest
from PIL import Image

from datasetkit.cleaners.flatten import Flatten
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


def test_flatten_twice_changes_nothing_the_second_time(tmp_path):
    flat = Flatten()(record(saved(tmp_path / "a.png", half_clear()), TRANSPARENT))
    assert Flatten()(flat) is flat
    again = record(saved(tmp_path / "b.png", flat.picture.pixels), *flat.tags)
    assert Flatten()(again) is again


@pytest.mark.parametrize("color", ["", "whit", "#12", "#ffffff00", "white_background", "1,2,3"])
def test_a_bad_colour_is_refused_before_the_run(color):
    with pytest.raises(UsageError, match="CSS colour name"):
        Flatten(color).check()
