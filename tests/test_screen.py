"""The sentences in which a run is summed up."""

from collections import Counter

from datasetkit.engines.events import Outcome
from datasetkit.screen import summary, surveyed


def test_reasons_that_differ_in_a_figure_count_as_one() -> None:
    why = {
        "filter: blurred: sharpness 10.8 < 30": 1,
        "filter: blurred: sharpness 9 < 30": 2,
        "dedupe: looks like p12": 1,
        "filter: comic": 4,
        "7 of 9": 1,
        "8 of 9": 1,
    }
    assert summary(Outcome("filter+dedupe", unchanged=1, rejected=Counter(why))) == (
        "11 pictures: 1 unchanged, 10 rejected (4 filter: comic, 3 filter: blurred: sharpness …, "
        "1 dedupe: looks like p12, 1 7 of 9, 1 8 of 9)"
    )


def test_a_folder_is_not_fetched() -> None:
    assert surveyed(Outcome("folder", added=2)) == ["2 pictures would be taken in"]
    assert surveyed(Outcome("grab", added=2)) == ["2 pictures would be fetched"]
