"""What the pixel stages cost: one leg of them, one process a stage, and a plain Pillow loop.

    python benchmarks/pixel_pass.py [--pictures 500] [--keep FOLDER]

The pictures are drawn: 1 to 4 megapixels, JPEG, PNG with and without clear pixels, WebP, a few
longer than 3:1 or with bars. The plain loop is what most people write: open, convert, composite
on white, crop, save all again in their own format; it looks for no bars. Ours is the engine at
work on a dataset: what need not change keeps its file, files are put in place by rename and
synced, originals are kept, every change can be undone. Each row runs in a process of its own, one
after the other; CPU seconds are of all of it, start-up too. "encoded" is the share of the pictures
whose files were written anew. The ratios are what to trust: the machine may be busy.
"""

import argparse
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

RATIO = 3.0
SHORT = ("clean", "flatten", "crop")
FULL = ("clean", "flatten", "trim", "crop", "upright")


@dataclass(frozen=True)
class Cost:
    """What a row took: CPU and wall seconds, the peak of its memory in MB."""

    cpu: float
    wall: float
    peak: float


def main() -> None:
    """Make the pictures, run each way in a process of its own, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--keep", help="draw the pictures into this folder, once")
    parser.add_argument("--row", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        run_row(*arguments.row)
        return
    with tempfile.TemporaryDirectory() as folder:
        source = Path(arguments.keep or folder, "source")
        if not source.exists():
            draw_pictures(source, arguments.pictures)
        measure(source, Path(folder))


def measure(source: Path, folder: Path) -> None:
    """Run each row and print it, and then how they compare."""
    paths = list(source.iterdir())
    print(
        f"{len(paths)} pictures, {sum(p.stat().st_size for p in paths) / len(paths) / 1e6:.2f} MB"
    )
    print(f"{'':40}{'CPU s':>8}{'wall s':>8}{'per 1,000':>11}{'peak MB':>9}{'encoded':>9}")
    costs: dict[str, Cost] = {}

    def row(name: str, *words: object, target: Path | None = None) -> None:
        before = files(target, paths) if target else {}
        told = [cost_of(word) for word in words]
        found = Cost(sum(c.cpu for c in told), sum(c.wall for c in told), max(c.peak for c in told))
        costs[name] = found
        line = f"{name:40}{found.cpu:8.1f}{found.wall:8.1f}{found.cpu / len(paths) * 1000:11.1f}"
        if target:
            after = files(target, paths)
            written = sum(before[name] != after[name] for name in after)
            print(f"{line}{found.peak:9.0f}{written / len(paths):9.0%}", flush=True)
        else:
            print(f"{line}{found.peak:9.0f}", flush=True)

    taken = folder / "taken"
    row("taking the folder in (not counted below)", ("folder", taken, source))
    sets = {name: folder / name for name in ("short", "full", "single", "plain")}
    for name in ("short", "full", "single"):
        shutil.copytree(taken, sets[name])
    shutil.copytree(source, sets["plain"])
    row("decode only, Pillow", ("decode", source))
    row("plain Pillow loop", ("plain", sets["plain"], source), target=sets["plain"])
    each = [("leg", sets["single"], name) for name in FULL]
    row("a process each", *each, target=sets["single"])
    row("one leg", ("leg", sets["full"], *FULL), target=sets["full"])
    row("the same, a second time", ("leg", sets["full"], *FULL), target=sets["full"])
    row("one leg without trim and upright", ("leg", sets["short"], *SHORT), target=sets["short"])
    decode, leg = costs["decode only, Pillow"].cpu, costs["one leg"].cpu
    print(f"one leg: {'+'.join(FULL)}; {leg / decode:.2f} x decoding")
    for name in ("plain Pillow loop", "a process each"):
        print(f"{name}: {costs[name].cpu / leg:.1f} x one leg")


def files(folder: Path, paths: Sequence[Path]) -> dict[str, tuple[int, int]]:
    """Which file each of these pictures is in a folder, and since when."""
    found = {path.name: (folder / path.name).stat() for path in paths}
    return {name: (status.st_ino, status.st_mtime_ns) for name, status in found.items()}


def cost_of(words: object) -> Cost:
    """What one row takes as a process of its own."""
    assert isinstance(words, tuple)
    command = [sys.executable, __file__, "--row", *map(str, words)]
    start = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    return Cost(told["cpu"], time.perf_counter() - start, told["peak"])


def run_row(kind: str, *words: str) -> None:
    """Do one row's work and say what it took."""
    if kind == "decode":
        for path in sorted(Path(words[0]).iterdir()):
            with Image.open(path) as image:
                image.load()
    elif kind == "plain":
        plain_loop(Path(words[1]), Path(words[0]))
    else:
        our_pass(kind, Path(words[0]), words[1:])
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"cpu": used.ru_utime + used.ru_stime, "peak": peak_memory()}))


