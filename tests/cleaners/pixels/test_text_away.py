"""What becomes of text that was found: masked, painted over, or cut off with its strip."""

from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from datasetkit.cleaners.pixels import painting_out, text_finder, whole_lines
from datasetkit.cleaners.pixels.text import Text
from datasetkit.cleaners.pixels.text_finder import Line, lines_in
from datasetkit.masks import hidden
from datasetkit.pixels import Picture
from datasetkit.record import HAND, Tag
from tests.cleaners.pixels.lettered import (
    SIZE,
    bubble,
    figure,
    holds,
    kinds,
    looked_at,
    record,
    scribble,
    written,
)


def test_a_mask_hides_the_text_and_the_tags_follow_and_come_back(signed) -> None:
    image, box = signed
    before = record(image, "1girl", "signature", "artist_name", "english_text")
    after = Text("mask")(before)
    (area,) = hidden(after)
    assert holds(area, box, loose=0)
    assert (area[2] - area[0]) * (area[3] - area[1]) < 0.05 * SIZE[0] * SIZE[1]
    assert after.names == ("1girl", "english_text")  # which no signature is called
    assert after.picture.painted is image
    assert Text("mask")(after) is after
    assert after.dropped == {"signature", "artist_name"}  # no tagger brings them back
    back = Text("none")(after)
    assert set(back.names) == set(before.names) and not hidden(back) and not back.dropped
    assert Text("none")(back) is back


def test_a_mask_hides_a_bubble_whole() -> None:
    image = bubble(figure(2), "Hello there!", (20, 20, 290, 150))
    after = Text("mask")(record(image, "speech_bubble", "english_text", "1girl"))
    (area,) = hidden(after)
    assert holds(area, (20, 20, 290, 150), loose=3)
    assert after.names == ("1girl",)


def test_what_you_typed_and_what_was_not_found_stays(signed) -> None:
    image, _ = signed
    before = record(image, "watermark", "web_address")
    before = before.with_tags([*before.tags, Tag("signature", by=(HAND,))])
    after = Text("mask")(before)
    assert kinds(after) == ["signature"]
    assert after.names == before.names


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_fill_leaves_nothing_of_it_and_the_rest_untouched(mode: str) -> None:
    ground = Image.new(mode, SIZE, (0, 0, 0, 0) if mode == "RGBA" else (200, 215, 235))
    ImageDraw.Draw(ground).ellipse((100, 60, 500, 500), (240, 200, 190), (80, 30, 30), 5)
    ink = (60, 60, 60, 255)[: len(mode)]
    image, _ = written(ground, "Kirara_art", (430, 760), ink=ink)
    after = Text("fill")(record(image, "signature", "1girl"))
    difference = ImageChops.difference(after.picture.pixels, ground)
    assert max(high for _, high in difference.getextrema()) <= 3
    assert after.names == ("1girl",)
    assert Text("fill")(after) is after
    assert not lines_in(after.picture.pixels)


def test_fill_takes_white_letters_off_a_clear_ground() -> None:
    clear = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    image, box = written(clear, "Kirara_art", (430, 750), ink=(255, 255, 255, 255))
    before = record(image, "signature").with_facts("text", looked_at(image, "Kirara_art", box))
    after = Text("fill")(before)
    assert not hidden(after) and after.names == ()
    assert after.picture.pixels.getchannel("A").getbbox() is None


def test_fill_keeps_an_outline_that_runs_beside_the_letters() -> None:
    image = bubble(figure(2), "Where were you", (20, 20, 290, 110))
    empty = bubble(figure(2), "", (20, 20, 290, 110))
    after = Text("fill")(record(image, "speech_bubble", "english_text"))
    assert ImageChops.difference(after.picture.pixels, empty).getbbox() is None
    assert after.names == ("speech_bubble",)  # the bubble stands there, empty


