"""What it costs to write a dataset out for a trainer, beside ``cp -al`` of the same files.

    python benchmarks/exporting.py [--pictures 5000] [--folder DIR]

Tiny drawn pictures with captions of 20 tags are taken into a dataset. ``dsk repeats`` then writes
them out for kohya's trainers: whole, again (up to date), after one caption changed, and with two
subsets by a filter. ``cp -al`` makes hard links of the same pictures and captions: it computes
nothing, syncs nothing and looks at nothing, so it is the least that any export could cost. The
second reference reads and writes the captions and brings them to the disk, as an export has to that
must not lose them. Times are the wall's, the best of three, imports and the opening of the dataset
left out; the peak is the process's.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from many_posts import peak

from datasetkit.dataset import Dataset
from datasetkit.engines.local import run_leg
from datasetkit.exporters.repeats import Repeats
from datasetkit.grabbers.folder import Folder

SIZES = ((48, 64), (64, 48), (64, 64), (40, 96))


def main() -> None:
    """Draw the pictures, time each row, print a table with the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--folder", help="where the datasets are made (default: a temporary one)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        home = Path(folder)
        draw(home / "drawn", arguments.pictures)
        with Dataset(home / "set", write=True) as dataset:
            run_leg(dataset, [Folder(str(home / "drawn"))], lambda event: None)
        report(home)


def report(home: Path) -> None:
    """Time the exports and the references."""
    source, out, other = home / "set", home / "out", home / "copy"
    linked = best(lambda: link(source, other), lambda: shutil.rmtree(other, ignore_errors=True))
    captions = best(lambda: rewrite(source, other), lambda: shutil.rmtree(other, True))
    rows = [("cp -al of pictures and captions", linked), ("captions written and synced", captions)]
    with Dataset(source, write=True) as dataset:
        before = peak()

        def export(**options: object) -> None:
            for _ in Repeats(name="x", out=str(out), **options)(dataset):  # type: ignore[arg-type]
                pass

        def anew() -> None:
            shutil.rmtree(out, ignore_errors=True)

        subsets = ("good: tag_1 x3", "rest: x1")
        rows.append(("dsk repeats, anew", best(export, anew)))
        rows.append(("dsk repeats, two subsets", best(lambda: export(subset=subsets), anew)))
        anew()
        export()
        rows.append(("dsk repeats, up to date", best(export, lambda: None)))
        grown = peak() - before
    caption = next(source.glob("*.txt"))
    text = caption.read_text()
    caption.write_text(f"{text.strip()}, something new\n")
    with Dataset(source, write=True) as dataset:
        began = time.perf_counter()
        export()
        rows.append(("dsk repeats, one caption changed", time.perf_counter() - began))
    for name, seconds in rows:
        print(f"{name:34} {seconds:7.3f} s   {seconds / linked:6.1f} x cp -al")
    print(f"memory: {grown:.0f} MB more at the peak than with the dataset open")


def draw(folder: Path, count: int) -> None:
    """Small pictures, no two the same, with captions of 20 tags."""
    from PIL import Image

    folder.mkdir()
    chance = random.Random(1)
    for number in range(count):
        image = Image.new("RGB", SIZES[number % len(SIZES)], tuple(chance.randbytes(3)))
        image.paste(tuple(chance.randbytes(3)), (number % 20, number // 20 % 20, 30, 35))
        image.putpixel((0, 0), (number & 255, number >> 8 & 255, number >> 16))
        image.save(folder / f"p{number:06}.png")
        tags = chance.sample(range(400), 20)
        (folder / f"p{number:06}.txt").write_text(", ".join(f"tag {tag}" for tag in tags) + "\n")


def link(source: Path, target: Path) -> None:
    """Let cp make the links, in one process for all files."""
    target.mkdir()
    names = [path.name for path in source.iterdir() if path.suffix in {".png", ".txt"}]
    words = ["xargs", "-0", "cp", "-al", "-t", str(target)]
    subprocess.run(words, input="\0".join(names).encode(), cwd=source, check=True)


def rewrite(source: Path, target: Path) -> None:
    """Write each caption anew and bring all of them to the disk."""
    target.mkdir()
    for path in source.glob("*.txt"):
        (target / path.name).write_bytes(path.read_bytes())
    os.sync()


def best(work: Callable[[], None], before: Callable[[], None]) -> float:
    """The shortest of three runs, in seconds."""
    times = []
    for _ in range(3):
        before()
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    main()
