"""What a server of the tests answers: as Zerochan does, whose tags stand in the path."""

import json
from urllib.parse import quote_plus, unquote_plus

from tests.grabbers.boorus import Picture
from tests.grabbers.servers import Asked, Reply


class ZerochanSite:
    """Behaves as Zerochan does; tags are written as it writes them (``Long Hair``)."""

    def __init__(self, pictures: list[Picture], aliases: dict[str, str] | None = None) -> None:
        self.pictures = pictures
        self.aliases = aliases or {}
        self.user = ""  # anybody else is turned away
        self.says_next = True
        self.lost: set[int] = set()  # entries that are listed, and gone when they are asked for
        self.hidden: dict[int, str] = {}  # tags that only the entry itself tells
        self.broken: set[int] = set()
        self.url = ""

    def __call__(self, asked: Asked) -> Reply:
        self.url = f"http://{asked.headers['host']}"
        if asked.path.startswith("/static/"):
            number = int(asked.path.rpartition(".full.")[2].partition(".")[0])
            return Reply(body=self.entry(number).data, content_type="image/png")
        if f"datasetkit - {self.user}" not in asked.headers["user-agent"] and self.user:
            return Reply(403, b"<html>Who are you?</html>", "text/html")
        if "json" not in asked.query:
            return Reply(body=b"<!DOCTYPE html><html></html>", content_type="text/html")
        names = [unquote_plus(name) for name in asked.path[1:].split(",") if name]
        if len(names) == 1 and names[0].isdigit():
            return self.detail(int(names[0]))
        for name in names:
            if right := self.aliases.get(name.lower()):
                path = asked.target.replace(quote_plus(name), quote_plus(right))
                return Reply(301, headers={"Location": path})
        return self.items(names, asked.query)

    def entry(self, number: int) -> Picture:
        return next(p for p in self.pictures if p.id == number)

    def items(self, names: list[str], query: dict[str, str]) -> Reply:
        known = {tag.lower() for p in self.pictures for tag in p.tags}
        if any(name.lower() not in known for name in names):
            return Reply(404, b"<!DOCTYPE html><html>No such tag</html>", "text/html")
        found = [
            p
            for p in self.pictures
            if all(name.lower() in map(str.lower, p.tags) for name in names)
        ]
        found.sort(key=lambda p: p.score if query["s"] == "fav" else p.id, reverse=True)
        size, page = min(int(query["l"]), 250), int(query["p"])
        shown = found[(page - 1) * size : page * size]
        if not shown:
            text = b"<!DOCTYPE html><html><p>Page number too high</p></html>"
            return Reply(body=text, content_type="text/html")
        body: dict[str, object] = {"items": [self.row(p) for p in shown]}
        if self.says_next:
            body["next"] = page * size < len(found)
        text = json.dumps(body, ensure_ascii=False, indent=1)
        return Reply(body=text.replace("STRAY", "\\.").encode())

    def row(self, p: Picture) -> dict[str, object]:
        return {
            "id": p.id,
            "width": 24,
            "height": 32,
            "thumbnail": f"{self.url}/240/{p.id}.avif",
            "source": "https://example.org/STRAY/a",
            "tag": next(iter(p.tags)),
            "tags": list(p.tags),
        }

    def detail(self, number: int) -> Reply:
        if number in self.lost or number not in [p.id for p in self.pictures]:
            return Reply(404, b"<!DOCTYPE html><html>Gone</html>", "text/html")
        p = self.entry(number)
        name = next(iter(p.tags)).replace(" ", ".")
        hidden = [self.hidden[number]] if number in self.hidden else []
        row = {
            "id": p.id,
            "large": f"{self.url}/static/{name}.600.{p.id}.jpg",
            "full": "" if p.withheld else f"{self.url}/static/{name}.full.{p.id}.{p.ext}",
            "width": 24,
            "height": 32,
            "size": 1024,  # whole kilobytes
            "hash": p.md5,
            "source": "https://example.org/STRAY/a",
            "primary": next(iter(p.tags)),
            "tags": [*p.tags, *hidden],
        }
        text = json.dumps(row, ensure_ascii=False, indent=1).replace("STRAY", "\\.")
        return Reply(body=text[:-5].encode() if number in self.broken else text.encode())