def test_fill_leaves_no_ghost_on_a_thing_that_stands_before_a_plain_ground(tmp_path: Path) -> None:
    for mode in ("RGB", "RGBA"):
        ground = Image.new(mode, SIZE, (0, 0, 0, 0) if mode == "RGBA" else (150, 190, 220))
        ImageDraw.Draw(ground).rectangle((250, -5, 330, 810), (130, 80, 225), (20, 20, 20), 2)
        image, _ = written(ground, "www.drawings.com", (130, 400), 36, "white")
        if mode == "RGB":  # JPEG's colours run into what is beside them
            image.save(tmp_path / "a.jpg", quality=92)
            image = Picture(tmp_path / "a.jpg", SIZE).pixels
        after = Text("fill")(record(image, "watermark")).picture.pixels
        inside = (260, 390, 320, 450)
        apart = ImageChops.difference(after.crop(inside), ground.crop(inside)).getextrema()
        assert max(high for _, high in apart) < 24


def test_fill_on_a_gradient_and_a_pattern_cannot_be_read_any_more() -> None:
    shade = Image.linear_gradient("L").resize(SIZE)
    ground = Image.merge("RGB", (shade, shade.point(lambda v: 255 - v), shade))
    blurred = scribble("grass", 4).filter(ImageFilter.GaussianBlur(3))
    for beneath, ink in ((ground, "white"), (blurred, "navy")):
        image, _ = written(beneath, "www.example.com", (40, 740), 34, ink)
        after = Text("fill")(record(image))
        assert kinds(Text()(record(image))) == ["watermark"]
        assert not lines_in(after.picture.pixels)
        changed = ImageChops.difference(after.picture.pixels, image).getbbox()
        assert changed and holds((0, 700, 400, 800), changed, 0)
    image, _ = written(ground, "www.example.com", (40, 740), 34, "white")
    after = Text("fill")(record(image))
    apart = ImageChops.difference(after.picture.pixels, ground).getextrema()
    assert max(high for _, high in apart) < 24


def test_a_handle_takes_all_that_speaks_of_a_signature_with_it() -> None:
    image, _ = written(figure(1), "@kirara_art", (380, 760))
    names = ("1girl", "signature", "artist_name", "twitter_username", "dated")
    assert Text("mask")(record(image, *names)).names == ("1girl",)


SANS = ImageFont.load_default(36)


