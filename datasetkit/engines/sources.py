"""What a source offers, fetched in threads, looked at, and committed in the order of the offers."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from datasetkit import safety
from datasetkit.catalog import name_of
from datasetkit.dataset import Dataset, Step
from datasetkit.engines.events import Advanced, Began, Outcome, Report, Said
from datasetkit.engines.results import Result, commit, in_order
from datasetkit.engines.twins import FACT, Twins
from datasetkit.errors import DatasetkitError, PictureError, SiteError, WrongFile
from datasetkit.frames import frames_in, take_frames
from datasetkit.likeness import fingerprint
from datasetkit.pipeline import call_of
from datasetkit.pixels import FORMATS, Picture, decode, read_header
from datasetkit.record import Origin, Record
from datasetkit.stage import Drop, Find, Known, Note, Source, Update

GIVE_UP_AFTER = 5  # fetches that fail one after another: the site is down, not the file
ONE_OF_TWO = "the same picture as another site's"


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


Item = Find | Update | Twin


def survey(source: Source, known: Known, report: Report) -> Outcome:
    """Look at what a source offers, and count it, without fetching a picture."""
    name = name_of(source)
    outcome = Outcome(name)
    expected = source.expected()
    report(Began(name, expected))
    for item in _offered(source, known, outcome, report):
        if isinstance(item, Update):
            record = known.record(item.key)
            outcome.changed += record is not None and item.change(record) != record
            continue
        outcome.added += 1
        outcome.bytes += item.size
        outcome.sized += bool(item.size)
        outcome.tags.update((tag.kind, tag.name) for tag in item.record.tags)
        report(Advanced(name, outcome.added, expected, item.name))
    return outcome


def run_source(dataset: Dataset, source: Source, name: str, report: Report) -> Outcome:
    """Bring in what a source offers; what ails one picture is in the outcome."""
    outcome = Outcome(name)
    failures = 0
    expected = source.expected()
    twins = Twins(dataset)
    report(Began(name, expected))

    def fetch(item: Item) -> list[Result] | SiteError | PictureError:
        if not isinstance(item, Find):
            return []
        try:
            return _fetch(dataset, item)
        except (SiteError, PictureError) as error:
            return error

    def items() -> Iterator[Item]:
        for item in _offered(source, dataset, outcome, report):
            alike = isinstance(item, Find) and item.compare and twins.by_md5(item.record)
            yield Twin(item) if alike and isinstance(item, Find) else item

    with Step(dataset, [call_of(source)]) as step:
        for done, (item, results) in enumerate(in_order(fetch, items(), source.at_once()), 1):
            if isinstance(item, Update):
                _update(step, item, dataset, name, outcome)
                label = item.key
            elif isinstance(results, DatasetkitError):
                assert isinstance(item, Find)
                label = item.name
                failures += isinstance(results, SiteError)
                outcome.errors[label] = str(results)
                if failures == GIVE_UP_AFTER:
                    raise SiteError(f"{failures} downloads in a row failed; the last: {results}")
            else:
                failures = 0
                find = item.find if isinstance(item, Twin) else item
                label = find.name
                _keep(step, find, results, twins, name, outcome)
            report(Advanced(name, done, expected, label))
        if not outcome.errors:
            dataset.places.clear_parts()
    return outcome


def _offered(
    source: Source, known: Known, outcome: Outcome, report: Report
) -> Iterator[Find | Update]:
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


def _refused(record: Record) -> str | None:
    return safety.refusal(record.names, record.origin.rating)


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


def _fetch(dataset: Dataset, find: Find) -> list[Result]:
    """Bring one file into the workshop and look at all of it before it counts as a picture."""
    part = dataset.places.part(find.name)
    try:
        find.fetch(part)
    except WrongFile as error:
        kept = dataset.places.quarantine(part)
        raise SiteError(f"{error}; what came instead is {kept}") from error
    draft = dataset.draft(find.name)
    os.replace(part, draft)
    try:
        with draft.open("rb+") as file:  # a record must never outlive its picture's bytes
            os.fsync(file.fileno())
        return _received(dataset, find, draft)
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
        record = replace(find.record, picture=Picture(dataset.path / name, (0, 0)))
        return [Result(record, Drop(str(error), error=True), staged=draft)]
    picture = Picture(dataset.path / name.with_suffix(suffix), image.size)
    record = replace(find.record, picture=picture)
    if frames > 1:
        return [Result(record, Drop("animated"), staged=draft)]
    if find.compare:
        record = record.with_facts(FACT, f"{fingerprint(image):016x}")
    return [Result(record, staged=draft)]


def _stills(dataset: Dataset, find: Find, draft: Path) -> list[Result]:
    """Take frames of what moves: records of their own, the first under the post's own key."""
    taken = take_frames(draft, find.frames, draft.parent)
    results = []
    for number, path in enumerate(taken, 1):
        key = find.record.key if number == 1 else f"{find.record.key}_f{number:02}"
        origin = find.record.origin
        if number > 1:  # the post itself is known by its first frame alone
            origin = replace(origin, post=f"{origin.post}#{number}")
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
