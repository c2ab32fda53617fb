"""What the whole of ``dsk grab`` costs, beside plain requests and gallery-dl on the same site.

    python benchmarks/grabbing.py whole [--pictures 400] [--rounds 3] [--gallery-dl PYTHON]
        [--drawn DIR] [--folder DIR]
    python benchmarks/grabbing.py posts [--posts 100000] [--recorded 20000] [--folder DIR]

``whole``: a booru on this machine answers after 60 ms, as one across the sea does; the pictures
are drawn, of 1 to 3 megapixels, seven in ten of them JPEG. ``dsk grab`` looks its names up, lists,
fetches 16 at once, checks md5, decodes to the last pixel, takes a fingerprint and commits each
picture with synced files. The plain pool lists the same pages, fetches the same files as many at
once, checks md5 and decodes; gallery-dl fetches one at a time and writes JSON beside each. The
rounds are interleaved and the medians shown. A last run of ours is taken apart.

``posts``: no latency, and many posts. A dry run pages them and counts their tags, a grab of 340
bytes a picture records them; each for a tenth and for all, beside a plain loop that does as much.
Memory is each process's peak, and is to stay where it is.

The ratios are what to trust, for the machine may be busy. Nothing leaves this machine.
"""

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from booru_server import SOUGHT, drawn, read_list

SERVER = Path(__file__).with_name("booru_server.py")
PAGE = 200


class Cost(NamedTuple):
    """What a run took: seconds, CPU seconds, peak memory in MB."""

    wall: float
    cpu: float
    peak: float


