"""Contact sheets of groups: what they show, and that nothing is written over."""

import pytest
from PIL import Image

from datasetkit.cleaners.sets.dedupe import Dedupe
from datasetkit.cleaners.sets.sheet import shown
from datasetkit.dataset import Dataset
from datasetkit.engines.local import run_leg
from datasetkit.pixels import read_header
from datasetkit.screen import summary
from tests.cleaners.sets.twins import Source, drawn, smiling
from tests.homes import Home


def twice(source: Source) -> Home:
    source.put("a.png", drawn())
    source.put("b.jpg", drawn(), quality=80)
    source.put("c.png", smiling("open"))
    return source.taken_in()


def test_a_sheet_shows_the_groups_and_a_dry_run_draws_it_too(source: Source) -> None:
    home = twice(source)
    with Dataset(home.path) as dataset:
        dry = run_leg(dataset, [Dedupe(sheet=True)], lambda event: None, dry_run=True)
    assert set(home.records) == {"a", "b", "c"}
    assert [path.name for path in dry.outputs] == ["sheet-1-01.jpg"]
    outcome = home.run(Dedupe(sheet=True))
    assert outcome.outputs == dry.outputs and not outcome.written  # it stands there already
    with Image.open(outcome.outputs[0]) as page:
        assert page.format == "JPEG" and page.width > 1000
        assert page.getpixel((10, 100)) != page.getpixel((1200, 100))


def test_what_stands_in_the_folder_is_never_written_over(source: Source) -> None:
    home = twice(source)
    (home.path / "duplicates").mkdir()
    mine = home.path / "duplicates" / "sheet-1-01.jpg"
    mine.write_text("mine")
    (home.path / "duplicates" / "sheet-2-notes.txt").write_text("mine too")
    outcome = home.run(Dedupe(sheet=True))
    assert [path.name for path in outcome.outputs] == ["sheet-3-01.jpg"] and outcome.written == 1
    assert mine.read_text() == "mine"


def test_its_own_sheets_are_drawn_anew(source: Source) -> None:
    home = twice(source)
    with Dataset(home.path) as dataset:
        run_leg(dataset, [Dedupe(sheet=True)], lambda event: None, dry_run=True)
    (first,) = (home.path / "duplicates").iterdir()
    before = first.read_bytes()
    source.put("d.png", drawn(seed=3))
    source.put("e.jpg", drawn(seed=3), quality=80)
    home = source.taken_in()
    outcome = home.run(Dedupe(sheet=True))
    assert outcome.outputs == [first] == [*(home.path / "duplicates").iterdir()]
    assert first.read_bytes() != before
    with Image.open(first) as page:
        page.load()
        page.save(first.with_name("sheet-2-01.jpg"), comment=page.info["comment"])  # as edited
    old = first.with_name("sheet-3-01.jpg")
    old.write_bytes(before)
    source.put("f.png", drawn(seed=4))
    source.put("g.jpg", drawn(seed=4), quality=80)
    assert source.taken_in().run(Dedupe(sheet=True)).outputs == [first]
    left = {path.name for path in first.parent.iterdir()}
    assert left == {"sheet-1-01.jpg", "sheet-2-01.jpg"}


def test_without_groups_there_is_no_sheet(source: Source) -> None:
    source.put("a.png", drawn())
    home = source.taken_in()
    assert home.run(Dedupe(sheet=True)).outputs == []
    assert not (home.path / "duplicates").exists()


def test_many_groups_make_several_pages_and_a_large_one_is_cut(source: Source) -> None:
    for number in range(22):
        source.put(f"blank{number}.png", Image.new("RGB", (50, 50), "teal"))
    for number in range(9):
        image = drawn(seed=number).resize((200, 280))
        source.put(f"p{number}.png", image)
        source.put(f"q{number}.webp", image)
    home = source.taken_in()
    outcome = home.run(Dedupe(sheet=True))
    assert len(outcome.outputs) > 1
    for path in outcome.outputs:
        assert read_header(path)[1][1] <= 2400


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("danbooru_1", "danbooru_1"),
        ("日本", "\\u65e5\\u672c"),
        ("a\u202eb", "a~b"),
        ("München_Straße_Łódź", "Munchen_Strasse_Lodz"),
        ("Mu\u0308nchen", "Munchen"),
        ("日本_01_東京", "~_01_~"),
        ("１２", "12"),
        ("x" * 60, "x" * 12 + ".." + "x" * 12),
    ],
)
def test_keys_are_written_as_the_font_can_draw_them(key: str, text: str) -> None:
    assert shown(key) == text
    assert len(shown("名前" * 40)) <= 26


def test_what_was_left_out_is_said_beside_the_sheet(source: Source) -> None:
    said = summary(twice(source).run(Dedupe(sheet=True)))
    assert said.startswith("3 pictures: 1 changed, 1 unchanged, 1 rejected")
    assert said.endswith("sheet-1-01.jpg")
