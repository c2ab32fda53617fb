"""Captions: junk out, the character first, and what a person typed untouched."""

from collections.abc import Callable
from pathlib import Path

import pytest

from datasetkit.cleaners.tags.clean import Clean
from datasetkit.dataset import caption
from datasetkit.errors import SafetyError, UsageError
from datasetkit.grabbers.folder import Folder
from datasetkit.pixels import Picture
from datasetkit.record import HAND, Record, Tag
from datasetkit.relations import Relations, write_relations
from datasetkit.tags import clean_name, split_caption
from tests.homes import Home
from tests.sources import Pictures
from tests.test_tags import FACES

BOORU = ("danbooru",)


def record(*tags: Tag | str) -> Record:
    made = [tag if isinstance(tag, Tag) else Tag(tag, by=BOORU) for tag in tags]
    return Record("a", Picture(Path("a.png"), (8, 8)), tuple(made))


@pytest.mark.parametrize(
    "junk",
    "absurdres highres commentary_request english_commentary bad_pixiv_id translation_request "
    "alternate_costume virtual_youtuber md5_mismatch photoshop_(medium) artist_request".split(),
)
def test_junk_is_dropped_by_default(junk: str) -> None:
    assert Clean()(record("1girl", junk)).names == ("1girl",)
    assert Clean(junk=False)(record("1girl", junk)).names == ("1girl", junk)


@pytest.mark.parametrize(
    "good", "bad_hair_day requesting check_dress video_game scanner commentator alternate".split()
)
def test_words_that_only_look_like_junk_stay(good: str) -> None:
    if good == "check_dress":  # check_* is a family of meta tags; --keep is the way out
        assert Clean(keep=("check dress",))(record(good)).names == (good,)
    else:
        assert Clean()(record(good)).names == (good,)


def test_the_booru_meta_kind_goes_whatever_its_name() -> None:
    assert Clean()(record("1girl", Tag("self-made_thing", "meta", BOORU))).names == ("1girl",)


def test_drop_takes_names_and_globs_in_either_form() -> None:
    before = record("long_hair", "very_long_hair", "red_eyes", "hair_bow", ">_<", "[_]")
    assert Clean(drop=("*long hair", "red_eyes"))(before).names == ("hair_bow", ">_<", "[_]")
    assert Clean(drop=(">_<",), implied="keep")(before).names == before.names[:4] + before.names[5:]
    assert Clean(drop=("[_*",), implied="keep")(before).names == before.names[:5]


def test_a_drop_matches_whole_names() -> None:
    assert Clean(drop=("hat", "tail"))(record("hat_removed", "twintails", "hat")).names == (
        "hat_removed",
        "twintails",
    )


def test_what_a_person_typed_is_dropped_by_its_full_name_alone() -> None:
    typed = record("1girl", Tag("absurdres", by=(HAND,)))
    assert Clean()(typed) is typed and Clean(drop=("absurd*",))(typed) is typed
    gone = Clean(drop=("absurdres",))(typed)
    assert gone.names == ("1girl",) and dropped(gone) == ["absurdres"]
    kept = Clean(drop=("absurdres",), keep=("absurdres",))
    assert kept(typed) is typed


def test_only_does_what_is_asked_and_nothing_else() -> None:
    character = Tag("shimakaze_(kancolle)", "character", BOORU)
    before = record("grin", "absurdres", "hat", "1girl", "top_hat", character, "old")
    stage = Clean(only=True, drop=("grin",), add=("mine",), replace=("old=new",))
    after = stage(before)
    assert after.names == ("absurdres", "hat", "1girl", "top_hat", character.name, "new", "mine")
    assert stage(after) is after
    assert Clean(only=True)(before) is before


def test_the_character_comes_first_without_a_trigger() -> None:
    character = Tag("shimakaze_(kancolle)", "character", BOORU)
    assert caption(Clean()(record("1girl", "solo", character))) == (
        "shimakaze (kancolle), 1girl, solo"
    )