def main() -> None:
    """Run the comparison that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["whole", "posts", *CLIENTS])
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--latency", type=float, default=0.06)
    parser.add_argument("--gallery-dl", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--drawn", type=Path, help="where the drawings are, or are kept")
    parser.add_argument("--posts", type=int, default=100_000)
    parser.add_argument("--recorded", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="where files go (default: a temporary folder)")
    parser.add_argument("--root", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.what in CLIENTS:
        CLIENTS[arguments.what](arguments.root, arguments.folder, arguments.at_once)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        # No settings or caches of the user's, and none left behind.
        os.environ |= {"DSK_CONFIG": folder, "XDG_CACHE_HOME": folder}
        (whole if arguments.what == "whole" else posts)(Path(folder), arguments)


def whole(folder: Path, arguments: argparse.Namespace) -> None:
    """Compare whole grabs of real pictures."""
    count = arguments.pictures
    listing = drawn(arguments.drawn or folder / "drawn", count)
    total = sum(picture.size for picture in read_list(listing)) / 1e6
    costs: dict[str, list[Cost]] = defaultdict(list)
    with served(["--pictures", str(listing), "--latency", str(arguments.latency)]) as root:
        target = folder / "got"
        at_once = ["--at-once", str(arguments.at_once)]
        rows = {
            "requests pool, md5, decoded": this("pool", root, target, *at_once),
            "the same, not decoded": this("bare", root, target, *at_once),
            "dsk grab": ours(root, target),
        }
        if can(arguments.gallery_dl):
            rows["gallery-dl, JSON beside"] = gallery(arguments.gallery_dl, root, target)
        for _ in range(arguments.rounds):
            for name, command in rows.items():
                target.mkdir()
                costs[name].append(measured(command))
                check(target, count)
                shutil.rmtree(target)
        limit = median(costs["requests pool, md5, decoded"])
        print(
            f"{count} pictures, {total:,.0f} MB, {arguments.at_once} at once, "
            f"{arguments.latency * 1000:g} ms a request, median of {arguments.rounds}"
        )
        print(f"{'':30}{'files/s':>9}{'CPU s/1,000':>13}{'peak MB':>9}{'speed':>8}{'CPU':>7}")
        for name, several in costs.items():
            cost = median(several)
            print(
                f"{name:30}{count / cost.wall:9.1f}{cost.cpu / count * 1000:13.2f}"
                f"{cost.peak:9.0f}{limit.wall / cost.wall:8.2f}{cost.cpu / limit.cpu:7.2f}"
            )
        target.mkdir()
        subprocess.run(this("apart", root, target), check=True, stderr=subprocess.DEVNULL)


def posts(folder: Path, arguments: argparse.Namespace) -> None:
    """Compare the paging and the recording of many posts, a tenth of them and all."""
    target = folder / "got"
    works: list[tuple[int, dict[str, Callable[[str], list[str]]]]] = [
        (
            arguments.posts,
            {
                "plain loop, tags counted": lambda root: this("count", root, target),
                "dsk grab --dry-run": lambda root: [*ours(root, target), "--dry-run"],
            },
        ),
        (
            arguments.recorded,
            {
                "plain pool, files and lines": lambda root: this("lines", root, target),
                "dsk grab": lambda root: ours(root, target),
                "dsk grab again": lambda root: ours(root, target),
            },
        ),
    ]
    print(f"{'':30}{'posts':>8}{'s':>9}{'CPU s/1,000':>13}{'peak MB':>9}{'grown MB':>10}")
    for most, rows in works:
        first: dict[str, float] = {}
        for count in (most // 10, most):
            with served(["--posts", str(count)]) as root:
                for name, command in rows.items():
                    if not name.endswith("again"):
                        shutil.rmtree(target, ignore_errors=True)
                        target.mkdir()
                    cost = measured(command(root))
                    grown = f"{cost.peak - first[name]:10.0f}" if name in first else ""
                    first.setdefault(name, cost.peak)
                    print(
                        f"{name:30}{count:8}{cost.wall:9.2f}{cost.cpu / count * 1000:13.2f}"
                        f"{cost.peak:9.0f}{grown}",
                        flush=True,
                    )


def this(client: str, root: str, target: Path, *more: str) -> list[str]:
    """One of the clients below as a process of its own."""
    return [sys.executable, __file__, client, "--root", root, "--folder", str(target), *more]


def ours(root: str, target: Path) -> list[str]:
    """The command that a user types."""
    grab = ["grab", SOUGHT, "--url", root, "--limit", "0", "--quiet"]
    return [sys.executable, "-m", "datasetkit", *grab, "--dataset", str(target)]


def gallery(python: str, root: str, target: Path) -> list[str]:
    """gallery-dl without its pause between pages."""
    command = [python, "-m", "gallery_dl", "-q", "--config-ignore", "--sleep-request", "0"]
    return [*command, "-D", str(target), "--write-metadata", f"Danbooru:{root}/posts?tags={SOUGHT}"]


def can(python: str) -> bool:
    """Say whether a Python has gallery-dl."""
    probe = [python, "-c", "import gallery_dl"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def served(options: list[str]) -> Iterator[str]:
    """Run the booru; yields its address."""
    command = [sys.executable, str(SERVER), *options]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin and server.stdout
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        server.stdin.close()


def measured(command: list[str]) -> Cost:
    """Run a client to its end; what the system says that it and its children took."""
    with tempfile.TemporaryFile() as said:
        begun = time.perf_counter()
        process = subprocess.Popen(command, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)}: {said.read().decode(errors='replace')}")
    megabyte = 1024 * 1024 if sys.platform == "darwin" else 1024
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / megabyte)


def median(costs: list[Cost]) -> Cost:
    """The middle of each figure."""
    return Cost(*(statistics.median(figures) for figures in zip(*costs, strict=True)))


def check(target: Path, count: int) -> None:
    """See that all came, so that no client is fast by leaving out."""
    came = sum(path.suffix in {".jpg", ".png"} for path in target.iterdir())
    if came != count:
        raise SystemExit(f"{came} files came of {count}")


def listed(root: str) -> Iterator[dict[str, Any]]:
    """Page the posts as the least program does."""
    import requests

    with requests.Session() as http:
        below = ""
        while True:
            asked: dict[str, str | int] = {"tags": SOUGHT, "limit": PAGE} | {"page": below or "1"}
            rows = http.get(f"{root}/posts.json", params=asked, timeout=30).json()
            yield from rows
            if not rows:
                return
            below = f"b{rows[-1]['id']}"


def count(root: str, target: Path, at_once: int) -> None:
    """Count the tags of all posts."""
    tags: Counter[tuple[str, str]] = Counter()
    for row in listed(root):
        for kind in ("general", "artist", "character", "copyright", "meta"):
            tags.update((kind, name) for name in row[f"tag_string_{kind}"].split())
    assert tags["character", SOUGHT]


def pool(
    root: str, target: Path, at_once: int, *, decode: bool = True, lines: bool = False
) -> None:
    """What most people write: a pool of threads, a requests session in each, Pillow."""
    import requests
    from PIL import Image

    here = threading.local()
    log = (target / "posts.jsonl").open("w") if lines else None

    def fetch(row: dict[str, Any]) -> None:
        if not hasattr(here, "http"):
            here.http = requests.Session()
            here.http.headers["Accept-Encoding"] = "identity"
        path = target / f"{row['id']}.{row['file_ext']}"
        digest = hashlib.md5()
        with (
            here.http.get(row["file_url"], stream=True, timeout=30) as answer,
            path.open("wb") as out,
        ):
            answer.raise_for_status()
            for chunk in answer.iter_content(1 << 16):
                out.write(chunk)
                digest.update(chunk)
        assert digest.hexdigest() == row["md5"]
        if decode:
            with Image.open(path) as image:
                image.load()
        if log:
            log.write(json.dumps(row) + "\n")

    rows, lock = listed(root), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                row = next(rows, None)
            if row is None:
                return
            fetch(row)

    with ThreadPoolExecutor(at_once) as threads:
        for done in [threads.submit(work) for _ in range(at_once)]:
            done.result()


def apart(root: str, target: Path, at_once: int) -> None:
    """Run ours with a clock on each part of it, and print what each took of wall and CPU."""
    from datasetkit import cli
    from datasetkit.dataset import Dataset, Step
    from datasetkit.engines import sources
    from datasetkit.web import Session

    spent: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0])
    one = threading.Lock()

    def clocked(owner: Any, name: str, label: str) -> None:
        inner = getattr(owner, name)

        def outer(*args: Any, **kwargs: Any) -> Any:
            wall, cpu = time.perf_counter(), time.thread_time()
            try:
                return inner(*args, **kwargs)
            finally:
                took = (time.perf_counter() - wall, time.thread_time() - cpu, 1)
                with one:
                    spent[label] = [a + b for a, b in zip(spent[label], took, strict=True)]

        setattr(owner, name, outer)

    clocked(Session, "api", "names and listing")
    clocked(Session, "download", "download, md5")
    clocked(sources, "read_header", "header")
    clocked(sources, "decode", "decode")
    clocked(sources, "fingerprint", "fingerprint")
    clocked(Step, "put", "commit, its syncs in it")
    clocked(os, "fsync", "all syncs, in threads too")
    clocked(Dataset, "of_md5", "is it a twin?")
    sys.argv = ["dsk", *ours(root, target)[3:]]
    begun = time.perf_counter(), time.process_time()
    with contextlib.suppress(SystemExit):
        cli.main()
    print(f"\ndsk grab taken apart, summed over threads: {'wall s':>15}{'CPU s':>9}{'times':>8}")
    for label, (wall, cpu, times) in spent.items():
        print(f"{label:>42} {wall:15.2f}{cpu:9.2f}{times:8.0f}")
    wall, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
    print(f"{'the run, imports aside':>42} {wall:15.2f}{cpu:9.2f}")


CLIENTS: dict[str, Callable[[str, Path, int], None]] = {
    "count": count,
    "pool": pool,
    "bare": partial(pool, decode=False),
    "lines": partial(pool, lines=True),
    "apart": apart,
}


if __name__ == "__main__":
    main()
