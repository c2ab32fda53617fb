"""What tagging costs beside a plain loop of Pillow and onnxruntime over the same pictures.

    python benchmarks/tagging.py [--parts decode,model,memory,names] [--rounds 3] [--model FOLDER]

Each side is a process of its own, start-up included: ``dsk tag`` on a dataset, and
``tagging_plain.py`` on the same files. They take turns; what is printed is the median of the
rounds, since a machine is seldom quiet, and for the model's CPU also the least: onnxruntime's own
threads spin while they wait, so on a busy machine the plain loop looks worse than it is. Every
model has run once before that, so its optimised graph is kept.

decode: 96 mixed pictures and a network that costs next to nothing, as with a graphics card.
model:  20 of them and a vision transformer of the base size; --model takes a real one instead.
memory: 96 and 384 small pictures.
names:  what it costs to make tags of 10,861 probabilities.
"""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
PLAIN = "plain loop"


@dataclass(frozen=True)
class Cost:
    """What a process took: seconds of processor and clock, and the most memory in MB.

    ``least`` is the least CPU of several rounds: what it costs while nothing else runs.
    """

    cpu: float
    wall: float
    memory: float
    least: float = 0.0


def main() -> None:
    """Make what is needed in a folder, run the parts, print their tables."""
    parts: Mapping[str, Callable[[Path, argparse.Namespace], None]] = {
        "decode": decode, "model": model, "memory": memory, "names": names,
    }  # fmt: skip
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default=",".join(parts))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", type=Path, help="a folder with model.onnx and its label list")
    options = parser.parse_args()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"HF_HUB_OFFLINE": "1", "XDG_CACHE_HOME": str(Path(folder) / "caches")}
        for part in options.parts.split(","):
            parts[part](Path(folder), options)


def decode(folder: Path, options: argparse.Namespace) -> None:
    """96 mixed pictures, a network that costs next to nothing."""
    tiny, pictures = made(folder, "tiny"), made(folder, "mixed", 96)
    sides = {PLAIN: plain(tiny, pictures), "dsk tag": ours(tiny, pictures)}
    found = compared(f"decode: 96 pictures, {tiny.name} network", sides, options.rounds)
    told("wall, plain / dsk", found[PLAIN].wall / found["dsk tag"].wall, 2.0)
    told("CPU, plain / dsk", found[PLAIN].cpu / found["dsk tag"].cpu)
    print(f"  same tags: {same_tags(pictures):.1%}")


def model(folder: Path, options: argparse.Namespace) -> None:
    """20 mixed pictures, a network that costs nearly all."""
    full = options.model or made(folder, "vit")
    small = made(folder, "int8", full)
    pictures = made(folder, "twenty", 20)
    sides = {PLAIN: plain(full, pictures), "dsk tag": ours(full, pictures)}
    sides["dsk tag, int8"] = ours(small, pictures)
    goals = {"dsk tag": 1.4, "dsk tag, int8": 2.5}
    if openvino_is_here():
        sides["dsk tag, OpenVINO"] = ours(full, pictures, DSK_PROVIDER="openvino")
    found = compared(f"model: 20 pictures, {full.name}", sides, options.rounds)
    for side, cost in found.items():
        if side != PLAIN:
            told(f"CPU, plain / {side}", found[PLAIN].cpu / cost.cpu, goals.get(side))
            told(f"  by the least of the rounds, plain / {side}", found[PLAIN].least / cost.least)


def memory(folder: Path, options: argparse.Namespace) -> None:
    """Four times as many pictures take no more memory."""
    tiny = made(folder, "tiny")
    sets = [made(folder, "few", 96), made(folder, "many", 384)]
    sides = {f"dsk tag, {len(list(one.iterdir()))} pictures": ours(tiny, one) for one in sets}
    few, many = compared("memory: small pictures", sides, options.rounds).values()
    told("memory, 384 / 96 pictures", many.memory / few.memory, 1.1, most=True)


