"""Pictures of their own, and the sites that have them, for the tests of the engine."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from datasetkit.grabbers.grab import Grab
from tests.grabbers.boorus import DanbooruSite, GelbooruSite, Picture
from tests.grabbers.servers import Server
from tests.picture_files import scene

GIRL = {"1girl": "general", "cirno": "character", "ruu": "artist"}


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def drawn(number: int, width: int = 360) -> Image.Image:
    """A picture of its own for each number."""
    size = (width, width * 2 // 3)
    return scene((120, 80)).rotate(number * 23, fillcolor=(number * 40, 90, 200)).resize(size)


def sized(post: int, width: int, kind: str = "PNG", **tags: str) -> Picture:
    """A post of the first drawing, so many pixels wide."""
    size = (width, width * 2 // 3)
    content = encoded(drawn(1, 720).resize(size), kind)
    ext = "jpg" if kind == "JPEG" else kind.lower()
    return Picture(post, {**GIRL, **tags}, ext=ext, size=size, content=content)


@contextmanager
def two_sites(first: list[Picture], second: list[Picture]) -> Iterator[tuple[Grab, Grab]]:
    """The same query at a site like Danbooru and at one like tbib.org."""
    with Server(DanbooruSite(first)) as one, Server(GelbooruSite(second, fork=True)) as other:
        grab = Grab("cirno", url=one.url)
        yield grab, replace(grab, site=("tbib.org",), url=other.url)


def own_sites(tmp_path: Path, **sites: tuple[str, str]) -> None:
    """Sites of the user's own, each by its family and address."""
    (tmp_path / "config").mkdir()
    lines = [f"  {n}: {{family: {family}, url: '{url}'}}\n" for n, (family, url) in sites.items()]
    (tmp_path / "config" / "sites.yaml").write_text("sites:\n" + "".join(lines))
