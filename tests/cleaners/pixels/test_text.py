"""The text stage with its real models: what is found, what is not, and what becomes of it."""

import random
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from datasetkit.cleaners.pixels import lettering, painting_out, text_finder, whole_lines
from datasetkit.cleaners.pixels.flatten import Flatten
from datasetkit.cleaners.pixels.text import Text
from datasetkit.cleaners.pixels.text_finder import Line, lines_in
from datasetkit.content import content_print
from datasetkit.dataset import Dataset, undo
from datasetkit.demo.drawing import draw, random_traits
from datasetkit.engines.local import run_leg
from datasetkit.errors import ModelError, UsageError
from datasetkit.exporters.repeats import Repeats
from datasetkit.grabbers.folder import Folder
from datasetkit.masks import hidden, outdated
from datasetkit.pixels import Picture
from datasetkit.record import HAND, Record, Tag
from datasetkit.screen import last_line

SIZE = (600, 800)


def record(image: Image.Image, *names: str, key: str = "1") -> Record:
    tags = tuple(Tag(name, by=("danbooru",)) for name in names)
    return Record(key, Picture(Path(f"{key}.png"), image.size, painted=image), tags)


def figure(seed: int = 1, size: tuple[int, int] = SIZE) -> Image.Image:
    return draw(random_traits(random.Random(seed)), seed, size)[0].convert("RGB")


def written(
    image: Image.Image, words: str, at: tuple[int, int], high: int = 28, ink: object = (60, 60, 60)
) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """The picture with words on it, and the box in which they are."""
    image = image.copy()
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(high)
    pen.text(at, words, font=font, fill=ink)
    left, top, right, bottom = pen.textbbox(at, words, font=font)
    return image, (int(left), int(top), int(right), int(bottom))


def bubble(image: Image.Image, words: str, box: tuple[int, int, int, int]) -> Image.Image:
    image = image.copy()
    pen = ImageDraw.Draw(image)
    pen.ellipse(box, "white", "black", 4)
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    pen.text(middle, words, font=ImageFont.load_default(30), fill="black", anchor="mm")
    return image


def holds(outer: object, inner: tuple[int, int, int, int], loose: int = 4) -> bool:
    left, top, right, bottom = outer  # type: ignore[misc]
    return (
        left <= inner[0] + loose
        and top <= inner[1] + loose
        and right >= inner[2] - loose
        and bottom >= inner[3] - loose
    )


def kinds(after: Record) -> list[str]:
    return [item["kind"] for item in after.facts["text"]["found"] if item["kind"]]


@pytest.fixture(scope="module")
def signed() -> tuple[Image.Image, tuple[int, int, int, int]]:
    return written(figure(1), "Kirara_art", (430, 760))


@pytest.fixture(scope="module")
def below() -> tuple[Image.Image, tuple[int, int, int, int]]:
    """A figure that ends above a plain strip, in which the signature stands."""
    image = Image.new("RGB", SIZE, (250, 250, 250))
    image.paste(figure(1, (600, 700)))
    return written(image, "Kirara_art", (430, 755))


def test_a_signature_is_found_where_it_stands(signed) -> None:
    image, box = signed
    after = Text()(record(image, "signature", "1girl"))
    (item,) = after.facts["text"]["found"]
    assert (item["kind"], item["words"]) == ("signature", "Kirara_art")
    assert item["score"] > 0.9
    assert holds(item["box"], box)
    assert after.names == ("signature", "1girl")
    assert after.picture.painted is image


@pytest.mark.parametrize(
    ("words", "at", "names", "kind"),
    [
        ("www.example.com", (180, 400), (), "watermark"),
        ("Momo 2024", (20, 20), (), "signature"),
        ("@kirara_art", (380, 760), (), "signature"),
        ("@kirara_art", (380, 760), ("watermark", "1girl"), "watermark"),
        ("@kirara_art", (180, 400), (), "watermark"),
        ("Momo club", (430, 760), ("watermark",), "watermark"),
        ("KANPAI", (240, 560), ("clothes_writing",), "text"),
    ],
)
def test_words_place_and_tags_tell_what_a_line_is(words, at, names, kind) -> None:
    image, _ = written(Image.new("RGB", SIZE, (200, 215, 235)), words, at)
    assert kinds(Text()(record(image, *names))) == [kind]


