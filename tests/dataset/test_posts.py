"""A dataset knows its posts by site and number, and its files by md5."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from datasetkit.dataset import Dataset, Step, undo
from datasetkit.pixels import Picture
from datasetkit.record import Origin, Record, Tag

Draw = Callable[..., Path]
ELSEWHERE = Origin("gelbooru", "77", md5="ff77", rating="s")


class Home:
    """A dataset of four posts, and steps that change it."""

    def __init__(self, path: Path, draw: Draw) -> None:
        self.path = path / "set"
        self._tiny = draw(path / "tiny.png", (8, 8))
        self.step("grab", self._bring_in)

    def step(self, name: str, work: Callable[[Step], None]) -> None:
        with Dataset(self.path, write=True) as dataset:
            dataset.post("danbooru", "0")  # so that the index is there when things change
            with Step(dataset, [{name: {}}]) as step:
                work(step)
                self.during = seen(dataset)
            assert seen(dataset) == self.during
        assert seen(dataset) == self.during  # closed: read from the disk again
        with Dataset(self.path) as dataset:
            assert seen(dataset) == self.during

    def _bring_in(self, step: Step) -> None:
        for number in range(4):
            draft = step.dataset.draft("x.png")
            draft.write_bytes(self._tiny.read_bytes())
            picture = Picture(step.dataset.path / f"p{number}.png", (8, 8))
            origin = Origin("danbooru", str(number), md5=f"aa{number}")
            step.put(Record(f"p{number}", picture, (Tag("1girl"),), origin), draft)


def seen(dataset: Dataset) -> dict[str, list[str | None]]:
    """What the dataset says of every post and file that these tests speak of."""
    posts = [dataset.post("danbooru", str(number)) for number in range(5)]
    files = [dataset.of_md5(f"aa{number}") for number in range(5)]
    other = [dataset.post("gelbooru", "77"), dataset.of_md5("ff77"), dataset.post("danbooru", "77")]
    return {"posts": posts, "files": files, "other": other}


@pytest.fixture
def home(tmp_path: Path, draw: Draw) -> Home:
    return Home(tmp_path, draw)


def test_posts_and_files_are_known(home: Home) -> None:
    assert home.during == {
        "posts": ["p0", "p1", "p2", "p3", None],
        "files": ["p0", "p1", "p2", "p3", None],
        "other": [None, None, None],
    }


def test_nothing_is_of_no_post_and_no_md5(home: Home) -> None:
    home.step("bare", lambda step: None)
    with Dataset(home.path) as dataset:
        assert dataset.of_md5("") is None
        assert dataset.post("", "") is None
        assert dataset.post("danbooru", "") is None


def test_another_place_of_a_picture_is_known(home: Home) -> None:
    def add(step: Step) -> None:
        record = step.dataset.record("p2")
        assert record is not None
        step.put(replace(record, also=(ELSEWHERE,)))

    home.step("join", add)
    assert home.during["other"] == ["p2", "p2", None]
    with Dataset(home.path, write=True) as dataset:
        record = dataset.record("p2")
        assert record is not None and record.also == (ELSEWHERE,)
        undo(dataset)
        assert seen(dataset)["other"] == [None, None, None]
        assert seen(dataset)["posts"][2] == "p2"


def test_a_reject_has_its_post_but_no_file(home: Home) -> None:
    def leave_out(step: Step) -> None:
        record = step.dataset.record("p1")
        assert record is not None
        step.reject(record, "picky", "odd")
        assert step.dataset.record("p1") is None

    home.step("picky", leave_out)
    assert home.during["posts"] == ["p0", "p1", "p2", "p3", None]
    assert home.during["files"] == ["p0", None, "p2", "p3", None]
    with Dataset(home.path, write=True) as dataset:
        undo(dataset)
        assert seen(dataset)["files"] == ["p0", "p1", "p2", "p3", None]


def test_what_an_undone_step_brought_is_not_known(home: Home) -> None:
    with Dataset(home.path, write=True) as dataset:
        assert dataset.of_md5("aa0") == "p0"
        undo(dataset)
        assert set(seen(dataset)["posts"] + seen(dataset)["files"]) == {None}


def test_a_file_of_two_records_is_found_when_one_of_them_goes(home: Home) -> None:
    def same(step: Step) -> None:
        record = step.dataset.record("p3")
        assert record is not None
        step.put(replace(record, also=(Origin("danbooru", "0", md5="aa0"),)))

    def leave_out(step: Step) -> None:
        record = step.dataset.record("p0")
        assert record is not None
        step.reject(record, "picky", "odd")

    home.step("same", same)
    home.step("picky", leave_out)
    assert home.during["files"][0] == "p3"
    assert home.during["posts"][0] == "p3"  # a kept one before one that was left out


def test_numbers_that_clash_do_no_harm(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dataset", "posts"):
        monkeypatch.setattr(f"datasetkit.dataset.{name}.post_mark", lambda site, post: 1)
        monkeypatch.setattr(f"datasetkit.dataset.{name}.md5_mark", lambda md5: 1)
    with Dataset(home.path) as dataset:
        assert seen(dataset) == home.during
