"""The safety rules: what they refuse, what they must let through, and that nothing dodges them."""

import inspect
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasetkit import safety
from datasetkit.errors import SafetyError
from datasetkit.safety import check_host, check_prompt, check_query, normalise, refusal


def words(text: str) -> list[str]:
    return text.split()


NEVER = words(
    "loli lolicon lolidom shota shotacon toddlercon cunny oppai_loli loli_bait straight_shota rori "
    "toddlersex foalcon fillycon young_on_young adult_on_young old_on_young young_on_adult "
    "adult_on_cub adult/cub cub/adult young/young cub_on_cub cub/cub older_on_young child_on_child "
    "young_penetrated young_penetrating young_rape young_raped young_rimming young_focus young_sex"
)
AGE = words(
    "child female_child male_child toddler baby young cub teenager preteen aged_down "
    "kindergarten_uniform elementary_school_uniform elementary_school_student foal filly colt "
    "children kid kids tween underage minor cubs younger de-aged teen"
)
SEXUAL = words("sex nude completely_nude nipples fellatio spread_legs topless top-down_bottom-up")
FRIENDS = words(
    "lollipop lolita_fashion gothic_lolita young_adult younger_sister baby_carriage young_link "
    "child_drawing"
)
HARMLESS = words("1girl solo touhou cirno blue_hair wings short_hair >_< rubik's_cube")
RATINGS = ["g", "s", "q", "e", ""]

ordinary = st.sampled_from([*HARMLESS, "shimakaze_(kancolle)", "highres", "sword", "shotgun"])


def spellings(name: str) -> list[str]:
    """The ways in which a site, a person or a caption may write the same name."""
    return [
        name,
        name.upper(),
        name.replace("_", " "),
        name.replace("_", "-"),
        name.replace("_", "&#95;"),
        f" {name} ",
        f"{name}_(cosplay)",
        "".join(chr(ord(c) + 0xFEE0) if "a" <= c <= "z" else c for c in name),  # full width
        "\u200b".join(name),
        name.replace("o", "\u00f3"),
    ]


@pytest.mark.parametrize("name", NEVER)
@pytest.mark.parametrize("rating", RATINGS)
def test_rule_1_is_refused_at_any_rating_in_any_spelling(name: str, rating: str) -> None:
    for spelling in spellings(name):
        assert refusal([*HARMLESS, spelling], rating) == "safety rule 1", spelling


@pytest.mark.parametrize("name", AGE)
def test_rule_2_needs_the_general_rating(name: str) -> None:
    for spelling in spellings(name):
        assert refusal([*HARMLESS, spelling], "g") is None, spelling
        for rating in ["s", "q", "e", "", "safe", "G"]:
            assert refusal([*HARMLESS, spelling], rating) == "safety rule 2", spelling


@pytest.mark.parametrize("name", AGE)
@pytest.mark.parametrize("act", SEXUAL)
def test_rule_3_holds_at_any_rating(name: str, act: str) -> None:
    for rating in RATINGS:
        assert refusal([name, *HARMLESS, act], rating) == "safety rule 3"


@pytest.mark.parametrize("name", FRIENDS)
def test_false_friends_pass(name: str) -> None:
    assert refusal([*HARMLESS, name], "g") is None
    check_query([name, "rating:g"])
    check_prompt(f"1girl, {name.replace('_', ' ')}, sword")


@pytest.mark.parametrize("name", ["lollipop", "gothic_lolita", "young_adult", "shotgun", "cubism"])
def test_false_friends_of_grown_pictures_pass_at_any_rating(name: str) -> None:
    for rating in RATINGS:
        assert refusal([name, "nude"], rating) is None


def test_a_young_hero_is_no_company_for_what_is_not_safe() -> None:
    for name in ["young_link", "younger_sister"]:
        assert refusal([name], "e") == "safety rule 2"
        assert refusal([name, "nude"], "g") == "safety rule 3"


def test_an_html_escaped_name_is_unescaped_before_it_is_compared() -> None:
    assert refusal(["&#108;oli"], "g") == "safety rule 1"


@given(st.lists(ordinary, max_size=8), st.sampled_from(NEVER), st.sampled_from(RATINGS), st.data())
def test_company_never_hides_a_word(
    names: list[str], bad: str, rating: str, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(names)))
    assert refusal([*names[:place], bad, *names[place:]], rating) == "safety rule 1"


@given(st.lists(ordinary, max_size=8), st.sampled_from(RATINGS))
def test_ordinary_tags_pass_at_any_rating(names: list[str], rating: str) -> None:
    assert refusal(names, rating) is None


@given(st.text(max_size=60), st.sampled_from(RATINGS))
def test_any_text_gets_an_answer(text: str, rating: str) -> None:
    assert refusal([text], rating) in {None, "safety rule 1", "safety rule 2", "safety rule 3"}
    assert normalise(normalise(text)) is not None
    for check in (check_prompt, check_host):
        try:
            check(text)
        except SafetyError as error:
            assert text.strip() not in str(error) or len(text.strip()) < 12


@given(st.lists(st.sampled_from([*NEVER, *AGE, *SEXUAL, *HARMLESS]), max_size=6))
def test_a_safer_rating_never_refuses_more(names: list[str]) -> None:
    if refusal(names, "g") is not None:
        assert refusal(names, "e") is not None
    if refusal(names, "") is not None:
        assert refusal(names, "e") is not None


