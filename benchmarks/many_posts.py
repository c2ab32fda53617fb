"""What a dataset of very many posts costs: time and memory to write, to open and to walk through.

    python benchmarks/many_posts.py [--posts 100000] [--folder DIR] [--only PHASES]

Nothing is downloaded and no picture is decoded: one tiny PNG is made and hard-linked as every
post's staged file (a new one each 10,000 posts, since a file may have only so many links). All else
is what ``dsk grab`` does: a step, a question whether the post is known, a synced note of what was
before, the appended line, the rename, the synced caption. A post has 41 tags of a vocabulary of
30,000 in which few are common. The plain reference appends JSON lines and keeps a dict of the keys.

Each row is a process of its own, for a tenth of the posts and for all; memory is that process's
peak. With --folder in memory (/dev/shm) the disk's own time for the syncs is left out.
"""

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

TAGS = 41
WORDS = 30_000
LINKS = 10_000  # of one file; ext4 allows 65,000
KINDS = ("general",) * 34 + (
    "character",
    "character",
    "copyright",
    "artist",
    "meta",
    "meta",
    "meta",
)

PHASES = {
    "plain": "plain loop, write",
    "write": "write, in one step",
    "again": "offer all of it again",
    "read": "open to read",
    "walk": "open to read, all records",
    "open": "open to write",
    "change": "change a tag of each, one step",
    "undo": "undo that",
}


def main() -> None:
    """Run each phase in a process of its own and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--posts", type=int, default=100_000)
    parser.add_argument("--folder", help="where the datasets are made (default: a temporary one)")
    parser.add_argument("--only", help="these phases alone, with commas between")
    parser.add_argument("--phase", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.phase:
        print(json.dumps(measured(arguments.phase, Path(arguments.folder), arguments.posts)))
        return
    sizes = (arguments.posts // 10, arguments.posts)
    phases = arguments.only.split(",") if arguments.only else list(PHASES)
    print(f"{'':32}{'posts':>8}{'s':>9}{'CPU s':>9}{'ms CPU each':>13}{'peak MB':>9}")
    grown: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for count in sizes:
            home = Path(folder) / str(count)
            home.mkdir()
            for phase in phases:
                found = in_a_process(phase, home, count)
                each = found["cpu"] / count * 1000
                print(
                    f"{PHASES[phase]:32}{count:8}{found['wall']:9.2f}{found['cpu']:9.2f}"
                    f"{each:13.3f}{found['peak']:9.0f}",
                    flush=True,
                )
                grown[phase] = found["peak"] - grown.get(phase, 0)
            shutil.rmtree(home)
    for phase in phases:
        print(f"{PHASES[phase]}: +{grown[phase]:.0f} MB from {sizes[0]:,} to {sizes[1]:,}")


def in_a_process(phase: str, home: Path, count: int) -> dict[str, float]:
    """Run one phase in a new process, and return what it measured of itself."""
    command = [sys.executable, __file__, "--phase", phase, "--folder", str(home)]
    done = subprocess.run(
        [*command, "--posts", str(count)], check=True, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measured(phase: str, home: Path, count: int) -> dict[str, float]:
    """Do the work of one phase; seconds, CPU seconds and the peak of memory in MB."""
    from datasetkit.dataset import Dataset  # noqa: F401 - imports are not what is timed

    wall, cpu = time.perf_counter(), time.process_time()
    {
        "plain": plain_loop,
        "write": write,
        "again": write,
        "read": open_to_read,
        "walk": walk,
        "open": open_to_write,
        "change": change,
        "undo": take_back,
    }[phase](home, count)
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak": peak(),
    }


def peak() -> float:
    """The most memory that this process ever had, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss counts the parent's memory in before exec
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1024 * 1024 if sys.platform == "darwin" else 1024)


