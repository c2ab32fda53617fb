"""Thresholds by kind and by tag, gaps, limits, blacklists, votes; and what they cost."""

import time

import numpy as np
import pytest

from datasetkit.errors import UsageError
from datasetkit.record import Tag
from datasetkit.taggers.choose import (
    Explained,
    by_kind,
    chosen,
    explained,
    rule_for,
    seen_in,
    voted,
)
from datasetkit.taggers.labels import Label
from datasetkit.taggers.spec import FAMILIES, Spec
from tests.taggers import models

WD = FAMILIES["wd"]
SEEN = {
    "general": {"1girl": 0.99, "smile": 0.4, ">_<": 0.36, "hat": 0.34, "long_hair": 0.1},
    "character": {"rem_(re:zero)": 0.9, "ram_(re:zero)": 0.8},
    "artist": {"someone": 0.5},
}


def names(rule, seen=SEEN, own=None):
    return [line.name for line in chosen(seen, rule, own or {})]


def test_the_models_own_thresholds_by_kind():
    assert names(rule_for(WD)) == ["rem_(re:zero)", "someone", "1girl", "smile", ">_<"]


def test_a_threshold_is_for_all_but_characters():
    assert names(rule_for(WD, threshold=0.6)) == ["rem_(re:zero)", "1girl"]
    assert names(rule_for(WD, threshold=0.6, character=0.95)) == ["1girl"]
    assert "ram_(re:zero)" in names(rule_for(WD, character=0.8))


def test_a_kinds_own_threshold_goes_before_both():
    rule = rule_for(WD, threshold=0.6, character=0.95, thresholds="artist=.5, character=.8")
    assert names(rule) == ["rem_(re:zero)", "ram_(re:zero)", "someone", "1girl"]
    assert names(rule_for(WD, thresholds=".45")) == names(
        rule_for(WD, threshold=0.45, character=0.45)
    )


def test_a_tags_own_threshold_goes_before_its_kinds_but_not_before_a_persons():
    own = {"1girl": 0.995, "hat": 0.3, "ram_(re:zero)": 0.7}
    assert names(rule_for(WD), own=own) == [
        "rem_(re:zero)", "ram_(re:zero)", "someone", "smile", ">_<", "hat",
    ]  # fmt: skip
    assert names(rule_for(WD, threshold=0.35), own=own)[:2] == ["rem_(re:zero)", "ram_(re:zero)"]
    assert "1girl" in names(rule_for(WD, threshold=0.35), own=own)
    assert "ram_(re:zero)" not in names(rule_for(WD, character=0.85), own=own)


def test_mcut_cuts_at_the_widest_gap():
    rule = rule_for(WD, mcut=True, thresholds="artist=.6")
    lines = explained(SEEN, rule)
    assert [line.name for line in lines if line.taken] == [
        "rem_(re:zero)",
        "ram_(re:zero)",
        "1girl",
    ]
    limits = {line.kind: line.threshold for line in lines}
    assert limits["general"] == pytest.approx((0.99 + 0.4) / 2)
    assert limits["artist"] == 0.6
    faint = {"character": {"a": 0.12, "b": 0.06}}
    assert explained(faint, rule)[0].threshold == 0.15


def test_mcut_does_not_depend_on_how_much_was_kept():
    rule = rule_for(WD, mcut=True)
    kept = {"general": {"hat": 0.07, "sky": 0.06}}
    more = {"general": {**kept["general"], "tree": 0.01}}  # of an earlier, lower threshold
    assert names(rule, more) == names(rule, kept) == ["hat"]


def test_limits_and_blacklists():
    rule = rule_for(WD, limits="general=1,artist=0")
    assert names(rule) == ["rem_(re:zero)", "1girl"]
    assert names(rule_for(WD, limits="1")) == ["rem_(re:zero)", "someone", "1girl"]
    rule = rule_for(
        WD, threshold=0.05, drop=("*_hair", "1girl", "rem (re:zero)"), limits="general=2"
    )
    assert names(rule) == ["someone", "smile", ">_<"]
    assert names(rule_for(Spec(limit=2))) == ["rem_(re:zero)", "someone", "1girl", "smile"]


