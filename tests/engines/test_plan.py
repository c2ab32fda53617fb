"""What ``dsk run --dry-run`` tells of a pipeline: what was done, and what the next leg would do."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from datasetkit.cleaners.pixels.flatten import Flatten
from datasetkit.cleaners.sets.dedupe import Dedupe
from datasetkit.cleaners.sets.filter import Filter
from datasetkit.cleaners.tags.clean import Clean
from datasetkit.dataset import Dataset
from datasetkit.engines.chain import plan, run_pipeline
from datasetkit.engines.events import Ended, Event, Outcome, Said
from datasetkit.errors import UsageError
from datasetkit.exporters.repeats import Repeats
from datasetkit.grabbers.folder import Folder
from datasetkit.pipeline import Pipeline
from datasetkit.record import Record
from datasetkit.stage import Map, Stage
from datasetkit.taggers.caption import Caption
from datasetkit.taggers.tag import Tagging

Tree = Callable[[Path], dict[str, bytes]]
DEPENDS = "what the stages after that would do depends on it"


class Never(Map):
    """A stage that asks a model."""

    @property
    def heavy(self) -> bool:
        return True

    def __call__(self, record: Record) -> Record:
        raise AssertionError("it was run")


@pytest.fixture
def home(tmp_path: Path, gallery: Path) -> Path:
    path = tmp_path / "set"
    with Dataset(path, write=True) as dataset:
        run_pipeline(dataset, Pipeline((Folder(str(gallery)), Clean())), lambda event: None)
    return path


def planned(home: Path, *stages: Stage) -> tuple[list[str], list[Outcome], list[str]]:
    heard: list[Event] = []
    lines = list(plan(home, Pipeline(stages), heard.append))
    ended = [event.outcome for event in heard if isinstance(event, Ended)]
    return lines, ended, [event.text for event in heard if isinstance(event, Said)]


def test_the_first_leg_that_would_run_is_tried_and_counted(
    home: Path, gallery: Path, tree: Tree
) -> None:
    before = tree(home)
    stages = (Folder(str(gallery)), Clean(drop=("tag 0", "tga 1")), Flatten(), Repeats())
    lines, (outcome,), said = planned(home, *stages)
    assert lines[0].endswith("folder: done before") and lines[-1] == DEPENDS
    assert lines[1].endswith("clean: drop tag 0 tga 1") and len(lines) == 5
    assert outcome.stage == "clean+flatten" and outcome.changed == 3
    assert said == ["no picture has 'tga 1'; did you mean 'tag 1' (1 picture)?"]
    assert tree(home) == before


def test_nothing_is_tried_without_a_dataset_or_where_all_is_done(
    home: Path, gallery: Path, tmp_path: Path
) -> None:
    lines, outcomes, _ = planned(home, Folder(str(gallery)), Clean())
    assert all("done before" in line for line in lines) and not outcomes
    lines, outcomes, _ = planned(tmp_path / "none", Folder(str(gallery)), Clean())
    assert len(lines) == 2 and not outcomes and not (tmp_path / "none").exists()
    lines, outcomes, _ = planned(home, Folder(str(gallery), frames="2"), Clean())
    assert len(lines) == 2 and not outcomes  # nobody knows what a source will bring


def test_a_stage_that_asks_a_model_is_not_tried(home: Path, gallery: Path) -> None:
    stages = (Folder(str(gallery)), Clean(drop=("tag 0",)), Never(), Flatten())
    lines, (outcome,), _ = planned(home, *stages)
    assert outcome.stage == "clean" and outcome.changed == 1 and lines[-1] == DEPENDS
    assert planned(home, Folder(str(gallery)), Never(), Clean())[1] == []
    assert Tagging().heavy and Caption().heavy and not Clean().heavy
    assert Filter(detector="faces.onnx").heavy and not Filter().heavy


def test_no_sheet_is_drawn(home: Path, gallery: Path, tree: Tree) -> None:
    before = tree(home)
    assert planned(home, Folder(str(gallery)), Dedupe(sheet=True), Clean())[1] == []
    assert [ended.stage for ended in planned(home, Folder(str(gallery)), Dedupe())[1]] == ["dedupe"]
    assert tree(home) == before


def test_after_an_edit_by_hand_all_but_the_sources_look_again(home: Path, gallery: Path) -> None:
    (home / "p0.txt").write_text("1girl, absurdres, long hair, very long hair")
    lines, (outcome,), _ = planned(home, Folder(str(gallery)), Clean())
    assert "done before" in lines[0] and "done before" not in lines[1]
    assert outcome.stage == "clean" and len(lines) == 2
    (home / "p0.txt").unlink()
    (home / "p0.png").unlink()
    assert "done before" not in planned(home, Folder(str(gallery)), Clean())[0][1]


def test_a_stage_that_is_not_ready_is_not_tried(home: Path, gallery: Path) -> None:
    lines, outcomes, _ = planned(home, Folder(str(gallery)), Clean(implied="dorp"))
    assert "not ready: implied: there is no 'dorp'" in lines[1] and not outcomes


def test_what_is_refused_on_the_way_speaks_in_the_files_words(home: Path, gallery: Path) -> None:
    class Lacks(Map):
        """Lacks something that only a picture tells."""

        def __call__(self, record: Record) -> Record:
            raise UsageError("give --where, or dsk clean --where NAME")

    pipeline = replace(Pipeline((Folder(str(gallery)), Lacks())), file="p.yaml")
    with Dataset(home, write=True) as dataset, pytest.raises(UsageError) as refusal:
        run_pipeline(dataset, pipeline, lambda event: None)
    assert str(refusal.value) == "p.yaml: stage 'Lacks': give 'where', or dsk clean --where NAME"
