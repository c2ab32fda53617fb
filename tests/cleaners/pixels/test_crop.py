"""The crop stage: exact limits, one-pixel strips, and which part of a long picture is kept."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image, ImageDraw

from datasetkit.cleaners.pixels.crop import Crop
from datasetkit.cleaners.pixels.panels import panels
from datasetkit.errors import ModelError, UsageError
from datasetkit.pixels import Picture
from datasetkit.record import HAND, Record, Tag
from tests.cleaners.pixels.detectors import colour_detector


def painted(image: Image.Image) -> Record:
    return Record("1", Picture(Path("1.png"), image.size, painted=image))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((3000, 1000), (3000, 1000)),
        ((1000, 3000), (1000, 3000)),
        ((3002, 1000), (3000, 1000)),
        ((1000, 3002), (1000, 3000)),
        ((1, 4000), (1, 3)),
        ((4000, 1), (3, 1)),
        ((1, 3), (1, 3)),
        ((1, 1), (1, 1)),
        ((7, 22), (7, 21)),
    ],
)
def test_sides(size, expected):
    before = painted(Image.new("RGB", size, "red"))
    after = Crop()(before)
    assert after.picture.size == after.picture.pixels.size == expected
    assert (after is before) == (size == expected)


def test_a_picture_within_the_ratio_is_never_opened():
    before = Record("1", Picture(Path("does not exist.png"), (300, 100)))
    assert Crop()(before) is before


@given(
    width=some.integers(1, 300),
    height=some.integers(1, 300),
    ratio=some.floats(1, 8) | some.sampled_from([1.0, 1.1, 2.3, 3.0]),
)
def test_any_size_ends_within_the_ratio_and_stays_there(width, height, ratio):
    after = Crop(ratio)(painted(Image.new("RGB", (width, height))))
    long, short = max(after.picture.size), min(after.picture.size)
    assert short == min(width, height)
    assert long <= short * ratio + 1e-6
    assert long == max(width, height) or long + 1 > short * ratio - 1e-6
    assert Crop(ratio)(after) is after


def drawing(size: tuple[int, int], box: tuple[int, int, int, int], mode: str = "RGB"):
    image = Image.new(mode, size, "white" if mode == "RGB" else (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    for x in range(box[0], box[2], 10):
        draw.line((x, box[1], x, box[3]), "black", 3)
    for y in range(box[1], box[3], 10):
        draw.line((box[0], y, box[2], y), "black", 3)
    return image


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((100, 600), (10, 340, 90, 590)),
        ((100, 600), (10, 10, 90, 250)),
        ((600, 100), (340, 10, 590, 90)),
        ((600, 100), (10, 10, 250, 90)),
        ((600, 100), (180, 10, 420, 90)),
    ],
)
def test_what_is_drawn_is_kept(size, box, mode):
    after = Crop()(painted(drawing(size, box, mode)))
    left, top, right, bottom = after.facts["crop"]["box"]
    covered = min(right, box[2]) - max(left, box[0]), min(bottom, box[3]) - max(top, box[1])
    assert covered[0] >= 0.9 * (box[2] - box[0])
    assert covered[1] >= 0.9 * (box[3] - box[1])
    assert after.facts["crop"]["of"] == list(size)


def test_a_tall_figure_keeps_its_head():
    image = drawing((100, 400), (10, 0, 90, 400))
    assert Crop()(painted(image)).facts["crop"]["box"] == [0, 0, 100, 300]


def test_a_wide_scene_keeps_its_middle():
    image = drawing((400, 100), (0, 10, 400, 90))
    left, _, right, _ = Crop()(painted(image)).facts["crop"]["box"]
    assert abs((left + right) / 2 - 200) <= 3


def test_an_empty_picture_keeps_its_top_or_middle():
    assert Crop()(painted(Image.new("RGB", (10, 90)))).facts["crop"]["box"] == [0, 0, 10, 30]
    assert Crop()(painted(Image.new("RGB", (90, 10)))).facts["crop"]["box"] == [30, 0, 60, 10]


def test_the_kept_pixels_are_those_of_the_box():
    image = Image.linear_gradient("L").convert("RGB").resize((50, 256))
    after = Crop(2)(painted(image))
    assert after.picture.pixels.tobytes() == image.crop(after.facts["crop"]["box"]).tobytes()


def test_white_on_clear_is_seen():
    image = Image.new("RGBA", (100, 600), (255, 255, 255, 0))
    image.paste((255, 255, 255, 255), (20, 380, 80, 560))
    left, top, right, bottom = Crop()(painted(image)).facts["crop"]["box"]
    assert (left, right) == (0, 100)
    assert top <= 380 and bottom >= 560


def person(image: Image.Image, left: int, top: int, height: int) -> tuple[int, int, int, int]:
    """Draw a figure, four tenths as wide as it is high; its head's box comes back."""
    pen = ImageDraw.Draw(image)

    def at(*places: float) -> list[float]:
        return [part * height + (top if n % 2 else left) for n, part in enumerate(places)]

    pen.ellipse(at(0.08, 0, 0.32, 0.3), "gold", "black", 2)
    for x in (0.13, 0.24):
        pen.rectangle(at(x, 0.6, x + 0.04, 0.99), "bisque", "black", 2)
    pen.polygon(at(0.15, 0.27, 0.25, 0.27, 0.36, 0.68, 0.04, 0.68), "navy", "black", 2)
    pen.ellipse(at(0.11, 0.04, 0.29, 0.25), "bisque", "black", 2)
    for x in (0.15, 0.22):
        pen.ellipse(at(x, 0.12, x + 0.03, 0.18), "royalblue", "black", 2)
    left, top, right, bottom = (round(place) for place in at(0.08, 0, 0.32, 0.28))
    return left, top, right, bottom


