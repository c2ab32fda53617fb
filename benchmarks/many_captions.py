"""What it costs to change very many captions, beside merely reading and writing them.

    python benchmarks/many_captions.py [--records 100000] [--pictures 1000] [--folder DIR]

Two things that people do again and again, both without a look at a pixel:

- ``clean`` on a dataset of records of 28 tags, where every caption changes: two meta tags of each
  go, and the character comes first. The plain reference reads each ``.txt``, writes it under a
  temporary name and puts it in place with ``os.replace``: no rules, no record of what was before,
  nothing synced.
- ``tag --threshold 0.25`` on pictures that were tagged at 0.35, so that every caption gains tags,
  by a model of as many labels as WD v3 has, which says the same of every picture.

No picture of the first is decoded: one tiny PNG is hard-linked as each (a new one each 10,000).
Each row is a process of its own; CPU is that process's, imports left out, and the peak is its
memory's. With --folder in memory (/dev/shm) the disk's part is left out of both.
"""

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from many_posts import peak

LINKS = 10_000  # of one file; ext4 allows 65,000
WORDS = 30_000
KINDS = ("general",) * 24 + ("character", "copyright", "meta", "meta")
SURE, LESS_SURE, SEEN = 20, 10, 40  # tags of a picture above 0.35, above 0.25, above 0.05

Row = dict[str, float]


