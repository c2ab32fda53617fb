"""What a source offers, fetched in threads, looked at, and committed in the order of the offers."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from datasetkit import safety
from datasetkit.bars import BARRED, seem_barred
from datasetkit.catalog import name_of
from datasetkit.dataset import Dataset, Step
from datasetkit.engines.events import Advanced, Began, Outcome, Report, Said
from datasetkit.engines.results import Result, commit, count, difference, machine_fault
from datasetkit.engines.twins import FACT, Twins
from datasetkit.errors import DatasetkitError, Gone, PictureError, SiteError, WrongFile
from datasetkit.frames import VIDEOS, check_decoder, frames_in, take_frames
from datasetkit.likeness import fingerprint
from datasetkit.pipeline import call_of
from datasetkit.pixels import FORMATS, Picture, decode, read_header
from datasetkit.record import Origin, Record
from datasetkit.stage import Change, Drop, Find, Known, Note, Source, Update
from datasetkit.threads import in_order

GIVE_UP_AFTER = 5  # fetches that fail one after another: the site is down, not the file
ONE_OF_TWO = "the same picture as another site's"
NOT_SERVED = "of a site that does not serve its files"
LEFT_OUT = "left out before, as a picture of another post"


@dataclass(frozen=True)
class NothingKnown:
    """What a source is told of a dataset that is not there yet."""

    path: Path
    records: Sequence[Record] = ()

    def __contains__(self, key: object, /) -> bool:
        """No key is there."""
        return False

    def like(self, key: str) -> str | None:
        """No key is."""
        return None

    def origin(self, key: str) -> Origin | None:
        """No key has one."""
        return None

    def post(self, site: str, post: str) -> str | None:
        """No post is known."""
        return None

    def record(self, key: str) -> Record | None:
        """No picture is there."""
        return None


@dataclass(frozen=True)
class Twin:
    """An offer that need not be fetched: the record that has the same file."""

    find: Find


Item = Find | Update | Change | Twin
Came: TypeAlias = list[Result] | SiteError | PictureError


def survey(source: Source, known: Known, report: Report) -> Outcome:
    """Look at what a source offers, and count it, without fetching a picture."""
    name = name_of(source)
    outcome = Outcome(name)
    expected = source.expected()
    files: set[str] = set()
    report(Began(name, expected))
    for item in _offered(source, known, outcome, report):
        if isinstance(item, Update):
            record = known.record(item.key)
            outcome.changed += record is not None and item.change(record) != record
            continue
        if isinstance(item, Change):
            if (standing := known.record(item.key)) is not None:
                _foretell(standing, _became(standing, item), name, report, outcome)
            continue
        md5 = item.record.origin.md5 if item.compare else ""
        why = _at_hand(known, md5) if isinstance(known, Dataset) else ""
        if why or md5 in files:
            outcome.passed_over[why or ONE_OF_TWO] += 1
            continue
        files.update([md5] if md5 else [])
        outcome.added += 1
        outcome.bytes += item.size
        outcome.sized += bool(item.size)
        outcome.tags.update((tag.kind, tag.name) for tag in item.record.tags)
        report(Advanced(name, outcome.added, expected, item.name))
    return outcome


def run_source(dataset: Dataset, source: Source, name: str, report: Report) -> Outcome:
    """Bring in what a source offers; what ails one picture is in the outcome."""
    outcome = Outcome(name)
    failures: Counter[str] = Counter()  # by site
    silent: set[str] = set()
    expected = source.expected()
    twins = Twins(dataset)
    report(Began(name, expected))

    def items() -> Iterator[Item]:
        for item in _offered(source, dataset, outcome, report):
            if isinstance(item, Find) and item.record.origin.site in silent:
                outcome.passed_over[NOT_SERVED] += 1
            elif not isinstance(item, Find) or not item.compare:
                yield item
            elif twins.by_md5(item.record):
                yield Twin(item)
            elif dataset.left_out(item.record.origin.md5):
                outcome.passed_over[LEFT_OUT] += 1
            else:
                yield item

    with Step(dataset, [call_of(source)], paints=False) as step:
        fetching = Fetching(dataset, source.at_once())
        for done, (item, results) in enumerate(fetching.of(items()), 1):
            if isinstance(item, Update):
                _update(step, item, dataset, name, outcome)
                label = item.key
            elif isinstance(item, Change):
                _change(step, item, dataset, name, outcome)
                label = item.key
            elif isinstance(results, DatasetkitError):
                assert isinstance(item, Find)
                label, site = item.name, item.record.origin.site
                failures[site] += isinstance(results, SiteError) and not isinstance(results, Gone)
                outcome.errors[label] = str(results)
                if failures[site] == GIVE_UP_AFTER:
                    text = f"{GIVE_UP_AFTER} downloads in a row failed"
                    if not source.several():
                        raise SiteError(f"{text} (run it again to go on); the last: {results}")
                    silent.add(site)
                    told = f"{site} is left out: {text}; the last: {results}"
                    report(Said(name, told, warning=True))
            else:
                find = item.find if isinstance(item, Twin) else item
                failures[find.record.origin.site] = 0
                label = find.name
                _keep(step, find, results, twins, name, outcome)
            report(Advanced(name, done, expected, label))
        if not outcome.errors:
            dataset.places.clear_parts()
    return outcome


def _offered(
    source: Source, known: Known, outcome: Outcome, report: Report
) -> Iterator[Find | Update | Change]:
    """What a source offers and the safety rules let through; the rest is counted or said."""
    for item in source.find(known):
        if isinstance(item, Note):
            report(Said(outcome.stage, item.text, item.warning))
        elif isinstance(item, Drop):
            outcome.passed_over[item.reason] += 1
            if item.error:
                outcome.errors[item.reason] = "named above"
        elif isinstance(item, Find) and (rule := _refused(item.record)):
            outcome.passed_over[rule] += 1
        else:
            yield item


def _at_hand(dataset: Dataset, md5: str) -> str:
    """Why a file need not be fetched; "" for one that is unknown."""
    if dataset.of_md5(md5) is not None:
        return ONE_OF_TWO
    return LEFT_OUT if dataset.left_out(md5) else ""


def _refused(record: Record) -> str | None:
    """What a rule says of a picture: of its tags, and of all that its sites ever listed.

    A tag that a person took out of the caption has not left the picture.
    """
    listed = (name for origin in (record.origin, *record.also) for name in origin.tags.split())
    return safety.refusal((*record.names, *listed), record.origin.rating)


def _update(step: Step, update: Update, dataset: Dataset, name: str, outcome: Outcome) -> None:
    """Commit what more is known of a picture; a rule may refuse it now."""
    standing = dataset.record(update.key)
    if standing is None:
        return
    record = update.change(standing)
    if record == standing:
        outcome.unchanged += 1
    elif rule := _refused(record):
        commit(step, Result(record, Drop(rule)), name, outcome, new=False)
    else:
        commit(step, Result(record), name, outcome, new=False)


def _change(step: Step, change: Change, dataset: Dataset, name: str, outcome: Outcome) -> None:
    """Commit what becomes of a picture, if those that came of it are there."""
    standing = dataset.record(change.key)
    if standing is None or any(dataset.record(key) is None for key in change.after):
        return
    result = _became(standing, change)
    if result.drop or result.record != standing:
        commit(step, result, name, outcome, new=False)
    else:
        outcome.unchanged += 1


def _became(standing: Record, change: Change) -> Result:
    if isinstance(change.became, Drop):
        return Result(standing, change.became)
    record = replace(change.became, picture=standing.picture)
    return Result(standing, Drop(rule)) if (rule := _refused(record)) else Result(record)


def _foretell(
    standing: Record, result: Result, name: str, report: Report, outcome: Outcome
) -> None:
    """Say what would become of a picture, and count it."""
    if result.drop or result.record != standing:
        count(result, name, outcome, new=False)
        report(Said(name, difference(standing, result)))


def _keep(
    step: Step,
    find: Find,
    results: Sequence[Result],
    twins: Twins,
    name: str,
    outcome: Outcome,
) -> None:
    """Commit what was fetched, or join it to the same picture of another site.

    The last of several results is the post's own, so that a run killed between them does all of
    them again.
    """
    main = results[-1] if results else Result(find.record)
    standing = None
    if find.compare and not main.drop and len(results) < 2:
        standing = twins.by_md5(find.record) or twins.by_looks(main)
    if standing is not None:
        result = twins.joined(standing, main)
        _update_or_count(step, result, standing, name, outcome)
        return
    for result in results:
        commit(step, result, name, outcome, new=True)
        twins.add(result.record)


def _update_or_count(
    step: Step, result: Result, standing: Record, name: str, outcome: Outcome
) -> None:
    outcome.passed_over[ONE_OF_TWO] += 1
    if rule := _refused(result.record):  # what one site does not say, the other may
        if result.staged is not None:
            result.staged.unlink(missing_ok=True)
        commit(step, Result(standing, Drop(rule)), name, outcome, new=False)
    elif result.record != standing or result.staged is not None:
        commit(step, result, name, outcome, new=False)


class Fetching:
    """Fetches what is offered, side by side; as many threads as there are cores look at it."""

    def __init__(self, dataset: Dataset, at_once: int) -> None:
        self._dataset = dataset
        self._at_once = at_once
        # A thread keeps the memory that pixels took, so those that fetch do not decode.
        self._eyes = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="dsk-eye")

    def of(self, items: Iterator[Item]) -> Iterator[tuple[Item, Came]]:
        """Each item and what came of it, in order."""
        try:
            yield from in_order(self._work, items, self._at_once)
        finally:
            self._eyes.shutdown(wait=False, cancel_futures=True)

    def _work(self, item: Item) -> Came:
        if not isinstance(item, Find):
            return []
        try:
            return self._fetch(item)
        except (SiteError, PictureError) as error:
            return error

    def _fetch(self, find: Find) -> list[Result]:
        """Bring a file into the workshop and look at all of it before it counts as a picture."""
        part = self._dataset.places.part(find.name)
        if find.frames and part.stem.endswith(VIDEOS):
            check_decoder()
        try:
            find.fetch(part)
        except WrongFile as error:
            kept = self._dataset.places.quarantine(part)
            raise SiteError(f"{error}; what came instead is {kept}") from error
        draft = self._dataset.draft(find.name)
        os.replace(part, draft)
        try:
            with draft.open("rb+") as file:  # a record must never outlive its picture's bytes
                os.fsync(file.fileno())
            return self._eyes.submit(_received, self._dataset, find, draft).result()
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


def _received(dataset: Dataset, find: Find, draft: Path) -> list[Result]:
    name = Path(find.name)
    try:
        if find.frames and frames_in(draft) > 1:
            return _stills(dataset, find, draft)
        format_name, _, frames = read_header(draft)
        # The suffix says what the bytes are, whatever the site's name said.
        suffixes = {FORMATS[format_name], ".jpeg" if format_name == "JPEG" else ""}
        suffix = name.suffix if name.suffix in suffixes else FORMATS[format_name]
        image = decode(draft)
    except PictureError as error:
        if fault := machine_fault(error):
            raise fault from error
        if isinstance(error.__cause__, ImportError):  # another day the decoder may be there
            raise
        record = replace(find.record, picture=Picture(dataset.path / name, (0, 0)))
        return [Result(record, Drop(str(error), error=True), staged=draft)]
    picture = Picture(dataset.path / name.with_suffix(suffix), image.size)
    record = replace(find.record, picture=picture)
    if frames > 1:
        return [Result(record, Drop("animated"), staged=draft)]
    if find.compare:
        record = record.with_facts(FACT, f"{fingerprint(image):016x}")
        record = record.with_facts(BARRED, seem_barred(image))
    return [Result(record, staged=draft)]


def _stills(dataset: Dataset, find: Find, draft: Path) -> list[Result]:
    """Take frames of what moves: records of their own, the first under the post's own key."""
    taken = take_frames(draft, find.frames, draft.parent)
    results = []
    for number, path in enumerate(taken, 1):
        key = find.record.key if number == 1 else f"{find.record.key}_f{number:02}"
        origin = find.record.origin
        if number > 1:  # the post and its file are known by their first frame alone
            origin = replace(origin, post=f"{origin.post}#{number}", md5="")
        size = read_header(path)[1]
        record = replace(
            find.record,
            key=key,
            picture=Picture(dataset.path / f"{key}.png", size),
            origin=origin,
        )
        results.append(Result(record, staged=path))
    draft.unlink()
    return [*results[1:], results[0]]
