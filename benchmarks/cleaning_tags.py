"""What it costs to clean tags: all rules of ``clean``, a plain loop, regexes as kohya has them.

    python benchmarks/cleaning_tags.py [--records 100000]

Records of 28 tags are read 64 at a time from lines as a dataset holds them (which is not counted)
and cleaned in memory at once, as a run does with what it reads. The vocabulary has some 20,000
names as boorus have them (hair, clothes, animals, junk, characters in costumes), a few of them very
common (Zipf); as on a booru, what a tag implies stands beside it. In one row a model says how sure
it is of each general tag, and in one a trigger leads. Nothing is read from or written to a disk.
CPU seconds of one thread, and the same by the middle batch; a plain loop does the same work without
remembering what became of a name, as a script does it; the regexes do less.
"""

import argparse
import gc
import json
import random
import re
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import accumulate
from pathlib import Path

from datasetkit.cleaners.tags.clean import Clean
from datasetkit.cleaners.tags.rules.implications import IMPLIED
from datasetkit.cleaners.tags.rules.implied import BUILT_IN
from datasetkit.cleaners.tags.rules.junk import COMPARED, META
from datasetkit.dataset import caption
from datasetkit.dataset.rows import from_line, to_line
from datasetkit.pixels import Picture
from datasetkit.record import Record, Tag

TAGS = 28
WORDS = 20_000
BATCH = 64  # as many as the engine commits at once
CHARACTERS = 300
MADE = "red blue green dark light old large small open striped wooden glass paper round".split()
THINGS = "sky lamp chair table tree cup book road wall window door bridge boat flag box".split()