def test_everything_is_explained_in_order():
    lines = explained(SEEN, rule_for(WD, drop=("smile",), limits="general=1"))
    assert lines[0] == Explained("rem_(re:zero)", "character", 0.9, 0.85)
    assert [(line.name, line.why) for line in lines if line.why] == [
        ("ram_(re:zero)", "not sure enough"),
        ("smile", "dropped"),
        (">_<", "more than 1"),
        ("hat", "not sure enough"),
        ("long_hair", "not sure enough"),
    ]


def test_a_character_brings_its_series():
    series = {"rem_(re:zero)": ("re:zero",), "ram_(re:zero)": ("other",)}
    lines = chosen(SEEN, rule_for(WD), {}, series)
    assert [(line.name, line.kind, line.probability) for line in lines[:2]] == [
        ("rem_(re:zero)", "character", 0.9),
        ("re:zero", "copyright", 0.9),
    ]
    assert "other" not in [line.name for line in lines]
    without = chosen(SEEN, rule_for(WD, limits="copyright=0"), {}, series)
    assert "re:zero" not in [line.name for line in without]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("copyright", "copyright"),
        ("copyright=2", "from 0 to 1"),
        ("copyright=x", "from 0 to 1"),
        ("copyrigth=.4", "did you mean 'copyright'"),
        ("rating=.4", "no kind of tag 'rating'"),
        ("general=nan", "from 0 to 1"),
    ],
)
def test_thresholds_that_make_no_sense(text, message):
    with pytest.raises(UsageError, match=message):
        by_kind(text, "thresholds")


@pytest.mark.parametrize("text", ["general=1.5", "general=-1", "general=", "x=3", "general=inf"])
def test_limits_that_make_no_sense(text):
    with pytest.raises(UsageError):
        by_kind(text, "limit", whole=True)


def line(name: str, probability: float, kind: str = "general") -> Explained:
    return Explained(name, kind, probability, 0.3)


def test_more_than_half_of_those_that_know_a_tag_must_agree():
    answers = {
        "a": [line("hat", 0.9), line("rare", 0.8), line("alone", 0.7)],
        "b": [line("hat", 0.5), line("miku", 0.9, "character")],
        "c": [line("miku", 0.7, "character")],
    }
    knows = {
        "a": frozenset({"hat", "rare", "alone", "miku"}),
        "b": frozenset({"hat", "alone", "miku"}),
        "c": frozenset({"hat", "alone", "miku"}),
    }
    expected = [
        Tag("miku", "character", ("b", "c"), 0.8),
        Tag("rare", "general", ("a",), 0.8),  # only one knows it
        Tag("hat", "general", ("a", "b"), 0.7),
    ]
    assert voted(answers, knows) == expected
    assert {tag.name for tag in voted(answers, knows, 1)} == {"miku", "rare", "hat", "alone"}
    assert [tag.name for tag in voted(answers, knows, 2)] == ["miku", "hat"]
    assert voted(answers, knows, 3) == []  # three is three, though one alone knows the rare


def test_of_two_kinds_the_more_telling_one_stands():
    answers = {"flat": [line("miku", 0.9)], "wd": [line("miku", 0.7, "character")]}
    knows = dict.fromkeys(answers, frozenset({"miku"}))
    assert voted(answers, knows) == [Tag("miku", "character", ("flat", "wd"), 0.8)]


def test_what_is_seen_is_kept_by_kind_and_no_ratings():
    labels = [Label("general", "rating"), Label("hat", "general"), Label("general", "general"),
              Label("miku", "character"), Label("hat", "general")]  # fmt: skip
    seen = seen_in(np.array([0.99, 0.3, 0.9, 0.05, 0.2]), labels)
    assert seen == {"general": {"general": 0.9, "hat": 0.3}, "character": {"miku": 0.05}}
    assert list(seen["general"]) == ["general", "hat"]


def test_ten_thousand_labels_cost_less_than_a_tenth_of_a_millisecond():
    labels = [Label(name, {0: "general", 4: "character", 9: "rating"}[kind])
              for name, kind in models.many_labels()]  # fmt: skip
    rng = np.random.default_rng(1)
    scores = np.round(rng.random(len(labels)) ** 300, 4)  # some ninety above .05, as real ones
    rule = rule_for(WD)
    assert 60 < sum(map(len, seen_in(scores, labels).values())) < 150
    best = min(_cost(scores, labels, rule) for _ in range(9))
    assert best < 1e-4


def _cost(scores, labels, rule) -> float:
    start = time.thread_time()
    for _ in range(50):
        chosen(seen_in(scores, labels), rule)
    return (time.thread_time() - start) / 50
