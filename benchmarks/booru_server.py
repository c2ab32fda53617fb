"""A booru on this machine that speaks as Danbooru does, for ``grabbing.py``: its own process.

    python benchmarks/booru_server.py --posts 100000 [--pictures LIST] [--latency 0.06]

It answers ``/posts.json`` (by page and by id, newest first), ``/tags.json`` and
``/tag_aliases.json``. Posts have 41 tags of a vocabulary in which few are common. Their files are
those of LIST, a line each with path, width, height, size and md5; without one, each post has a
drawing of its own of 340 bytes. Pages are put together of pieces, so that they cost little
beside the clients. It prints its port and serves until its standard input closes.
"""

import argparse
import hashlib
import json
import math
import random
import socket
import struct
import zlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs

from file_server import SIGNATURE, Body, run

SOUGHT = "a_made_up_girl"  # every post has it
TAGS = 41  # the last of them an artist, of 20 posts each
WORDS = 30_000
BLOCKS = 5_000  # lists of tags that are made beforehand; posts take turns with them
FIRST, APART = 5_000_000, 7  # numbers of posts
SIDE = 16  # pixels of a small drawing
KINDS = {"general": 34, "character": 2, "copyright": 1, "meta": 3}


class Listed(NamedTuple):
    """A picture file: where it lies, and what a site tells of it."""

    path: str
    width: int
    height: int
    size: int
    md5: str


