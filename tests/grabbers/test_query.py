"""The portable query: what is understood, what is refused, and what each family is sent."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasetkit.errors import UsageError
from datasetkit.grabbers import danbooru, gelbooru
from datasetkit.grabbers.posts import Post
from datasetkit.grabbers.query import Plan, left_out, parse
from datasetkit.grabbers.sites import SITES
from datasetkit.record import Origin, Tag


def planned(text: str, site: str, letters: str = "g", **counts: int) -> Plan:
    row = SITES[site]
    family = danbooru if row.family == "danbooru" else gelbooru
    return family.plan(parse(text), letters, row, counts)


@pytest.mark.parametrize(
    ("site", "sent", "here"),
    [
        ("danbooru", "shimakaze order:score rating:g -status:deleted", ["-comic"]),
        ("safebooru.donmai.us", "shimakaze order:score rating:g -status:deleted", ["-comic"]),
        ("gelbooru", "shimakaze -comic sort:score rating:general", []),
        ("rule34.xxx", "shimakaze -comic sort:score rating:safe", []),
        ("safebooru.org", "shimakaze -comic sort:score", ["rating:general"]),
        ("tbib.org", "shimakaze -comic sort:score rating:safe", []),
    ],
)
def test_one_query_for_every_site(site: str, sent: str, here: list[str]) -> None:
    plan = planned("shimakaze order:score -comic", site)
    assert plan.sent == sent
    assert list(plan.here) == here
    assert not plan.newest_first


def test_danbooru_gets_the_rarest_terms_and_the_rest_stays_here() -> None:
    plan = planned(
        "1girl solo cirno wings -comic", "danbooru", **{"1girl": 9, "cirno": 3, "wings": 4}
    )
    assert plan.sent == "cirno wings rating:g -status:deleted"
    assert plan.terms == ("1girl", "solo")
    assert plan.here == ("1girl", "solo", "-comic")
    assert plan.newest_first


def test_danbooru_gets_negations_while_there_is_room() -> None:
    assert planned("cirno -comic -solo", "danbooru").sent.startswith("cirno -comic rating:g")
    assert planned("order:score -comic", "danbooru").sent.startswith("-comic order:score rating:g")


def test_numbers_and_types() -> None:
    text = "a score:>=50 width:100..200 mpixels:>1 id:<9 filetype:png -filetype:gif"
    free = "rating:g,s -status:deleted score:>=50 width:100..200 mpixels:>1 id:<9 filetype:png"
    assert planned(text, "danbooru", "gs").sent == f"a {free} -filetype:gif"
    plan = planned(text, "gelbooru", "gs")
    assert plan.sent == (
        "a score:>=50 width:>=100 width:<=200 id:<9 -rating:questionable -rating:explicit"
    )
    assert plan.here == ("mpixels:>1", "filetype:png", "-filetype:gif")


@pytest.mark.parametrize(
    ("order", "danbooru_word", "gelbooru_word"),
    [
        ("id", "", ""),
        ("id_desc", "", ""),
        ("id_asc", "order:id", "sort:id:asc"),
        ("score_asc", "order:score_asc", "sort:score:asc"),
        ("random", "order:random", "sort:random"),
    ],
)
def test_orders(order: str, danbooru_word: str, gelbooru_word: str) -> None:
    assert planned(f"a order:{order}", "danbooru").sent.split()[1:-2] == danbooru_word.split()
    assert planned(f"a sort:{order}", "gelbooru").sent.split()[1:-1] == gelbooru_word.split()


def test_a_zero_as_a_bound_is_sent() -> None:
    assert planned("a score:>=0", "gelbooru").sent == "a score:>=0 rating:general"
    assert planned("a score:5", "gelbooru").sent == "a score:5 rating:general"
    assert planned("a id:>12345678", "gelbooru").sent == "a id:>12345678 rating:general"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("a order:date", "there is no order 'date'"),
        ("a order:scor", "did you mean 'score'"),
        ("a oder:score", "did you mean 'order'"),
        ("a raiting:g", "did you mean 'rating'"),
        ("a user:me", "is not understood"),
        ("a limit:5", "is not understood"),
        ("a date:2024-01-01", "is not understood"),
        ("a score:many", "is no number"),
        ("a score:..", "is no number"),
        ("a -score:>5", "turn the condition round"),
        ("a -rating:e", "say which rating"),
        ("a order:score order:id", "stands twice"),
        ("a md5:xyz", "is no md5"),
        ("~a ~b", "grab twice"),
        ("a or b", "grab twice"),
        ("( a b )", "grab twice"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse(text)


@pytest.mark.parametrize(
    "tag", ["nier:automata", "re:zero", ":d", ":3", "d.va", ">:)", "fate/zero", "a:"]
)
def test_tags_with_colons_are_tags(tag: str) -> None:
    assert parse(f"{tag} -{tag}x").terms == (tag,)


@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        query = parse(text)
    except UsageError:
        return
    for row in SITES.values():
        if query.order != "favcount" or row.family == "danbooru":
            family = danbooru if row.family == "danbooru" else gelbooru
            plan = family.plan(query, "g", row, {})
            assert len(plan.sent.split()) >= len(query.terms) - len(plan.terms)


POST = Post(
    "12",
    tags=(Tag("Blue_Eyes"), Tag("1girl")),
    origin=Origin(score=5, rating="g"),
    ext="jpeg",
    width=2000,
    height=1000,
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("blue_eyes", ""),
        ("blue_* -red_*", ""),
        ("red_eyes", "without red_eyes"),
        ("1girl -blue_*", "has blue_*"),
        ("1girl score:>=5 score:<=5 score:5 score:4..6 id:12 mpixels:>=2 width:<3000", ""),
        ("1girl score:>5", "not score:>5"),
        ("1girl mpixels:<2", "not mpixels:<2"),
        ("1girl filetype:jpg", ""),
        ("1girl filetype:png", "a .jpeg"),
        ("1girl -filetype:jpg", "a .jpeg"),
    ],
)
def test_what_is_filtered_here(text: str, reason: str) -> None:
    query = parse(text)
    assert left_out(POST, query, Plan("", terms=query.terms)) == reason


def test_a_number_that_is_not_told_passes() -> None:
    unknown = replace(POST, origin=Origin(), width=0, height=0)
    assert left_out(unknown, parse("a score:>5 width:>5 mpixels:>1"), Plan("")) == ""