def houses(image: Image.Image) -> None:
    pen = ImageDraw.Draw(image)
    for number, x in enumerate(range(0, image.width, 90)):
        top = image.height * (5 + number * 7 % 4) // 10
        pen.rectangle((x, top, x + 90, image.height), "rosybrown", "black", 2)
        for window in range(top + 12, image.height, 30):
            pen.rectangle((x + 20, window, x + 34, window + 14), "lemonchiffon", "black")
            pen.rectangle((x + 54, window, x + 68, window + 14), "lemonchiffon", "black")


@pytest.mark.parametrize("left", [10, 250, 1100, 1400])
def test_a_figure_before_houses_is_not_cut_through(left):
    image = Image.new("RGB", (1600, 400), "lightblue")
    houses(image)
    head = person(image, left, 8, 390)
    box = Crop()(painted(image)).facts["crop"]["box"]
    assert box[0] <= head[0] and box[2] >= head[2]


@pytest.mark.parametrize("top", [0, 100, 200, 400])
@pytest.mark.parametrize("ground", ["white", "grass", "clear"])
def test_a_tall_picture_is_not_cut_through_the_head(top, ground):
    image = Image.new("RGB", (300, 1500), "white")
    if ground == "grass":
        places = np.random.default_rng(3).integers((0, 900), (300, 1500), (60, 2)).tolist()
        for x, y in places:
            ImageDraw.Draw(image).ellipse((x, y, x + 12, y + 12), "green", "black")
    elif ground == "clear":
        image = Image.new("RGBA", (300, 1500))
    head = person(image, 0, top, 900)
    box = Crop()(painted(image)).facts["crop"]["box"]
    assert box[1] <= head[1] + 2 and box[3] >= head[3]


# --- with a detector -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return str(colour_detector(tmp_path_factory.mktemp("model") / "model.onnx"))


@pytest.mark.parametrize("turn", [False, True])
def test_the_box_of_a_face_is_kept_against_any_detail(turn, detector):
    image = drawing((200, 1600), (0, 0, 200, 900))  # all the detail is above
    image.paste("white", (40, 1300, 160, 1420))
    image.paste("red", (50, 1310, 150, 1410))
    if turn:
        image = image.transpose(Image.Transpose.ROTATE_90)
    stage = Crop(detector=detector)
    stage.check()
    after = stage(painted(image))
    box = after.facts["crop"]["box"]
    first, last = (box[0], box[2]) if turn else (box[1], box[3])
    assert first <= 1310 and last >= 1410
    assert after.facts["crop"]["by"] == "boxes"
    assert Crop()(painted(image)).facts["crop"]["by"] == "detail"
    assert stage(after) is after


def test_of_a_person_longer_than_the_window_the_head_is_kept(detector):
    image = Image.new("RGB", (100, 900), "white")
    image.paste("lime", (20, 20, 80, 880))
    assert Crop(detector=detector)(painted(image)).facts["crop"]["box"][1] <= 30