class Booru:
    """The posts and their files."""

    def __init__(self, root: str, count: int, pictures: Sequence[Listed]) -> None:
        self.root, self.count, self.pictures = root, count, pictures
        self.newest = FIRST + APART * (count - 1)
        self.blocks = [_block(random.Random(seed)) for seed in range(min(BLOCKS, count))]

    def look(self, target: bytes) -> tuple[str, Sequence[Body]] | None:
        """What there is at a target."""
        path, _, query = target.decode().partition("?")
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        if path == "/posts.json":
            page = ",".join(map(self._row, self._page(asked)))
            return "application/json", (f"[{page}]".encode(),)
        if path == "/tags.json":
            tag = {"name": SOUGHT, "category": 4, "post_count": self.count}
            found = [tag] if asked.get("search[name]") == SOUGHT else []
            return "application/json", (json.dumps(found).encode(),)
        if path == "/tag_aliases.json":
            return "application/json", (b"[]",)
        stem = path.rpartition("/")[2].partition(".")[0]
        if not stem.isdecimal():
            return None
        number = (int(stem) - FIRST) // APART
        if not self.pictures:
            return "image/png", (drawing(number),)
        return "image/any", (Path(self.pictures[number].path).read_bytes(),)

    def _page(self, asked: dict[str, str]) -> range:
        """The numbers of a page's posts, newest first, counted from 0 for the oldest."""
        size, page = int(asked.get("limit", 20)), asked.get("page", "1")
        if page.startswith("b"):
            newest = min(self.count - 1, (int(page[1:]) - FIRST - 1) // APART)
        else:
            newest = self.count - 1 - size * (int(page) - 1)
        return range(newest, max(-1, newest - size), -1)

    def _row(self, number: int) -> str:
        post = FIRST + APART * number
        if self.pictures:
            path, width, height, size, md5 = self.pictures[number]
            suffix = Path(path).suffix
        else:
            data = drawing(number)
            width, height, size, suffix = SIDE, SIDE, len(data), ".png"
            md5 = hashlib.md5(data).hexdigest()
        url = f"{self.root}/original/{post}{suffix}"
        variants = ",".join(
            f'{{"type":"{kind}","url":"{self.root}/{kind}/{post}.jpg","width":{side},'
            f'"height":{side},"file_ext":"jpg"}}'
            for kind, side in (("180x180", 180), ("360x360", 360), ("720x720", 720))
        )
        return (
            f'{{"id":{post},"created_at":"2024-05-01T12:00:00.000-04:00","uploader_id":7,'
            f'"score":{number % 50},"up_score":{number % 50},"down_score":0,"fav_count":3,'
            f'"source":"https://example.org/art/{post}","md5":"{md5}","rating":"g",'
            f'"image_width":{width},"image_height":{height},"file_ext":"{suffix[1:]}",'
            f'"file_size":{size},"parent_id":null,"has_children":false,"is_pending":false,'
            f'"is_flagged":false,"is_deleted":false,"is_banned":false,"pixiv_id":null,'
            f'"bit_flags":0,"has_large":false,"tag_count":{TAGS},'
            f'"tag_string_artist":"artist_{number // 20}","tag_string":"artist_{number // 20} '
            f"{self.blocks[number % len(self.blocks)]},"
            f'"media_asset":{{"id":{number},"md5":"{md5}","status":"active",'
            f'"variants":[{variants}]}},"file_url":"{url}","large_file_url":"{url}",'
            f'"preview_file_url":"{self.root}/180x180/{post}.jpg"}}'
        )


def drawn(folder: Path, count: int) -> Path:
    """Draw the pictures that are missing in a folder; returns the list of them."""
    folder.mkdir(parents=True, exist_ok=True)
    listing = folder / f"{count}.list"
    if not listing.exists():
        with ProcessPoolExecutor() as workers:
            lines = list(workers.map(partial(draw, folder), range(count), chunksize=10))
        listing.write_text("".join(lines))
    return listing


def draw(folder: Path, number: int) -> str:
    """Draw a picture with grain, as paint has it; returns its line of the list."""
    from PIL import Image, ImageDraw, ImageFilter

    dice = random.Random(number)
    area, ratio = dice.uniform(1e6, 3e6), dice.choice([0.7, 0.75, 1, 1.4])
    width, height = (int(math.sqrt(area * side)) for side in (ratio, 1 / ratio))
    colour = lambda: tuple(dice.randrange(256) for _ in range(3))  # noqa: E731
    image = Image.new("RGB", (width, height), colour())
    pen = ImageDraw.Draw(image)
    for _ in range(60):
        x, y = dice.randrange(width), dice.randrange(height)
        box = (x, y, x + dice.randrange(20, width // 2), y + dice.randrange(20, height // 2))
        (pen.ellipse if dice.random() < 0.7 else pen.rectangle)(box, fill=colour())
    image = image.filter(ImageFilter.GaussianBlur(3))
    jpeg = number % 10 < 7
    grain = Image.effect_noise((width // 2, height // 2), 28 if jpeg else 7)
    grain = grain.resize(image.size, Image.Resampling.NEAREST).convert("RGB")
    image = Image.blend(image, grain, 0.25)
    path = folder / f"{number:05}.{'jpg' if jpeg else 'png'}"
    if jpeg:
        image.save(path, quality=dice.choice([85, 90, 95]))
    else:
        image.save(path)
    data = path.read_bytes()
    return f"{path} {width} {height} {len(data)} {hashlib.md5(data).hexdigest()}\n"


def drawing(number: int) -> bytes:
    """A gray PNG of noise, another one for each number."""
    noise = random.Random(number).randbytes(SIDE * SIDE)
    rows = b"".join(b"\0" + noise[at : at + SIDE] for at in range(0, len(noise), SIDE))
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    pieces = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in pieces
    )


def _block(dice: random.Random) -> str:
    """The tags of a post, all but the artist, as they stand in its row."""
    words = {SOUGHT: None}
    while len(words) < TAGS - 1:
        words[f"a_made_up_tag_{min(int(dice.paretovariate(0.35)), WORDS)}"] = None
    names, kinds, start = list(words), [], 0
    names.append(names.pop(0))  # the girl is no general tag
    names = names[: KINDS["general"]] + names[-1:] + names[KINDS["general"] : -1]
    for kind, count in KINDS.items():
        kinds.append(f'"tag_string_{kind}":"{" ".join(names[start : start + count])}"')
        start += count
    return f'{" ".join(sorted(names))}",' + ",".join(kinds)


def read_list(path: Path) -> list[Listed]:
    """The pictures of a list."""
    rows = (line.split() for line in path.read_text().splitlines())
    return [Listed(name, int(w), int(h), int(size), md5) for name, w, h, size, md5 in rows]


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=100_000)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--latency", type=float, default=0.0)
    arguments = parser.parse_args()
    pictures = read_list(arguments.pictures) if arguments.pictures else []
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    root = f"http://127.0.0.1:{listener.getsockname()[1]}"
    booru = Booru(root, len(pictures) or arguments.posts, pictures)
    run(listener, booru.look, arguments.latency)


if __name__ == "__main__":
    main()
