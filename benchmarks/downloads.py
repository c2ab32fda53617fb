"""What fetching many pictures costs beside curl, aria2c, gallery-dl and plain requests.

    python benchmarks/downloads.py [--files 1000] [--at-once 16] [--rounds 3] [--tls]
        [--gallery-dl PYTHON]

A server on this machine answers after 60 ms, as a site across the sea does; the files are of 0.2
to 2 MB. Each client is a process of its own, so that its CPU time and memory are its own; the
Python ones check every file's md5, the others check nothing. The rounds are interleaved
and the medians shown; the ratios are what to trust, for the machine may be busy. ``--gallery-dl``
names a Python that has gallery-dl. Nothing leaves this machine.
"""

import argparse
import contextlib
import hashlib
import itertools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVER = Path(__file__).with_name("file_server.py")


@dataclass(frozen=True)
class Listed:
    """A file as a site lists it."""

    url: str
    name: str
    size: int
    md5: str


@dataclass(frozen=True)
class Cost:
    """What a run took: files a second, CPU seconds for 1,000 files, peak memory in MB."""

    speed: float
    cpu: float
    memory: float


def main() -> None:
    """Start the server, let each client fetch all files in turn, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0.06)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--gallery-dl", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--only", help="rows whose names hold this, besides curl")
    parser.add_argument("--folder", help="where the files go; a temporary folder by default")
    parser.add_argument("--client", choices=sorted(CLIENTS), help=argparse.SUPPRESS)
    parser.add_argument("--list", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--root", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.client:
        target = Path(arguments.folder)
        files = read_list(arguments.list, arguments.root)
        CLIENTS[arguments.client](files, target, arguments.root, arguments.at_once)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        compare(Path(folder), arguments)


def compare(folder: Path, arguments: argparse.Namespace) -> None:
    """Run the rounds and print the medians."""
    certificate = make_certificate(folder) if arguments.tls else None
    with served(folder, arguments, certificate) as (root, listing):
        files = read_list(listing, root)
        rows = commands(folder, files, root, listing, arguments, certificate)
        rows = {
            name: row
            for name, row in rows.items()
            if name.startswith("curl") or not arguments.only or arguments.only in name
        }
        costs: dict[str, list[Cost]] = {name: [] for name in rows}
        for _ in range(arguments.rounds):
            for name, (command, checked, count) in rows.items():
                target = folder / "got"
                target.mkdir()
                cost = measured(command, count, certificate)
                check(files[:count], target, checked)
                shutil.rmtree(target)
                if cost:
                    costs[name].append(cost)
    total = sum(file.size for file in files) / 1e6
    print(
        f"{len(files)} files, {total:,.0f} MB, {arguments.at_once} at once, "
        f"{'TLS' if arguments.tls else 'plain HTTP'}, {arguments.latency * 1000:g} ms a request, "
        f"median of {arguments.rounds}"
    )
    print(f"{'':30}{'files/s':>9}{'CPU s/1,000':>13}{'peak MB':>9}{'of curl':>9}")
    limit = median(costs["curl --parallel"]).speed
    for name, several in costs.items():
        if several:
            cost = median(several)
            print(
                f"{name:30}{cost.speed:9.1f}{cost.cpu:13.2f}{cost.memory:9.0f}"
                f"{cost.speed / limit:9.2f}"
            )


def commands(
    folder: Path,
    files: list[Listed],
    root: str,
    listing: Path,
    arguments: argparse.Namespace,
    certificate: tuple[Path, Path] | None,
) -> dict[str, tuple[list[str], bool, int]]:
    """Each client's command line, whether it names files as listed, and how many it fetches.

    Those that fetch one at a time get fewer files, for the same steady speed.
    """
    target, few = folder / "got", max(1, min(len(files), 100))
    at_once = str(arguments.at_once)
    trust = [str(certificate[0])] if certificate else []
    (folder / "curl.txt").write_text(
        "".join(f'url = "{file.url}"\noutput = "{target / file.name}"\n' for file in files)
    )
    (folder / "aria2.txt").write_text(
        "".join(f"{file.url}\n out={file.name}\n\n" for file in files)
    )
    (folder / "gallery.txt").write_text("".join(f"{file.url}\n" for file in files[:few]))
    rows: dict[str, tuple[list[str], bool, int]] = {}
    curl = ["curl", "-sS", "--parallel", "--parallel-max", at_once, "-K", str(folder / "curl.txt")]
    for ca in trust:
        curl += ["--cacert", ca]
    rows["curl --parallel"] = (curl, True, len(files))
    if shutil.which("aria2c"):
        aria2 = ["aria2c", "-q", "--no-conf", "-j", at_once, "-x1", "--file-allocation=none"]
        aria2 += ["-d", str(target), "-i", str(folder / "aria2.txt")]
        aria2 += [f"--ca-certificate={ca}" for ca in trust]
        rows["aria2c"] = (aria2, True, len(files))
    names = {
        "ours": f"datasetkit, {at_once} threads, md5",
        "pool": f"requests, {at_once} threads, md5",
        "urllib3": f"urllib3, {at_once} threads, md5",
        "sequential": "requests, one at a time, md5",
    }
    for client, name in names.items():
        count = few if client == "sequential" else len(files)
        short = folder / f"{client}.list"
        short.write_text("".join(listing.read_text().splitlines(keepends=True)[:count]))
        command = [sys.executable, __file__, "--client", client, "--list", str(short)]
        command += ["--root", root, "--folder", str(target), "--at-once", at_once]
        rows[name] = (command, True, count)
    probe = [arguments.gallery_dl, "-c", "import gallery_dl"]
    if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        gallery = [arguments.gallery_dl, "-m", "gallery_dl", "-q", "--config-ignore"]
        gallery += ["-D", str(target), "-i", str(folder / "gallery.txt")]
        rows["gallery-dl, one at a time"] = (gallery, False, few)
    return rows


def measured(command: list[str], count: int, certificate: tuple[Path, Path] | None) -> Cost | None:
    """Run a client to its end; what the system says that it and its children took."""
    environment = dict(os.environ)
    if certificate:
        environment["REQUESTS_CA_BUNDLE"] = str(certificate[0])
    begun = time.perf_counter()
    quiet = subprocess.DEVNULL if command[0] == "curl" else None  # its meter has no switch here
    process = subprocess.Popen(command, env=environment, stderr=quiet)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        print(f"{command[0]} ended with {process.returncode}", file=sys.stderr)
        return None
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(count / seconds, cpu / count * 1000, usage.ru_maxrss / 1024)


def median(costs: list[Cost]) -> Cost:
    """The middle of each figure."""
    return Cost(
        statistics.median(cost.speed for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        statistics.median(cost.memory for cost in costs),
    )


def check(files: list[Listed], target: Path, named: bool) -> None:
    """See that all came whole, so that no client is fast by leaving out."""
    sizes = sorted(path.stat().st_size for path in target.rglob("*") if path.is_file())
    if sizes != sorted(file.size for file in files):
        raise SystemExit(f"{len(sizes)} files came of {len(files)}, or not whole")
    for file in files[::50] if named else ():
        if hashlib.md5((target / file.name).read_bytes()).hexdigest() != file.md5:
            raise SystemExit(f"{file.name} is not the file that was listed")


def read_list(listing: Path, root: str) -> list[Listed]:
    """The files that the server has."""
    rows = (line.split() for line in listing.read_text().splitlines())
    return [Listed(f"{root}/{name}", name, int(size), md5) for name, size, md5 in rows]


@contextlib.contextmanager
def served(
    folder: Path, arguments: argparse.Namespace, certificate: tuple[Path, Path] | None
) -> Iterator[tuple[str, Path]]:
    """Run the server; yields its address and its list of files."""
    listing = folder / "files.txt"
    command = [sys.executable, str(SERVER), str(listing)]
    command += ["--files", str(arguments.files), "--latency", str(arguments.latency)]
    if certificate:
        command += ["--cert", str(certificate[0]), "--key", str(certificate[1])]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin and server.stdout
        port = int(server.stdout.readline())
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{port}", listing
        server.stdin.close()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine that signs itself, and its key."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def ours(files: list[Listed], target: Path, root: str, at_once: int) -> None:
    """Fetch as the engine does: one session, its downloads in threads."""
    from datasetkit.web import Session

    web = Session(root, rate=0, file_rate=0)
    fetch_all(files, at_once, lambda file: web.download(file.url, target / file.name, md5=file.md5))


def pool(files: list[Listed], target: Path, root: str, at_once: int) -> None:
    """What most people write: a pool of threads, a requests session in each, 64 KB a read."""
    import requests

    here = threading.local()

    def fetch(file: Listed) -> None:
        if not hasattr(here, "http"):
            here.http = requests.Session()
            here.http.headers["Accept-Encoding"] = "identity"
        digest = hashlib.md5()
        with (
            here.http.get(file.url, stream=True, timeout=30) as answer,
            (target / file.name).open("wb") as out,
        ):
            answer.raise_for_status()
            for chunk in answer.iter_content(1 << 16):
                out.write(chunk)
                digest.update(chunk)
        assert digest.hexdigest() == file.md5

    fetch_all(files, at_once, fetch)


def bare_pool(files: list[Listed], target: Path, root: str, at_once: int) -> None:
    """The same with urllib3 alone: what requests lies on."""
    import urllib3

    bundle = os.environ.get("REQUESTS_CA_BUNDLE")
    http = urllib3.PoolManager(maxsize=at_once, block=True, ca_certs=bundle)

    def fetch(file: Listed) -> None:
        digest = hashlib.md5()
        answer = http.request("GET", file.url, preload_content=False, timeout=30)
        assert answer.status == 200
        with (target / file.name).open("wb") as out:
            for chunk in answer.stream(1 << 18):
                out.write(chunk)
                digest.update(chunk)
        answer.release_conn()
        assert digest.hexdigest() == file.md5

    fetch_all(files, at_once, fetch)


def sequential(files: list[Listed], target: Path, root: str, at_once: int) -> None:
    """One file after the other."""
    pool(files, target, root, 1)


def fetch_all(files: list[Listed], at_once: int, fetch: Callable[[Listed], None]) -> None:
    """Fetch in threads, a bounded number of files under way."""
    waiting = iter(files)
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                file = next(waiting, None)
            if file is None:
                return
            fetch(file)

    with ThreadPoolExecutor(at_once) as threads:
        for done in list(itertools.starmap(threads.submit, [(work,)] * at_once)):
            done.result()


CLIENTS: dict[str, Callable[[list[Listed], Path, str, int], Any]] = {
    "ours": ours,
    "pool": pool,
    "urllib3": bare_pool,
    "sequential": sequential,
}


if __name__ == "__main__":
    main()
