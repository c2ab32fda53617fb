"""One look at each picture's file, in threads and in order: decoded once, or known from before.

What `dsk dedupe` measured is taken from the facts as long as the file is the same.
"""

import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from datasetkit.cleaners.sets.dedupe import Dedupe
from datasetkit.errors import PictureError
from datasetkit.pixels import Header, read_more
from datasetkit.record import Record
from datasetkit.threads import in_order

_LACKING = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}  # faults of the machine, not of a picture


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a picture: why it is ``broken``, or else its header and its looks.

    ``measured`` is its record as `dsk dedupe` measures it. ``transparent`` says that pixels are,
    not only that the file has a place for it. ``locked`` that this user may not read the file.
    """

    broken: str = ""
    header: Header | None = None
    measured: Record | None = None
    transparent: bool = False
    locked: bool = False


def seen_of(record: Record) -> Seen:
    """Look at a picture's file; nothing of it is held afterwards."""
    picture = record.picture
    try:
        header = read_more(picture.path)
        measured = Dedupe().measure(record)
        transparent = picture.may_be_transparent and picture.pixels.mode == "RGBA"
    except PictureError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in _LACKING:
            raise cause from error
        return Seen(broken=str(error), locked=isinstance(cause, PermissionError))
    except (ValueError, ArithmeticError, LookupError) as error:  # one bad file never stops the rest
        return Seen(broken=f"{type(error).__name__}: {error}".splitlines()[0][:200])
    finally:
        picture.forget()
    return Seen("", header, measured, transparent)


def all_seen(records: Iterable[Record]) -> Iterator[tuple[Record, Seen]]:
    """Each record with what was seen of its file; a few are under way at a time."""
    return in_order(seen_of, records, os.cpu_count() or 1)
