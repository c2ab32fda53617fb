"""The sizes of a set, and the buckets that a trainer makes of them."""

from collections import Counter

from datasetkit.buckets import Size, buckets_for
from datasetkit.families import Family
from datasetkit.inspectors.report.charts import Bar, Bars, Scatter, length, percent, scatter
from datasetkit.record import Record

SPARSE = 4  # pictures; a bucket with fewer seldom fills a batch


class Shapes:
    """Counts pictures by their width and height."""

    def __init__(self, family: Family) -> None:
        self._sizes: Counter[Size] = Counter()
        self._side = family.resolution

    def add(self, record: Record) -> None:
        """Take a picture in."""
        self._sizes[record.picture.size] += 1

    def buckets(self) -> Bars:
        """A row a bucket, the tallest first; the sparse ones flagged."""
        found = self._buckets()
        total, most = sum(found.values()), max(found.values(), default=1)
        rows = [
            Bar(
                f"{width} × {height}",
                number,
                length(number, most),
                percent(number, total),
                remark="alone" if number == 1 else "sparse" if number < SPARSE else "",
                kind="flag" if number < SPARSE else "",
                shape=(width, height),
            )
            for (width, height), number in sorted(
                found.items(), key=lambda item: item[0][0] / item[0][1]
            )
        ]
        return Bars(f"buckets at {self._side} px", rows)

    def sizes(self) -> Scatter | None:
        """Each size by its width and height."""
        side = self._side
        note = (
            "Width to the right, height upward; the dotted line is square. Pictures below the "
            f"dashed line have less area than {side} × {side} and would be enlarged."
        )
        return scatter("sizes in pixels", self._sizes, side, note) if self._sizes else None

    def _buckets(self) -> Counter[Size]:
        rule, found = buckets_for(self._side), Counter[Size]()
        for size, number in self._sizes.items():
            found[rule.assign(*size)[0]] += number
        return found