def busy() -> Image.Image:
    """A shade with things on it, one of which lies half beneath the letters."""
    image = Image.linear_gradient("L").resize((900, 1200))
    dim = image.point(lambda v: v // 2)
    image = Image.merge("RGB", (image.point(lambda v: 190 - v // 4), dim, dim))
    pen = ImageDraw.Draw(image)
    for box, color in (
        ((590, 1115, 700, 1230), (225, 115, 140)),
        ((810, 1155, 990, 1300), (190, 85, 70)),
        ((80, 900, 300, 1100), "navy"),
    ):
        pen.ellipse(box, color, "black")  # fmt: skip
    return image


def test_fill_takes_letters_that_stand_on_what_goes_on() -> None:
    image = busy()
    pen = ImageDraw.Draw(image)
    pen.text((620, 1140), "@fastgirl_art", "white", SANS, stroke_width=2, stroke_fill="black")
    before = record(image, "signature", "artist_name", "1girl")
    after = Text("fill")(before)
    assert after.names == ("1girl",) and not hidden(after)
    part = after.picture.pixels.crop((600, 1120, 900, 1200)).convert("RGB")
    assert sum(ImageChops.darker(*part.split()[1:]).histogram()[200:]) < 20  # white has both
    assert not text_finder.close_look(after.picture.pixels, (600, 1130, 900, 1190))
    assert Text("fill")(after) is after


def test_a_line_that_was_seen_in_pieces_is_taken_whole() -> None:
    image, box = written(Image.new("RGB", SIZE, (90, 200, 145)), "MikuDraws", (400, 740), 36)
    left, right = box[0] + 90, box[0] + 120
    pieces = [Line((box[0], *box[1:2], left, box[3]), 0.9, "Miku"),
              Line((right, box[1], box[2], box[3]), 0.95, "aws")]  # fmt: skip
    (line,) = whole_lines.whole(image, pieces)
    assert holds(line.box, box) and holds(box, line.box, 12)
    assert (line.words, line.score) == ("Miku aws", 0.95)
    (line,) = whole_lines.whole(image, pieces[:1])
    assert holds(line.box, box) and holds(box, line.box, 12)


def test_lines_end_where_something_else_is_drawn() -> None:
    image, box = written(Image.new("RGB", SIZE, "white"), "Momo", (200, 400), 36, "black")
    pen = ImageDraw.Draw(image)
    pen.line((box[2] + 8, 300, box[2] + 8, 500), "black", 4)  # an outline
    pen.rectangle((box[0] - 30, 405, box[0] - 8, 430), "black")  # a spot
    other, there = written(image, "Other", (box[2] + 90, 400), 36, "black")
    lines = [Line(box, 0.9, "Momo"), Line(there, 0.9, "Other")]
    assert set(whole_lines.whole(other, lines)) == set(lines)


def test_what_can_still_be_read_after_a_fill_is_masked(monkeypatch, caplog) -> None:
    image, box = written(Image.new("RGB", SIZE, (90, 200, 145)), "MikuDraws", (400, 745), 30)

    def half(image: Image.Image, boxes: list[tuple[int, ...]], *rest: object, **how: object):
        ((left, top, right, bottom),) = boxes
        became = image.copy()
        became.paste((90, 200, 145), (left, top, left + (right - left) // 2, bottom))
        return became

    monkeypatch.setattr(painting_out, "painted_over", half)
    before = record(image, "1girl", "signature", "artist_name")
    with caplog.at_level("INFO", "datasetkit.cleaners"):
        after = Text("fill")(before)
    assert caplog.messages == ["1: 'MikuDraws' cannot be painted over well; it is masked"]
    (area,) = hidden(after)
    assert holds(area, box, 0) and after.names == ("1girl",)
    assert after.picture.pixels.tobytes() == image.tobytes()
    assert Text("fill")(after) is after
    back = Text("none")(after)
    assert set(back.names) == set(before.names) and not hidden(back)


def test_crop_leaves_bubbles_and_strips_in_which_something_is_drawn() -> None:
    image = bubble(figure(2), "Hello there!", (20, 5, 290, 75))
    after = Text("crop")(record(image, "speech_bubble"))
    assert after.picture.size == SIZE and len(hidden(after)) == 1
    feet = Image.new("RGB", SIZE, (240, 240, 250))
    for x in (200, 330):
        ImageDraw.Draw(feet).rectangle((x, 100, x + 60, 790), (250, 220, 200), "black", 3)
    image, box = written(feet, "Kirara_art", (430, 755))
    after = Text("crop")(record(image, "signature", "1girl"))
    assert after.picture.size == SIZE and after.names == ("1girl",)
    assert holds(hidden(after)[0], box, 0)
    assert Text("crop")(after) is after


def test_crop_takes_the_strip_and_masks_what_it_cannot(below) -> None:
    image, box = below
    after = Text("crop")(record(image, "signature"))
    assert after.picture.size[0] == 600 and 700 <= after.picture.size[1] <= box[1]
    assert after.picture.pixels.tobytes() == image.crop((0, 0, *after.picture.size)).tobytes()
    assert after.names == () and not hidden(after)
    assert Text("crop")(after) is after
    both = bubble(image, "Hello there!", (150, 250, 450, 400))
    after = Text("crop")(record(both, "signature", "speech_bubble"))
    assert after.picture.size[1] < 800
    (area,) = hidden(after)
    assert holds(area, (150, 250, 450, 400), loose=3)
    assert after.names == ()
    assert Text("crop")(after) is after
    kept = Text("crop", most=0.01)(record(image, "signature"))
    assert kept.picture.size == SIZE and len(hidden(kept)) == 1


def test_only_the_kinds_that_are_meant(signed) -> None:
    image, _ = signed
    both = bubble(image, "Hello there!", (150, 250, 450, 400))
    before = record(both, "signature", "speech_bubble")
    after = Text("mask", kinds="bubble")(before)
    assert len(hidden(after)) == 1 and after.names == ("signature",)
    other = Text("mask", kinds="signature")(after)
    assert len(hidden(other)) == 1 and hidden(other) != hidden(after)
    assert other.names == ("speech_bubble",)
