"""The rows of sites: names, ratings, other servers, keys."""

import pytest

from datasetkit.errors import SafetyError, UsageError
from datasetkit.grabbers.sites import SITES, Credentials, credentials_for, site_named


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for site in SITES.values():
        for what in ("LOGIN", "USER_ID", "API_KEY"):
            monkeypatch.delenv(site.variable(what), raising=False)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("danbooru", "danbooru"),
        ("Danbooru ", "danbooru"),
        ("https://danbooru.donmai.us/", "danbooru"),
        ("gelbooru.com", "gelbooru"),
        ("rule34", "rule34.xxx"),
        ("safebooru", "safebooru.org"),
        ("safebooru.donmai.us", "safebooru.donmai.us"),
        ("tbib", "tbib.org"),
        ("www.tbib.org", "tbib.org"),
    ],
)
def test_sites_answer_to_the_names_people_type(typed: str, name: str) -> None:
    assert site_named(typed).name == name


def test_an_unknown_site_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'danbooru'"):
        site_named("danboru")
    with pytest.raises(SafetyError):
        site_named("lolibooru")
    with pytest.raises(SafetyError):
        site_named("danbooru", "https://lolibooru.moe")


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:80", "ftp://a", "http://", "http://[", "http://u@a", "http://a/?b=c", "http://a:b"],
)
def test_another_server_needs_an_address(url: str) -> None:
    with pytest.raises(UsageError, match="is no address"):
        site_named("danbooru", url)


def test_another_server_never_gets_the_key_of_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSK_GELBOORU_USER_ID", "7")
    monkeypatch.setenv("DSK_GELBOORU_API_KEY", "SECRET")
    assert credentials_for(site_named("gelbooru")) == Credentials("", "7", "SECRET")
    for host in ["evil.example", "127.evil.example", "localhost.evil.example"]:
        other = site_named("gelbooru", f"https://{host}/x/")
        assert other.url == f"https://{host}/x"
        with pytest.raises(UsageError, match=f"DSK_{host.replace('.', '_').upper()}_API_KEY"):
            credentials_for(other)
    here = site_named("gelbooru", "http://127.0.0.1:8080")
    assert credentials_for(here).api_key == "SECRET"
    assert here.key_name == "gelbooru"
    assert site_named("danbooru", "https://a.example:8080").key_name == "a_example_8080"


def test_missing_keys_are_named_with_where_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        UsageError, match=r"DSK_GELBOORU_USER_ID and DSK_GELBOORU_API_KEY; .*account"
    ):
        credentials_for(SITES["gelbooru"])
    with pytest.raises(UsageError, match="DSK_RULE34_XXX_API_KEY"):
        credentials_for(SITES["rule34.xxx"])
    assert credentials_for(SITES["danbooru"]) == Credentials()
    monkeypatch.setenv("DSK_DANBOORU_API_KEY", "SECRET")
    with pytest.raises(UsageError, match="both or neither") as caught:
        credentials_for(SITES["danbooru"])
    assert "SECRET" not in str(caught.value)
    monkeypatch.setenv("DSK_DANBOORU_LOGIN", "me")
    assert "SECRET" not in repr(credentials_for(SITES["danbooru"]))
    monkeypatch.setenv("DSK_DANBOORU_API_KEY", "SEC\nRET")
    with pytest.raises(UsageError, match="no login or key"):
        credentials_for(SITES["danbooru"])


@pytest.mark.parametrize("name", SITES)
def test_the_safest_rating_is_the_default(name: str) -> None:
    assert SITES[name].letters("") == "g"


def test_ratings_are_letters_or_words_that_the_site_has() -> None:
    assert SITES["danbooru"].letters("general, S,e") == "gse"
    assert SITES["gelbooru"].letters("safe,general") == "g"
    with pytest.raises(UsageError, match="no rating 'sensitive'; it has general, questionable"):
        SITES["tbib.org"].letters("s")
    with pytest.raises(UsageError, match="did you mean 'explicit'"):
        SITES["danbooru"].letters("explict")


@pytest.mark.parametrize("name", SITES)
def test_every_row_is_whole(name: str) -> None:
    site = SITES[name]
    assert site.url.startswith("https://")
    assert 0 < site.rate <= 1
    assert 0 < site.file_rate <= 2
    assert site.key_help or not site.needs_key
    assert set(site.reads.values()) >= set(site.ratings)
