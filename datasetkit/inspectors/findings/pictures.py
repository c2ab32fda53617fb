"""Picture files: broken ones, and those that trainers read otherwise than people see them."""

import shlex
from collections import Counter
from collections.abc import Iterator
from itertools import count

from datasetkit.exporters.repeats import READ
from datasetkit.inspectors.findings.finding import AT_ONCE, LOOK, WRONG, Finding, listed, some
from datasetkit.inspectors.findings.seen import Seen
from datasetkit.names import same_file
from datasetkit.record import Record

# Any stage that decodes all pictures leaves broken ones out; this one does nothing else.
_DECODE_ALL = ("filter", "--set", "none", "--uniform", "1")
_FINE = {"1", "L", "LA", "P", "PA", "RGB", "RGBA"}
_SAID = (
    # what it is called, how grave, what is said of one picture, of several, and what mends it
    ("broken", WRONG, "is broken and cannot be read", "are broken and cannot be read", _DECODE_ALL),
    ("locked", WRONG, "may not be read", "may not be read", ()),
    ("transparent", WRONG, "is transparent: trainers drop that, and learn the colours under it",
     "are transparent: trainers drop that, and learn the colours under it", ("flatten",)),
    ("turned", WRONG, "is turned by its EXIF mark, which kohya's trainers do not heed",
     "are turned by their EXIF marks, which kohya's trainers do not heed", ("upright",)),
    ("animated", LOOK, "is animated; of it one frame is learned",
     "are animated; of each one frame is learned", ("upright",)),
    ("odd colours", LOOK, "has 16 bits, CMYK or a colour profile, which trainers misread",
     "have 16 bits, CMYK or a colour profile, which trainers misread", ("upright",)),
    ("format", LOOK, "is in a format that trainers pass over; dsk repeats writes a PNG of it",
     "are in a format that trainers pass over; dsk repeats writes PNGs of them", ("repeats",)),
)  # fmt: skip


class Pictures:
    """Reads what was seen of each file, and what it is called."""

    def __init__(self) -> None:
        self._total = 0
        self._found: dict[str, list[str]] = {what: [] for what, *_ in _SAID}
        self._why: dict[str, str] = {}
        self._formats: Counter[str] = Counter()
        self._gif = True  # all of them are GIFs inside, too
        self._stems: dict[str, str] = {}  # as a case-insensitive disk has them, and a file of each
        self._locked: list[str] = []
        self._clash: list[tuple[str, str]] = []

    def add(self, record: Record, seen: Seen) -> None:
        """Take a file in."""
        self._total += 1
        key, path = record.key, record.picture.path
        first = self._stems.setdefault(same_file(path.stem), path.name)
        if first != path.name:
            self._clash.append((first, path.name))
        if seen.broken:
            self._found["locked" if seen.locked else "broken"].append(key)
            self._why[key] = f": {seen.broken}"
            if seen.locked:
                self._locked.append(path.name)
        header = seen.header
        if header is None:
            return
        suffix = path.suffix.lower()
        odd = header.bits > 8 or header.profiled or header.mode.partition(";")[0] not in _FINE
        for what, holds in (
            ("transparent", seen.transparent),
            ("turned", header.turn != 1),
            ("animated", header.frames > 1),
            ("odd colours", odd),
            ("format", suffix not in READ),
        ):
            if holds:
                self._found[what].append(key)
        if suffix not in READ:
            self._formats[suffix.lstrip(".").upper()] += 1
            self._gif &= suffix == ".gif" and header.mode.startswith("P")

    def findings(self) -> Iterator[Finding]:
        """What was found."""
        for what, level, one, more, mend in _SAID:
            keys = self._found[what]
            if not keys:
                continue
            text = some(len(keys), self._total, one, more)
            if what == "format":
                text = text.replace("a format", f"a format ({listed(sorted(self._formats))})", 1)
                mend = ("upright",) if self._gif else mend
            files = " ".join(f"{{folder}}/{_q(name)}" for name in self._locked[:AT_ONCE])
            shell = f"chmod u+r {files}" if what == "locked" else ""
            yield Finding(level, what, text, tuple(keys), mend, shell, shown=self._why)
        if self._clash:
            yield self._clashing()

    def _clashing(self) -> Finding:
        """Files of one name, and how the second of the first such pair gets another."""
        names = tuple(dict.fromkeys(name for pair in self._clash for name in pair))
        text = (
            f"{len(names):,} pictures have names that differ in letter case or ending alone: they "
            "share a caption, or one takes the other's place on Windows and macOS"
        )
        first, other = self._clash[0]
        stem, _, suffix = other.rpartition(".")
        new = next(f"{stem}_{n}" for n in count(2) if same_file(f"{stem}_{n}") not in self._stems)
        moved = "mv" if first.rpartition(".")[0] != stem else "cp"  # a caption of its own, or not
        shell = (
            f"mv {{folder}}/{_q(other)} {{folder}}/{_q(f'{new}.{suffix}')} && "
            f"{moved} {{folder}}/{_q(f'{stem}.txt')} {{folder}}/{_q(f'{new}.txt')}"
        )
        return Finding(WRONG, "one name", text, names, shell=shell)


def _q(name: str) -> str:
    """A name for a shell, its braces doubled: a command is formatted."""
    return shlex.quote(name).replace("{", "{{").replace("}", "}}")