def test_the_first_is_moved_where_it_stands_and_added_where_not() -> None:
    character = Tag("shimakaze_(kancolle)", "character", BOORU)
    moved = Clean(first="shimakaze (kancolle)")(record("1girl", character))
    assert moved.tags == (character, Tag("1girl", by=BOORU))
    added = Clean(first="ohwx_X")(record("1girl", character))
    assert caption(added) == "ohwx_X, 1girl, shimakaze (kancolle)"
    assert Clean(first="ohwx_X")(added) is added


def test_a_trigger_that_a_person_removed_stays_out() -> None:
    before = Record("a", Picture(Path("a.png"), (8, 8)), removed=frozenset({"ohwx"}))
    assert Clean(first="ohwx")(before).names == ()


def test_a_tag_that_is_asked_to_lead_is_the_trigger_from_then_on() -> None:
    lead = Clean(first="shimakaze (kancolle)", keep_tokens=1)
    before = record("1girl", "solo", "shimakaze_(kancolle)", "hat")
    once = lead(before)
    assert once.tags[0] == Tag("shimakaze (kancolle)", "trigger", BOORU)
    assert lead(once) is once
    later = Clean(drop=("hat",))(once)
    assert caption(later) == "shimakaze (kancolle), 1girl, solo"


def test_a_replaced_or_shortened_word_becomes_the_trigger_too() -> None:
    for stage in (
        Clean(first="big ship", replace=("shimakaze (kancolle)=big ship",)),
        Clean(first="shimakaze (kancolle)", shorten=("shimakaze (kancolle)=big ship",)),
    ):
        after = stage(record("1girl", "shimakaze_(kancolle)"))
        assert after.tags == (Tag("big ship", "trigger", BOORU), Tag("1girl", by=BOORU))
        assert stage(after) is after
        assert caption(stage(record("1girl"))) == "big ship, 1girl"


def test_the_trigger_is_first_in_a_caption_written_by_hand(tmp_path: Path) -> None:
    home = Home(tmp_path / "set")
    home.run(Pictures([record("smile", "1girl")]))
    (file,) = home.path.glob("*.txt")
    stage = Clean(first="big ship")
    file.write_text("of mine, big ship, 1girl, smile, else")
    home.run(stage)
    assert file.read_text().strip() == "big ship, of mine, 1girl, smile, else"
    file.write_text("of mine, 1girl, smile, else")
    assert home.run(stage).changed == 0  # and the trigger stays away
    file.write_text("of mine, 1girl, big ship, smile, else")
    home.run(stage)
    assert file.read_text().strip() == "big ship, of mine, 1girl, smile, else"
    assert home.run(stage).idle


def test_a_trigger_stays_away_under_the_name_that_it_had_as_a_tag() -> None:
    before = Record("a", Picture(Path("a.png"), (8, 8)), removed=frozenset({"big_ship"}))
    assert Clean(first="big ship")(before) is before
    assert Clean(first="big ship", shorten=("big ship=ship",))(before) is before


def test_a_trigger_is_dropped_by_its_full_name() -> None:
    led = Clean(first="big ship")(record("1girl"))
    assert Clean(drop=("big*",))(led) is led
    assert Clean(drop=("big ship",))(led).names == ("1girl",)
    with pytest.raises(UsageError, match="'big ship' is to lead and dropped at once"):
        Clean(first="big ship", drop=("big_ship",)).check()


def test_another_trigger_takes_the_place_of_the_old_one(
    tmp_path: Path, tree: Callable[[Path], dict[str, bytes]]
) -> None:
    home = Home(tmp_path / "set")
    home.run(Pictures([record("smile", "1girl")]))
    (file,) = home.path.glob("*.txt")
    home.run(Clean(first="Miko"))
    before = tree(home.path)
    assert home.run(Clean(first="Miku")).changed == 1
    assert file.read_text().strip() == "Miku, 1girl, smile"
    assert dropped(home.records["a"]) is None  # a tagger may see a miko yet
    assert home.run(Clean(first="Miku")).idle
    home.undo()
    assert file.read_bytes() == before[file.name] == b"Miko, 1girl, smile\n"


