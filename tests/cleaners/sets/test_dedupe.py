"""The dedupe stage: what is the same, what is a variant, who stays, and whose tags it gets."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from datasetkit.cleaners.sets import groups
from datasetkit.cleaners.sets.dedupe import Dedupe, joined
from datasetkit.cleaners.sets.groups import Comparing, Groups, Known, grouped
from datasetkit.cleaners.sets.sheet import shown
from datasetkit.dataset import Dataset
from datasetkit.demo.drawing import CHARACTERS, Traits, draw
from datasetkit.engines.local import run_leg
from datasetkit.errors import PictureError, UsageError
from datasetkit.grabbers.folder import Folder
from datasetkit.likeness import Look, Relation, fingerprint
from datasetkit.pixels import Picture, flattened, read_header
from datasetkit.record import Origin, Record, Tag
from tests.homes import Home

SIZE = (400, 560)


def drawn(traits: Traits = CHARACTERS["kohaku"], seed: int = 7) -> Image.Image:
    image = draw(traits, seed, SIZE)[0]
    return flattened(image, (255, 255, 255)) if image.mode == "RGBA" else image


def smiling(mouth: str) -> Image.Image:
    return drawn(replace(CHARACTERS["kohaku"], mouth=mouth))


class Source:
    """A folder of pictures and captions, and the dataset that is made of it."""

    def __init__(self, path: Path) -> None:
        self.path = path / "source"
        self.path.mkdir()
        self.home = Home(path / "set")

    def put(self, name: str, image: Image.Image, tags: str = "", **options: object) -> Path:
        image.save(self.path / name, **options)
        if tags:
            (self.path / name).with_suffix(".txt").write_text(tags)
        return self.path / name

    def taken_in(self) -> Home:
        self.home.run(Folder(str(self.path)))
        return self.home


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


def left_out(home: Home) -> dict[str, str]:
    with Dataset(home.path) as dataset:
        return {reject.record.key: reject.reason for reject in dataset.rejects}


# --- what is the same -----------------------------------------------------------------------


def test_the_largest_stays_and_gets_the_tags_of_all(source: Source) -> None:
    image = drawn()
    source.put("small.png", image.resize((200, 280)), "solo, hat")
    source.put("large.png", image, "1girl, solo")
    source.put("web.jpg", image, "smile, lowres", quality=70)
    source.put("other.png", drawn(CHARACTERS["akane"]), "1girl")
    home = source.taken_in()
    outcome = home.run(Dedupe())
    assert (outcome.changed, outcome.unchanged, outcome.rejected.total()) == (1, 1, 2)
    assert left_out(home) == dict.fromkeys(["small", "web"], "same picture as large")
    assert set(home.records) == {"large", "other"}
    assert home.records["large"].names == ("1girl", "solo", "smile", "hat")  # lowres is the file's
    assert home.said == ["2 pictures are the same as one that stays: 1 saved anew, 1 smaller"]


def test_run_twice_it_changes_nothing_and_undo_gives_all_back(
    source: Source, tree: Callable[[Path], dict[str, bytes]]
) -> None:
    for name in ("a.png", "b.png"):
        source.put(name, drawn(), f"tag {name[0]}")
    source.put("c.png", drawn(CHARACTERS["akane"]))
    home = source.taken_in()
    before = {p.name: p.read_bytes() for p in home.path.iterdir() if p.is_file()}
    home.run(Dedupe())
    assert len(home.records) == 2
    after = tree(home.path)
    again = home.run(Dedupe())
    assert again.idle and again.unchanged == 2 and home.said[1:] == []
    assert tree(home.path) == after
    home.undo()
    assert {p.name: p.read_bytes() for p in home.path.iterdir() if p.is_file()} == before


def test_a_copied_file_needs_no_second_look(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = source.put("a.png", drawn()).read_bytes()
    (source.path / "b.png").write_bytes(content)
    home = source.taken_in()
    monkeypatch.setattr(groups, "relation", None)
    home.run(Dedupe())
    assert left_out(home) == {"b": "same picture as a"}


def test_formats_alpha_and_names_that_differ_in_case(source: Source) -> None:
    image = draw(replace(CHARACTERS["sumire"], transparent=True), 3, SIZE)[0]
    source.put("a.webp", image, quality=90)
    source.put("A.png", image)  # another picture's name but for its case
    flat = drawn(CHARACTERS["akane"])
    source.put("moving.gif", flat.quantize(256))
    source.put("still.png", flat)
    home = source.taken_in()
    home.run(Dedupe())
    reasons = set(left_out(home).values())
    assert len(home.records) == 2
    assert "same picture as still" in reasons


@pytest.mark.parametrize(
    ("size", "stay"), [((200, 280), 1), ((280, 200), 2), ((400, 400), 2), ((400, 560), 1)]
)
def test_flat_pictures_are_the_same_in_one_shape_only(
    source: Source, size: tuple[int, int], stay: int
) -> None:
    source.put("a.png", Image.new("RGB", SIZE))
    source.put("b.png", Image.new("RGB", size), compress_level=0)
    home = source.taken_in()
    home.run(Dedupe())
    assert len(home.records) == stay


def test_of_a_chain_no_end_is_taken_for_the_other(source: Source) -> None:
    image = ImageEnhance.Contrast(drawn()).enhance(0.8)
    for name, tags, light in (("a", "x, y, z", 0), ("b", "x, y", 3), ("c", "x", 6)):
        source.put(f"{name}.png", image.point(lambda value, more=light: value + more), tags)
    home = source.taken_in()
    home.run(Dedupe())
    assert left_out(home) == {"b": "same picture as a"}
    assert set(home.records) == {"a", "c"}
    assert home.run(Dedupe()).idle


# --- variants -------------------------------------------------------------------------------


def test_variants_stay_and_are_named(source: Source) -> None:
    for mouth in ("smile", "open", "straight"):
        source.put(f"{mouth}.png", smiling(mouth), f"solo, {mouth}")
    source.put("open small.jpg", smiling("open").resize((300, 420)), "x")
    home = source.taken_in()
    home.run(Dedupe())
    assert left_out(home) == {"open small": "same picture as open"}
    assert home.said[1:] == [
        "3 pictures in 1 group are variants of each other and stay "
        "(--variants drop keeps the best of each)",
        "variants: open, smile, straight",
    ]
    assert not home.records["smile"].has("x")


def test_variants_may_be_dropped_but_give_no_tags(source: Source) -> None:
    source.put("best.png", smiling("smile"), "smile, solo, hat")
    source.put("open.png", smiling("open"), "open mouth")
    source.put("open2.png", smiling("open"), "shouting")
    home = source.taken_in()
    home.run(Dedupe(variants="drop"))
    assert left_out(home) == dict.fromkeys(["open", "open2"], "variant of best")
    assert home.records["best"].names == ("smile", "solo", "hat")
    assert home.run(Dedupe(variants="drop")).idle


# --- who stays ------------------------------------------------------------------------------


def known_to(site: str, score: int | None, **facts: object) -> dict[str, object]:
    return {"origin": Origin(site, "1", score=score, rating="g"), "facts": facts}


@pytest.mark.parametrize(
    ("one", "other", "stays"),
    [
        ({"size": (20, 20)}, {"size": (20, 21), **known_to("x", -5)}, 1),
        (known_to("x", 3), known_to("y", 9), 1),
        (known_to("x", None), known_to("y", -9), 1),
        ({"tags": "a b"}, {"tags": "c"}, 0),
        ({"light": True}, {}, 1),
        ({"suffix": ".jpg", **known_to("x", 9)}, known_to("y", 1), 1),
        ({}, {}, 0),
        ({"size": (10, 10), **known_to("x", 0, hand=True)}, {"size": (99, 99)}, 0),
    ],
)
def test_the_best_stays(
    tmp_path: Path, one: dict[str, object], other: dict[str, object], stays: int
) -> None:
    records = []
    for number, traits in enumerate((one, other)):
        path = tmp_path / f"{number}{traits.get('suffix', '.png')}"
        size = traits.get("size", (20, 20))
        assert isinstance(size, tuple)
        drawn().resize(size).save(path, compress_level=9 if "light" in traits else 0)
        record = Record(f"k{number}", Picture(path, size))
        record = record.with_tags(Tag(name, by=("x",)) for name in str(traits.get("tags", "")))
        named = {key: traits[key] for key in ("origin", "facts") if key in traits}
        records.append(Dedupe().measure(replace(record, **named)))
    best = Dedupe()._best_first(records)
    assert best[0].place == stays


def test_what_people_edited_comes_first_and_what_they_took_out_stays_out() -> None:
    def record(key: str, *tags: Tag, **more: object) -> Record:
        return replace(Record(key, Picture(Path(f"{key}.png"), (9, 9)), tags), **more)

    site, hand = ("danbooru",), ("hand",)
    standing = record(
        "a", Tag("1girl", by=site), Tag("hat", by=site), origin=Origin("danbooru", "1", rating="g")
    )
    edited = record(
        "b", Tag("my word", by=hand), Tag("1girl", by=site), Tag("lowres", by=hand),
        removed=frozenset({"hat", "smile"}), origin=Origin("other", "2", rating="s"),
    )  # fmt: skip
    third = record("c", Tag("smile", by=site), Tag("jpeg_artifacts", by=site), Tag("dog", by=site))
    became = joined(standing, [third, edited])
    assert became.names == ("my word", "1girl", "lowres", "dog")
    assert became.removed == {"hat", "smile"}
    assert (became.origin.rating, [place.site for place in became.also]) == ("s", ["other"])
    mine = joined(record("a", Tag("hat", by=hand)), [edited])
    assert mine.names == ("hat", "my word", "1girl", "lowres") and mine.removed == {"smile"}
    gone = record("a", Tag("1girl", by=site), removed=frozenset({"my word"}))
    assert joined(gone, [edited]).names == ("1girl", "lowres")
    assert joined(standing, [standing]) is standing


def test_undo_gives_captions_back_that_a_person_had_edited(source: Source) -> None:
    source.put("a.png", drawn(), "1girl, solo, hat")
    source.put("b.png", drawn().resize((200, 280)), "1girl, solo, hat, dog")
    home = source.taken_in()
    (home.path / "b.txt").write_text("1girl, my word, solo, dog\n")
    with Dataset(home.path, write=True):
        pass
    before = {path.name: path.read_text() for path in home.path.glob("*.txt")}
    home.run(Dedupe())
    kept = home.records["a"]
    assert kept.names == ("1girl", "my_word", "solo", "dog") and kept.removed == {"hat"}
    home.undo()
    assert {path.name: path.read_text() for path in home.path.glob("*.txt")} == before
    assert not home.records["a"].removed and home.records["b"].removed == {"hat"}


def test_undo_keeps_what_a_person_edited_since(source: Source) -> None:
    source.put("a.png", drawn(), "1girl, solo, hat")
    source.put("b.png", drawn().resize((200, 280)), "1girl, solo, dog")
    home = source.taken_in()
    (home.path / "b.txt").write_text("1girl, my word, dog\n")
    home.run(Dedupe())
    (home.path / "a.txt").write_text("1girl, my word, hat, later\n")
    home.undo()
    assert home.records["a"].names == ("1girl", "hat", "later", "solo")  # dog was the twin's
    assert home.records["a"].removed == {"dog"} and home.records["b"].removed == {"solo"}


# --- turned, mirrored, cropped --------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "also"),
    [
        (lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), ("mirrored",)),
        (lambda image: image.transpose(Image.Transpose.ROTATE_90), ("turned",)),
        (lambda image: image.transpose(Image.Transpose.ROTATE_180), ("turned",)),
        (lambda image: image.transpose(Image.Transpose.ROTATE_270), ("turned",)),
        (lambda image: image.transpose(Image.Transpose.TRANSVERSE), ("turned", "mirrored")),
        (lambda image: image.crop((0, 0, 400, 546)), ("cropped",)),
        (lambda image: image.crop((8, 5, 396, 560)), ("cropped",)),
    ],
)
def test_other_ways_count_when_they_are_asked_for(
    source: Source, change: Callable[[Image.Image], Image.Image], also: tuple[str, ...]
) -> None:
    source.put("a.png", drawn(CHARACTERS["sumire"]))
    changed = change(drawn(CHARACTERS["sumire"])).resize
    scaled = [round(side * 0.8) for side in change(drawn()).size]
    source.put("b.jpg", changed((scaled[0], scaled[1])), quality=85)
    home = source.taken_in()
    home.run(Dedupe())
    assert set(home.records) == {"a", "b"}
    home.run(Dedupe(also=also))
    assert left_out(home) == {"b": "same picture as a"}


def test_a_variant_that_was_cropped_or_mirrored_stays(source: Source) -> None:
    source.put("a.png", smiling("smile"))
    source.put("b.png", smiling("open").crop((8, 5, 396, 560)))
    source.put("c.png", smiling("straight").transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    home = source.taken_in()
    home.run(Dedupe(also=("cropped", "mirrored", "turned")))
    assert set(home.records) == {"a", "b", "c"}


# --- what is measured -----------------------------------------------------------------------


@pytest.fixture
def unopened(monkeypatch: pytest.MonkeyPatch) -> None:
    def glance(picture: Picture, side: int) -> Image.Image:
        raise AssertionError(f"{picture.path.name} was decoded")

    monkeypatch.setattr(Picture, "glance", glance)


def record_of(path: Path, **more: object) -> Record:
    return replace(Record(path.stem, Picture(path, SIZE)), **more)


def test_what_is_known_of_a_file_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    drawn().save(path)
    plain = Dedupe().measure(record_of(path))
    all_ways = Dedupe(also=("turned",)).measure(plain)
    assert len(all_ways.facts["dedupe"]["looks"]) == 8
    assert all_ways.facts["dedupe"]["looks"][0] == plain.facts["dedupe"]["looks"][0]
    assert int(plain.facts["dedupe"]["looks"][0], 16) == fingerprint(drawn())
    smiling("open").save(path)
    assert Dedupe().measure(all_ways) is not all_ways
    monkeypatch.setattr(Picture, "glance", None)
    drawn().save(path)
    assert Dedupe().measure(all_ways) is all_ways
    assert Dedupe().measure(plain) is plain


def test_the_fingerprint_of_grab_serves_while_the_file_is_as_it_came(
    tmp_path: Path, unopened: None
) -> None:
    path = tmp_path / "a.png"
    drawn().save(path)
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    facts = {"likeness": f"{fingerprint(drawn()):016x}"}
    record = record_of(path, origin=Origin("danbooru", "1", md5=md5), facts=facts)
    assert Dedupe().measure(record).facts["dedupe"]["looks"] == [facts["likeness"]]
    smiling("open").save(path)
    with pytest.raises(AssertionError, match="was decoded"):
        Dedupe().measure(record)


@pytest.mark.parametrize(
    "fact", ["x", {"file": 3}, {"looks": ["a"]}, {"file": "x", "looks": ["../.."] * 8}]
)
def test_facts_that_make_no_sense_are_measured_anew(tmp_path: Path, fact: object) -> None:
    path = tmp_path / "a.png"
    drawn().save(path)
    record = Dedupe().measure(record_of(path, facts={"dedupe": fact, "likeness": 7}))
    assert record.facts["dedupe"] == Dedupe().measure(record_of(path)).facts["dedupe"]


def test_a_broken_picture_is_rejected_and_the_others_are_compared(source: Source) -> None:
    for name in ("a.png", "b.png", "c.png"):
        source.put(name, drawn(), compress_level=ord(name[0]) - ord("a"))
    home = source.taken_in()
    with pytest.raises(PictureError):
        Dedupe().measure(record_of(home.path / "none.png"))
    whole = (home.path / "b.png").read_bytes()
    (home.path / "b.png").write_bytes(whole[: len(whole) // 2])
    home.run(Dedupe())
    assert "broken picture" in left_out(home)["b"]
    assert len(home.records) == 1


def test_a_filter_says_which_are_compared(source: Source) -> None:
    for name in ("a.png", "b.png", "c.png"):
        source.put(name, drawn(), "comic" if name == "a.png" else "solo")
    home = source.taken_in()
    home.run(Dedupe(where="solo"))
    assert set(home.records) == {"a", "b"}
    assert "dedupe" not in home.records["a"].facts


# --- very many ------------------------------------------------------------------------------


def compared(pictures: list[Known], look: Callable[[int], Look | None]) -> tuple[Groups, int]:
    looks = 0

    def counted(place: int) -> Look | None:
        nonlocal looks
        looks += 1
        return look(place)

    found = Groups()
    for item in grouped(pictures, Comparing(counted, lambda one, other: False, 8)):
        if isinstance(item, Groups):
            found = item
    return found, looks


def test_thousands_of_blank_pages_are_each_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "relation", lambda one, other: Relation.SAME)
    blank = Image.new("RGB", (64, 64), "white")
    pages = [Known(place, str(place), (0,), (64, 64)) for place in range(3000)]
    found, looks = compared(pages, lambda place: Look(blank))
    assert len(found.same[0]) == 2999 and not found.unsure
    assert looks == 3000


def test_pages_alike_by_hash_alone_are_compared_with_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "TRIED", 4)
    sheets = [Image.new("RGB", (64, 64), (place, place, place)) for place in range(0, 250, 5)]
    pages = [Known(place, str(place), (0,), (64, 64)) for place in range(len(sheets))]
    found, looks = compared(pages, lambda place: Look(sheets[place]))
    assert not found.same and found.unsure == 45
    assert looks <= len(sheets)


def test_thousands_of_near_fingerprints_keep_to_the_nearest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(groups, "_PAIRS", 1000)
    monkeypatch.setattr(groups, "relation", lambda one, other: Relation.SAME)
    one = Look(drawn())
    pages = [Known(place, str(place), (place * 3,), SIZE) for place in range(1000)]
    found, _ = compared(pages, lambda place: one)
    assert sum(map(len, found.same.values())) > 950


def test_a_picture_that_vanishes_between_is_left_alone() -> None:
    pages = [Known(place, str(place), (0,), SIZE) for place in range(3)]
    found, _ = compared(pages, lambda place: None if place < 2 else Look(drawn()))
    assert not found.same and not found.variants


# --- contact sheets -------------------------------------------------------------------------


def twice(source: Source) -> Home:
    source.put("a.png", drawn())
    source.put("b.jpg", drawn(), quality=80)
    source.put("c.png", smiling("open"))
    return source.taken_in()


def test_a_sheet_shows_the_groups_and_a_dry_run_draws_it_too(source: Source) -> None:
    home = twice(source)
    with Dataset(home.path) as dataset:
        dry = run_leg(dataset, [Dedupe(sheet=True)], lambda event: None, dry_run=True)
    assert set(home.records) == {"a", "b", "c"}
    assert [path.name for path in dry.outputs] == ["sheet-1-01.jpg"]
    outcome = home.run(Dedupe(sheet=True))
    assert outcome.outputs == dry.outputs and not outcome.written  # it stands there already
    with Image.open(outcome.outputs[0]) as page:
        assert page.format == "JPEG" and page.width > 1000
        assert page.getpixel((10, 100)) != page.getpixel((1200, 100))


def test_what_stands_in_the_folder_is_never_written_over(source: Source) -> None:
    home = twice(source)
    (home.path / "duplicates").mkdir()
    mine = home.path / "duplicates" / "sheet-1-01.jpg"
    mine.write_text("mine")
    (home.path / "duplicates" / "sheet-2-notes.txt").write_text("mine too")
    outcome = home.run(Dedupe(sheet=True))
    assert [path.name for path in outcome.outputs] == ["sheet-3-01.jpg"] and outcome.written == 1
    assert mine.read_text() == "mine"


def test_without_groups_there_is_no_sheet(source: Source) -> None:
    source.put("a.png", drawn())
    home = source.taken_in()
    assert home.run(Dedupe(sheet=True)).outputs == []
    assert not (home.path / "duplicates").exists()


def test_many_groups_make_several_pages_and_a_large_one_is_cut(source: Source) -> None:
    for number in range(22):
        source.put(f"blank{number}.png", Image.new("RGB", (50, 50), "teal"))
    for number in range(9):
        image = drawn(seed=number).resize((200, 280))
        source.put(f"p{number}.png", image)
        source.put(f"q{number}.webp", image)
    home = source.taken_in()
    outcome = home.run(Dedupe(sheet=True))
    assert len(outcome.outputs) > 1
    for path in outcome.outputs:
        assert read_header(path)[1][1] <= 2400


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("danbooru_1", "danbooru_1"),
        ("日本", "\\u65e5\\u672c"),
        ("a\u202eb", "a\\u202eb"),
        ("x" * 60, "x" * 12 + ".." + "x" * 12),
    ],
)
def test_keys_are_written_as_the_font_can_draw_them(key: str, text: str) -> None:
    assert shown(key) == text
    assert len(shown("名前" * 40)) <= 26


# --- options --------------------------------------------------------------------------------


def test_words_that_are_no_choice_are_refused() -> None:
    with pytest.raises(UsageError, match="not 'dorp'; did you mean 'drop'"):
        Dedupe(variants="dorp").check()
    with pytest.raises(UsageError, match="'miror'; did you mean 'mirrored'"):
        Dedupe(also=("miror",)).check()