def vocabulary() -> dict[str, list[str]]:
    """Names by kind, the most common first."""
    dice = random.Random(3)
    general = [*IMPLIED, *{parent for parents in IMPLIED.values() for parent in parents}]
    general += [f"{word}_{thing}" for word in MADE for thing in THINGS]
    general += [name for name in COMPARED if "*" not in name]
    general += [f"made_up_word_{number}" for number in range(WORDS - len(general) - 3 * CHARACTERS)]
    dice.shuffle(general)
    character = [f"girl_{n}_(some_series)" for n in range(CHARACTERS)]
    character += [f"girl_{n}_(summer_costume)_(some_series)" for n in range(CHARACTERS)]
    return {
        "general": ["1girl", "solo", "long_hair", "looking_at_viewer", *general],
        "character": character,
        "copyright": [f"series_{n}" for n in range(CHARACTERS // 3)],
        "artist": [f"painter_{n}" for n in range(CHARACTERS)],
        "meta": [*(name for name in META if "*" not in name), "commentary_request"],
    }


def batches(count: int) -> Iterator[list[Record]]:
    """Records as they are read from a file, the same ones each time."""
    dice = random.Random(1)
    kinds = [("general", TAGS - 5), ("character", 1), ("copyright", 1), ("artist", 1), ("meta", 2)]
    words = vocabulary()
    weights = {
        kind: list(accumulate(1 / (rank + 2) for rank in range(len(names))))
        for kind, names in words.items()
    }
    picture = Picture(Path("a.png"), (8, 8))
    for start in range(0, count, BATCH):
        made = []
        for number in range(start, min(start + BATCH, count)):
            tags: list[Tag] = []
            for kind, many in kinds:
                names: dict[str, None] = {}
                while len(names) < many:
                    chosen = dice.choices(words[kind], cum_weights=weights[kind], k=many)
                    for name in chosen:
                        names.update(dict.fromkeys((name, *sorted(BUILT_IN(name)))))
                names = dict.fromkeys([*names][:many])
                tags += [Tag(name, kind, ("danbooru",)) for name in names]
            line = json.dumps(to_line(Record(f"danbooru_{number}", picture, tuple(tags))))
            made.append(from_line(json.loads(line), Path()))
        yield made


def scored(record: Record) -> Record:
    """The record as a model saw it, to four digits, and read from a line again."""
    dice = random.Random(record.key)
    tags = [
        replace(tag, by=("wd",), score=round(dice.uniform(0.35, 1), 4))
        if tag.kind == "general"
        else tag
        for tag in record.tags
    ]
    line = json.dumps(to_line(record.with_tags(tags)))
    return from_line(json.loads(line), Path())


STAGE = Clean(
    drop=("*_request", "made_up_word_7*"),
    keep=("made_up_word_77",),
    add=("my_style",),
    replace=("red_sky=sunset", "blue_boat=boat"),
    first="",
    costumes="fold",
)
EXACT = {name for name in (*META, *COMPARED) if "*" not in name}
GLOBS = [name for name in (*META, *COMPARED) if "*" in name] + ["made_up_word_7*"]
REPLACED = {"red_sky": "sunset", "blue_boat": "boat"}
ORDER = ["character", "count", "copyright", "artist", "general", "meta"]
COUNT = re.compile(r"\d\+?(girl|boy)s?$|solo$")
COSTUME = re.compile(r"(.+)_\(([^()]+)\)_\(([^()]+)\)")


def plain(record: Record) -> tuple[str, ...]:
    """The same work, each tag looked at as if it were the first."""
    names: dict[str, str] = {}
    for tag in record.tags:
        name = tag.name
        if tag.kind == "meta" or name in EXACT:
            continue
        if name != "made_up_word_77" and any(fnmatchcase(name, glob) for glob in GLOBS):
            continue
        if tag.kind == "character" and (found := COSTUME.fullmatch(name)):
            name = f"{found[1]}_({found[3]})"
        names.setdefault(REPLACED.get(name, name), tag.kind)
    said = {parent for name in names if name in IMPLIED for parent in BUILT_IN(name)}
    good = [(name, kind) for name, kind in names.items() if kind == "character" or name not in said]
    good.sort(key=lambda tag: ORDER.index("count" if COUNT.match(tag[0]) else tag[1]))
    return (*[name for name, _ in good], "my_style")


SEVERAL = re.compile(r"(?:^|, )(?:[2-9]|\d+\+?)(?:girls|boys)|multiple (?:girls|boys)")
PEOPLE = [
    re.compile(rf"(?:^|, )[\w\- ]+ {word}(?=,|$)")
    for word in "hair eyes skin ears tail wings horns dress skirt".split()
]
HAIR = [re.compile(rf"(?:^|, ){word} hair(?=,|$)") for word in "long short medium very".split()]


def regexes(record: Record) -> str:
    """What the cleaning of kohya's scripts amounts to: regexes over the written caption."""
    text = caption(record)
    if SEVERAL.search(text):
        for pattern in PEOPLE:
            text = pattern.sub("", text)
    longest = next((found[0] for pattern in HAIR if (found := pattern.search(text))), "")
    for pattern in HAIR:
        text = pattern.sub("", text)
    text += longest
    for name in ("absurdres", "highres", "lowres", "commentary request", "english commentary"):
        text = re.sub(rf"(?:^|, ){name}(?=,|$)", "", text)
    return ", ".join(dict.fromkeys(part for part in text.split(", ") if part))


def timed(
    work: Callable[[Record], object], count: int, first: Callable[[Record], Record] | None = None
) -> tuple[float, float, int]:
    """CPU seconds for all records, those of the middle batch times their number, and the changed.

    The middle one of the batches is what a machine shared with others disturbs least. ``first``
    is done to the records before the clock runs.
    """
    spent: list[float] = []
    changed = 0
    for records in batches(count):
        if first:
            records = [first(record) for record in records]
        gc.freeze()  # else it is the making of the records that is paid for here
        began = time.process_time()
        for record in records:
            changed += work(record) is not record
        spent.append(time.process_time() - began)
        gc.unfreeze()
    return sum(spent), statistics.median(spent) * len(spent), changed


def agree(count: int) -> bool:
    """Whether the stage and the plain loop say the same of each record."""
    return all(
        set(STAGE(record).names) == set(plain(record))
        for records in batches(count)
        for record in records
    )


def main() -> None:
    """Time each way, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000)
    count = parser.parse_args().records
    alike = "the same tags" if agree(min(count, 10_000)) else "OTHER TAGS"
    again, by_score = Clean(), Clean()
    before: dict[int, Callable[[Record], Record]] = {id(again): again, id(by_score): scored}
    ways: dict[str, tuple[Callable[[Record], object], str]] = {
        "clean, all rules": (STAGE, ""),
        "clean, as it comes": (Clean(), ""),
        "clean, nothing to do": (again, ""),
        "clean, with scores": (by_score, ""),
        "clean, with a trigger": (Clean(first="ohwx"), ""),
        "clean, without order": (Clean(order=False), ""),
        "clean, 225 tokens": (Clean(tokens=225), ""),
        "plain loop": (plain, alike),
        "regexes on the caption": (regexes, "less work"),
    }
    print(f"{count:,} records of {TAGS} tags, {sum(map(len, vocabulary().values())):,} names")
    print(f"{'':24}{'CPU s':>8}{'middle':>8}{'records/s':>12}{'us each':>9}{'changed':>10}")
    for name, (work, remark) in ways.items():
        spent, middle, changed = timed(work, count, before.get(id(work)))
        shown = f"{changed:>10,}" if isinstance(work, Clean) else f"{'':10}"
        rate, each = count / middle, middle / count * 1e6
        line = f"{name:24}{spent:8.2f}{middle:8.2f}{rate:12,.0f}{each:9.1f}{shown}  {remark}"
        print(line.rstrip(), flush=True)


if __name__ == "__main__":
    main()
