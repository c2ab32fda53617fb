"""Very many pictures that are alike: each is looked at once, and compared with few."""

from collections.abc import Callable

import pytest
from PIL import Image

from datasetkit.cleaners.sets import groups
from datasetkit.cleaners.sets.groups import Comparing, Groups, Known, grouped
from datasetkit.likeness import Look, Relation
from tests.cleaners.sets.twins import SIZE, drawn


def compared(pictures: list[Known], look: Callable[[int], Look | None]) -> tuple[Groups, int]:
    looks = 0

    def counted(place: int) -> Look | None:
        nonlocal looks
        looks += 1
        return look(place)

    found = Groups()
    for item in grouped(pictures, Comparing(counted, lambda one, other: False, 8)):
        if isinstance(item, Groups):
            found = item
    return found, looks


def test_thousands_of_blank_pages_are_each_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "relation", lambda one, other: Relation.SAME)
    blank = Image.new("RGB", (64, 64), "white")
    pages = [Known(place, str(place), (0,), (64, 64)) for place in range(3000)]
    found, looks = compared(pages, lambda place: Look(blank))
    assert len(found.same[0]) == 2999 and not found.unsure
    assert looks == 3000


def test_pages_alike_by_hash_alone_are_compared_with_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "TRIED", 4)
    sheets = [Image.new("RGB", (64, 64), (place, place, place)) for place in range(0, 250, 5)]
    pages = [Known(place, str(place), (0,), (64, 64)) for place in range(len(sheets))]
    found, looks = compared(pages, lambda place: Look(sheets[place]))
    assert not found.same and found.unsure == 45
    assert looks <= len(sheets)


def test_thousands_of_near_fingerprints_keep_to_the_nearest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(groups, "_PAIRS", 1000)
    monkeypatch.setattr(groups, "relation", lambda one, other: Relation.SAME)
    one = Look(drawn())
    pages = [Known(place, str(place), (place * 3,), SIZE) for place in range(1000)]
    found, _ = compared(pages, lambda place: one)
    assert sum(map(len, found.same.values())) > 950


def test_a_picture_that_vanishes_between_is_left_alone() -> None:
    pages = [Known(place, str(place), (0,), SIZE) for place in range(3)]
    found, _ = compared(pages, lambda place: None if place < 2 else Look(drawn()))
    assert not found.same and not found.variants


def test_variants_of_a_variant_that_would_go_would_stay() -> None:
    groups = Groups()
    groups.all_variants = {1: {0}, 2: {1}, 3: {1, 2}, 4: {1, 3}}
    assert groups.would_go() == {1, 3}
