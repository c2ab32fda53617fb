"""The text stage with its real models: what is found, what is not, and what is said of it."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from datasetkit.cleaners.pixels import lettering, text_finder
from datasetkit.cleaners.pixels.text import Text
from datasetkit.cleaners.pixels.text_finder import Line, lines_in
from datasetkit.errors import ModelError, UsageError
from datasetkit.masks import hidden, outdated
from tests.cleaners.pixels.lettered import (
    SIZE,
    bubble,
    figure,
    holds,
    kinds,
    record,
    scribble,
    written,
)


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


def test_a_report_leaves_what_was_done_as_it_is(signed, caplog) -> None:
    masked = Text("mask")(record(signed[0], "1girl", "signature"))
    filled = Text("fill")(record(signed[0], "1girl", "signature"))
    with caplog.at_level("INFO", "datasetkit.cleaners"):
        assert Text()(masked) is masked
        assert [text for text in caplog.messages if "Kirara" in text]
        assert Text()(filled) is filled
    turned = masked.with_pixels(signed[0].transpose(Image.Transpose.FLIP_TOP_BOTTOM))
    assert Text()(turned) is turned and outdated(turned)


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
