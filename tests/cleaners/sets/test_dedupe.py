"""The dedupe stage: what is the same picture, what is a variant, and what else counts."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from datasetkit.cleaners.sets import groups
from datasetkit.cleaners.sets.dedupe import Dedupe
from datasetkit.demo.drawing import CHARACTERS, draw
from datasetkit.errors import UsageError
from tests.cleaners.sets.twins import SIZE, Source, drawn, left_out, smiling


def test_the_largest_stays_and_gets_the_tags_of_all(source: Source) -> None:
    image = drawn()
    source.put("small.png", image.resize((200, 280)), "solo, hat")
    source.put("large.png", image, "1girl, solo")
    source.put("web.jpg", image, "smile, lowres", quality=70)
    source.put("other.png", drawn(CHARACTERS["akane"]), "1girl")
    home = source.taken_in()
    outcome = home.run(Dedupe())
    assert (outcome.changed, outcome.unchanged, outcome.rejected.total()) == (1, 1, 2)
    assert left_out(home) == dict.fromkeys(["small", "web"], "same picture as large")
    assert set(home.records) == {"large", "other"}
    assert home.records["large"].names == ("1girl", "solo", "smile", "hat")  # lowres is the file's
    assert home.said == ["2 pictures are the same as one that stays: 1 saved anew, 1 smaller"]


def test_run_twice_it_changes_nothing_and_undo_gives_all_back(
    source: Source, tree: Callable[[Path], dict[str, bytes]]
) -> None:
    for name in ("a.png", "b.png"):
        source.put(name, drawn(), f"tag {name[0]}")
    source.put("c.png", drawn(CHARACTERS["akane"]))
    home = source.taken_in()
    before = {p.name: p.read_bytes() for p in home.path.iterdir() if p.is_file()}
    home.run(Dedupe())
    assert len(home.records) == 2
    after = tree(home.path)
    again = home.run(Dedupe())
    assert again.idle and again.unchanged == 2 and home.said[1:] == []
    assert tree(home.path) == after
    home.undo()
    assert {p.name: p.read_bytes() for p in home.path.iterdir() if p.is_file()} == before


def test_a_copied_file_needs_no_second_look(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = source.put("a.png", drawn()).read_bytes()
    (source.path / "b.png").write_bytes(content)
    home = source.taken_in()
    monkeypatch.setattr(groups, "relation", None)
    home.run(Dedupe())
    assert left_out(home) == {"b": "same picture as a"}


def test_formats_alpha_and_names_that_differ_in_case(source: Source) -> None:
    image = draw(replace(CHARACTERS["sumire"], transparent=True), 3, SIZE)[0]
    source.put("a.webp", image, quality=90)
    source.put("A.png", image)  # another picture's name but for its case
    flat = drawn(CHARACTERS["akane"])
    source.put("moving.gif", flat.quantize(256))
    source.put("still.png", flat)
    home = source.taken_in()
    home.run(Dedupe())
    reasons = set(left_out(home).values())
    assert len(home.records) == 2
    assert "same picture as still" in reasons


@pytest.mark.parametrize(
    ("size", "stay"), [((200, 280), 1), ((280, 200), 2), ((400, 400), 2), ((400, 560), 1)]
)
def test_flat_pictures_are_the_same_in_one_shape_only(
    source: Source, size: tuple[int, int], stay: int
) -> None:
    source.put("a.png", Image.new("RGB", SIZE))
    source.put("b.png", Image.new("RGB", size), compress_level=0)
    home = source.taken_in()
    home.run(Dedupe())
    assert len(home.records) == stay


def test_of_a_chain_no_end_is_taken_for_the_other(source: Source) -> None:
    image = ImageEnhance.Contrast(drawn()).enhance(0.8)
    for name, tags, light in (("a", "x, y, z", 0), ("b", "x, y", 3), ("c", "x", 6)):
        source.put(f"{name}.png", image.point(lambda value, more=light: value + more), tags)
    home = source.taken_in()
    home.run(Dedupe())
    assert left_out(home) == {"b": "same picture as a"}
    assert set(home.records) == {"a", "c"}
    assert home.run(Dedupe()).idle


def test_variants_stay_and_are_named(source: Source) -> None:
    for mouth in ("smile", "open", "straight"):
        source.put(f"{mouth}.png", smiling(mouth), f"solo, {mouth}")
    source.put("open small.jpg", smiling("open").resize((300, 420)), "x")
    home = source.taken_in()
    home.run(Dedupe())
    assert left_out(home) == {"open small": "same picture as open"}
    assert home.said[1:] == [
        "3 pictures in 1 group are variants of each other and stay "
        "(--variants drop leaves out 2: those that are variants of a better one that stays)",
        "variants: open, smile, straight",
    ]
    assert not home.records["smile"].has("x")


def test_variants_may_be_dropped_but_give_no_tags(source: Source) -> None:
    source.put("best.png", smiling("smile"), "smile, solo, hat")
    source.put("open.png", smiling("open"), "open mouth")
    source.put("open2.png", smiling("open"), "shouting")
    home = source.taken_in()
    home.run(Dedupe(variants="drop"))
    assert left_out(home) == dict.fromkeys(["open", "open2"], "variant of best")
    assert home.records["best"].names == ("smile", "solo", "hat")
    assert home.run(Dedupe(variants="drop")).idle


@pytest.mark.parametrize(
    ("change", "also"),
    [
        (lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), ("mirrored",)),
        (lambda image: image.transpose(Image.Transpose.ROTATE_90), ("turned",)),
        (lambda image: image.transpose(Image.Transpose.ROTATE_180), ("turned",)),
        (lambda image: image.transpose(Image.Transpose.ROTATE_270), ("turned",)),
        (lambda image: image.transpose(Image.Transpose.TRANSVERSE), ("turned", "mirrored")),
        (lambda image: image.crop((0, 0, 400, 546)), ("cropped",)),
        (lambda image: image.crop((8, 5, 396, 560)), ("cropped",)),
    ],
)
def test_other_ways_count_when_they_are_asked_for(
    source: Source, change: Callable[[Image.Image], Image.Image], also: tuple[str, ...]
) -> None:
    source.put("a.png", drawn(CHARACTERS["sumire"]))
    changed = change(drawn(CHARACTERS["sumire"])).resize
    scaled = [round(side * 0.8) for side in change(drawn()).size]
    source.put("b.jpg", changed((scaled[0], scaled[1])), quality=85)
    home = source.taken_in()
    home.run(Dedupe())
    assert set(home.records) == {"a", "b"}
    home.run(Dedupe(also=also))
    assert left_out(home) == {"b": "same picture as a"}


def test_a_variant_that_was_cropped_or_mirrored_stays(source: Source) -> None:
    source.put("a.png", smiling("smile"))
    source.put("b.png", smiling("open").crop((8, 5, 396, 560)))
    source.put("c.png", smiling("straight").transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    home = source.taken_in()
    home.run(Dedupe(also=("cropped", "mirrored", "turned")))
    assert set(home.records) == {"a", "b", "c"}


def test_words_that_are_no_choice_are_refused() -> None:
    with pytest.raises(UsageError, match="not 'dorp'; did you mean 'drop'"):
        Dedupe(variants="dorp").check()
    with pytest.raises(UsageError, match="'miror'; did you mean 'mirrored'"):
        Dedupe(also=("miror",)).check()