def test_a_bubble_is_told_by_its_closed_light_ground() -> None:
    image = bubble(figure(2), "Hello there!", (20, 20, 290, 150))
    (item,) = Text()(record(image)).facts["text"]["found"]
    assert item["kind"] == "bubble"
    assert holds(item["ground"], (24, 24, 286, 146))
    on_white, _ = written(Image.new("RGB", SIZE, "white"), "Hello there!", (180, 400))
    assert kinds(Text()(record(on_white))) == ["text"]  # a ground that reaches the edge is none


def scribble(kind: str, seed: int) -> Image.Image:
    """A busy drawing in which nothing is written."""
    rng = random.Random(seed)
    width, height = SIZE
    image = Image.new("RGB", SIZE, (225, 215, 200))
    pen = ImageDraw.Draw(image)
    for _ in range({"hair": 200, "grass": 900, "buttons": 130}.get(kind, 0)):
        x, y = rng.randrange(width), rng.randrange(height)
        if kind == "hair":
            turn = rng.randrange(360)
            box = (x, y, x + rng.randrange(20, 160), y + rng.randrange(20, 200))
            pen.arc(box, turn, turn + 200, (80, 40, 20), 3)
        elif kind == "grass":
            pen.line((x, y, x + rng.randrange(-6, 7), y - 20), (30, rng.randrange(90, 200), 40), 2)
        else:
            side = rng.randrange(6, 26)
            pen.ellipse((x, y, x + side, y + side), outline="black", width=2)
    for y in range(0, height, {"hatch": 9, "bricks": 40, "frills": 90}.get(kind, height)):
        for x in range(0, width, {"hatch": 60, "bricks": 90, "frills": 24}.get(kind, width)):
            if kind == "hatch" and rng.random() < 0.6:
                pen.line((x, y, x + 40, y + rng.randrange(-5, 5)), (20, 20, 20), 2)
            elif kind == "bricks":
                left = x - 45 * (y // 40 % 2)
                pen.rectangle((left, y, left + 84, y + 35), (170, 90, 70), (60, 30, 20))
            elif kind == "frills":
                pen.arc((x, y, x + 24, y + 30), 0, 180, "black", 3)
    return image


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("hair", ("1girl",)),
        ("grass", ("signature",)),
        ("buttons", ("signature", "english_text")),
        ("hatch", ("1girl", "signature")),
        ("bricks", ()),
        ("frills", ("watermark",)),
    ],
)
def test_busy_drawings_without_text_have_none(kind: str, names: tuple[str, ...]) -> None:
    after = Text("mask", kinds="signature,watermark,bubble,text")(record(scribble(kind, 3), *names))
    assert kinds(after) == []
    assert not hidden(after)


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


def test_a_report_leaves_what_was_done_as_it_is(signed, caplog) -> None:
    masked = Text("mask")(record(signed[0], "1girl", "signature"))
    filled = Text("fill")(record(signed[0], "1girl", "signature"))
    with caplog.at_level("INFO", "datasetkit.cleaners"):
        assert Text()(masked) is masked
        assert [text for text in caplog.messages if "Kirara" in text]
        assert Text()(filled) is filled
    turned = masked.with_pixels(signed[0].transpose(Image.Transpose.FLIP_TOP_BOTTOM))
    assert Text()(turned) is turned and outdated(turned)


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


def looked_at(image: Image.Image, words: str, box: tuple[int, int, int, int]) -> dict[str, object]:
    """The facts of a look that found one line."""
    found = [{"box": list(box), "score": 0.99, "words": words}]
    seen = {"print": content_print(Picture(Path("1.png"), image.size, painted=image))}
    look = {"size": list(image.size), "version": text_finder.VERSION, "closely": True}
    return {**seen, **look, "found": found}


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