def names(folder: Path, options: argparse.Namespace) -> None:
    """Probabilities to names, in this process."""
    import numpy as np
    from tagging_plain import labels_of, tags_of

    from datasetkit.taggers.choose import chosen, rule_for, seen_in
    from datasetkit.taggers.models import model_named
    from datasetkit.taggers.tagger import Tagger

    tiny = made(folder, "tiny")
    labels, tagger = labels_of(tiny), Tagger(model_named(str(tiny)))
    rng = np.random.default_rng(0)
    scores = (rng.random(len(labels)) * 0.01).astype(np.float32)
    sure = rng.choice(len(labels), 70, replace=False)
    scores[sure] = rng.random(70)
    rule = rule_for(tagger.spec)

    def ours_() -> object:
        # What follows a run of the model: numbers checked and rounded, kept above .05, chosen.
        return chosen(seen_in(tagger.checked(scores), tagger.labels), rule)

    took = {}
    for name, run in {PLAIN: lambda: tags_of(scores, labels), "dsk": ours_}.items():
        times = []
        for _ in range(200):
            began = time.process_time_ns()
            run()
            times.append(time.process_time_ns() - began)
        took[name] = median(times) / 1e6
    print(f"names: {len(labels):,} probabilities, {np.count_nonzero(scores > 0.05)} above .05")
    print(f"  plain {took[PLAIN]:.3f} ms a picture, dsk {took['dsk']:.3f} ms")
    told("ms a picture", took["dsk"], 0.1, most=True)


def compared(title: str, sides: Mapping[str, Callable[[], Cost]], rounds: int) -> dict[str, Cost]:
    """Run the sides in turn, print the median of each and return it."""
    for run in sides.values():
        run()  # graphs kept, files in the system's memory
    costs: dict[str, list[Cost]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, run in sides.items():
            costs[side].append(run())
    print(f"{title}; median of {rounds} (least)")
    print(f"  {'':26}{'CPU s':>16}{'wall s':>16}{'peak MB':>10}")
    middle = {}
    for side, some in costs.items():
        cpu, wall = [cost.cpu for cost in some], [cost.wall for cost in some]
        found = Cost(median(cpu), median(wall), median(cost.memory for cost in some), min(cpu))
        middle[side] = found
        print(f"  {side:26}{found.cpu:8.2f} ({min(cpu):5.2f}){found.wall:8.2f} ({min(wall):5.2f})"
              f"{found.memory:10.0f}")  # fmt: skip
    return middle


def told(what: str, number: float, goal: float | None = None, *, most: bool = False) -> None:
    """Print a figure beside its goal."""
    said = ""
    if goal is not None:
        met = number <= goal if most else number >= goal
        said = f"   (goal: at {'most' if most else 'least'} {goal:g}; {'met' if met else 'MISSED'})"
    print(f"  {what}: {number:.2f}{said}", flush=True)


def plain(model: Path, pictures: Path) -> Callable[[], Cost]:
    """The plain loop, ready to be run."""
    return lambda: cost([str(HERE / "tagging_plain.py"), str(model), str(pictures)])


def ours(model: Path, pictures: Path, **environment: str) -> Callable[[], Cost]:
    """``dsk tag``, ready to be run on a dataset as it was before."""
    source = pictures.with_name(f"{pictures.name}-set")
    if not source.exists():
        cost(["-m", "datasetkit", "folder", str(pictures), "-d", str(source)])

    def run() -> Cost:
        home = source.with_name("now")
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(source, home)
        call = ["-m", "datasetkit", "tag", "-d", str(home), "--model", str(model)]
        return cost(call, **environment)

    return run


def cost(call: list[str], **environment: str) -> Cost:
    """Run Python on something in a process of its own."""
    # Standard error is kept apart: what a process says is shown where it fails.
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *call], stdout=said, stderr=said, env=os.environ | environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(said.read().decode(errors="replace"))
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / unit)


def made(folder: Path, what: str, of: object = "") -> Path:
    """A model or pictures in the folder; made where they are not there, by another process.

    This process stays small, for what it has in memory counts as what its children had.
    """
    found = folder / what
    if not found.exists():
        if what == "int8":
            call = ["-m", "datasetkit", "models", "quantize", str(of), "-o", str(found)]
            cost([*call, "-d", str(folder / "none")])
        else:
            cost([str(HERE / "tagging_models.py"), what, str(found), str(of)])
    return found


def same_tags(pictures: Path) -> float:
    """Of the tags that either side wrote last, the share that both did."""
    shared = either = 0
    home = pictures.with_name("now")
    for path in pictures.glob("*.txt"):
        (caption,) = home.glob(f"*{path.stem}.txt")
        one, other = (set(file.read_text("utf-8").strip().split(", ")) for file in (path, caption))
        shared, either = shared + len(one & other), either + len(one | other)
    return shared / either


def openvino_is_here() -> bool:
    """Say whether the extra is installed."""
    return importlib.util.find_spec("openvino") is not None


if __name__ == "__main__":
    main()