def test_a_trigger_that_others_said_too_is_a_tag_again() -> None:
    led = Clean(first="cat ears")(record("1girl", "cat_ears"))
    assert led.tags[0] == Tag("cat ears", "trigger", BOORU)
    after = Clean(first="ohwx")(led)
    assert after.tags == (
        Tag("ohwx", "trigger", ("clean",)), Tag("1girl", by=BOORU), Tag("cat_ears", by=BOORU)
    )  # fmt: skip
    assert Clean(first="ohwx")(after) is after


@pytest.mark.parametrize("by", [(HAND,), ("clean", HAND)])
def test_an_old_trigger_that_is_typed_or_kept_stays(by: tuple[str, ...]) -> None:
    typed = record(Tag("old", "trigger", by), "1girl")
    assert Clean(first="new")(typed).names == ("new", "old", "1girl")
    made = record(Tag("old one", "trigger", ("clean",)), "1girl")
    assert Clean(first="new", keep=("old_*",))(made).names == ("new", "old one", "1girl")
    assert Clean(drop=("hat",))(made) is made
    of_age = record(Tag("child", "trigger", ("clean",)), "safe")
    assert Clean(first="new")(of_age).names == ("new", "child", "safe")


def test_the_old_trigger_stays_where_the_new_one_was_removed() -> None:
    made = record(Tag("old", "trigger", ("clean",)), "1girl")
    without = Record("a", made.picture, made.tags, removed=frozenset({"new"}))
    assert Clean(first="new")(without).names == ("old", "1girl")


def test_a_character_takes_the_old_triggers_place_too() -> None:
    who = Tag("shimakaze_(kancolle)", "character", BOORU)
    led = Clean(first="ohwx")(record("1girl", who))
    assert Clean(first="shimakaze (kancolle)")(led).names == (who.name, "1girl")
    short = Clean(first="shimakaze (kancolle)", shorten=("shimakaze (kancolle)",))
    assert short(led).names == ("shimakaze", "1girl")


@pytest.mark.parametrize("seen", "lowres upscaled scan jpeg_artifacts scan_artifacts".split())
def test_what_is_seen_of_the_file_stays(seen: str) -> None:
    for kind in ("general", "meta"):
        assert Clean()(record("1girl", Tag(seen, kind, BOORU))).names == ("1girl", seen)
    assert Clean()(record("head_out_of_frame")).names == ("head_out_of_frame",)


def test_duplicates_go_and_the_order_stays() -> None:
    tags = (Tag("b", by=BOORU), Tag("a", by=BOORU), Tag("b", by=("wd",)))
    twice = Record("a", Picture(Path("a.png"), (8, 8)), tags)
    assert Clean()(twice).tags == tags[:2]


def test_an_unsafe_trigger_is_refused() -> None:
    with pytest.raises(SafetyError):
        Clean(first="loli").check()


def test_twice_is_once() -> None:
    once = Clean(drop=("solo",), first="x")(record("1girl", "solo", "absurdres"))
    assert Clean(drop=("solo",), first="x")(once) is once


def test_implied_tags_go_unless_they_are_wanted() -> None:
    before = record(
        "1girl", "long_hair", "very_long_hair", "twintails", "tail", "hat_removed", "hat"
    )
    assert Clean()(before).names == ("1girl", *before.names[2:])
    assert Clean(implied="keep")(before) is before
    assert Clean(keep=("long hair",))(before) is before
    assert Clean(implied="add")(record("cat_ears")).names == ("cat_ears", "animal_ears")


def test_replace_truly_replaces() -> None:
    stage = Clean(replace=("grey hair=gray_hair", "cat=dog"))
    before = record("grey_hair", "cat_ears", Tag("dog", by=("wd",)), "cat", ">_<")
    after = stage(before)
    assert after.names == ("gray_hair", "cat_ears", "dog", ">_<")
    assert after.tags[2].by == ("wd", "danbooru")
    assert stage(after) is after
    typed = record(Tag("grey_hair", by=(HAND,)))
    assert stage(typed) is typed


@pytest.mark.parametrize("face", FACES)
def test_every_face_comes_through_all_rules(face: str) -> None:
    before = record("1girl", face)
    for stage in (Clean(), Clean(drop=("x*",), keep=("x_x",), implied="add", costumes="fold")):
        assert caption(stage(before)) == f"1girl, {face}"