def peak_memory() -> float:
    """The most memory that this process had, in MB; what getrusage says, a parent may have had."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) / 1024


def our_pass(kind: str, target: Path, words: Sequence[str]) -> None:
    """Take a folder in, or run a row of stages on a dataset, as ``dsk run`` does."""
    from datasetkit.dataset import Dataset
    from datasetkit.engines.local import run_leg
    from datasetkit.pipeline import build

    if kind == "folder":
        stages = [build("folder", {"path": words[0]})]
    else:
        stages = [build(name, {}) for name in words]
    with Dataset(target, write=True) as dataset:
        outcome = run_leg(dataset, stages, lambda event: None)
    print(outcome)


def plain_loop(source: Path, target: Path) -> None:
    """Open, convert, composite, crop, save: one picture after the other."""
    for path in sorted(source.iterdir()):
        with Image.open(path) as image:
            colour = image.convert("RGBA")
        ground = Image.new("RGBA", colour.size, "white")
        ground.alpha_composite(colour)
        flat = ground.convert("RGB")
        width, height = flat.size
        width, height = min(width, int(height * RATIO)), min(height, int(width * RATIO))
        left, top = (flat.width - width) // 2, (flat.height - height) // 2
        flat = flat.crop((left, top, left + width, top + height))
        options = {".jpg": {"quality": 95, "subsampling": 0}, ".webp": {"lossless": True}}
        flat.save(target / path.name, **options.get(path.suffix, {}))


def draw_pictures(folder: Path, count: int) -> None:
    """Booru-like files: 45% JPEG, 45% PNG (two in three with clear pixels), 10% WebP.

    3% are longer than 3:1, 4% have black bars.
    """
    folder.mkdir(parents=True)
    rng = random.Random(7)
    for number in range(count):
        width, height = rng.choice([(1000, 1000), (1200, 1700), (1448, 2048), (2000, 2000)])
        if number % 33 == 5:
            width, height = 900, 3400
        image = draw(rng, width, height)
        if number % 25 == 3:
            pen = ImageDraw.Draw(image)
            pen.rectangle((0, 0, width, height // 8), fill="black")
            pen.rectangle((0, height * 7 // 8, width, height), fill="black")
        place = number % 20
        if place < 9:
            image.save(folder / f"{number:04}.jpg", quality=92)
        elif place < 12:
            image.save(folder / f"{number:04}.png")
        elif place < 18:
            mask = Image.new("L", image.size)
            ImageDraw.Draw(mask).ellipse((width // 8, 50, width * 7 // 8, height), fill=255)
            image.putalpha(mask.filter(ImageFilter.GaussianBlur(2)))
            image.save(folder / f"{number:04}.png")
        else:
            image.save(folder / f"{number:04}.webp", lossless=place == 19, quality=90, method=1)


def draw(rng: random.Random, width: int, height: int) -> Image.Image:
    """Soft shades under hard lines, with a little grain: about as hard to compress as drawings."""
    shade = Image.effect_noise((width // 40, height // 40), 120).resize((width, height))
    turned = shade.transpose(Image.Transpose.ROTATE_180)
    image = Image.merge("RGB", (shade, turned, ImageChops.invert(shade)))
    pen = ImageDraw.Draw(image)
    for _ in range(80):
        x, y, r = rng.randrange(width), rng.randrange(height), rng.randrange(20, width // 5)
        colour = tuple(rng.randrange(256) for _ in range(3))
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour, outline="black", width=4)
    grain = Image.effect_noise((width, height), 1.2).convert("RGB")
    return ImageChops.add(image, grain, offset=-128)


if __name__ == "__main__":
    main()
