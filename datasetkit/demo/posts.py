"""The posts of the demo's booru: what is drawn on each, and how the site would tell it."""

from __future__ import annotations

import hashlib
import io
import random
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from datasetkit.demo.drawing import CHARACTERS, Traits, draw, random_traits

if TYPE_CHECKING:
    from PIL import Image

Json = dict[str, object]

CATEGORIES = {"general": 0, "artist": 1, "copyright": 3, "character": 4, "meta": 5}
SHAPES = [(512, 512), (512, 640), (640, 512), (576, 768), (640, 640), (512, 768)]
BEYOND = [(1280, 400), (384, 1200)]


@dataclass
class Post:
    """One post: what is on it, how it is stored, and its bytes once somebody asked for them."""

    id: int
    traits: Traits
    seed: int
    size: tuple[int, int]
    extension: str
    score: int
    tags: dict[str, list[str]]
    parent: int | None = None
    deleted: bool = False
    withheld: bool = False
    _bytes: bytes = b""
    _md5: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def data(self) -> bytes:
        """The file, drawn when first asked for and the same ever after."""
        with self._lock:
            if not self._bytes:
                picture, _ = draw(self.traits, self.seed, self.size)
                self._bytes = encoded(picture, self.extension)
                self._md5 = hashlib.md5(self._bytes, usedforsecurity=False).hexdigest()
        return self._bytes

    def md5(self) -> str:
        self.data()
        return self._md5

    def every_tag(self) -> set[str]:
        return {name for names in self.tags.values() for name in names}

    def show(self, root: str) -> Json:
        """The post as Danbooru's JSON tells it; root is the server's address."""
        data, md5 = self.data(), self.md5()
        file = f"{root}/original/{md5[:2]}/{md5[2:4]}/{md5}.{self.extension}"
        preview = f"{root}/180x180/{md5[:2]}/{md5[2:4]}/{md5}.jpg"
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=self.id)
        born = moment.isoformat("T", "milliseconds")
        width, height = self.size
        names = [name for group in self.tags.values() for name in group]
        shown: Json = {
            "id": self.id, "created_at": born, "updated_at": born, "uploader_id": 1,
            "score": self.score, "up_score": self.score + 2, "down_score": -2,
            "fav_count": self.score // 2, "source": "", "rating": "g",
            "image_width": width, "image_height": height, "file_ext": self.extension,
            "file_size": len(data), "parent_id": self.parent, "has_children": False,
            "has_active_children": False, "has_visible_children": False, "approver_id": None,
            "is_pending": False, "is_flagged": False, "is_deleted": self.deleted,
            "is_banned": False, "pixiv_id": None, "bit_flags": 0, "has_large": False,
            "last_comment_bumped_at": None, "last_noted_at": None, "last_commented_at": None,
            "tag_count": len(names), "tag_string": " ".join(sorted(names)),
        }  # fmt: skip
        for kind in CATEGORIES:
            shown[f"tag_string_{kind}"] = " ".join(sorted(self.tags[kind]))
            shown[f"tag_count_{kind}"] = len(self.tags[kind])
        asset: Json = {
            "id": self.id, "created_at": born, "updated_at": born, "file_ext": self.extension,
            "file_size": len(data), "image_width": width, "image_height": height,
            "duration": None, "status": "active", "is_public": True,
        }  # fmt: skip
        if not self.withheld:
            original: Json = {"type": "original", "url": file, "width": width, "height": height,
                              "file_ext": self.extension}  # fmt: skip
            asset |= {"md5": md5, "variants": [original]}
            shown |= {"md5": md5, "file_url": file, "large_file_url": file}
            shown["preview_file_url"] = preview
        return shown | {"media_asset": asset}


def encoded(picture: Image.Image, extension: str) -> bytes:
    file = io.BytesIO()
    if extension == "png":
        picture.save(file, "PNG", compress_level=4)
    elif extension == "jpg":
        picture.convert("RGB").save(file, "JPEG", quality=93)
    else:
        picture.save(file, "WEBP", quality=90, method=2)
    return file.getvalue()


def make_posts(seed: int) -> list[Post]:
    """Ninety-eight posts, newest last: 38 of kirara, 36 of three others, 24 of nobody known."""
    rng = random.Random(f"booru {seed}")
    cast = ["kirara"] * 34 + [name for name in CHARACTERS if name != "kirara"] * 12 + [""] * 24
    rng.shuffle(cast)
    posts = [_post(number, name, rng) for number, name in enumerate(cast, start=1001)]
    hers = [post for post in posts if "kirara" in post.tags["character"]]
    hers[0].deleted = hers[1].withheld = True
    for place, shape in zip((2, 3, 4), [*BEYOND, (96, 96)], strict=True):
        hers[place].size = shape
    hers[4].tags["meta"].append("lowres")
    for place in (5, 6, 7):
        hers[place].traits = replace(hers[place].traits, transparent=True)
        hers[place].extension = "png"
        hers[place].tags["general"] = _general(hers[place].traits)
    for first in hers[10:14]:  # the same picture again, smaller and in another format
        other = {"png": "jpg", "jpg": "webp", "webp": "png"}[first.extension]
        size = (first.size[0] * 3 // 4, first.size[1] * 3 // 4)
        posts.append(
            replace(first, id=1001 + len(posts), size=size, extension=other, parent=first.id,
                    tags=dict(first.tags), score=first.score // 3, _lock=threading.Lock())
        )  # fmt: skip
    return posts


def _post(number: int, name: str, rng: random.Random) -> Post:
    traits = random_traits(rng, name)
    extension = rng.choice(["jpg", "jpg", "png", "png", "webp"])
    junk = ["absurdres", "highres", "commentary_request", "commentary", "bad_id"]
    tags = {
        "general": _general(traits),
        "artist": [rng.choice(["pillow_painter", "vector_vera", "box_filter"])],
        "copyright": ["datasetkit_demo" if name else "original"],
        "character": [name] if name else [],
        "meta": rng.sample(junk, rng.randrange(1, 4)),
    }
    size = BEYOND[number % 2] if not name and rng.random() < 0.1 else rng.choice(SHAPES)
    return Post(number, traits, rng.randrange(10**9), size, extension, rng.randrange(1, 400), tags)


def _general(traits: Traits) -> list[str]:
    return [name for name in traits.tags() if name != traits.character]