@pytest.mark.parametrize(
    "hostile",
    [
        "red, blue",
        "two\nlines",
        "nu\x00l",
        "\u202egnp.exe",
        "&lt;b&gt; &#44; c",
        "x" * 300,
        "a very long sentence " * 40,
        "keep|||tokens",
        "<lora:evil:1>",
        "(a:1.5)",
    ],
)
def test_a_hostile_tag_stays_one_tag(hostile: str) -> None:
    stage = Clean(add=(hostile,), replace=(f"old->{hostile}",) if "->" not in hostile else ())
    name = clean_name(hostile)
    for before in (record("1girl", name), record("1girl", "old"), record("1girl")):
        after = stage(before)
        text = caption(after)
        assert split_caption(text) == list(after.names)
        assert len(text.splitlines()) == 1 and "\0" not in text
        assert stage(after) is after


def test_costumes_are_kept_folded_or_dropped() -> None:
    worn = Tag("asuna_(bunny)_(blue_archive)", "character", BOORU)
    base = Tag("asuna_(blue_archive)", "character", ("wd",))
    both = record("1girl", worn, base)
    assert Clean()(both).names == (worn.name, base.name, "1girl")
    folded = Clean(costumes="fold")(both)
    assert folded.tags[0] == Tag(base.name, "character", ("danbooru", "wd"))
    assert folded.names == (base.name, "1girl")
    assert Clean(costumes="drop")(both).names == (base.name, "1girl")
    assert Clean(costumes="drop", keep=("*bunny*",))(both).names == (worn.name, base.name, "1girl")
    assert Clean(costumes="fold", first=worn.name)(record(worn)).names == (worn.name,)


def test_the_order_is_head_counts_series_kinds_and_certainty() -> None:
    before = record(
        Tag("smile", by=("wd",), score=0.4),
        Tag("hat", by=("wd",), score=0.9),
        Tag("painter", "artist", BOORU),
        "solo",
        Tag("azur_lane", "copyright", BOORU),
        "1girl",
        Tag("shimakaze_(azur_lane)", "character", BOORU),
    )
    after = Clean()(before)
    assert after.names == (
        "shimakaze_(azur_lane)", "1girl", "solo", "azur_lane", "painter", "hat", "smile"
    )  # fmt: skip
    assert Clean()(after) is after
    mine = Clean(first="ohwx", shorten=("shimakaze (azur lane)",), keep_tokens=2)(before)
    assert mine.names[:2] == ("ohwx", "1girl") and "shimakaze" in mine.names
    assert mine.facts["clean"]["keep_tokens"] == 2
    assert Clean(order=False)(before).names == (before.names[-1], *before.names[:-1])


def test_a_short_name_stands_at_the_head_too() -> None:
    character = Tag("shimakaze_(azur_lane)", "character", BOORU)
    stage = Clean(first="shimakaze (azur lane)", shorten=("shimakaze (azur lane)=shimakaze",))
    after = stage(record("1girl", character))
    assert after.tags[0] == Tag("shimakaze", "character", BOORU)
    assert after.names == ("shimakaze", "1girl")
    assert stage(after) is after


def test_a_limit_drops_the_least_sure() -> None:
    unsure = [Tag(f"wide_open_field_{n}", by=("wd",), score=n / 100) for n in range(30)]
    stage = Clean(tokens=75, add=("mine",))
    after = stage(record("1girl", *unsure))
    assert "1girl" in after.names and "wide_open_field_29" in after.names
    assert "wide_open_field_0" not in after.names and 5 < len(after.names) < 20
    assert stage(after) is after


def test_added_tags_stand_at_the_end_once_and_are_no_ones_else() -> None:
    stage = Clean(add=("my style", "animal_ears", "absurdres"), where="solo and not comic")
    after = stage(record("solo", "cat_ears"))
    assert after.names == ("solo", "cat_ears", "my_style", "animal_ears", "absurdres")
    assert after.tags[2] == Tag("my_style", "general", ("clean",))
    assert stage(after) is after
    assert stage.concerns(record("solo")) and not stage.concerns(record("solo", "comic"))
    gone = Record("a", Picture(Path("a.png"), (8, 8)), removed=frozenset({"my_style"}))
    assert Clean(add=("my style",))(gone) is gone


