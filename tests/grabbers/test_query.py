"""The portable query: what is understood, what is refused, and what each family is sent."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasetkit.errors import UsageError
from datasetkit.grabbers.families import family_of
from datasetkit.grabbers.posts import Post
from datasetkit.grabbers.query import Plan, parse
from datasetkit.grabbers.selection import Artists, Wishes, unfit
from datasetkit.grabbers.sites import SITES
from datasetkit.record import Origin, Tag


def planned(text: str, site: str, letters: str = "g", **counts: int) -> Plan:
    row = SITES[site]
    return family_of(row).plan(parse(text), letters, row, counts)


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
    ],
)
def test_orders(order: str, danbooru_word: str, gelbooru_word: str) -> None:
    assert planned(f"a order:{order}", "danbooru").sent.split()[1:-2] == danbooru_word.split()
    assert planned(f"a sort:{order}", "gelbooru").sent.split()[1:-1] == gelbooru_word.split()


def test_a_random_order_has_a_seed_where_the_site_takes_one() -> None:
    plan = planned("a order:random", "gelbooru")
    assert re.fullmatch(r"a sort:random:\d+ rating:general", plan.sent) and plan.seeded
    fork = planned("a order:random", "tbib.org")
    assert fork.sent == "a sort:random rating:safe" and not fork.seeded
    assert not planned("a order:random", "danbooru").seeded
    assert planned("a order:random", "derpibooru").seeded
    assert not planned("a order:score", "gelbooru").seeded


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
        ("a limit:five", "is no number of pictures"),
        ("a date:yesterday", "is no span of days"),
        ("a date:2024-06-30..2024-01-01", "is no span of days"),
        ("a date:..", "is no span of days"),
        ("a score:many", "is no number"),
        ("a score:..", "is no number"),
        ("a -score:>5", "turn the condition round"),
        ("a -rating:e", "say which rating"),
        ("a order:score order:id", "stands twice"),
        ("a md5:xyz", "is no md5"),
        ("a ~b", "stands alone"),
        ("~rating:g ~b", "~ goes before a tag"),
        ("a or b", "~a ~b asks"),
        ("( a b )", "~a ~b asks"),
        ("~( a", "~a ~b asks"),
        ("-", "~a ~b asks"),
        ("shimakaze (kancolle)", r"did you mean 'shimakaze_\(kancolle\)'\?"),
        ("x artoria (swimsuit ruler) (fate)", r"mean 'artoria_\(swimsuit_ruler\)_\(fate\)'"),
        ("a (b or c)", "~a ~b asks"),
        ("1girl, solo", "parted by blanks: write '1girl solo'"),
        ("1girl,solo rating:g,s", "write '1girl solo rating:g,s'"),
        ("hatsune miku, 1girl,", "write 'hatsune_miku 1girl'"),
        ("https://danbooru.donmai.us/posts/5?q=a", "is an address; id:5 finds this post"),
        ("https://gelbooru.com/index.php?page=post&s=view&id=5", "id:5 finds this post"),
        ("https://yande.re/post/show/5/a", "id:5 finds this post"),
        ("https://zerochan.net/5", "id:5 finds this post"),
        ("https://danbooru.donmai.us/posts", "id:5 finds a post by its number"),
        ("a\udc80", "holds bytes that are no text"),
        ("a" * 1000, "…' has 1,000 letters, more than any tag"),
        ("a filetype:pgn", "there is no filetype 'pgn'; did you mean 'png'"),
        ("a -filetype:bmp", "there is no filetype 'bmp'; "),
    ],
)
def test_what_is_not_understood_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse(text)


@pytest.mark.parametrize(
    "tag",
    ["nier:automata", "re:zero", ":d", ":3", "d.va", ">:)", "fate/zero", "a:", ">,<", "10,000_yen"],
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
        family = family_of(row)
        if query.order in family.orders:
            try:
                plan = family.plan(query, row.letters(""), row, {})
            except UsageError:
                continue
            assert plan.sent.isprintable() or not text.isprintable()


POST = Post(
    "12",
    tags=(Tag("Blue_Eyes"), Tag("1girl"), Tag("ruu", "artist")),
    origin=Origin(score=5, rating="g", posted="2024-03-05T23:00:00+00:00"),
    file_url="https://a/b.jpeg",
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
        ("1girl date:2024-03-05", ""),
        ("1girl date:2024-01-01..2024-03-04", "not date:2024-01-01..2024-03-04"),
        ("1girl date:>=2024-03-06", "not date:2024-03-06.."),
        ("1girl date:<=2024-03-05", ""),
        ("~blue_eyes ~red_eyes", ""),
        ("~green_eyes ~red_eyes", "without any of green_eyes, red_eyes"),
    ],
)
def test_what_is_filtered_here(text: str, reason: str) -> None:
    query = parse(text)
    here = (str(query.dates), *(f"~{term}" for term in query.either))
    assert unfit(POST, query, Plan("", query.terms, here), "g", Wishes()) == reason


def test_a_number_that_is_not_told_passes() -> None:
    unknown = replace(POST, origin=Origin(), width=0, height=0)
    query = parse("a score:>5 width:>5 mpixels:>1 date:2024-01-01")
    wishes = Wishes(min_size=9, min_score=9, max_ratio=1.1)
    assert unfit(unknown, query, Plan("", here=(str(query.dates),)), "", wishes) == ""


@pytest.mark.parametrize(
    ("wishes", "reason"),
    [
        (Wishes(min_size=1000), ""),
        (Wishes(min_size=1001), "smaller than 1001 px"),
        (Wishes(min_score=6), "score below 6"),
        (Wishes(max_ratio=2.0), ""),
        (Wishes(max_ratio=1.9), "longer than 1.9:1"),
        (Wishes(exclude=("blue_*",)), "has blue_*"),
        (Wishes(exclude=("1GIRL",)), "has 1GIRL"),
        (Wishes(exclude=("x", "1g*")), "has 1g*"),
    ],
)
def test_what_a_set_wishes_besides(wishes: Wishes, reason: str) -> None:
    assert unfit(POST, parse("a"), Plan(""), "g", wishes) == reason


def test_no_artist_makes_up_the_set() -> None:
    artists = Artists(2)
    for _ in range(2):
        assert artists.refuses(POST) == ""
        artists.count(POST)
    assert artists.refuses(POST) == "more than 2 of one artist"
    assert artists.refuses(replace(POST, tags=(Tag("another", "artist"), Tag("ruu")))) == ""
    assert Artists(0).refuses(POST) == ""


def test_either_of_two_is_sent_where_a_site_can() -> None:
    assert planned("~a ~b", "danbooru").sent.startswith("~a ~b rating:g")
    assert planned("c ~a ~b", "danbooru").sent.startswith("c rating:g")
    assert planned("c ~a ~b", "danbooru").here == ("~a", "~b")
    assert planned("~a ~b c", "gelbooru").sent.startswith("c {a ~ b} rating:general")
    assert planned("c ~a ~b", "tbib.org").here == ("~a", "~b")
    for site in ("tbib.org", "danbooru"):
        with pytest.raises(UsageError, match="name a tag"):
            planned("~a ~b order:score", site)


def test_a_better_account_sends_more() -> None:
    gold = replace(SITES["danbooru"], terms=6)
    query = parse("a b c d e f order:score -g")
    assert family_of(gold).plan(query, "g", gold, {}).sent.startswith("a b c d e order:score")
    many = family_of(gold).plan(query, "g", replace(gold, terms=100), {})
    assert many.sent.startswith("a b c d e f -g order:score")
    assert many.here == ()
