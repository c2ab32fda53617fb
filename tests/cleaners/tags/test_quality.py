"""Quality by the sites' scores: fair to old and new posts, in each family's own words."""

from collections import Counter
from pathlib import Path

import pytest

from datasetkit.cleaners.tags.clean import Clean
from datasetkit.cleaners.tags.quality import Quality
from datasetkit.cleaners.tags.quality_words import FAMILIES, words_of
from datasetkit.dataset import caption
from datasetkit.errors import UsageError
from datasetkit.pixels import Picture
from datasetkit.record import HAND, Origin, Record, Tag
from datasetkit.stage import Change
from tests.homes import Home
from tests.sources import Pictures

LEAD = Tag("shimakaze_(kancolle)", "character", ("danbooru",))
PLAIN = (LEAD, Tag("1girl", by=("danbooru",)), Tag("smile", by=("danbooru",)))


def record(
    key: str,
    score: int | None,
    posted: str = "2024-02-03T00:00:00+00:00",
    rating: str = "g",
    site: str = "danbooru",
    tags: tuple[Tag, ...] = PLAIN,
) -> Record:
    origin = Origin(site, key, rating=rating, score=score, posted=posted)
    return Record(key, Picture(Path(f"{key}.png"), (8, 8)), tags, origin)


def run(stage: Quality, records: list[Record]) -> tuple[dict[str, Record], list[str]]:
    became = {record.key: record for record in records}
    said = []
    for word in stage(records, Path()):
        if isinstance(word, Change):
            assert isinstance(word.became, Record)
            became[word.key] = word.became
        else:
            said.append(word.text)
    return became, said


def hundred(**more: str) -> list[Record]:
    return [record(f"p{n}", n, **more) for n in range(100)]


def words(record: Record) -> str:
    return " ".join(tag.name for tag in record.tags if tag.kind == "quality")


def test_percentiles_give_the_words() -> None:
    became, said = run(Quality(years=False), hundred())
    counts = Counter(words(one) for one in became.values())
    assert counts == {
        "masterpiece": 10, "best_quality": 15, "great_quality": 15, "good_quality": 15,
        "normal_quality": 15, "low_quality": 20, "worst_quality": 10,
    }  # fmt: skip
    assert words(became["p99"]) == "masterpiece" and words(became["p0"]) == "worst_quality"
    assert said[0].startswith("pictures by word: masterpiece 10, best quality 15, great")


def test_a_word_that_the_family_has_not_is_told() -> None:
    never = ("masterpeice", "best quality", "newest", "*x")
    _, said = run(Quality(never=never), hundred())
    assert said[0] == "sdxl-anime has no word 'masterpeice'; did you mean 'masterpiece'?"
    assert said[1].startswith("pictures by word")


def test_pony_bears_its_score_and_all_below_behind_the_head() -> None:
    became, _ = run(Quality("pony"), hundred())
    assert caption(became["p95"]) == (
        "shimakaze (kancolle), score_9, score_8_up, score_7_up, score_6_up, score_5_up, "
        "score_4_up, 1girl, smile"
    )
    assert words(became["p45"]) == "score_4_up" and words(became["p39"]) == ""


def test_others_have_their_words_at_the_end_with_the_year() -> None:
    became, _ = run(Quality("animagine"), hundred())
    assert caption(became["p99"]) == (
        "shimakaze (kancolle), 1girl, smile, masterpiece, high score, year 2024"
    )
    became, _ = run(Quality("illustrious"), hundred(posted="2020-05-01T00:00:00Z"))
    assert caption(became["p99"]).endswith("smile, masterpiece, modern")
    became, _ = run(Quality("noobai-vpred", place="end"), hundred())
    assert caption(became["p99"]).endswith("smile, masterpiece, newest, year 2024")


def test_nothing_stands_before_what_trainers_keep() -> None:
    kept = [one.with_facts("clean", {"keep_tokens": 2}) for one in hundred()]
    became, _ = run(Quality("pony", never=("score_[4-7]*", "score_?_up")), kept)
    assert caption(became["p99"]) == "shimakaze (kancolle), 1girl, score_9, smile"


def test_a_score_is_compared_with_those_of_like_age_rating_and_site() -> None:
    old = [record(f"o{n}", n, "2012-02-01T00:00:00Z") for n in range(25)]
    new = [record(f"n{n}", 100 + n, "2024-02-01T00:00:00Z") for n in range(25)]
    bold = [record(f"s{n}", 900 + n, rating="s") for n in range(25)]
    other = [record(f"e{n}", 5000 + n, site="e621") for n in range(25)]
    became, _ = run(Quality(years=False), [*old, *new, *bold, *other])
    for letter in "onse":
        assert words(became[f"{letter}24"]) == "masterpiece"
        assert words(became[f"{letter}0"]) == "worst_quality"