def keep_danbooru(site: str = "danbooru") -> None:
    aliases = {"longhair": "long_hair", "old_name": "sunset", "kid": "child"}
    implications = {"gothic_dress": ("dress", "gothic"), "hat_removed": ("hat",)}
    write_relations(Relations(site, "2026-01-02T03:04:05+00:00", aliases, implications))


def test_a_sites_own_names_are_followed_once_they_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSK_CONFIG", str(tmp_path))
    before = record("longhair", "very_long_hair", "gothic_dress", "gothic", "hat_removed", "hat")
    assert Clean()(before) is before
    keep_danbooru()
    after = Clean()(before)
    assert after.names == ("very_long_hair", "gothic_dress", "hat_removed", "hat")
    assert Clean()(after) is after
    assert Clean(site="")(before) is before
    # A person's own word for a tag is above the site's.
    mine = Clean(replace=("sunset=old_name",))(record("sunset", "old_name"))
    assert mine.names == ("old_name",)
    assert Clean()(record("kid")).names == ("kid",)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"implied": "dorp"}, "did you mean 'drop'"),
        ({"costumes": "wear"}, "costumes: there is no 'wear'; there are: "),
        ({"replace": ("a=b", "b=a")}, "circle"),
        ({"add": ("solo",), "drop": ("so*",)}, "'solo' is to be added and dropped at once"),
        ({"site": "e621"}, "dsk tags refresh e621"),
        ({"where": "("}, "the filter"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        Clean(**options).check()  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"add": ("loli",)}, {"replace": ("a=shota",)}])