def test_normalise_brings_names_to_one_form() -> None:
    assert normalise("Female Child") == normalise("female-child") == "female_child"
    assert normalise("shimakaze_(kancolle)") == "shimakaze"
    assert normalise("rubik&#039;s_cube") == "rubik's_cube"
    assert normalise("(o)_(o)")


@pytest.mark.parametrize("name", NEVER)
def test_a_query_for_it_is_refused_and_its_negation_is_not(name: str) -> None:
    for term in [name, f"~{name}", name.upper(), f"*{name}*", f"{name}*", f"gen:{name}"]:
        with pytest.raises(SafetyError, match="safety rule 1"):
            check_query(["touhou", term])
    check_query(["touhou", f"-{name}", "rating:q,e"])


@pytest.mark.parametrize("terms", ["child rating:e", "child rating:g,s", "young -rating:g"])
def test_a_query_for_an_age_with_other_ratings_is_refused(terms: str) -> None:
    with pytest.raises(SafetyError, match="rule 2"):
        check_query(terms.split())


def test_a_query_for_an_age_at_the_safe_rating_is_fine() -> None:
    check_query(["child"])
    check_query(["male_child", "rating:g"])
    check_query(["male_child", "rating:general,safe"])
    with pytest.raises(SafetyError, match="rule 3"):
        check_query(["child", "nude"])


@pytest.mark.parametrize(
    "text",
    [
        "masterpiece, (loli:1.3), 1girl",
        "((loli))",
        r"cirno \(loli\), smile",
        "1girl|loli",
        "a picture of a loli in the rain",
        "<lora:loli_v1:0.8>, 1girl",
        "oppai_loli",
        "l0li",
        "ロリ, 1girl",
        "1girl,\nlolicon",
        "loli, safe",
    ],
)
def test_prompts_of_rule_1_are_refused(text: str) -> None:
    with pytest.raises(SafetyError, match="rule 1"):
        check_prompt(text)


@pytest.mark.parametrize(
    "text",
    [
        "a child, nude, safe",
        "(young:1.2), girl, [topless], general",
        "a young girl with spread legs, safe",
        "14 year old, naked, safe",
        "a 12-year-old girl has sex, sfw",
        "16yo, nude, safe",
        "aged down, completely nude",
        "elementary school student, nipples",
    ],
)
def test_prompts_of_rule_3_are_refused(text: str) -> None:
    with pytest.raises(SafetyError, match="rule"):
        check_prompt(text)


def test_an_age_word_in_a_prompt_needs_a_safe_rating_in_it() -> None:
    check_prompt("safe, a child reads a book under a tree")
    check_prompt("male child, running, rating_safe")
    for text in ["a child reads a book", "child, r18", "child, safe, explicit", "child, rating:q"]:
        with pytest.raises(SafetyError, match="rule 2"):
            check_prompt(text)


@pytest.mark.parametrize(
    "text",
    [
        "masterpiece, best quality, 1girl, shimakaze \\(kancolle\\), (smile:1.2), nude",
        "explicit, 1boy, 20 years old, topless, lollipop",
        "a safe house, minor details, young adult, underwear",
        "",
        "BREAK, 1girl, <lora:shimakaze:0.8>",
    ],
)
def test_other_prompts_pass(text: str) -> None:
    check_prompt(text)


@pytest.mark.parametrize(
    "url",
    [
        "https://lolibooru.moe",
        "lolibooru.moe/post.json",
        "lolibooru",
        "HTTPS://WWW.LOLIBOORU.MOE:443/",
        "https://user@lolibooru.moe/",
        "https://booru.allthefallen.moe/posts.json",
        "https://atfbooru.ninja",
        "https://loli.example/",
        "https://lolib%6Foru.moe",
    ],
)
def test_hosts_devoted_to_it_are_refused(url: str) -> None:
    with pytest.raises(SafetyError, match="rule 5"):
        check_host(url)


@pytest.mark.parametrize(
    "url",
    ["https://danbooru.donmai.us", "safebooru.org", "http://127.0.0.1:80/loli", "https://[::1]:8/"],
)
def test_other_hosts_pass(url: str) -> None:
    check_host(url)


def test_a_refusal_names_the_rule_and_not_the_words() -> None:
    with pytest.raises(SafetyError) as caught:
        check_prompt("1girl, zyxw, lolicon")
    assert "lolicon" not in str(caught.value)
    assert "zyxw" not in str(caught.value)


def test_nothing_turns_the_rules_off() -> None:
    source = inspect.getsource(safety)
    assert "environ" not in source
    assert "getenv" not in source
    for function in (refusal, check_query, check_prompt, check_host):
        assert len(inspect.signature(function).parameters) <= 2
    before = dict(os.environ)
    os.environ["DSK_SAFETY"] = "0"
    try:
        assert refusal(["loli"], "g") == "safety rule 1"
    finally:
        os.environ.clear()
        os.environ.update(before)


def test_a_name_is_looked_at_once() -> None:
    vocabulary = [f"tag_{number}" for number in range(500)]
    for _ in range(3):
        refusal(vocabulary, "g")
    before = safety._signs.cache_info()
    refusal(vocabulary, "q")
    after = safety._signs.cache_info()
    assert after.misses == before.misses
    assert after.hits == before.hits + len(vocabulary)
