"""The folder is an interface: what people do to it between two commands is kept."""

from collections.abc import Callable, Sequence
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from datasetkit.cleaners.pixels.crop import Crop
from datasetkit.cleaners.pixels.flatten import Flatten
from datasetkit.cleaners.sets.dedupe import Dedupe
from datasetkit.cleaners.sets.filter import Filter
from datasetkit.cleaners.tags.clean import Clean
from datasetkit.dataset import Dataset, undo
from datasetkit.engines.local import run_leg
from datasetkit.errors import DatasetError
from datasetkit.grabbers.folder import Folder
from datasetkit.record import HAND, Tag
from datasetkit.stage import Stage


def run(folder: Path, *stages: Stage) -> Dataset:
    with Dataset(folder, write=True) as dataset:
        for stage in stages:
            run_leg(dataset, [stage], lambda event: None)
    return dataset


@pytest.fixture
def home(tmp_path: Path, gallery: Path) -> Path:
    run(tmp_path / "set", Folder(str(gallery)), Clean())
    return tmp_path / "set"


def test_an_added_tag_is_kept_as_said_by_hand(home: Path) -> None:
    (home / "p0.txt").write_text("1girl, long hair, >_<, tag 0, red scarf")
    record = run(home).records[0]
    assert record.tags[-1] == Tag("red_scarf", by=(HAND,))
    assert run(home, Clean(drop=("red scar*",))).records[0].has("red_scarf")
    assert not run(home, Clean(drop=("red scarf",))).records[0].has("red_scarf")


def test_a_removed_tag_stays_removed(home: Path) -> None:
    (home / "p0.txt").write_text("1girl, >_<")
    record = run(home).records[0]
    assert record.names == ("1girl", ">_<")
    again = record.with_tags([*record.tags, Tag("long_hair", by=("wd",), score=0.9)])
    assert again.names == ("1girl", ">_<")


def test_the_order_of_a_caption_is_the_persons(home: Path) -> None:
    (home / "p0.txt").write_text("tag 0, >_<, long hair, 1girl")
    assert run(home).records[0].names == ("tag_0", ">_<", "long_hair", "1girl")
    assert (home / "p0.txt").read_text() == "tag 0, >_<, long hair, 1girl"


def test_an_edit_taken_back_is_an_edit_too(home: Path) -> None:
    before = (home / "p0.txt").read_text()
    (home / "p0.txt").write_text("1girl, red scarf")
    run(home)
    (home / "p0.txt").write_text(before)
    run(home)
    assert (home / "p0.txt").read_text() == before
    assert run(home).records[0].names == ("1girl", "long_hair", ">_<", "tag_0")


def test_a_deleted_picture_is_a_reject_and_does_not_come_back(home: Path, gallery: Path) -> None:
    (home / "p2.png").unlink()
    dataset = run(home, Folder(str(gallery)))
    assert [(r.record.key, r.stage, r.reason) for r in dataset.rejects] == [
        ("p2", "hand", "removed by hand")
    ]
    assert not (home / "p2.png").exists()
    assert not (home / "p2.txt").exists()


def test_a_picture_put_back_by_hand_is_kept_again(home: Path) -> None:
    data = (home / "p2.png").read_bytes()
    (home / "p2.png").unlink()
    run(home)
    (home / "p2.png").write_bytes(data)
    dataset = run(home)
    assert [record.key for record in dataset.records] == [f"p{n}" for n in range(6)]
    assert not dataset.rejects
    assert [record.key for record in run(home).records] == [f"p{n}" for n in range(6)]


def test_all_pictures_gone_is_asked_about_not_remembered(home: Path) -> None:
    for picture in home.glob("*.png"):
        picture.unlink()
    with pytest.raises(DatasetError, match=r"all pictures of .* are gone \(6\)"):
        run(home)


def test_a_picture_painted_over_by_hand_has_its_new_size(
    home: Path, draw: Callable[..., Path]
) -> None:
    draw(home / "p0.png", (99, 33))
    assert run(home).records[0].picture.size == (99, 33)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932"])
def test_captions_are_read_in_what_editors_save(home: Path, encoding: str) -> None:
    (home / "p0.txt").write_bytes("1girl, 島風\r\n".encode(encoding))
    assert run(home).records[0].names == ("1girl", "島風")


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"1girl\0", "NUL"), (b"\xff\xfe\xff", "UTF-8"), (b"a," * 1_000_000, "limit")],
)
def test_a_caption_that_is_none_is_refused_by_name(home: Path, data: bytes, why: str) -> None:
    (home / "p0.txt").write_bytes(data)
    with pytest.raises(DatasetError, match=rf"p0\.txt.*{why}"):
        run(home)
    assert (home / "p0.txt").read_bytes() == data


def test_a_later_edit_outlives_undo(home: Path) -> None:
    (home / "p0.txt").write_text((home / "p0.txt").read_text().strip() + ", red scarf")
    with Dataset(home, write=True) as dataset:
        assert undo(dataset)["stages"] == [{"clean": {}}]
    assert (home / "p0.txt").read_text() == (
        "1girl, long hair, >_<, tag 0, red scarf, absurdres, highres\n"
    )


def test_a_trigger_is_written_as_it_stands(home: Path) -> None:
    assert run(home, Clean(first="ohwx_Girl")).records[0].tags[0].kind == "trigger"
    assert (home / "p0.txt").read_text() == "ohwx_Girl, 1girl, long hair, >_<, tag 0\n"
    assert run(home).notes == []


def test_a_record_is_frozen(home: Path) -> None:
    record = run(home).records[0]
    with pytest.raises(FrozenInstanceError):
        record.tags = ()  # type: ignore[misc]


def test_a_folder_called_like_a_draft_is_left_alone(home: Path) -> None:
    (home / ".mine.dsk-part").mkdir()
    (home / ".p0.txt.7.dsk-part").write_text("1gi")
    assert len(run(home)) == 6
    assert (home / ".mine.dsk-part").is_dir() and not (home / ".p0.txt.7.dsk-part").exists()


OWN = {  # as editors leave them; all say the same to us as with a line's end
    "p0": b"1girl, smile",
    "p1": b"",
    "p2": b"\xef\xbb\xbfred_eyes\r\nsolo\r\n",
    "p3": b"absurdres,smile ",
}


@pytest.mark.parametrize("steps", [(), (Dedupe(),), (Flatten(), Crop(ratio=1.2))])
def test_a_caption_that_says_the_same_keeps_its_bytes(home: Path, steps: Sequence[Stage]) -> None:
    for key, data in OWN.items():
        (home / f"{key}.txt").write_bytes(data)
    run(home, *steps)
    assert {key: (home / f"{key}.txt").read_bytes() for key in OWN} == OWN


@pytest.mark.parametrize("step", [Clean(add=("scarf",)), Filter(only="1girl")])
def test_undo_gives_back_the_bytes_of_a_caption(home: Path, step: Stage) -> None:
    for key, data in OWN.items():
        (home / f"{key}.txt").write_bytes(data)
    run(home, Flatten(), step)
    assert not all(
        (home / f"{key}.txt").exists() and (home / f"{key}.txt").read_bytes() == data
        for key, data in OWN.items()
    )
    for _ in range(2):
        with Dataset(home, write=True) as dataset:
            undo(dataset)
        assert {key: (home / f"{key}.txt").read_bytes() for key in OWN} == OWN
