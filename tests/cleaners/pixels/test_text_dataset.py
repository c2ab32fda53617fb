"""The text stage on a dataset: twice, taken back, and into the export."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from datasetkit.cleaners.pixels import text_finder
from datasetkit.cleaners.pixels.flatten import Flatten
from datasetkit.cleaners.pixels.text import Text
from datasetkit.dataset import Dataset, undo
from datasetkit.engines.events import Said
from datasetkit.engines.local import run_leg
from datasetkit.exporters.repeats import Repeats
from datasetkit.grabbers.folder import Folder
from datasetkit.masks import hidden
from datasetkit.screen import last_line
from tests.cleaners.pixels.lettered import figure


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


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("crop", "look at these: 1 cropped (a); 1 only masked (b)"),
        ("fill", "look at these: 2 painted over (a, b)"),
        ("mask", ""),
    ],
)
def test_the_pictures_to_look_at_are_named(home: Path, how: str, told: str, below, signed) -> None:
    below[0].save(home / "a.png")
    signed[0].save(home / "b.png")
    heard: list[object] = []
    with Dataset(home, write=True) as dataset:
        run_leg(dataset, [Text(how)], heard.append, alone=True)
    said = [event.text for event in heard if isinstance(event, Said)]
    assert [text for text in said if text.startswith("look at")] == ([told] if told else [])


def test_of_many_the_first_few_are_named() -> None:
    (note,) = Text("crop").summed_up(Counter(cropped=1200), {"cropped": list("abcde")})
    assert note.text == "look at these: 1,200 cropped (a, b, c, d, e and 1,195 more)"
