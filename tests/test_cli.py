"""The command line as people and programs meet it: sentences, exit codes, JSON lines."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

CommandLine = Callable[..., subprocess.CompletedProcess[str]]
REPOSITORY = Path(__file__).parent.parent


def test_a_whole_evening_on_a_folder(dsk: CommandLine, tmp_path: Path, gallery: Path) -> None:
    assert dsk("folder", gallery).returncode == 0
    assert "6 pictures: 6 changed" in dsk("clean", "--drop", "tag 0", "--first", "ohwx").stderr
    assert "3 pictures: " not in dsk("flatten").stderr
    assert dsk("crop").returncode == 0
    said = dsk("repeats", "--steps", "120", "--epochs", "10").stderr
    assert "6 pictures x 2 repeats x 10 epochs = 120 steps" in said
    assert (tmp_path / "dataset/p0.txt").read_text() == "ohwx, 1girl, long hair, >_<\n"
    assert (tmp_path / "dataset/train/2_ohwx/p0.png").exists()
    again = dsk("clean", "--drop", "tag 0", "--first", "ohwx")
    assert "nothing changed; all was done before" in again.stderr and again.returncode == 0
    info = dsk("info")
    assert "6 pictures, 6 with a caption" in info.stdout and "clean" in info.stdout
    facts = json.loads(dsk("info", "--json").stdout)
    assert facts["pictures"] == 6 and facts["tags"]["trigger"] == [["ohwx", 6]]
    assert "no picture fulfils 'nothing_such'" in dsk("info", "--where", "nothing_such").stdout
    dsk("repeats", "--steps", "240", "--epochs", "10")
    undone = dsk("undo").stderr
    assert "took back" in undone and "what repeats made since stands; run it again" in undone


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["claen"], 2, "there is no command 'claen'; did you mean 'clean'?"),
        (["info"], 1, "there is no dataset in dataset"),
        (["clean"], 1, "there is no dataset in dataset"),
        (["undo"], 1, "there is no dataset in dataset"),
        (["folder", "nowhere"], 2, "there is no folder nowhere"),
        (["crop", "--ratio", "wide"], 2, "ratio: must be a number, not 'wide'"),
        (["grab", "x", "--limit", "-1"], 2, "limit: must be 0 or more, not '-1'"),
        (["run", "none.yaml"], 2, "cannot read the pipeline none.yaml"),
        (["grab", "x", "--site", "danboru"], 2, "did you mean 'danbooru'"),
        (["grab", "loli"], 1, "safety"),
        (["train"], 2, "base"),
    ],
)
def test_wrong_use_is_a_sentence(
    dsk: CommandLine, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    done = dsk(*words, DSK_BASE="")
    assert said in done.stderr and "Traceback" not in done.stderr
    assert done.returncode == code
    assert not (tmp_path / "dataset").exists()


def test_several_folders_are_refused_and_a_name_with_blanks_is_not(
    dsk: CommandLine, tmp_path: Path, gallery: Path
) -> None:
    for name in ("one", "my pictures"):
        (tmp_path / name).mkdir()
    said = "one folder at a time: there is no 'one my pictures', but there are one, 'my pictures'"
    for words in (["one", "my", "pictures"], ["one", "my pictures"]):
        done = dsk("folder", *words)
        assert said in done.stderr and done.returncode == 2
    (tmp_path / "p.yaml").write_text("stages: [folder: {path: [one, my pictures]}]")
    assert f"p.yaml: stage 'folder': {said}" in dsk("run", "p.yaml").stderr
    assert "there is no folder 'one none'" in dsk("folder", "one", "none").stderr
    assert not (tmp_path / "dataset").exists()
    (gallery).rename(tmp_path / "my drawings")
    assert "6 added" in dsk("folder", "my", "drawings").stderr


def test_a_broken_picture_is_named_with_exit_code_3(dsk: CommandLine, gallery: Path) -> None:
    (gallery / "cut.png").write_bytes((gallery / "p0.png").read_bytes()[:-40])
    done = dsk("folder", gallery)
    assert done.returncode == 3
    assert "cut.png: broken picture" in done.stderr and "6 added" in done.stderr


def test_json_lines_are_for_programs(dsk: CommandLine, gallery: Path) -> None:
    done = dsk("folder", gallery, "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == [
        "began",
        *["advanced"] * 6,
        "ended",
        "said",
    ]
    assert events[-2]["added"] == 6
    assert done.stderr == ""


def test_quiet_says_the_last_line_only(dsk: CommandLine, gallery: Path) -> None:
    done = dsk("folder", gallery, "--quiet")
    assert done.stderr == "done; take the last step back with dsk undo\n" and done.stdout == ""


def test_the_dataset_from_the_environment(dsk: CommandLine, tmp_path: Path, gallery: Path) -> None:
    dsk("folder", gallery, DSK_DATASET="elsewhere")
    assert (tmp_path / "elsewhere/p0.png").exists()


def test_a_pipeline_runs_once(dsk: CommandLine, tmp_path: Path, gallery: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        f"dataset: mine\nstages:\n  - folder: {{path: '{gallery}'}}\n  - clean\n  - crop\n"
        "  - repeats: {steps: 60}\n"
    )
    assert "folder" in dsk("run", "p.yaml", "--dry-run").stderr
    assert not (tmp_path / "mine").exists()
    assert dsk("run", "p.yaml").returncode == 0
    assert (tmp_path / "mine/train/1_mine/p0.txt").exists()
    again = dsk("run", "p.yaml")
    assert "nothing changed; all was done before" in again.stderr
    assert "done before" in dsk("run", "p.yaml", "--dry-run").stderr
    other = dsk("run", "p.yaml", "--set", "crop.ratio=1.2")
    assert "changed" in other.stderr


def test_two_runs_in_one_folder(dsk: CommandLine, tmp_path: Path, gallery: Path) -> None:
    dsk("folder", gallery)
    code = (
        "import sys, time\nfrom datasetkit.dataset import Dataset\n"
        "with Dataset('dataset', write=True):\n    print('open', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout and holder.stdout.readline() == "open\n"
    done = dsk("clean")
    assert done.returncode == 1
    assert f"dataset is in use by '-c' (process {holder.pid}); wait for it" in done.stderr
    assert dsk("info").returncode == 0  # reading needs no lock
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert dsk("clean").returncode == 0  # the lock died with its holder


def test_ctrl_c_is_130_and_resumes(dsk: CommandLine, tmp_path: Path, gallery: Path) -> None:
    for number in range(300):
        os.link(gallery / "p0.png", gallery / f"n{number}.png")
    process = subprocess.Popen(
        [sys.executable, "-m", "datasetkit", "folder", str(gallery)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.PIPE,
        text=True,
    )
    log = tmp_path / "dataset/.dsk/records.jsonl"
    while not log.exists() or log.stat().st_size < 2000:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130, said
    assert "interrupted; run the same command again to go on" in said
    assert dsk("folder", gallery).returncode == 0
    assert json.loads(dsk("info", "--json").stdout)["pictures"] == 306
    lines = (tmp_path / "dataset/.dsk/history.jsonl").read_text().splitlines()
    assert len(lines) == 1 and json.loads(lines[0])["added"] == 306


@pytest.mark.parametrize("limit", [24, 32])
def test_few_open_files_are_enough_or_a_sentence(tmp_path: Path, gallery: Path, limit: int) -> None:
    done = subprocess.run(
        ["sh", "-c", f"ulimit -n {limit}; exec {sys.executable} -m datasetkit folder {gallery}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 0 or "too many files are open" in done.stderr.lower()


def test_a_disk_that_is_full_for_real(dsk: CommandLine, tmp_path: Path, gallery: Path) -> None:
    """On a small file system of its own; where none may be mounted, a limit on file sizes."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(small)], capture_output=True
    )
    if mounted.returncode != 0:
        done = subprocess.run(
            ["sh", "-c", f"ulimit -f 1; exec {sys.executable} -m datasetkit folder {gallery}"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1 and "cannot write" in done.stderr, done.stderr
        return
    try:
        for number in range(100):
            (gallery / f"n{number}.png").write_bytes((gallery / "p0.png").read_bytes())
        done = dsk("folder", gallery, "--dataset", small / "set")
        assert done.returncode == 1 and "No space left on device" in done.stderr, done.stderr
        for picture in (small / "set").glob("*.png"):
            assert picture.read_bytes() == (gallery / picture.name).read_bytes()
        subprocess.run(["mount", "-o", "remount,size=20m", str(small)], check=True)
        assert dsk("folder", gallery, "--dataset", small / "set").returncode == 0
        assert len(list((small / "set").glob("*.png"))) == 106
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_plain_folder_is_a_dataset_for_every_stage(
    dsk: CommandLine, tmp_path: Path, gallery: Path
) -> None:
    said = "6 pictures taken in: plain is a dataset now"
    for words in (["flatten"], ["clean"], ["check"], ["export", "plain"]):
        plain = tmp_path / "plain"
        shutil.copytree(gallery, plain)
        dry = dsk(*words, "-d", "plain", "--dry-run")
        assert not (plain / ".dsk").exists()
        if words in (["flatten"], ["clean"]):
            assert dry.returncode == 1
            assert "no dataset in plain yet; any stage takes its 6 pictures in" in dry.stderr
        done = dsk(*words, "-d", "plain")
        assert done.returncode == (words == ["check"])  # which finds them too small
        assert done.stderr.startswith(said)
        assert "taken in" not in dsk(*words, "-d", "plain").stderr
        shutil.rmtree(plain)
    (tmp_path / "plain").mkdir()
    for words in (["flatten"], ["undo"], ["info"]):
        assert "there is no dataset in plain; dsk grab" in dsk(*words, "-d", "plain").stderr
    assert not list((tmp_path / "plain").iterdir())


def test_a_plain_folder_is_not_undone(dsk: CommandLine, tmp_path: Path, gallery: Path) -> None:
    for words in (["undo"], ["info"]):
        done = dsk(*words, "-d", gallery)
        assert done.returncode == 1 and "any stage takes its 6 pictures in" in done.stderr
    assert not (gallery / ".dsk").exists()


def test_info_names_the_folders_that_a_task_wrote(
    dsk: CommandLine, tmp_path: Path, gallery: Path
) -> None:
    dsk("folder", gallery)
    dsk(
        "repeats",
        "--steps",
        "120",
        "--epochs",
        "10",
        "--subset",
        "one: tag_0 x2",
        "--subset",
        "rest: x1",
    )
    line = next(line for line in dsk("info").stdout.splitlines() if "repeats" in line)
    assert "wrote train/" in line and ("_one" in line) and ("_rest" in line)