def main() -> None:
    """Make the datasets, run each row in a process of its own, print a table and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--pictures", type=int, default=1_000)
    parser.add_argument("--folder", help="where the datasets are made (default: a temporary one)")
    parser.add_argument("--phase", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.phase:
        print(json.dumps(measured(arguments.phase, Path(arguments.folder))))
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        home = Path(folder)
        if arguments.records:
            report_cleaning(home, arguments.records)
        if arguments.pictures:
            report_tagging(home, arguments.pictures)


def report_cleaning(home: Path, count: int) -> None:
    """Clean, beside the plain loop."""
    make_records(home, count)
    print(f"{count:,} records of {len(KINDS)} tags")
    print(f"{'':36}{'CPU s':>9}{'wall s':>9}{'us CPU each':>13}{'peak MB':>9}")
    rows = {
        "plain": "read and write the captions",
        "rules": "the rules alone, in memory",
        "open": "open to write, and close",
        "clean": "open, clean, commit",
        "again": "the same again, nothing changes",
    }
    found = {phase: in_a_process(phase, home, title, count) for phase, title in rows.items()}
    plain, ours = found["plain"], found["clean"]
    print(
        f"clean / read and write: CPU {ours['cpu'] / plain['cpu']:.2f}, "
        f"wall {ours['wall'] / plain['wall']:.2f}; "
        f"the rules: {count / found['rules']['cpu']:,.0f} records a second\n"
    )


def report_tagging(home: Path, count: int) -> None:
    """Tag with another threshold, in this package and as a command."""
    make_tagged(home, count)
    print(f"{count:,} pictures tagged again, every caption changes")
    print(f"{'':36}{'CPU s':>9}{'wall s':>9}{'us CPU each':>13}{'peak MB':>9}")
    plain = in_a_process("plain", home, "read and write the captions", count)
    in_a_process("stage", home, "the stage alone, in memory", count)
    ours = in_a_process("threshold", home, "open, tag again, commit", count)
    command = [sys.executable, "-m", "datasetkit", "tag", "--model", str(home / "model")]
    command += ["--threshold", "0.35", "--quiet", "-d", str(home / "tagged")]
    tree = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    since, before = time.perf_counter(), os.times()
    subprocess.run(command, check=True, env=tree, stderr=subprocess.DEVNULL)
    after, wall = os.times(), time.perf_counter() - since
    cpu = sum(after[2:4]) - sum(before[2:4])
    show("dsk tag, back to 0.35, a process", {"cpu": cpu, "wall": wall, "peak": 0}, count)
    print(
        f"tag again / read and write: CPU {ours['cpu'] / plain['cpu']:.2f}, "
        f"wall {ours['wall'] / plain['wall']:.2f}"
    )


def in_a_process(phase: str, home: Path, title: str, count: int) -> Row:
    """Run one phase in a new process, show and return what it measured of itself."""
    if phase == "plain":
        copy_captions(home)
    command = [sys.executable, __file__, "--phase", phase, "--folder", str(home)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: Row = json.loads(done.stdout)
    show(title, found, count)
    return found


def show(title: str, row: Row, count: int) -> None:
    """Print a line of the table."""
    each = row["cpu"] / count * 1e6
    print(
        f"{title:36}{row['cpu']:9.2f}{row['wall']:9.2f}{each:13.1f}{row['peak']:9.0f}", flush=True
    )


def measured(phase: str, home: Path) -> Row:
    """Do the work of one phase; seconds, CPU seconds and the peak of memory in MB."""
    work = {
        "plain": plain_loop,
        "rules": rules_alone,
        "open": open_and_close,
        "clean": clean,
        "again": clean,
        "stage": stage_alone,
        "threshold": tag_again,
    }[phase](home)
    os.sync()  # what the row before left to be written is not this one's
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {
        "cpu": time.process_time() - cpu,
        "wall": time.perf_counter() - wall,
        "peak": peak(),
    }


def plain_loop(home: Path) -> Callable[[], None]:
    """The least that any program does: one file after the other."""
    folder = home / "plain"

    def work() -> None:
        for name in sorted(os.listdir(folder)):
            path = folder / name
            with open(path, encoding="utf-8") as file:
                text = file.read()
            with open(f"{path}.tmp", "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(f"{path}.tmp", path)

    return work


def rules_alone(home: Path) -> Callable[[], None]:
    """Clean records that are in memory; as many as there are, in lots that fit."""
    from datasetkit.cleaners.tags.clean import Clean
    from datasetkit.dataset import Dataset

    with Dataset(home / "set") as dataset:
        records, stage = dataset.records, Clean()
        count = len(records)
        lot = list(records[: min(count, 20_000)])

    def work() -> None:
        for start in range(0, count, len(lot)):
            for record in lot[: count - start]:
                stage(record)

    return work


def open_and_close(home: Path) -> Callable[[], None]:
    """Open, with the look for what people edited."""
    from datasetkit.dataset import Dataset

    def work() -> None:
        with Dataset(home / "set", write=True) as dataset:
            assert not dataset.notes

    return work


def clean(home: Path) -> Callable[[], None]:
    """As ``dsk clean`` does."""
    from datasetkit.cleaners.tags.clean import Clean

    return leg(home / "set", Clean())


def tag_again(home: Path) -> Callable[[], None]:
    """As ``dsk tag --threshold 0.25`` does."""
    from datasetkit.taggers.tag import Tagging

    return leg(home / "tagged", Tagging(str(home / "model"), threshold=0.25))


def leg(path: Path, stage: Any) -> Callable[[], None]:
    """Open a dataset and run one stage on it."""
    from datasetkit.dataset import Dataset
    from datasetkit.engines.local import run_leg

    def work() -> None:
        with Dataset(path, write=True) as dataset:
            stage.check()
            run_leg(dataset, [stage], lambda event: None)

    return work


def stage_alone(home: Path) -> Callable[[], None]:
    """Tag again records that are in memory."""
    from datasetkit.dataset import Dataset
    from datasetkit.taggers.tag import Tagging

    stage = Tagging(str(home / "model"), threshold=0.25)
    with Dataset(home / "tagged") as dataset:
        records = list(dataset.records)

    def work() -> None:
        for record in records:
            assert stage(record) != record

    return work


def copy_captions(home: Path) -> None:
    """Put the captions of the last dataset made beside it, for the plain loop."""
    source = home / "tagged" if (home / "tagged").exists() else home / "set"
    folder = home / "plain"
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for path in source.glob("*.txt"):
        (folder / path.name).write_bytes(path.read_bytes())


def make_records(home: Path, count: int) -> None:
    """A dataset of pictures from a site, with nothing done to it."""
    from PIL import Image

    from datasetkit.dataset import Dataset, Step
    from datasetkit.pixels import Picture
    from datasetkit.record import Origin, Record, Tag

    lot: list[tuple[Record, Path | None]] = []
    with Dataset(home / "set", write=True) as dataset, Step(dataset, [{"grab": {}}]) as step:
        for number, names in enumerate(tags_of_posts(count)):
            tiny = home / f"tiny{number // LINKS}.png"
            if not tiny.exists():
                Image.new("RGB", (8, 8), "teal").save(tiny)
            key = f"danbooru_{5_000_000 + number * 7}"
            draft = dataset.draft(f"{key}.png")
            os.link(tiny, draft)
            named = zip(names, KINDS, strict=True)
            tags = tuple(Tag(name, kind, ("danbooru",)) for name, kind in named)
            origin = Origin("danbooru", key[9:], f"https://danbooru.example/posts/{key[9:]}",
                            f"{number:032x}", "g", number % 50)  # fmt: skip
            picture = Picture(dataset.path / f"{key}.png", (8, 8))
            lot.append((Record(key, picture, tags, origin), draft))
            if len(lot) == 200 or number == count - 1:
                step.put_all(lot)
                lot.clear()


def tags_of_posts(count: int) -> Iterator[list[str]]:
    """Names as a site has them: few of them common."""
    dice = random.Random(1)
    for number in range(count):
        words = {min(int(dice.paretovariate(0.35)), WORDS) for _ in range(60)}
        spare = iter(range(WORDS + number % 97, 2 * WORDS))
        while len(words) < len(KINDS):
            words.add(next(spare))
        yield [f"a_made_up_tag_{word}" for word in sorted(words)[: len(KINDS)]]


def make_tagged(home: Path, count: int) -> None:
    """Drawn pictures, tagged by a model that is sure of 20 tags of each."""
    from PIL import Image

    from datasetkit.dataset import Dataset
    from datasetkit.engines.local import run_leg
    from datasetkit.grabbers.folder import Folder
    from datasetkit.taggers.tag import Tagging

    make_model(home / "model")
    source = home / "source"
    source.mkdir()
    for number in range(count):
        Image.effect_noise((256, 256), 80 + number % 50).save(source / f"p{number:05}.png")
    with Dataset(home / "tagged", write=True) as dataset:
        run_leg(dataset, [Folder(str(source))], lambda event: None)
        run_leg(dataset, [Tagging(str(home / "model"))], lambda event: None)


def make_model(folder: Path) -> None:
    """A tagger with the interface and the size of WD v3; its answers are what is measured last."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    labels = [(name, 9) for name in ("general", "sensitive", "questionable", "explicit")]
    labels += [(f"a_made_up_tag_{number}", 0) for number in range(8_106)]
    labels += [(f"somebody_{number}_(a_story)", 4) for number in range(2_751)]
    says = np.full(len(labels), 0.01, np.float32)
    says[0] = 0.9
    for number, place in enumerate(range(4, 4 + 100 * SEEN, 100)):
        sure, less = number < SURE, number < SURE + LESS_SURE
        says[place] = 0.9 - number / 100 if sure else 0.3 if less else 0.1
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["mean", "nothing"], ["product"]),
        helper.make_node("Add", ["product", "says"], ["output"]),
    ]
    nothing = np.zeros((3, len(labels)), np.float32)
    graph = helper.make_graph(
        nodes,
        "tagger",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 64, 64, 3])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", len(labels)])],
        [numpy_helper.from_array(nothing, "nothing"), numpy_helper.from_array(says, "says")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    folder.mkdir()
    onnx.save(model, folder / "model.onnx")
    with (folder / "selected_tags.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["tag_id", "name", "category", "count"])
        rows.writerows([n, name, kind, 1000] for n, (name, kind) in enumerate(labels))


if __name__ == "__main__":
    main()