def test_a_second_look_is_only_had_at_other_pixels(signed, monkeypatch) -> None:
    image, _ = signed
    after = Text()(record(image, "signature"))
    looks: list[bool] = []

    def seen(image: Image.Image, *before: list[Line]) -> list[Line]:
        looks.append(bool(before))
        return []

    monkeypatch.setattr(text_finder, "lines_in", seen)
    monkeypatch.setattr(text_finder, "more_lines", seen)
    for stage in (Text(), Text("mask"), Text("fill"), Text("crop", sure=0.9), Text(kinds="text")):
        stage(after)
    assert not looks
    masked = Text("mask")(after)
    turned = masked.with_pixels(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    assert not hidden(turned) and outdated(turned)
    again = Text("mask")(turned)
    assert looks == [False, True]  # the tag that the mask took is back, and tells of a signature
    assert not outdated(again) and again.names == ("signature",)


def test_where_tags_tell_of_it_small_letters_are_looked_for() -> None:
    ground = Image.new("RGB", (1500, 2000), (150, 190, 150))
    pen = ImageDraw.Draw(ground)
    for x in range(0, 1500, 25):
        pen.line((x, 1880, x + 15, 1990), (110, 150, 110), 3)
    image, box = written(ground, "momo_art", (1330, 1960), 20, (90, 120, 90))
    found = Text()(record(image, "signature")).facts["text"]
    assert found["closely"]
    assert [item["kind"] for item in found["found"]] == ["signature"]
    assert holds(found["found"][0]["box"], box, 8)


def test_a_long_picture_is_looked_at_in_pieces() -> None:
    image = Image.new("RGB", (300, 2400), (220, 230, 240))
    boxes = []
    for y in (40, 1190, 2330):
        image, box = written(image, "What is this?", (40, y), 24)
        boxes.append(box)
    lines = lines_in(image)
    assert len(lines) == 3
    assert all(holds(line.box, box) for line, box in zip(lines, boxes, strict=True))


def test_threads_share_the_models(signed) -> None:
    image, _ = signed
    one = Text()(record(image)).facts
    with ThreadPoolExecutor(4) as pool:
        assert all(found.facts == one for found in pool.map(Text(), [record(image)] * 4))


def test_nothing_is_fetched(signed, monkeypatch) -> None:
    def refuse(*given: object) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    text_finder._reader.cache_clear()
    assert kinds(Text()(record(signed[0]))) == ["signature"]


def test_a_large_picture_is_looked_at_smaller_and_boxes_are_of_the_large_one() -> None:
    image = Image.new("RGB", (3600, 4800), (220, 230, 240))
    image, box = written(image, "Kirara_art", (2900, 4600), 150)
    asked: list[int] = []
    real = text_finder._reader()

    def reader(pixels: object) -> object:
        asked.append(max(pixels.shape))  # type: ignore[attr-defined]
        return real(pixels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_finder, "_reader", lambda: reader)
        (line,) = lines_in(image)
    assert max(asked) <= text_finder.LARGEST
    assert holds(line.box, box, 30) and holds(box, line.box, 60)


def test_a_missing_package_and_missing_models_are_told(monkeypatch, tmp_path: Path) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(text_finder, "find_spec", lambda name: None)
        with pytest.raises(ModelError, match=r"pip install 'datasetkit\[ocr\]'"):
            Text().check()
    (tmp_path / "models").mkdir()
    with monkeypatch.context() as patch:
        spec = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})
        patch.setattr(text_finder, "find_spec", lambda name: spec)
        with pytest.raises(ModelError, match=r"no models in .* none is fetched while dsk runs"):
            Text().check()
    Text().check()


@pytest.mark.parametrize(
    ("options", "words"),
    [({"how": "maks"}, "did you mean 'mask'"), ({"kinds": "signatur"}, "did you mean 'signature'")],
)
def test_unknown_words_are_refused(options: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Text(**options).check()


def test_tags_that_speak_of_lettering() -> None:
    assert lettering.told(["signature", "long_hair"]) == {"signature"}
    assert lettering.told(["twitter_username", "artist_name"]) == {"signature"}
    assert lettering.told(["web_address", "sample_watermark"]) == {"watermark"}
    assert lettering.goes_with("twitter_username", "watermark")
    assert lettering.told(["english_text", "spoken_heart"]) == {"text", "bubble"}
    assert not lettering.told(["air_bubble", "soap_bubbles", "no_text", "text_focus", "blush"])


@pytest.fixture
def home(tmp_path: Path, signed) -> Path:
    (tmp_path / "in").mkdir()
    signed[0].save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "a.txt").write_text("1girl, signature")
    figure(2).save(tmp_path / "in" / "b.png")
    (tmp_path / "in" / "b.txt").write_text("1girl, signature")
    with Dataset(tmp_path / "set", write=True) as dataset:
        run_leg(dataset, [Folder(str(tmp_path / "in"))], lambda event: None)
    return tmp_path / "set"