def test_where_nothing_is_found_the_detail_decides(detector):
    image = drawing((100, 600), (10, 340, 90, 590))
    assert Crop(detector=detector)(painted(image)).facts == Crop()(painted(image)).facts


def test_a_missing_detector_is_refused_before_the_run(tmp_path):
    with pytest.raises(ModelError, match="there is no"):
        Crop(detector=str(tmp_path / "none.onnx")).check()


# --- strips ----------------------------------------------------------------------------------


def strip(spans, size=(300, 2000), gutter="white", frame="black") -> Image.Image:
    """Panels with frames and a few lines inside, the more the later."""
    image = Image.new("RGB", size, gutter)
    pen = ImageDraw.Draw(image)
    for number, (first, last) in enumerate(spans):
        pen.rectangle((10, first, size[0] - 11, last - 1), "skyblue", frame, 4)
        for x in range(20, size[0] - 20, 60 // (number + 1)):
            pen.line((x, first + 10, size[0] - x, last - 10), "navy", 3)
    return image


@pytest.mark.parametrize("gutter", ["white", "black", (240, 230, 220)])
@pytest.mark.parametrize("turn", [False, True])
def test_the_most_telling_panel_is_kept_whole(gutter, turn):
    spans = [(20, 420), (440, 900), (930, 1500), (1520, 1980)]
    image = strip(spans, gutter=gutter, frame="red")
    if turn:
        image = image.transpose(Image.Transpose.TRANSPOSE)
    after = Crop(panel=True)(painted(image))
    box = after.facts["crop"]["box"]
    assert (box[::2] if turn else box[1::2]) in [[930, 1500], [1520, 1980]]
    assert after.facts["crop"]["by"] == "panel"
    assert Crop(panel=True)(after) is after


def test_the_panel_with_the_face_is_kept(detector):
    image = strip([(20, 420), (440, 900), (930, 1500), (1520, 1980)])
    image.paste("red", (100, 550, 200, 650))
    assert Crop(panel=True, detector=detector)(painted(image)).facts["crop"]["box"] == [
        0, 440, 300, 900,
    ]  # fmt: skip


def test_a_panel_beyond_the_ratio_is_cut_as_well():
    after = Crop(ratio=2, panel=True)(painted(strip([(10, 200), (220, 1990)])))
    assert after.picture.size == (300, 600)
    assert 220 <= after.facts["crop"]["box"][1] <= 1390


@pytest.mark.parametrize("noise", [0, 75])
def test_gutters_of_a_jpeg(noise):
    spans = [(20, 620), (650, 1300), (1330, 1980)]
    image = strip(spans)
    if noise:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=noise)
        image = Image.open(file).convert("RGB")
    found = panels(image)
    assert len(found) == 3
    assert max(abs(a - b) for x, y in zip(found, spans, strict=True)
               for a, b in zip(x, y, strict=True)) <= 4  # fmt: skip


def test_without_gutters_a_strip_is_cut_as_ever():
    image = drawing((100, 600), (0, 0, 100, 600))
    assert Crop(panel=True)(painted(image)).facts == Crop()(painted(image)).facts
    blank = painted(Image.new("RGB", (10, 90)))
    assert Crop(panel=True)(blank).facts["crop"]["by"] == "detail"


# --- tags ------------------------------------------------------------------------------------

BOORU = ("danbooru",)
SAID = (
    Tag("1girl", by=BOORU), Tag("full_body", by=BOORU), Tag("black_shoes", by=BOORU),
    Tag("multiple_views", by=("wd",)), Tag("4koma", by=BOORU), Tag("feet", by=(HAND,)),
    Tag("boots_(artist)", "artist", BOORU), Tag("shoes", by=("danbooru", HAND)),
    Tag("tall_image", "meta", BOORU),
)  # fmt: skip


def tagged(image: Image.Image) -> Record:
    return replace(painted(image), tags=SAID)


def test_tags_that_a_crop_made_doubtful_go():
    whole = drawing((100, 600), (10, 10, 90, 590))
    kept = ("1girl", "feet", "boots_(artist)")
    assert Crop()(tagged(whole)).names == kept


