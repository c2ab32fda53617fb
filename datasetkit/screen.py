"""What a person sees of a run, on stderr; or what a program reads, as JSON lines on stdout."""

import json
import logging
import re
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from datasetkit.engines.events import Advanced, Began, Ended, Event, Outcome, Said
from datasetkit.errors import DatasetkitError
from datasetkit.names import few_of

SHOWN_TAGS = 12
# That speak to the person: long waits, fallbacks, what was found.
LOGS = ("datasetkit.hub", "datasetkit.taggers", "datasetkit.cleaners")
SHOWN_ERRORS = 5  # by name in the last line; the rest are counted
_FIGURE = re.compile(r"\s(?=\S*\d)")  # before the first word that holds one
OFTEN, SELDOM = 1.0, 10.0  # seconds from one word on a download to the next: programs, log files


class Screen(Protocol):
    """Something that shows events and says a last word."""

    def show(self, event: Event) -> None:
        """Show one event of a run."""

    def say(self, text: str) -> None:
        """Say a sentence."""

    def fetching(self, what: str, done: int, total: int) -> None:
        """Show how far a download is, in bytes; ``total`` is 0 where nobody tells."""

    def choose(self, question: str, answers: Sequence[str]) -> int:
        """Ask a person which of several answers is right; the first where nobody can be asked."""

    def fail(self, error: DatasetkitError) -> None:
        """Say that the work ended badly; the command line says why on stderr."""

    def close(self) -> None:
        """Take the progress bar away."""


def open_screen(*, as_json: bool, quiet: bool) -> Screen:
    """Choose the screen that the options ask for."""
    if as_json:
        return JsonLines()
    return Quiet() if quiet else Terminal()


@contextmanager
def log_on(screen: Screen, *, quiet: bool = False) -> Iterator[None]:
    """Show downloads, and what is logged of them and of hardware; only warnings where quiet."""
    from datasetkit.hub import watched

    handler = _Words(screen)
    handler.setLevel(logging.WARNING if quiet else logging.INFO)
    loggers = [logging.getLogger(name) for name in LOGS]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    try:
        with watched(screen.fetching):
            yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