def run(home: Path, *stages: object) -> list[int]:
    """Run stages on the dataset: how many pictures each leg changed."""
    with Dataset(home, write=True) as dataset:
        outcome = run_leg(dataset, stages, lambda event: None)  # type: ignore[arg-type]
        return [outcome.changed, len(outcome.errors)]


@pytest.mark.parametrize("how", ["mask", "fill", "crop"])
def test_twice_changes_nothing_and_undo_gives_the_bytes_back(
    home: Path, tree: Callable[[Path], dict[str, bytes]], how: str, below
) -> None:
    below[0].save(home / "a.png")

    def files() -> dict[str, bytes]:
        return {name: content for name, content in tree(home).items() if ".dsk" not in name}

    before = files()
    assert run(home, Text(how))[0] in {1, 2}
    changed = files()
    assert (home / "a.txt").read_text() == "1girl\n"
    assert (home / "b.txt").read_bytes() == before["b.txt"]
    assert {name for name in before if before[name] != changed[name]} == (
        {"a.txt"} if how == "mask" else {"a.txt", "a.png"}
    )
    assert run(home, Text(how)) == [0, 0]
    assert files() == changed
    with Dataset(home, write=True) as dataset:
        undo(dataset)
        found = dataset.record("a")
        assert found and not hidden(found)
    assert files() == before


def test_a_mask_without_a_tag_can_be_taken_back_and_a_report_is_no_change(home: Path) -> None:
    (home / "a.txt").write_text("1girl")
    assert run(home, Text()) == [0, 0]
    assert run(home, Text("mask"))[0] > 0
    with Dataset(home, write=True) as dataset:
        found = dataset.record("a")
        assert found and hidden(found)
        undo(dataset)
        found = dataset.record("a")
        assert found and not hidden(found)


def test_a_report_never_says_that_it_was_done_before(home: Path) -> None:
    for how, words in (("report", "nothing changed"), ("mask", "done; take")):
        for _ in range(2):
            with Dataset(home, write=True) as dataset:
                outcome = run_leg(dataset, [Text(how)], lambda event: None)
            assert last_line([outcome], home).startswith(words)
            assert how != "report" or last_line([outcome], home) == words
            words = "nothing changed; all was done before" if how == "mask" else words


def test_a_jpeg_that_was_filled_is_not_looked_at_again(home: Path, signed, monkeypatch) -> None:
    signed[0].save(home / "j.jpg", quality=92)
    assert run(home, Text("fill"))[1] == 0
    monkeypatch.setattr(text_finder, "lines_in", None)
    assert run(home, Text("fill")) == [0, 0]
    assert run(home, Text("mask"))[1] == 0
    with Dataset(home) as dataset:
        assert not any(hidden(record) for record in dataset.records)


def test_a_report_is_said(signed, caplog) -> None:
    with caplog.at_level("INFO", "datasetkit.cleaners"):
        Text()(record(signed[0], "watermark", key="a"))
    (first,) = [text for text in caplog.messages if "Kirara" in text]
    assert first.startswith("a: watermark 'Kirara_art' at the bottom right (")
    caplog.clear()
    with caplog.at_level("INFO", "datasetkit.cleaners"):
        Text()(record(figure(2), "signature", key="b"))
    wanted = "b: its tags tell of a signature, but none that can be read was found"
    assert caplog.messages == [wanted]


def test_masks_reach_the_export_through_a_leg_that_paints(home: Path) -> None:
    with Image.open(home / "a.png") as image:
        clear = image.convert("RGBA")
    clear.paste((0, 0, 0, 0), (0, 0, 50, 50))
    clear.save(home / "a.png")
    assert run(home, Flatten(), Text("mask"))[1] == 0
    assert run(home, Repeats(name="x")) == [0, 0]
    with (
        Image.open(home / "train" / "masks" / "a.png") as mask,
        Image.open(home / "a.png") as image,
    ):
        assert mask.size == image.size and mask.getextrema() == (0, 255)
        assert mask.getpixel((500, 775)) == 0
