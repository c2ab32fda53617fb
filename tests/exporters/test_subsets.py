"""Subsets: which picture is in which, how often it is repeated, and what is refused."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from datasetkit.buckets import buckets_for
from datasetkit.dataset import Dataset
from datasetkit.engines.events import Event, Said
from datasetkit.engines.local import run_leg
from datasetkit.errors import UsageError
from datasetkit.exporters.repeats import Repeats
from datasetkit.exporters.subsets import Subset, subsets_of
from datasetkit.exporters.sums import batches_an_epoch, in_buckets, repeats_of
from datasetkit.grabbers.folder import Folder


@pytest.fixture
def home(tmp_path: Path, gallery: Path) -> Path:
    with Dataset(tmp_path / "set", write=True) as dataset:
        run_leg(dataset, [Folder(str(gallery))], lambda event: None)
    return tmp_path / "set"


def export(home: Path, *subsets: str, **options: object) -> list[str]:
    said: list[str] = []

    def report(event: Event) -> None:
        if isinstance(event, Said):
            said.append(event.text)

    stage = Repeats(name="x", subset=subsets, **options)  # type: ignore[arg-type]
    with Dataset(home, write=True) as dataset:
        run_leg(dataset, [stage], report)
    return said


def folders(home: Path) -> dict[str, list[str]]:
    return {
        path.name: sorted(picture.stem for picture in path.glob("*.png"))
        for path in sorted((home / "train").iterdir())
        if path.is_dir()
    }


@pytest.mark.parametrize(
    ("text", "subset"),
    [
        ("good: score:>=100 x3", Subset("good", "score:>=100", Fraction(3))),
        ("rest: x1", Subset("rest")),
        ("rest:", Subset("rest")),
        ("half: solo x0.5", Subset("half", "solo", Fraction(1, 2))),
        ("half: solo x1.5 ", Subset("half", "solo", Fraction(3, 2))),
        (" a name : solo or 1girl", Subset("a name", "solo or 1girl")),
        ("best: my keep/ x3", Subset("best", "my keep/", Fraction(3))),
        ("x: xenoblade", Subset("x", "xenoblade")),
    ],
)
def test_how_a_subset_is_written(text: str, subset: Subset) -> None:
    assert subsets_of([text]) == (subset,)
    assert subsets_of([str(subset)]) == (subset,)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["score:>=100 x3"], "names no subset; a subset is written \"NAME: FILTER xN\""),
        (["good"], "names no subset"),
        ([": solo x3"], "names no subset"),
        (["a: solo x0"], "a weight is more than 0"),
        (["a: solo x1001"], "at most 1,000"),
        (["a: solo x-1"], "x-1 is no weight; write x3 or x0.5"),
        (["a: solo x3x"], "x3x is no weight"),
        (["a: solo (x3"], "a bracket is not closed"),
        (["a: skore:>=100"], "did you mean 'score'"),
        (["a: solo", "A: 1girl"], "'a' and 'A' would be one folder"),
        (["a/b: solo", "a_b: 1girl"], "'a/b' and 'a_b' would be one folder"),
        (["a: x1", "b: x2"], "'a' and 'b' both take what no other subset takes"),
    ],
)  # fmt: skip
def test_what_is_no_subset_is_told(texts: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words.replace("(", r"\(")):
        Repeats(subset=tuple(texts)).check()


def test_the_good_ones_are_repeated_more_often(home: Path) -> None:
    said = export(home, "good: name:p0 or name:p1 x3", "rest: x1", steps=1000)
    good = "good: 2 pictures x 30 repeats (= ceil(3 x 1000 / 10 / (2 x 3 + 4 x 1)))"
    rest = "rest: 4 pictures x 10 repeats (= ceil(1 x 1000 / 10 / (2 x 3 + 4 x 1)))"
    assert said[:2] == [good, rest]
    assert said[2].startswith("100 pictures an epoch x 10 epochs = 1,000 steps (asked: 1,000;")
    assert folders(home) == {"30_good": ["p0", "p1"], "10_rest": ["p2", "p3", "p4", "p5"]}


@pytest.mark.parametrize("steps", [1, 7, 59, 60, 61, 100, 999, 4000])
@pytest.mark.parametrize("weights", ["1", "0.5", "3 1", "0.5 1.5", "0.1 0.2 0.3", "1000 0.001"])
def test_an_epoch_shows_as_many_as_asked(steps: int, weights: str) -> None:
    shares = [Fraction(weight) for weight in weights.split()]
    counts = [7, 2, 5][: len(shares)]
    repeats = repeats_of(counts, shares, steps, 10)
    seen = sum(n * times for n, times in zip(counts, repeats, strict=True))
    assert min(repeats) >= 1 and seen * 10 >= steps
    assert seen - sum(counts) < max(steps / 10, 1)  # each is rounded up by less than one
    if len(shares) == 1:
        assert repeats == [max(1, -(-steps // (10 * 7)))]


def test_a_picture_that_two_claim_is_refused_with_the_way_out(home: Path) -> None:
    with pytest.raises(UsageError) as caught:
        export(home, "good: 1girl x3", "best: name:p2 x2")
    text = str(caught.value)
    assert text.startswith("p0.png is in both" if "p0" in text else "p2.png is in both")
    assert "'good' and 'best', and would be learned twice" in text
    way = text.split("say --subset '")[1].rstrip("'")
    assert way == "best: (name:p2) and not (1girl) x2"
    assert not (home / "train").exists()


def test_pictures_in_no_subset_are_told(home: Path) -> None:
    said = export(home, "good: name:p0")
    assert said[0] == '5 pictures are in no subset and left out (--subset "rest: x1" takes them in)'
    assert folders(home) == {"400_good": ["p0"]}


def test_a_filter_that_means_none_is_told_with_what_is_near(home: Path) -> None:
    said = export(home, "a: long_hiar x2", "rest: x1")
    assert said[0] == (
        "no picture fulfils 'long_hiar'; the subset 'a' is empty; did you mean 'long_hair'?"
    )
    assert list(folders(home)) == ["67_rest"]
    with pytest.raises(UsageError, match=r"'a' is empty; did you mean 'long_hair'.*nothing to"):
        export(home, "a: long_hiar x2")
    assert export(home, "a: 1girl", "rest: x1")[0].startswith("every picture is in another subset")


def test_a_folder_that_a_person_made_is_a_subset(home: Path) -> None:
    (home / "keep").mkdir()
    (home / "keep" / "p0.png").write_bytes((home / "p0.png").read_bytes())
    (home / "keep" / "p1.jpg").write_bytes(b"by its name alone")
    (home / "keep" / "other name.png").write_bytes((home / "p2.png").read_bytes())
    Image.new("RGB", (9, 9)).save(home / "keep" / "stranger.png")
    (home / "keep" / "notes.md").write_text("mine")
    said = export(home, "best: keep/ x3", "rest: x1", steps=900)
    assert said[0] == "stranger.png in keep/ is not a picture of the dataset"
    assert folders(home) == {"23_best": ["p0", "p1", "p2"], "8_rest": ["p3", "p4", "p5"]}
    with pytest.raises(UsageError, match=r"p0.png is in both 'best' and 'all'.*add -name:p0 to"):
        export(home, "all: 1girl", "best: keep/ x3")
    with pytest.raises(UsageError, match=r"there is no folder .*kep; did you mean 'keep/'"):
        export(home, "best: kep/ x3")


def test_a_name_that_no_file_system_takes_is_made_one(home: Path) -> None:
    export(home, "a/b?: name:p0", "con: x1", steps=60)
    assert sorted(folders(home)) == ["1__con", "1_a_b_"]


def test_exporting_again_changes_nothing(
    home: Path, tree: Callable[[Path], dict[str, bytes]]
) -> None:
    subsets = ("good: name:p0 x3", "rest: x1")
    export(home, *subsets)
    before = tree(home / "train")
    assert export(home, *subsets)[-1].endswith("is up to date")
    assert tree(home / "train") == before
    export(home, "good: name:p1 x3", "rest: x1")
    assert folders(home)["150_good"] == ["p1"]


def test_batches_are_counted_as_kohya_counts(home: Path) -> None:
    """The sum over buckets of ceil(pictures x repeats / batch), the subsets together."""
    sizes = [((1000, 1500), 2)] * 3 + [((1500, 1000), 3)] + [((512, 512), 5)]
    counts = in_buckets(sizes, buckets_for(512))
    assert counts == {(384, 640): 6, (640, 384): 3, (512, 512): 5}
    assert batches_an_epoch(counts, 4) == 2 + 1 + 2  # not ceil(14 / 4)
    assert batches_an_epoch(counts, 1) == 14
    two = [((1000, 1500), 1), ((1000, 1500), 2)]  # of two subsets, and of one bucket
    assert batches_an_epoch(in_buckets(two, buckets_for(512)), 3) == 1
    said = export(home, "good: name:p0 x2", "rest: x1", steps=70, batch=4)
    # p0 twice or more among the five of 40x60; p5 (30x120) alone in its bucket
    assert said[3].startswith("batch 4, 2 buckets of about 512x512: 3 batches an epoch")
    assert said[3].endswith("x 10 epochs = 30 steps")


def test_a_folder_outside_the_dataset_is_no_subset(home: Path) -> None:
    (home.parent / "good").mkdir()
    with pytest.raises(UsageError, match=r"\.\./good/ is not in the dataset"):
        export(home, "a: ../good/ x2")
