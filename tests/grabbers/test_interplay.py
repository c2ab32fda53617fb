"""Options of a grab that meet: several sites, limits, artists, what is newer, names at hand."""

from collections.abc import Callable
from pathlib import Path

import pytest

from datasetkit.errors import UsageError
from datasetkit.grabbers.families import family_of
from datasetkit.grabbers.grab import Grab
from datasetkit.grabbers.posts import Post
from datasetkit.grabbers.query import parse
from datasetkit.grabbers.sites import SITES, site_named
from datasetkit.stage import Find, Note
from tests.grabbers.boorus import DanbooruSite, GelbooruSite, Picture, png
from tests.grabbers.got import GIRL, SECRET, Got, Known, pictures
from tests.grabbers.servers import Asked, Reply, Server
from tests.homes import Home

Own = Callable[..., None]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "set")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Own:
    """Write a sites.yaml with these sites in it."""
    monkeypatch.setenv("DSK_CONFIG", str(tmp_path / "config"))
    (tmp_path / "config").mkdir()

    def write(**sites: str) -> None:
        lines = [f"  {name}: {{{options}}}" for name, options in sites.items()]
        (tmp_path / "config" / "sites.yaml").write_text("\n".join(["sites:", *lines, ""]))

    return write


def speaks(server: Server, family: str = "danbooru", more: str = "") -> str:
    return f"family: {family}, url: '{server.url}'{more}"


def girls(*ids: int, look: int = 0, **more: str) -> list[Picture]:
    """Posts of these numbers; ``look`` tells their pictures from others'."""
    return [Picture(n, {**GIRL, **more}, content=png(n + look)) for n in ids]


# Several sites


def test_two_sites_never_share_a_name(home: Home, own: Own) -> None:
    with (
        Server(DanbooruSite(girls(1, 2, 3))) as one,
        Server(DanbooruSite(girls(1, 2, 3, look=100))) as two,
    ):
        own(one=speaks(one), two=speaks(two))
        outcome = home.run(Grab("cirno", site=("one", "two"), name="{id}"))
    assert outcome.added == len(home.records) == 6
    assert set(home.records) == {"1", "2", "3", "1-two_1", "2-two_2", "3-two_3"}


def test_a_site_named_twice_is_asked_once(own: Own) -> None:
    with Server(DanbooruSite(girls(1, 2))) as server:
        own(one=speaks(server, more=", also: [uno]"))
        assert Got(Grab("cirno", site=("one", "uno"))).keys == ["one_2", "one_1"]