def test_where_few_are_of_like_age_the_company_widens() -> None:
    few = [record(f"q{n}", n, f"2024-{1 + n % 12:02}-01T00:00:00Z") for n in range(24)]
    lone = [record("lone", 99, "2015-01-01T00:00:00Z"), record("rated", 50, rating="q")]
    undated = [record("undated", 98, "")]
    became, _ = run(Quality(years=False), [*few, *lone, *undated])
    assert words(became["q23"]) == "masterpiece" and words(became["q0"]) == "worst_quality"
    assert {words(became[key]) for key in ("lone", "undated", "rated")} == {"masterpiece"}


def test_without_a_score_or_company_there_is_no_word() -> None:
    became, said = run(Quality(), [record("a", None), record("b", 3), record("c", 4)])
    assert words(became["a"]) == words(became["b"]) == "newest"
    assert said == [
        "1 picture gets no word of quality: no score",
        "2 pictures get no word of quality: too few others to compare with (--least takes fewer)",
    ]
    became, _ = run(Quality(least=2, years=False), [record("a", 4), record("b", 3)])
    assert (words(became["a"]), words(became["b"])) == ("best_quality", "low_quality")


def test_equal_scores_get_equal_words() -> None:
    became, _ = run(Quality(years=False), [record(f"p{n}", 7) for n in range(30)])
    assert {words(one) for one in became.values()} == {"good_quality"}


def test_again_changes_nothing_and_another_family_replaces_it() -> None:
    once, _ = run(Quality("pony"), hundred())
    again, _ = run(Quality("pony"), list(once.values()))
    assert again == once
    other, _ = run(Quality("noobai"), list(once.values()))
    assert caption(other["p99"]) == (
        "shimakaze (kancolle), masterpiece, newest, year 2024, 1girl, smile"
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_clean_leaves_the_words_where_they_stand(family: str) -> None:
    became, _ = run(Quality(family), [Clean()(one) for one in hundred()])
    for one in became.values():
        assert Clean()(one).tags == one.tags


def test_what_a_person_said_of_quality_is_above_the_votes() -> None:
    typed = Tag("worst_quality", by=(HAND,))
    rows = [*hundred()[:99], record("mine", 500, tags=(*PLAIN, typed))]
    rows.append(Record("gone", rows[0].picture, PLAIN, Origin(score=99), {}, frozenset({"newest"})))
    became, _ = run(Quality(), rows)
    assert caption(became["mine"]).endswith("smile, worst quality, newest")
    assert not became["gone"].has("newest")


def test_captions_that_grow_too_long_are_told() -> None:
    long = tuple(Tag(f"striped_{n}_thighhighs", by=("danbooru",)) for n in range(14))
    _, said = run(Quality("pony"), [record("a", 999, tags=(LEAD, *long)), *hundred()])
    assert said[-1].startswith("1 caption is longer than 75 tokens")


def test_periods_end_where_the_cards_say() -> None:
    noob = words_of("noobai-eps")
    assert [noob.time(year)[0] for year in (2005, 2010, 2011, 2017, 2018, 2020, 2021, 2030)] == [
        "old", "old", "early", "mid", "recent", "recent", "newest", "newest",
    ]  # fmt: skip
    assert words_of("animagine-xl-3.1").time(2009) == ("oldest",)
    assert words_of("animagine-xl-4.0").time(2009) == ("year_2009",)


def test_a_family_or_place_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean"):
        Quality("ponny").check()
    with pytest.raises(UsageError):
        Quality("sd1").check()
    with pytest.raises(UsageError):
        Quality(place="middle").check()


def test_on_a_dataset_it_can_be_undone(tmp_path: Path) -> None:
    home = Home(tmp_path / "set")
    home.run(Pictures(hundred()[:30]))
    before = {p.name: p.read_bytes() for p in home.path.glob("*.txt")}
    outcome = home.run(Quality("pony"))
    assert outcome.changed == 18 and outcome.unchanged == 12
    assert "score_9, score_8_up" in (home.path / "p29.txt").read_text()
    assert home.run(Quality("pony")).idle
    home.undo()
    assert {p.name: p.read_bytes() for p in home.path.glob("*.txt")} == before