def posts(count: int) -> Iterator[dict[str, Any]]:
    """Posts as a site gives them, the same ones each time."""
    dice = random.Random(1)
    for number in range(count):
        words = {min(int(dice.paretovariate(0.35)), WORDS) for _ in range(2 * TAGS)}
        spare = iter(range(WORDS + number % 97, 2 * WORDS))
        while len(words) < TAGS:
            words.add(next(spare))
        yield {
            "id": 5_000_000 + number * 7,
            "md5": f"{dice.getrandbits(128):032x}",
            "tags": [f"a_made_up_tag_{word}" for word in sorted(words)[:TAGS]],
        }


def plain_loop(home: Path, count: int) -> None:
    """What the least program does: a line a post, and the keys in a dict."""
    known: dict[str, int] = {}
    with (home / "plain.jsonl").open("w") as file:
        for post in posts(count):
            key = f"danbooru_{post['id']}"
            if key not in known:
                known[key] = file.tell()
                file.write(json.dumps(post) + "\n")
                file.flush()


def write(home: Path, count: int) -> None:
    """Take posts in as ``dsk grab`` does; those that are known already are passed over."""
    from PIL import Image

    from datasetkit.dataset import Dataset, Step
    from datasetkit.pixels import Picture
    from datasetkit.record import Origin, Record, Tag

    with Dataset(home / "set", write=True) as dataset, Step(dataset, [{"grab": {}}]) as step:
        for number, post in enumerate(posts(count)):
            key, name = f"danbooru_{post['id']}", f"danbooru_{post['id']}.png"
            if key in dataset or dataset.post("danbooru", str(post["id"])) is not None:
                continue
            if dataset.of_md5(post["md5"]) is not None:
                continue
            tiny = home / f"tiny{number // LINKS}.png"
            if not tiny.exists():
                Image.new("RGB", (8, 8), "teal").save(tiny)
            draft = dataset.draft(name)
            os.link(tiny, draft)
            named = zip(post["tags"], KINDS, strict=True)
            tags = tuple(Tag(word, kind, ("danbooru",)) for word, kind in named)
            origin = Origin(
                site="danbooru",
                post=str(post["id"]),
                url=f"https://danbooru.example/posts/{post['id']}",
                md5=post["md5"],
                rating="g",
                score=number % 50,
                posted="2024-05-01T12:00:00+00:00",
            )
            picture = Picture(dataset.path / name, (8, 8))
            step.put(Record(key, picture, tags, origin), draft)


def open_to_read(home: Path, count: int) -> None:
    """Open, and ask how many there are."""
    from datasetkit.dataset import Dataset

    with Dataset(home / "set") as dataset:
        assert len(dataset) == count


def walk(home: Path, count: int) -> None:
    """Look at every record once, as a stage does."""
    from datasetkit.dataset import Dataset

    with Dataset(home / "set") as dataset:
        assert sum(len(record.tags) for record in dataset.records) == count * TAGS


def open_to_write(home: Path, count: int) -> None:
    """Open, with the look for what people edited."""
    from datasetkit.dataset import Dataset

    with Dataset(home / "set", write=True) as dataset:
        assert len(dataset) == count and not dataset.notes


def change(home: Path, count: int) -> None:
    """Add a tag to each record, announced 64 at a time as the engine does."""
    from datasetkit.dataset import Dataset, Step
    from datasetkit.record import Record, Tag

    with Dataset(home / "set", write=True) as dataset, Step(dataset, [{"tag": {}}]) as step:
        waiting: list[Record] = []
        for number, record in enumerate(dataset.records, 1):
            waiting.append(replace(record, tags=(*record.tags, Tag("seen", by=("model",)))))
            if len(waiting) == 64 or number == count:
                step.announce([(item, None) for item in waiting])
                for item in waiting:
                    step.put(item)
                waiting.clear()


def take_back(home: Path, count: int) -> None:
    """Undo the last step."""
    from datasetkit.dataset import Dataset, undo

    with Dataset(home / "set", write=True) as dataset:
        undo(dataset)
        assert len(dataset) == count


if __name__ == "__main__":
    main()