def test_a_site_that_does_not_tell_the_account_is_left_out(
    own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSK_ONE_LOGIN", "me")
    monkeypatch.setenv("DSK_ONE_API_KEY", SECRET)
    broken = DanbooruSite(girls(1))
    broken.login = f"me:{SECRET}"
    broken.faults = {"/profile.json": [Reply(reset=True)] * 9}
    with Server(broken) as one, Server(DanbooruSite(girls(5))) as two:
        own(one=speaks(one), two=speaks(two))
        got = Got(Grab("cirno", site=("one", "two")))
    assert got.keys == ["two_5"]
    assert "one is left out" in got.warnings[0]


# Artists


def test_an_artist_with_enough_pictures_ends_no_search(own: Own) -> None:
    other = {"cirno": "character", "someone": "artist"}
    second = [Picture(n, other, content=png(n)) for n in (4, 5)]
    with Server(DanbooruSite(girls(1, 2))) as one, Server(DanbooruSite(second)) as two:
        second += girls(9)
        own(one=speaks(one), two=speaks(two))
        got = Got(Grab("cirno", site=("one", "two"), limit=0, per_artist=2))
    assert got.keys == ["one_2", "one_1", "two_5", "two_4"]


def test_a_picture_that_two_sites_have_counts_once_for_its_artist(home: Home, own: Own) -> None:
    second = [*girls(1, 2, 3), *girls(7, 8, look=100)]
    with Server(DanbooruSite(girls(1, 2, 3))) as one, Server(DanbooruSite(second)) as two:
        own(one=speaks(one), two=speaks(two))
        home.run(Grab("cirno", site=("one", "two"), per_artist=4))
        assert list(home.records) == ["one_3", "one_2", "one_1", "two_8"]
        assert home.records["one_1"].also[0].site == "two"
        assert home.run(Grab("cirno", site=("one", "two"), per_artist=4)).idle


@pytest.mark.parametrize("newer", [True, False])
def test_an_artists_pictures_that_are_here_count_wherever_they_are_listed(
    newer: bool, home: Home
) -> None:
    shown = girls(1, 2)
    with Server(DanbooruSite(shown)) as server:
        home.run(Grab("cirno", url=server.url, per_artist=2))
        caption = home.path / "danbooru_1.txt"  # captions for training often name no artist
        caption.write_text(caption.read_text().replace("ruu", "blue"))
        shown += girls(3, 4)
        home.run(Grab("cirno", url=server.url, per_artist=2, newer=newer))
    assert list(home.records) == ["danbooru_2", "danbooru_1"]


def test_kinds_that_are_not_told_are_said() -> None:
    site = GelbooruSite(pictures(3), fork=True)
    site.takes_names = False
    with Server(site) as server:
        plain = Got(Grab("cirno", site=("tbib",), url=server.url))
        got = Got(Grab("cirno", site=("tbib",), url=server.url, per_artist=1))
    said = "tbib.org: 3 posts do not tell the kinds of all tags; those stand as general"
    assert said in plain.notes and plain.warnings == []
    assert got.warnings == [said]


def test_tags_that_a_site_does_not_know_end_no_asking_for_kinds(own: Own) -> None:
    class Forgetful(GelbooruSite):
        def tags(self, query: dict[str, str]) -> Reply:
            names = query.get("names", "").replace("odd", "")
            return super().tags({**query, "names": names} if "names" in query else query)

    shown = [
        Picture(n, {"cirno": "character", "odd" if n in (3, 4) else f"by_{n}": "artist"})
        for n in range(6, 0, -1)
    ]
    with Server(Forgetful(shown, fork=True)) as server:
        own(one=speaks(server, "gelbooru02", ", page: 2"))
        got = Got(Grab("cirno", site=("one",), limit=0))
    artists = {tag.name for f in got.finds for tag in f.record.tags if tag.kind == "artist"}
    assert artists == {"by_6", "by_5", "by_2", "by_1"}


# What is newer, and limits


def test_newer_without_a_limit_goes_past_what_another_query_found(home: Home) -> None:
    with Server(DanbooruSite(pictures(6))) as server:
        home.run(Grab("touhou", url=server.url, limit=1))
        home.run(Grab("cirno", url=server.url, limit=0, newer=True))
    assert len(home.records) == 6


def test_newer_looks_at_what_this_site_found_not_at_its_twin(home: Home, own: Own) -> None:
    second = [*girls(4, look=100), *girls(51, 52)]
    second[1].content, second[2].content = png(1), png(2)
    with Server(DanbooruSite(girls(1, 2))) as one, Server(DanbooruSite(second)) as two:
        own(one=speaks(one), two=speaks(two))
        home.run(Grab("cirno", site=("one",)))
        home.run(Grab("cirno touhou", site=("two",), limit=2))
        home.run(Grab("cirno", site=("two",), newer=True))
    assert set(home.records) == {"one_1", "one_2", "two_4"}


def test_what_the_limit_leaves_behind_is_said() -> None:
    site = DanbooruSite(pictures(2))
    with Server(site) as server:
        first = Got(Grab("cirno", url=server.url))
        known = Known({find.record.key: find.record.origin for find in first.finds})
        known.records = [find.record for find in first.finds]
        site.pictures = pictures(6)
        cut = Got(Grab("cirno", url=server.url, limit=2, newer=True), known)
        whole = Got(Grab("cirno", url=server.url, limit=9, newer=True), known)
    assert cut.keys == ["danbooru_3", "danbooru_4"]
    assert cut.warnings == ["danbooru: 2 newer posts or more remain beyond the limit of 2; the "
                            "next --newer goes on with them, or raise --limit"]  # fmt: skip
    assert len(whole.finds) == 4 and whole.warnings == []


def test_nothing_newer_is_not_said_of_what_was_left_out() -> None:
    with Server(DanbooruSite([Picture(1, GIRL, ext="mp4")])) as server:
        got = Got(Grab("cirno", url=server.url, newer=True))
    assert "every post that was found was left out" in got.warnings[0]


# Listings


def test_a_post_that_stands_twice_in_an_answer_comes_once() -> None:
    with Server(DanbooruSite([*pictures(2), *pictures(2)])) as server:
        assert Got(Grab("cirno", url=server.url)).keys == ["danbooru_2", "danbooru_1"]


@pytest.mark.parametrize("count", [-1, 1, 250])
def test_a_server_with_smaller_pages_is_listed_to_its_end(count: int, own: Own) -> None:
    class Capped(GelbooruSite):
        def posts(self, query: dict[str, str]) -> Reply:
            reply = super().posts({**query, "limit": str(min(100, int(query["limit"])))})
            return Reply(body=reply.body.replace(b'count="250"', b'count="%d"' % count))

    with Server(Capped(pictures(250), fork=True)) as server:
        own(one=speaks(server, "gelbooru02", "" if count == 250 else ", page: 100"))
        assert len(Got(Grab("cirno", site=("one",), limit=0)).keys) == 250


def test_a_server_that_takes_no_notice_of_ids_is_said() -> None:
    class Plain(DanbooruSite):
        def posts(self, query: dict[str, str]) -> Reply:
            return super().posts({**query, "page": "1"})

    with Server(Plain(pictures(250))) as server:
        got = Got(Grab("cirno", url=server.url, limit=0))
    assert len(got.keys) == 200
    assert got.warnings == ["danbooru lists the same posts again; what is older is not reached"]


def test_what_downloads_say_at_the_end_harms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    says: list[Callable[[str], object]] = []
    with Server(DanbooruSite(pictures(1))) as server:
        site = site_named("danbooru", server.url)
        from datasetkit.grabbers import grab, search

        def opened(*asked: object) -> object:
            says.append(asked[2])  # type: ignore[arg-type]
            return search.open_session(site, *asked[1:])  # type: ignore[arg-type]

        monkeypatch.setattr(grab, "open_session", opened)
        heard = []
        for item in Grab("cirno", url=server.url).find(Known()):
            if isinstance(item, Find):
                says[0]("one")
            if isinstance(item, Note) and item.text == "one":
                says[0]("two")
            heard += [item.text] if isinstance(item, Note) else []
    assert heard[-3:-1] == ["one", "two"]


# Names and words


def test_a_name_that_cannot_be_looked_up_is_said() -> None:
    site = DanbooruSite(pictures(2))
    site.faults = {"/tags.json": [Reply(404)] * 9}
    with Server(site) as server:
        got = Got(Grab("cirno -comic", url=server.url))
        assert got.warnings == ["danbooru: not looked up, so taken as it stands: cirno, comic"]


def test_a_server_that_answers_with_another_tag_renames_nothing() -> None:
    def respond(asked: Asked) -> Reply:
        if asked.path == "/tags.json":
            return Reply(body=b'[{"name": "newest", "post_count": 5, "category": 0}]')
        row = b'[{"antecedent_name": "something", "consequent_name": "newest"}]'
        return Reply(body=row if asked.path == "/tag_aliases.json" else b"[]")

    with Server(respond) as server, pytest.raises(UsageError, match="no posts are tagged cirno"):
        Got(Grab("cirno", url=server.url))


def test_either_of_two_names_of_one_tag_is_that_tag() -> None:
    query = parse("~a ~b c").renamed({"a": "x", "b": "x"})
    assert (query.terms, query.either) == (("c", "x"), ())


def test_either_is_looked_at_again_where_the_tags_are_known() -> None:
    class Deaf(DanbooruSite):
        def posts(self, query: dict[str, str]) -> Reply:
            kept = [term for term in query["tags"].split() if not term.startswith("~")]
            return super().posts({**query, "tags": " ".join(kept)})

    shown = [*girls(1, wings="general"), *girls(2, ice="general"), *girls(3)]
    with Server(Deaf(shown)) as server:
        got = Got(Grab("~wings ~ice", url=server.url))
    assert got.keys == ["danbooru_2", "danbooru_1"]


def test_braces_go_only_to_sites_that_read_them() -> None:
    row = SITES["rule34.xxx"]
    plan = family_of(row).plan(parse("c ~a ~b"), "g", row, {})
    assert plan.sent == "c rating:safe" and plan.here == ("~a", "~b")


def test_days_have_one_spelling() -> None:
    assert str(parse("a date:20240105..2024-03-01").dates) == "date:2024-01-05..2024-03-01"


def test_days_that_a_site_does_not_tell_are_said() -> None:
    class Dayless(GelbooruSite):
        def row(self, p: Picture, words: dict[str, str]) -> dict[str, object]:
            return {**super().row(p, words), "created_at": ""}

    with Server(Dayless(pictures(2), fork=True)) as server:
        got = Got(Grab("cirno date:2001-01-01", site=("tbib",), url=server.url))
    assert got.warnings == ["tbib.org: 2 came that do not tell when they were posted"]


# Ratings


@pytest.mark.parametrize("name", ["e926", "konachan.net", "e621", "tbib.org"])
def test_safe_that_holds_sensitive_is_said(name: str) -> None:
    assert SITES[name].broad
    assert SITES[name].letters("general,sensitive") == "g"


def test_a_setting_makes_no_picture_safer(own: Own) -> None:
    shown = girls(1, child="general")
    shown[0].rating = "s"
    with Server(DanbooruSite(shown)) as server:
        own(one=speaks(server, more=", ratings: {g: s}"))
        with pytest.raises(UsageError, match="'s' is known to mean sensitive"):
            Grab("cirno", site=("one",)).check()
        own(one=speaks(server, more=", ratings: {}"))
        shown += girls(2)
        got = Got(Grab("cirno", site=("one",)))
        asked = next(a for a in server.asked if a.path == "/posts.json")
    assert got.keys == ["one_2"] and sum(got.drops.values()) == 1
    assert asked.query["tags"] == "cirno -status:deleted"


@pytest.mark.parametrize("name", ["hand", "folder", "Hand"])
def test_no_site_goes_by_a_name_of_ours(name: str, own: Own) -> None:
    own(**{name: "family: danbooru, url: 'http://127.0.0.1:1'"})
    with pytest.raises(UsageError, match="stands for something else"):
        Grab("cirno").check()


# Files


def test_a_video_is_never_its_poster() -> None:
    video = Post("1", file_url="http://a/b.mp4", sample_url="http://a/c.webp", ext="mp4")
    assert video.file("sample").url == "http://a/b.mp4"
