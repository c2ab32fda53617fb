"""Training folders and captions, by kohya's rules."""

from pathlib import Path
from random import Random

import pytest

from datasetkit.backend.kohya_folder import Example, Shuffling, frequency, read, trigger
from datasetkit.errors import DatasetError


def test_reading_a_training_folder(tmp_path: Path) -> None:
    for place in ("10_foo bar", "0_off", "no number"):
        (tmp_path / place).mkdir()
        for name in ("b.png", "A.JPG", "c.gif", "notes.md"):
            (tmp_path / place / name).write_bytes(b"")
    (tmp_path / "10_foo bar" / "b.txt").write_text("foo, one\nsecond line", encoding="utf-8-sig")
    found = read(tmp_path)
    assert [(e.name, e.caption, e.repeats, e.captioned) for e in found] == [
        ("10_foo bar/A.JPG", "foo bar", 10, False),
        ("10_foo bar/b.png", "foo, one", 10, True),
    ]


def test_a_folder_with_nothing_to_learn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="named like 10_name"):
        read(tmp_path)
    with pytest.raises(DatasetError, match="no training folder"):
        read(tmp_path / "none")


def test_shuffling_keeps_the_first_tags() -> None:
    said = {Shuffling(keep=2).say("a, b, c, d, e", Random(n)) for n in range(30)}
    assert len(said) > 5
    assert all(text.startswith("a, b, ") and sorted(text) == sorted("a, b, c, d, e")
               for text in said)  # fmt: skip


def test_the_separator_marks_what_is_fixed() -> None:
    said = {Shuffling(keep=0).say("a, b ||| c, d, e ||| z", Random(n)) for n in range(30)}
    assert len(said) == 6
    assert all(text.startswith("a, b, ") and text.endswith(", z") for text in said)
    assert Shuffling(shuffle=False).say("a ||| b ||| c", Random(0)) == "a, b, c"


def test_dropout_spares_the_fixed_tags() -> None:
    gone = Shuffling(shuffle=False, keep=1, tag_dropout=1.0)
    assert gone.say("a, b, c", Random(0)) == "a"
    half = Shuffling(shuffle=False, keep=0, tag_dropout=0.5)
    count = sum(len(half.say("a, b, c, d", Random(n)).split(", ")) for n in range(500))
    assert 900 < count < 1150
    assert Shuffling(caption_dropout=1.0).say("a, b", Random(0)) == ""


def test_counts_and_trigger() -> None:
    rows = [Example(Path("x.png"), "2_k", text, 2) for text in ("k, a", "k, a, b")]
    assert frequency(rows) == {"2_k": {"k": 2, "a": 2, "b": 1}}
    assert trigger(rows) == "k"
    assert trigger([*rows, Example(Path("y.png"), "2_k", "other", 2)]) == ""


def test_which_folders_count_as_kohya_has_it(tmp_path: Path) -> None:
    for name in ("3", "2_", "x_3", "3x", "-1_a", "0_a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "p.png").touch()
    found = {example.folder: example.repeats for example in read(tmp_path)}
    assert found == {"2_": 2, "3": 3}
