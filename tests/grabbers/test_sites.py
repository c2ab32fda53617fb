"""The rows of sites: names, ratings, other servers, keys; and those of a user's own."""

from pathlib import Path

import pytest

from datasetkit.errors import SafetyError, UsageError
from datasetkit.grabbers.credentials import account_for, credentials_for
from datasetkit.grabbers.families import family_of
from datasetkit.grabbers.family import Credentials, Place
from datasetkit.grabbers.grab import Grab
from datasetkit.grabbers.query import parse
from datasetkit.grabbers.site import Site
from datasetkit.grabbers.sites import SITES, TEMPLATES, all_sites, known_site, site_named
from tests.grabbers.boorus import DanbooruSite
from tests.grabbers.got import SECRET, Got, pictures
from tests.grabbers.servers import Server


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of settings, and no keys in the environment."""
    monkeypatch.setenv("DSK_CONFIG", str(tmp_path / "config"))
    (tmp_path / "config").mkdir()
    for site in SITES.values():
        for what in ("LOGIN", "USER_ID", "API_KEY"):
            monkeypatch.delenv(site.variable(what), raising=False)
    return tmp_path / "config"


def own(config: Path, text: str) -> None:
    (config / "sites.yaml").write_text(f"sites: {{{text}}}")


def keep(config: Path, text: str) -> None:
    (config / "keys.yaml").write_text(f"keys: {{{text}}}")
    (config / "keys.yaml").chmod(0o600)


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
        ("https://www.zerochan.net", "zerochan"),
        ("konachan.net", "konachan.net"),
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
    [
        "127.0.0.1:80",
        "ftp://a",
        "http://a/#b",
        "http://a\n.b",
        "http://",
        "http://[",
        "http://u@a",
        "http://a/?b=c",
        "http://a:b",
    ],
)
def test_another_server_needs_an_address(url: str) -> None:
    with pytest.raises(UsageError, match=r"is no address|a name and a password do not"):
        site_named("danbooru", url)


@pytest.mark.parametrize("url", [f"https://me:{SECRET}@a.example/", f"https://me:a/{SECRET}@a.b",
                                 f"https://me:?{SECRET}@a.b", f"me:{SECRET}@a.b"])  # fmt: skip
def test_a_password_in_an_address_is_not_repeated(config: Path, url: str) -> None:
    with pytest.raises(UsageError, match=r"^url: a name and a password do not belong") as caught:
        site_named("danbooru", url)
    own(config, f"mine: {{family: danbooru, url: '{url}'}}")
    with pytest.raises(UsageError, match=r"mine: url: a name and a password do not b") as again:
        site_named("danbooru")
    assert SECRET not in str(caught.value) + str(again.value)


def test_a_program_that_anyone_may_run_needs_an_address() -> None:
    with pytest.raises(UsageError, match=r"say where with --url, or .*sites\.yaml"):
        site_named("szurubooru")
    there = site_named("szurubooru", "https://a.example")
    assert (there.name, there.key_name) == ("a.example", "a_example")
    assert known_site("szurubooru").url == ""


def test_the_address_of_a_site_is_the_site() -> None:
    assert site_named("danbooru", "https://danbooru.donmai.us/") is SITES["danbooru"]


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


@pytest.mark.parametrize(
    "url",
    ["https://safebooru-donmai.us", "https://gelbooru", "http://r34", "http://gelbooru.com"],
)
def test_a_server_whose_name_reads_like_a_sites_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="would be looked for under the name of"):
        site_named("danbooru", url)


def test_missing_keys_are_named_with_where_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        UsageError, match=r"dsk auth set gelbooru, .*_USER_ID and DSK_GELBOORU_API_KEY; .*account"
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
    with pytest.raises(UsageError, match="DSK_DANBOORU_API_KEY is no login or key") as caught:
        credentials_for(SITES["danbooru"])
    assert "SEC" not in str(caught.value)


def test_keys_come_from_the_environment_first(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(config, "Danbooru: {login: me, user_id: 7, api_key: kept}, r34: {user_id: 8, api_key: k}")
    assert credentials_for(SITES["danbooru"]) == Credentials("me", "7", "kept")
    assert credentials_for(SITES["rule34.xxx"]) == Credentials("", "8", "k")
    monkeypatch.setenv("DSK_DANBOORU_API_KEY", "newer")
    monkeypatch.setenv("DSK_DANBOORU_LOGIN", " ")
    account = account_for(SITES["danbooru"])
    assert account.own == Credentials("me", "7", "newer")
    assert account.sources == {
        "API_KEY": "environment",
        "LOGIN": "keys.yaml",
        "USER_ID": "keys.yaml",
    }
    assert account.complete and not account.wrong
    assert "newer" not in repr(account) and "kept" not in repr(account)


def test_a_site_has_one_entry_of_keys(config: Path) -> None:
    keep(config, "danbooru: {login: a, api_key: b}, donmai: {login: a, api_key: c}")
    with pytest.raises(UsageError, match=r"keys.yaml: danbooru stands twice"):
        credentials_for(SITES["danbooru"])


def test_a_misspelt_entry_stops_the_site_that_it_is_for_and_no_other(config: Path) -> None:
    keep(config, f"danboru: {{login: me, api_key: {SECRET}}}, gelboru.com: {{user_id: 1}}")
    for name, number in (("danbooru", 1), ("gelbooru", 2)):
        text = rf"keys.yaml: entry {number} is for no site there is; did you mean '{name}'\?"
        with pytest.raises(UsageError, match=text) as caught:
            credentials_for(SITES[name])
        assert SECRET not in str(caught.value)
    assert credentials_for(SITES["e621"]) == Credentials()


def test_a_complete_account_is_not_stopped_by_a_misspelt_entry(config: Path) -> None:
    keep(config, "danboru: {login: a, api_key: b}, danbooru: {login: me, api_key: c}")
    assert credentials_for(SITES["danbooru"]).api_key == "c"


def test_a_wrong_entry_of_a_known_site_is_named(config: Path) -> None:
    keep(config, f"donmai: {{login: me, apikey: {SECRET}}}")
    with pytest.raises(UsageError, match=r"entry 1 \(donmai\) must hold login, ") as caught:
        credentials_for(SITES["danbooru"])
    assert SECRET not in str(caught.value)
    keep(config, f"{SECRET}: {{apikey: {SECRET}}}")
    with pytest.raises(UsageError, match="entry 1 must hold login, ") as caught:
        credentials_for(SITES["danbooru"])
    assert SECRET not in str(caught.value)


def test_half_a_key_where_none_is_asked_for_is_to_be_taken_away(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(config, "safebooru.org: {user_id: 1}")
    with pytest.raises(UsageError, match=r"no key, so call dsk auth remove safebooru.org$"):
        credentials_for(SITES["safebooru.org"])
    keep(config, "danbooru: {}")
    monkeypatch.setenv("DSK_SAFEBOORU_ORG_API_KEY", SECRET)
    with pytest.raises(UsageError, match=r"no key, so unset DSK_SAFEBOORU_ORG_API_KEY$"):
        credentials_for(SITES["safebooru.org"])


def test_another_server_never_gets_kept_keys(config: Path) -> None:
    keep(config, f"gelbooru: {{user_id: 7, api_key: {SECRET}}}, gelbooru.com: {{user_id: 1}}")
    for url in ("https://evil.example", "https://gelbooru.com.evil.example", "https://10.0.0.1"):
        with pytest.raises(UsageError, match="wants a key") as caught:
            credentials_for(site_named("gelbooru", url))
        assert "dsk auth" not in str(caught.value)  # it has no name to keep a key under
    keep(config, f"evil.example: {{user_id: 7, api_key: {SECRET}}}")
    assert credentials_for(site_named("gelbooru", "https://evil.example")).api_key == SECRET


def test_a_user_id_alone_is_no_half_account(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(config, "danbooru: {user_id: 12345}")
    assert credentials_for(SITES["danbooru"]).user_id == "12345"
    with Server(DanbooruSite(pictures(1))) as server:
        Got(Grab("cirno", url=server.url))
        agent = server.asked[-1].headers["user-agent"]
    assert "danbooru user #12345" in agent


@pytest.mark.parametrize("name", SITES)
def test_the_safest_rating_is_the_default(name: str) -> None:
    assert SITES[name].letters("") == ("g" if SITES[name].ratings else "")


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
    assert site.url.startswith("https://") or name == "szurubooru"
    assert 0 < site.rate <= 1
    assert 0 < site.file_rate <= 2
    assert site.key_help or not site.needs_key
    assert set(site.reads.values()) >= set(site.ratings)
    assert TEMPLATES[site.family].family == site.family


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_site_of_ones_own_of_every_family(config: Path, name: str) -> None:
    own(config, f"mine: {{family: {name}, url: 'https://booru.example/', also: [mb, My.Booru]}}")
    site = site_named("mine")
    assert site.url == "https://booru.example"
    assert site_named("MB") == site_named("https://booru.example/") == site
    assert site_named("my.booru") == site
    assert site.family == TEMPLATES[name].family
    assert site.referer in {"", "https://booru.example/"}
    assert site.api_url == "" and not site.needs_key and "://" not in site.key_help
    family = family_of(site)
    plan = family.plan(parse("solo"), site.letters(""), site, {})
    assert family.request(plan, site, Place(), 1).path.startswith("/")
    assert credentials_for(site) == Credentials()
    assert list(all_sites()) == [*SITES, "mine"]


def test_a_site_of_ones_own_says_what_is_different(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own(
        config,
        "My-Booru: {family: gelbooru02, url: https://booru.example, api_url: "
        "'https://api.booru.example', rate: 0.5, file_rate: 3, at_once: 2, page: 42, "
        "referer: 'https://www.booru.example/', ratings: {explicit: nsfw, g: Safe}, also: mb}",
    )
    site = site_named("mb")
    assert site == Site(
        name="my-booru",
        family="gelbooru",
        url="https://booru.example",
        ratings={"g": "Safe", "e": "nsfw"},
        reads={**TEMPLATES["gelbooru02"].reads, "safe": "g", "nsfw": "e"},
        api_url="https://api.booru.example",
        answers="xml",
        key_help="on your account's page there",
        referer="https://www.booru.example/",
        page=42,
        rate=0.5,
        file_rate=3,
        at_once=2,
        kinds=site.kinds,
        sends_rating=False,
        builds_urls=True,
        also=("mb",),
    )
    assert site.letters("") == "g"
    monkeypatch.setenv("DSK_MY_BOORU_USER_ID", "7")
    keep(config, f"mb: {{api_key: {SECRET}}}")
    assert credentials_for(site) == Credentials("", "7", SECRET)


def test_a_known_site_may_be_slowed_down(config: Path) -> None:
    own(config, "donmai: {file_rate: 1, at_once: 1}, e621: {rate: 0.25}")
    assert (site_named("danbooru").file_rate, site_named("danbooru").at_once) == (1, 1)
    assert site_named("danbooru").rate == SITES["danbooru"].rate
    assert site_named("e621").rate == 0.25
    assert list(all_sites()) == list(SITES)


def test_a_server_on_this_machine_may_be_asked_as_fast_as_it_can(config: Path) -> None:
    text = "mine: {family: danbooru, url: 'http://%s:3000', rate: 0, file_rate: 0}"
    own(config, text % "127.0.0.1")
    assert site_named("mine").rate == 0
    own(config, text % "192.168.1.2")
    with pytest.raises(UsageError, match=r"mine: rate: must be between 0.001 and 10 a second"):
        site_named("mine")


NEW = "family: danbooru, url: 'https://booru.example'"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("danbooru: {rate: 2}", "danbooru: rate: must be between 0.001 and 1 a second, not 2"),
        ("danbooru: {at_once: 5}", "at_once: must be between 1 and 4, not 5"),
        ("rule34: {rate: 0.5}", "rule34: rate: must be between 0.001 and 0.3333"),
        ("danbooru: {url: https://a.example}", "url: danbooru is known and may only be slowed"),
        ("danbooru: {api_url: https://a.example}", "api_url: danbooru is known"),
        ("donmai: {rate: 1}, danbooru: {rate: 1}", "danbooru: danbooru stands twice"),
        ("danboru: {rate: 1}", "danboru: family: no site of that name is known"),
        ("mine: {family: danboru}", "family: .*'danboru'; did you mean 'danbooru'"),
        ("mine: {family: [1]}", "family: there is none named"),
        ("mine: {family: danbooru}", "mine: url: is missing"),
        ("mine: {family: danbooru, url: booru.example}", "url: 'booru.example' is no address"),
        ("mine: {family: danbooru, url: 7}", "url: must be an address"),
        (f"mine: {{{NEW}, api_url: 'ftp://a'}}", "api_url: 'ftp://a' is no address"),
        (f"mine: {{{NEW}, filerate: 1}}", "no option 'filerate'; did you mean 'file_rate'"),
        (f"mine: {{{NEW}, api_key: {SECRET}}}", "keys go elsewhere: dsk auth set mine"),
        (f"mine: {{{NEW}, rate: 11}}", "rate: must be between 0.001 and 10 a second, not 11"),
        (f"mine: {{{NEW}, rate: fast}}", "rate: must be a number, not 'fast'"),
        (f"mine: {{{NEW}, rate: 1e999}}", "rate: must be a number, not inf"),
        (f"mine: {{{NEW}, rate: true}}", "rate: must be a number, not True"),
        (f"mine: {{{NEW}, at_once: 1.5}}", "at_once: must be a whole number"),
        (f"mine: {{{NEW}, at_once: 17}}", "at_once: must be between 1 and 16"),
        (f"mine: {{{NEW}, page: 0}}", "page: must be between 1 and 1000"),
        (f"mine: {{{NEW}, also: {{a: 1}}}}", "also: must be a list of names"),
        (f"mine: {{{NEW}, also: [gelbooru]}}", "too like the name of gelbooru"),
        (f"my_site: {{{NEW}}}, my.site: {{{NEW}}}", "my.site: too like the name of my_site"),
        (f"danbooru-donmai-us: {{{NEW}}}", "too like the name of danbooru"),
        (f"a b: {{{NEW}}}", "a site's name is letters, digits"),
        (f"'../a': {{{NEW}}}", "a site's name is letters, digits"),
        ("mine: {family: danbooru, url: 'https://www.gelbooru.com/x'}", "that is gelbooru, which"),
        (f"mine: {{{NEW}, api_url: 'https://api.rule34.xxx'}}", "that is rule34.xxx, which"),
        (f"mine: {{{NEW}, ratings: safe}}", "ratings: must be such as"),
        (f"mine: {{{NEW}, ratings: {{x: safe}}}}", "ratings: 'x' is none"),
        (f"mine: {{{NEW}, ratings: {{g: safe, general: s}}}}", "'general' is none, or stands"),
        (
            f"mine: {{{NEW}, ratings: {{g: sfae}}}}",
            "'sfae' is no word for one; did you mean 'safe'",
        ),
        (f"mine: {{{NEW}, ratings: {{g: explicit}}}}", "'explicit' is known to mean explicit"),
        (f"mine: {{{NEW}, ratings: {{s: Q}}}}", "'Q' is known to mean questionable"),
    ],
)
def test_a_wrong_site_is_named_with_the_option(config: Path, text: str, said: str) -> None:
    own(config, text)
    with pytest.raises(UsageError, match=said) as caught:
        site_named("danbooru")
    assert str(caught.value).startswith(str(config / "sites.yaml"))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"lolibooru: {{{NEW}}}",
        f"mine: {{{NEW}, also: [lolibooru]}}",
        "mine: {family: danbooru, url: 'https://lolibooru.moe'}",
        f"mine: {{{NEW}, api_url: 'https://atfbooru.example'}}",
    ],
)
def test_a_refused_host_is_refused_here_too(config: Path, text: str) -> None:
    own(config, text)
    with pytest.raises(SafetyError):
        site_named("danbooru")


def test_ones_own_sites_are_near_names_too(config: Path) -> None:
    own(config, f"kittens: {{{NEW}}}")
    with pytest.raises(UsageError, match="did you mean 'kittens'"):
        site_named("kitens")
    with pytest.raises(UsageError, match=r"there are: danbooru, .*, kittens"):
        site_named("zzz")


def test_another_server_never_gets_the_key_of_ones_own_site(config: Path) -> None:
    own(config, f"booru.example: {{{NEW}}}, my-booru: {{family: danbooru, url: 'http://10.0.0.1'}}")
    keep(config, f"booru.example: {{login: me, api_key: {SECRET}}}")
    assert credentials_for(site_named("danbooru", "https://booru.example")).api_key == SECRET
    for url in ("http://booru.example", "https://booru-example", "http://my-booru"):
        with pytest.raises(UsageError, match="would be looked for under the name of"):
            site_named("danbooru", url)