class _Words(logging.Handler):
    """Says what is logged."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        """Say one line."""
        self._screen.say(record.getMessage())


class JsonLines:
    """One JSON object a line on stdout: ``{"event": "advanced", "stage": "tag", ...}``."""

    def __init__(self) -> None:
        self._now_and_then = _NowAndThen(OFTEN)
        self._fetched: tuple[str, int, int] | None = None

    def show(self, event: Event) -> None:
        """Write the event."""
        fields = event.outcome if isinstance(event, Ended) else event
        self._write({"event": type(event).__name__.lower()} | _plain(vars(fields)))

    def say(self, text: str) -> None:
        """Write the sentence as an event."""
        self._write({"event": "said", "text": text})

    def fetching(self, what: str, done: int, total: int) -> None:
        """Write how far a download is, once a second and at its end."""
        told = (what, done, total)
        if self._now_and_then() or (done == total and told != self._fetched):
            self._fetched = told
            self._write({"event": "fetching", "what": what, "done": done, "total": total})

    def choose(self, question: str, answers: Sequence[str]) -> int:
        """Take the first: a program is not asked."""
        return 0

    def fail(self, error: DatasetkitError) -> None:
        """Write the refusal as an event, with the exit code."""
        self._write({"event": "failed", "text": str(error), "code": error.exit_code})

    def close(self) -> None:
        """Nothing to take away."""

    def _write(self, line: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        sys.stdout.flush()


class Quiet:
    """Warnings and last words only."""

    def show(self, event: Event) -> None:
        """Show warnings."""
        if isinstance(event, Said) and event.warning:
            self.say(f"{event.stage}: {event.text}")

    def say(self, text: str) -> None:
        """Say the sentence on stderr."""
        sys.stderr.write(text + "\n")

    def fetching(self, what: str, done: int, total: int) -> None:
        """Show nothing."""

    def choose(self, question: str, answers: Sequence[str]) -> int:
        """Take the first: whoever wants quiet is not asked."""
        return 0

    def fail(self, error: DatasetkitError) -> None:
        """The command line says it."""

    def close(self) -> None:
        """Nothing to take away."""


class Terminal:
    """A progress bar for what takes long, and sentences above it, on stderr."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as Remaining

        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._progress = Progress(
            TextColumn("{task.description:>10}"),
            BarColumn(24),
            TextColumn("{task.fields[amount]}", style="progress.download"),
            Remaining(),
            TextColumn("[dim]{task.fields[text]}", table_column=None),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task: Any = None
        self._downloads: dict[str, Any] = {}
        self._now_and_then = _NowAndThen(SELDOM)

    def show(self, event: Event) -> None:
        """Draw the event."""
        from rich.markup import escape

        if isinstance(event, Began):
            self._progress.start()
            self._task = self._progress.add_task(event.stage, total=event.total, text="", amount="")
        elif isinstance(event, Advanced):
            text = escape(event.text if len(event.text) < 40 else event.text[:39] + "…")
            amount = f"{event.done}/{'?' if event.total is None else event.total}"
            self._progress.update(
                self._task, completed=event.done, total=event.total, text=text, amount=amount
            )
        elif isinstance(event, Said):
            self._print(f"{event.stage:>10}: ", event.text, "yellow" if event.warning else "")
        else:
            if self._task is not None:
                self._progress.remove_task(self._task)
                self._task = None
            if did := summary(event.outcome):
                self._print(f"{event.outcome.stage:>10}: ", did, "")

    def say(self, text: str) -> None:
        """Say the sentence above the bar."""
        self._print("", text, "")

    def fetching(self, what: str, done: int, total: int) -> None:
        """Draw a bar of its own; where there is no terminal, say now and then how far it is."""
        if not self._console.is_terminal:
            if done != total and self._now_and_then():
                self.say(f"{_bytes(done)}{f' of {_bytes(total)}' * bool(total)} of {what} are here")
            return
        self._progress.start()
        task = self._downloads.get(what)
        if task is None:
            if done == total:
                return
            label = what.rpartition("/")[2]
            task = self._progress.add_task(label, total=total or None, text="", amount="")
            self._downloads[what] = task
        speed = next((one.speed for one in self._progress.tasks if one.id == task), None)
        amount = f"{_bytes(done)}{f' of {_bytes(total)}' * bool(total)}"
        rate = f", {_bytes(int(speed))}/s" if speed else ""
        self._progress.update(task, completed=done, amount=amount + rate)
        if done == total:
            self._progress.remove_task(self._downloads.pop(what))

    def choose(self, question: str, answers: Sequence[str]) -> int:
        """Ask for the number of an answer; Enter takes the first."""
        self._print("", question, "yellow")
        for number, answer in enumerate(answers, 1):
            self._print(f"{number:>4}  ", answer, "")
        while True:
            given = self._console.input(f"1-{len(answers)} [1]: ").strip() or "1"
            if given.isdecimal() and 1 <= int(given) <= len(answers):
                return int(given) - 1

    def fail(self, error: DatasetkitError) -> None:
        """The command line says it."""

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()

    def _print(self, head: str, text: str, style: str) -> None:
        from rich.text import Text

        self._console.print(Text.assemble((head, "dim"), (text, style)))


class _NowAndThen:
    """True once in so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = time.monotonic()

    def __call__(self) -> bool:
        now = time.monotonic()
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True


def summary(outcome: Outcome) -> str:
    """What a stage did, in a line: "61 pictures: 58 changed, 2 unchanged, 1 rejected (…)".

    Empty where it did nothing but tell, which was heard when it told.
    """
    if outcome.already_done:
        return "done before"
    rejected = outcome.rejected.total()
    counts = {
        "added": outcome.added,
        "changed": outcome.changed,
        "unchanged": outcome.unchanged,
        "not meant": outcome.not_meant,
        "rejected": rejected,
    }
    total = sum(counts.values())
    parts = [f"{count} {what}" for what, count in counts.items() if count]
    if rejected:
        parts[-1] += f" ({_most_common(outcome.rejected)})"
    if outcome.passed_over:
        left = _most_common(outcome.passed_over)
        parts.append(f"{outcome.passed_over.total()} passed over ({left})")
    text = f"{total} picture{'s' * (total != 1)}: {', '.join(parts)}" if total else ", ".join(parts)
    if outcome.written:
        wrote = f"wrote {few_of([str(path) for path in outcome.outputs])}"
        text = f"{text}; {wrote}" if outcome.changed or rejected else wrote
    return text or ("" if outcome.told else "nothing to do")


def surveyed(outcome: Outcome) -> list[str]:
    """What a source offers, in a few lines: how many pictures, how large, with which tags."""
    what = {"folder": "taken in", "split": "cut out"}.get(outcome.stage, "fetched")
    lines = [f"{outcome.added} picture{'s' * (outcome.added != 1)} would be {what}"]
    if outcome.stage == "refresh":  # which fetches none
        return [f"{outcome.changed} picture{'s' * (outcome.changed != 1)} would change"]
    if outcome.sized:
        guessed = outcome.bytes * outcome.added // outcome.sized
        about = "" if outcome.sized == outcome.added else "about "
        lines[0] += f", {about}{_bytes(guessed)}"
    for kind in sorted({kind for kind, _ in outcome.tags}):
        of_kind = Counter({name: n for (k, name), n in outcome.tags.items() if k == kind})
        shown = ", ".join(f"{name} {n}" for name, n in of_kind.most_common(SHOWN_TAGS))
        more = len(of_kind) - SHOWN_TAGS
        lines.append(f"{kind:>10}: {shown}" + (f", and {more} more" if more > 0 else ""))
    return lines


def _bytes(count: int) -> str:
    """A size as people read it."""
    size, units = float(count), ["bytes", "KB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.3g} {units[0]}"


def last_line(outcomes: Sequence[Outcome], folder: Path, *, dry_run: bool = False) -> str:
    """The sentence that a person can act on when a command on a dataset has ended."""
    errors = {name: why for outcome in outcomes for name, why in outcome.errors.items()}
    failed = [f"{name}: {why}" for name, why in list(errors.items())[:SHOWN_ERRORS]]
    more = len(errors) - len(failed)
    if more > 0:
        failed.append(f"and {more} more")
    if dry_run:
        text = "nothing was changed (--dry-run)"
    elif all(outcome.idle for outcome in outcomes):
        before = all(outcome.found_done for outcome in outcomes) and not errors
        text = "nothing changed; all was done before" if before else "nothing changed"
    elif any(outcome.added or outcome.changed or outcome.rejected for outcome in outcomes):
        where = "" if folder == Path("dataset") else f" -d {shlex.quote(str(folder))}"
        text = f"done; take the last step back with dsk undo{where}"
    else:
        text = "done"
    return "\n".join([*(f"  {line}" for line in failed), text])


def _most_common(reasons: Mapping[str, int]) -> str:
    """Reasons with their numbers; those that differ from their first figure on count as one."""
    alike: dict[str, Counter[str]] = {}
    for reason, count in reasons.items():
        if count:
            alike.setdefault(_FIGURE.split(reason, maxsplit=1)[0], Counter())[reason] += count
    together = Counter[str]()
    for head, found in alike.items():
        together[f"{head} …" if head and len(found) > 1 else next(iter(found))] = found.total()
    return ", ".join(f"{count} {reason}" for reason, count in together.most_common(SHOWN_ERRORS))


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Event fields as JSON values; counters and paths included."""
    tags = fields.get("tags")
    if isinstance(tags, Counter):  # JSON has no pairs for keys
        rows = [[kind, name, count] for (kind, name), count in tags.most_common()]
        fields = {**fields, "tags": rows}
    return json.loads(json.dumps(fields, default=str))  # type: ignore[no-any-return]
