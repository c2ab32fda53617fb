"""dsk undo on the command line: what it takes back, what it asks before, and the way back."""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

CommandLine = Callable[..., subprocess.CompletedProcess[str]]


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("p*")}


def test_pictures_are_not_taken_back_for_a_task_that_was_run_last(
    dsk: CommandLine, tmp_path: Path, gallery: Path
) -> None:
    dsk("folder", gallery)
    dsk("export", "plain")
    dsk("repeats", "--steps", "120", "--epochs", "10")
    before = pictures(tmp_path / "dataset")
    for _ in range(2):
        refused = dsk("undo")
        assert refused.returncode == 1
        assert refused.stderr == (
            "dsk: export and repeats made files beside the dataset, which undo leaves; the step "
            "before is folder (6 added), and undo would take its 6 pictures out: dsk undo --yes\n"
        )
        assert pictures(tmp_path / "dataset") == before
    done = dsk("undo", "--yes")
    assert done.returncode == 0 and "took back folder (step 1: 6 added)\n" in done.stderr
    assert "what export, repeats made since stands; run them again" in done.stderr
    assert not pictures(tmp_path / "dataset")


def test_a_change_is_taken_back_past_a_task_and_undo_says_so(
    dsk: CommandLine, tmp_path: Path, gallery: Path
) -> None:
    dsk("folder", gallery)
    dsk("clean", "--first", "ohwx")
    dsk("export", "plain", "-d", "dataset")
    done = dsk("undo")
    assert done.returncode == 0
    assert done.stderr == (
        "export made files beside the dataset, which undo leaves; the step before is clean "
        "(6 changed)\n"
        "took back clean (step 2: 6 changed)\n"
        "what export made since stands; run it again\n"
    )


def test_a_folder_is_taken_back_unasked_and_the_way_back_is_said(
    dsk: CommandLine, tmp_path: Path, gallery: Path
) -> None:
    dsk("folder", gallery, "-d", "my set")
    before = pictures(tmp_path / "my set")
    done = dsk("undo", "-d", "my set")
    assert done.returncode == 0
    said = done.stderr.splitlines()
    assert said[0] == "took back folder (step 1: 6 added)"
    there, _, again = said[1].partition("; ")
    assert there == "its 6 pictures are in 'my set/.dsk/undone/0001'"
    assert again == "dsk folder 'my set/.dsk/undone/0001' -d 'my set' brings them back"
    assert not pictures(tmp_path / "my set")
    back = dsk(*shlex.split(again.partition(" brings ")[0])[1:])
    assert back.returncode == 0 and "6 pictures: 6 added" in back.stderr
    assert pictures(tmp_path / "my set") == before


def test_a_killed_step_before_a_task_is_asked_about_too(
    dsk: CommandLine, tmp_path: Path, gallery: Path
) -> None:
    from datasetkit.dataset import Dataset, Step, note_task
    from datasetkit.pixels import Picture
    from datasetkit.record import Record

    home = tmp_path / "dataset"
    with Dataset(home, write=True) as dataset:
        staged = dataset.draft("p0.png")
        staged.write_bytes((gallery / "p0.png").read_bytes())
        step = Step(dataset, [{"folder": {"path": "x"}}]).__enter__()
        step.put(Record("p0", Picture(home / "p0.png", (8, 8))), staged)
        step._before.close()  # and no end
        note_task(dataset, [{"repeats": {}}], {"outputs": ["train"]})
    refused = dsk("undo")
    assert "the step before is folder (1 added)" in refused.stderr and refused.returncode == 1
    assert (home / ".dsk/step.json").exists()  # a run goes on with it still
    assert "took back folder (step 1: 1 added)" in dsk("undo", "--yes").stderr