def test_unsafe_words_are_not_added(options: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(SafetyError):
        Clean(**options).check()


def test_the_whole_way_there_and_back(
    tmp_path: Path, gallery: Path, tree: Callable[[Path], dict[str, bytes]]
) -> None:
    home = Home(tmp_path / "set")
    home.run(Folder(str(gallery)))
    before = tree(home.path)
    stage = Clean(add=("mine",), drop=("tag 3",), replace=("long hair=red hair",), where="-tag_2")
    assert home.run(stage).changed == 5
    assert home.run(stage).idle
    assert home.records["p3"].names == ("1girl", "red_hair", ">_<", "mine")
    assert "mine" not in home.records["p2"].names
    home.undo()
    captions = {name: data for name, data in before.items() if name.endswith(".txt")}
    assert captions == {name: data for name, data in tree(home.path).items() if name in captions}


def test_a_name_that_a_person_writes_stays_though_another_says_it() -> None:
    stage = Clean(replace=("tricorne=hat", "alt=casual"), shorten=("peach (mario)=peach",))
    after = stage(record("beret", "tricorne", "alt", "fruit"))
    assert after.names == ("beret", "hat", "casual", "fruit")
    assert stage(after) is after
    short = stage(record(Tag("peach_(mario)", "character", BOORU), "fruit"))
    assert short.names == ("peach", "fruit")
    chain = Clean(replace=("foo=rin_(a)",), shorten=("rin_(a)",))
    assert chain(record(Tag("foo", "character", BOORU))).names == ("rin",)
    with pytest.raises(UsageError, match="'red_hat' is the new name of a tag and dropped at once"):
        Clean(replace=("cap=red_hat",), drop=("*_hat",)).check()


def test_a_mark_in_a_word_of_ones_own_is_no_glob() -> None:
    stage = Clean(first="who?", add=("*",), drop=("who_*",))
    assert stage(record("who_x", "absurdres")).names == ("who?", "*")


def test_an_added_tag_is_not_trimmed_again() -> None:
    sure = [f"wide_open_field_{n}" for n in range(30)]
    stage = Clean(tokens=75, add=("my_style",), keep=("*_29",))
    after = stage(record("1girl", *sure))
    assert after.names[-2:] == ("wide_open_field_29", "my_style")
    assert stage(after) is after


def test_what_is_implied_is_added_by_all_rules() -> None:
    stage = Clean(implied="add", drop=("animal ears",), replace=("mini hat=tiny hat",))
    after = stage(record("cat_ears", "mini_top_hat"))
    assert after.names == ("cat_ears", "mini_top_hat", "hat", "tiny_hat", "top_hat")
    assert stage(after) is after


def test_words_of_quality_stay_behind_the_same_head() -> None:
    old, best = Tag("old", "trigger", ("clean",)), Tag("score_9", "quality", ("quality",))
    stage = Clean(first="ohwx")
    once = stage(record("smile", old, best, "1girl"))
    assert stage(once) is once


def dropped(one: Record) -> object:
    return one.facts.get("clean", {}).get("dropped")


def test_what_goes_on_purpose_is_written_down() -> None:
    stage = Clean(drop=("gone",), replace=("old=new",), costumes="fold", shorten=("a_(b)=a",))
    who = [Tag(name, "character", BOORU) for name in ("asuna_(bunny)_(blue_archive)", "a_(b)")]
    after = stage(record(*who, "old", "gone", "absurdres", "long_hair", "very_long_hair"))
    names = "a_(b) absurdres asuna_(bunny)_(blue_archive) gone long_hair old".split()
    assert after.facts == {"clean": {"dropped": names}}
    assert stage(after) is after
    more = after.with_tags([*after.tags, Tag("highres", "meta", BOORU)])
    assert dropped(Clean()(more)) == sorted([*names, "highres"])


def test_what_stands_again_or_is_kept_leaves_the_list() -> None:
    listed = record("1girl").with_facts("clean", {"keep_tokens": 2, "dropped": ["a", "b", "c"]})
    assert Clean()(listed) is listed
    typed = listed.with_tags([*listed.tags, Tag("b")])
    assert Clean()(typed).facts["clean"] == {"keep_tokens": 2, "dropped": ["a", "c"]}
    assert dropped(Clean(keep=("a", "c"))(listed)) == ["b"]
    assert Clean(keep=("?",))(listed).facts["clean"] == {"keep_tokens": 2}
    assert dropped(Clean(add=("c",))(listed)) == ["a", "b"]
    assert Clean(keep_tokens=3)(listed).facts["clean"] == {"keep_tokens": 3, "dropped": [*"abc"]}


def test_what_is_trimmed_or_was_removed_is_not_written_down() -> None:
    sure = [f"wide_open_field_{n}" for n in range(30)]
    assert Clean(tokens=75)(record("1girl", *sure)).facts == {}
    given = record("1girl", "b", "b")
    assert Clean()(Record("a", given.picture, given.tags, removed=frozenset({"b"}))).facts == {}


def test_what_is_added_says_others_at_once() -> None:
    drops, adds = Clean(add=("cat_ears",)), Clean(add=("cat_ears",), implied="add")
    assert drops(record("animal_ears")).names == ("cat_ears",)
    assert adds(record("solo")).names == ("solo", "cat_ears", "animal_ears")
    for stage in (drops, adds):
        once = stage(record("animal_ears"))
        assert stage(once) is once


def test_an_order_that_a_person_made_stays(tmp_path: Path) -> None:
    home = Home(tmp_path / "set")
    home.run(Pictures([record("smile", "1girl")]))
    (caption,) = home.path.glob("*.txt")
    home.run(Clean(first="shimakaze"))
    assert caption.read_text().strip() == "shimakaze, 1girl, smile"
    caption.write_text("shimakaze, smile, 1girl, of mine")
    assert home.run(Clean(first="shimakaze", add=("blush",))).changed == 1
    assert caption.read_text().strip() == "shimakaze, smile, 1girl, of mine, blush"
    assert home.run(Clean(first="shimakaze", add=("blush",))).idle
    caption.write_text("shimakaze, smile, 1girl, of mine")
    assert home.run(Clean(first="shimakaze")).changed == 0
    assert home.run(Clean(first="mine")).changed == 1
    assert caption.read_text().strip() == "mine, smile, 1girl, of mine"