def test_a_cut_off_margin_makes_nothing_doubtful():
    after = Crop()(tagged(drawing((100, 400), (10, 10, 90, 290))))
    assert after.picture.size == (100, 300)
    assert after.tags == SAID[:-1]  # but it is no tall image any more


def test_where_the_upper_part_goes_the_shoes_stay():
    image = sky((500, 2400), "plain")
    ImageDraw.Draw(image).rectangle((40, 40, 460, 240), "gray", "black", 3)
    stand(image, 1000)
    after = Crop()(tagged(image))
    assert after.facts["crop"]["box"][3] == 2400
    assert "black_shoes" in after.names and "full_body" not in after.names


def test_a_wide_picture_keeps_its_shoes():
    after = Crop()(tagged(drawing((800, 100), (10, 10, 790, 90))))
    assert "black_shoes" in after.names and "multiple_views" not in after.names


def test_one_panel_is_no_comic_and_a_part_of_a_strip_is():
    image = strip([(20, 620), (650, 1300), (1330, 1980)])
    before = replace(painted(image), tags=(Tag("comic", by=BOORU), Tag("3koma", by=BOORU)))
    assert Crop(panel=True)(before).names == ()
    assert Crop()(before).names == ("comic",)


def test_doubtful_tags_may_be_flagged_or_kept():
    whole = drawing((100, 600), (10, 10, 90, 590))
    flagged = Crop(on_crop="flag")(tagged(whole))
    assert flagged.tags == SAID
    assert flagged.facts["crop"]["doubtful"] == [
        "full_body", "black_shoes", "multiple_views", "4koma", "shoes", "tall_image",
    ]  # fmt: skip
    kept = Crop(on_crop="keep")(tagged(whole))
    assert kept.tags == SAID and "doubtful" not in kept.facts["crop"]
    with pytest.raises(UsageError, match="on_crop 'dropp' is unknown; did you mean 'drop'"):
        Crop(on_crop="dropp").check()


def sky(size: tuple[int, int], kind: str) -> Image.Image:
    """A ground without a line in it."""
    if kind == "plain":
        return Image.new("RGB", size, "skyblue")
    down = np.linspace(0, 1, size[1])[:, None, None]
    shades = np.array((60, 120, 220)) * (1 - down) + np.array((225, 240, 255)) * down
    shades = shades * np.ones((1, size[0], 1))
    if kind != "fading":
        shades = shades + np.random.default_rng(1).normal(0, 6, shades.shape)
    image = Image.fromarray(shades.clip(0, 255).astype(np.uint8))
    if kind == "jpeg":
        file = io.BytesIO()
        image.save(file, "JPEG", quality=60)
        image = Image.open(file).convert("RGB")
    return image


def stand(image: Image.Image, top: int, shoes: str = "brown") -> None:
    """A figure of 300 by 1,400 pixels with its shoes on, the middle of it as plain as clothes."""
    pen = ImageDraw.Draw(image)
    pen.polygon([(250, top + 200), (100, top + 900), (400, top + 900)], "navy", "black", 4)
    for x in (180, 280):
        pen.rectangle((x, top + 900, x + 40, top + 1350), "bisque", "black", 3)
        pen.ellipse((x - 30, top + 1330, x + 60, top + 1400), shoes, "black", 3)
    pen.ellipse((140, top, 360, top + 230), "bisque", "black", 4)
    for x in (200, 280):
        pen.ellipse((x, top + 80, x + 25, top + 120), "black")


@pytest.mark.parametrize("kind", ["plain", "fading", "grainy", "jpeg"])
@pytest.mark.parametrize("top", [950, 40, 500])
def test_a_figure_that_is_kept_whole_keeps_its_tags(kind, top):
    image = sky((500, 2400), kind)
    stand(image, top)
    after = Crop()(tagged(image))
    box = after.facts["crop"]["box"]
    assert box[1] <= top and box[3] >= top + 1400
    assert after.tags == SAID[:-1]


@pytest.mark.parametrize("shoes", ["brown", "lightskyblue"])
@pytest.mark.parametrize("kind", ["plain", "fading", "grainy", "jpeg"])
def test_feet_that_are_cut_off_take_their_tags(kind, shoes):
    image = sky((400, 1400), kind)
    stand(image, 0, shoes)
    after = Crop()(tagged(image))
    assert after.facts["crop"]["box"] == [0, 0, 400, 1200]
    assert after.names == ("1girl", "feet", "boots_(artist)")
