"""Where panels are found on drawn pages and strips, and in which order."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from datasetkit.cleaners.pixels.pages import of_page, of_strip
from tests.cleaners.pixels.comics import GRID, STRIP, figure, page, strip


def worse(image: Image.Image, how: str) -> Image.Image:
    """The picture as a JPEG, or as a scan on grained paper."""
    if how == "scan":
        values = np.asarray(image) * 0.9 + 12
        values = values + np.random.default_rng(1).normal(0, 4, values.shape)
        image = Image.fromarray(values.clip(0, 255).astype(np.uint8))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=75)
    return Image.open(file).convert("RGB")


def near(found: object, wanted: object, loose: int) -> bool:
    return np.shape(found) == np.shape(wanted) and bool(
        np.abs(np.array(found) - np.array(wanted)).max() <= loose
    )


@pytest.mark.parametrize(
    ("ground", "frame"),
    [
        ("white", "black"),
        ("white", "firebrick"),
        ("black", "firebrick"),
        ("black", None),
        ((240, 230, 215), "black"),
    ],
)
def test_a_grid_is_found_to_the_pixel(ground, frame) -> None:
    assert of_page(page(GRID, ground=ground, frame=frame)) == GRID


@pytest.mark.parametrize("how", ["jpeg", "scan"])
@pytest.mark.parametrize("ground", ["white", "black"])
def test_a_grid_in_a_jpeg_and_in_a_scan(how, ground) -> None:
    found = of_page(worse(page(GRID, ground=ground, frame="gray"), how))
    assert near(found, GRID, 2)


def test_a_large_page_is_divided_to_the_pixel() -> None:
    large = [tuple(4 * side + number for side in area) for number, area in enumerate(GRID)]
    assert of_page(page(large, (2003, 2805))) == large


def test_rows_of_which_each_is_divided_in_its_own_way() -> None:
    areas = [
        (20, 20, 480, 150),
        (20, 165, 165, 380), (180, 165, 320, 380), (335, 165, 480, 380),
        (20, 395, 240, 680), (255, 395, 480, 530), (255, 545, 480, 680),
    ]  # fmt: skip
    image = page(areas)
    assert of_page(image) == areas
    from_the_right = [areas[n] for n in (0, 3, 2, 1, 5, 6, 4)]
    assert of_page(image, right=True) == from_the_right


def test_columns_clearly_apart_are_read_to_their_ends() -> None:
    columns = [[(x, 20 + 167 * n, x + 200, 177 + 167 * n) for n in range(4)] for x in (20, 280)]
    image = page([*columns[0], *columns[1]])
    assert of_page(image) == [*columns[0], *columns[1]]
    assert of_page(image, right=True) == [*columns[1], *columns[0]]
    alike = [(x, 20 + 220 * n, x + 220, 230 + 220 * n) for n in range(3) for x in (20, 250)]
    assert of_page(page(alike)) == alike


def test_clear_ground_divides_too() -> None:
    assert of_page(page(GRID, ground=(255, 255, 255, 0), mode="RGBA")) == GRID


def test_what_no_straight_gutter_divides_stays_together() -> None:
    image = page(GRID)
    ImageDraw.Draw(image).ellipse((180, 100, 320, 180), "white", "black", 3)
    assert of_page(image) == [(20, 20, 480, 330), *GRID[2:]]
    windmill = [(20, 20, 320, 220), (335, 20, 480, 450), (190, 465, 480, 680), (20, 235, 175, 680)]
    assert len(of_page(page(windmill))) == 1


def test_a_page_without_gutters_is_one_and_an_empty_one_none() -> None:
    full = page([(0, 0, 500, 700)])
    assert len(of_page(full)) == 1
    assert of_page(Image.new("RGB", (500, 700), "white")) == []
    noise = np.random.default_rng(1).integers(0, 255, (300, 200, 3), np.uint8)
    assert of_page(Image.fromarray(noise)) == []


def test_a_panel_without_a_frame_keeps_some_of_its_ground() -> None:
    image = Image.new("RGB", (500, 700), "white")
    places = [(40, 60), (330, 50), (60, 420), (300, 440)]
    for (left, top), hair in zip(places, ("crimson", "navy", "green", "orange"), strict=True):
        figure(image, left, top, hair)
    wanted = [(x - 4, y - 8, x + 104, y + 200) for x, y in places]  # the hems are straight
    assert near(of_page(image), wanted, 1)


def test_ground_between_neighbours_is_halved() -> None:
    image = Image.new("RGB", (140, 620), "white")
    for number in range(3):
        figure(image, 20, 8 + 205 * number, "navy")
    found = of_strip(image)
    assert found == [(0, 0, 140, 208), (0, 211, 140, 413), (0, 416, 140, 618)]


def test_two_panels_share_no_ground_however_unlike_their_sizes() -> None:
    image = Image.new("RGB", (300, 1300), "white")
    for box in ((50, 40, 250, 440), (50, 460, 250, 1260)):
        ImageDraw.Draw(image).ellipse(box, "navy")
    (_, _, _, end), (_, start, _, _) = of_strip(image)
    assert 441 < end <= start < 460


@pytest.mark.parametrize("turn", [False, True])
def test_a_strip_is_cut_along_its_long_side_alone(turn) -> None:
    image = strip()
    wanted = [(0, area[1], 180, area[3]) for area in STRIP]
    if turn:
        image = image.transpose(Image.Transpose.TRANSPOSE)
        wanted = [(top, left, bottom, right) for left, top, right, bottom in wanted]
    assert of_strip(image)[1:] == wanted  # the title comes first
