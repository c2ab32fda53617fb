"""The check of captions as people meet it: each fault found and said."""

import shlex
from pathlib import Path

import pytest

from datasetkit.record import Tag
from datasetkit.stage import Note, Progress
from tests.inspectors.checked import USUAL, Make, Run, drawing, encoded, good, run, said, tagged


def test_a_good_set_has_no_findings(make: Make) -> None:
    found, refused = run(make(good()), batch=4, strict=True)
    assert not refused
    notes = [work.text for work in found if isinstance(work, Note)]
    assert notes == [
        "30 pictures and 10 tags checked, 0 of which stand on one picture only; nothing is wrong"
    ]
    progress = [work for work in found if isinstance(work, Progress)]
    assert progress[-1].done == progress[-1].total == 30


class TestCaptions:
    def test_missing_ones_are_wrong(self, make: Make) -> None:
        pictures = good()
        pictures |= {f"p{n:02}.png": (drawing(seed=n), ()) for n in range(5)}
        found, refused = run(make(pictures))
        assert found[-2] == Note(
            "wrong: 5 of 30 pictures have no caption (p00, p01, p02 and 2 more); "
            f"to mend it: dsk tag -d {Path(refused.split(' is not fit')[0])}",
            warning=True,
        )
        assert "1 thing to mend first (no caption)" in refused

    def test_a_trigger_alone_is_worth_a_look(self, make: Make) -> None:
        (text,) = said(make(good() | {"p00.png": (drawing(), tagged("mia"))}))
        assert "1 of 30 pictures has a caption that is the trigger and nothing else (p00)" in text

    def test_long_ones_are_told_by_tokens(self, make: Make) -> None:
        long = tagged(*USUAL, *(f"holding_thing_{word}" for word in "abcdefghijklmnopqrstuv"))
        folder = make(good() | {"p03.png": (drawing(seed=3), long)})
        (text,) = said(folder)
        assert "has a caption longer than 75 tokens" in text
        assert "max_token_length of 150, which dsk repeats writes" in text
        assert "(p03: 98)" in text
        assert "dsk clean --only --tokens 75 --where 'tokens:>75' -d" in text
        assert said(folder, tokens=150) == []

    def test_long_ones_alone_are_shortened_and_their_trigger_stays(
        self, make: Make, dsk: Run
    ) -> None:
        """Where nobody made the word in front a trigger, and the captions are in no usual order."""
        pictures = {
            name: (image, (Tag("mia_x", by=("folder",)), *tagged("solo", "smile", "1girl")))
            for name, (image, _) in good().items()
        }
        names = [f"holding_thing_{word}" for word in "abcdefghijklmnopqrstuv"]
        long = (Tag("mia_x", by=("folder",), score=0.1), *tagged(*names))
        folder = make(pictures | {"p03.png": (drawing(seed=3), long)})
        # By hand it was typed in one whole, and in another but for a part.
        (folder / "p05.txt").write_text(", ".join(["mia x", *(n.replace("_", " ") for n in names)]))
        before = {path.name: path.read_text() for path in folder.glob("*.txt")}
        found, by_hand = said(folder)
        assert "1 of 30 pictures has a caption longer than 75 tokens" in found
        assert "--keep mia_x --where name:p03 -d" in found
        assert by_hand.startswith("worth a look: 1 of 30 pictures has a caption longer than 75")
        assert "shortened by hand (p05: " in by_hand
        assert "to mend it" not in by_hand
        words = shlex.split(found.partition("to mend it: dsk ")[2])
        assert dsk(*words).returncode == 0
        after = {path.name: path.read_text() for path in folder.glob("*.txt")}
        assert {name for name in before if after[name] != before[name]} == {"p03.txt"}
        assert after["p03.txt"].startswith("mia x, holding thing a, holding thing b")
        assert said(folder) == [by_hand]

    def test_sentences_among_tags(self, make: Make) -> None:
        told = tagged("mia", "a_girl_is_standing_in_the_rain_with_her_umbrella.", "she_smiles")
        (text,) = said(make(good() | {"p03.png": (drawing(seed=3), told)}))
        assert text.startswith("worth a look: 1 of 30 pictures is described in sentences")
        dropped = "a_girl_is_standing_in_the_rain_with_her_umbrella."
        assert f"dsk clean --only --drop {dropped} -d" in text

    @pytest.mark.parametrize(
        "name",
        ["the_legend_of_zelda:_breath_of_the_wild_(game)", "hair_over_one_eye", "fate/stay_night",
         "hand_on_own_hip", "one_eye_closed", "v-shaped_eyebrows", "..."],
    )  # fmt: skip
    def test_tags_are_no_sentences(self, make: Make, name: str) -> None:
        assert not said(make(good() | {"p03.png": (drawing(seed=3), tagged(*USUAL, name))}))


class TestTags:
    def test_the_trigger_missing_is_wrong(self, make: Make) -> None:
        pictures = good()
        for n in (2, 4):
            pictures[f"p{n:02}.png"] = (drawing(seed=n), tagged(*USUAL[1:]))
        pictures["p06.png"] = (drawing(seed=6), tagged("1girl", "mia", "smile"))
        folder = make(pictures)
        lacks, behind = said(folder)
        assert lacks.startswith("wrong: 2 of 30 pictures lack the trigger 'mia' (p02, p04); to")
        assert behind.startswith("worth a look: 1 of 30 pictures has 'mia' behind other tags")
        assert "dsk clean --only --first mia" in lacks
        (other,) = said(folder, where="mia", trigger="zoe")[:1]
        assert other.startswith("wrong: all 28 pictures lack the trigger 'zoe'")

    def test_a_trigger_that_was_taken_out_by_hand_is_not_missed(self, make: Make) -> None:
        folder = make(good())
        (folder / "p00.txt").write_text("1girl, solo, smile, standing, outdoors, indoors")
        assert said(folder) == []

    def test_one_is_guessed_and_doubted(self, make: Make) -> None:
        pictures = {
            name: (image, tagged("mia_(series)", *[t.name for t in tags[1:]]))
            for name, (image, tags) in good().items()
        }
        pictures["p00.png"] = (drawing(), tagged(*USUAL[1:], "outdoors"))
        (text,) = said(make(pictures))
        assert text.startswith("worth a look: 1 of 30 pictures lacks the trigger 'mia (series)'")
        assert "--first 'mia (series)'" in text

    def test_of_several_one_is_enough(self, make: Make) -> None:
        pictures = good()
        for n in range(12):
            zoe = Tag("zoe", "trigger")
            pictures[f"p{n:02}.png"] = (encoded(n), (zoe, *tagged(*USUAL[1:])))
        folder = make(pictures)
        assert said(folder) == []
        (text,) = said(folder, trigger="mia")
        assert text.startswith("wrong: 12 of 30 pictures lack the trigger 'mia' (p00,")

    def test_of_several_none_takes_anothers_place(self, make: Make, dsk: Run) -> None:
        pictures = good()
        zoe = Tag("zoe", "trigger")
        for n in range(12):
            pictures[f"p{n:02}.png"] = (encoded(n), (zoe, *tagged(*USUAL[1:])))
        pictures["p03.png"] = (encoded(3), (*tagged(*USUAL[1:]), zoe))
        pictures["p20.png"] = (encoded(20), tagged(*USUAL[1:]))
        lacks, behind = said(make(pictures))
        assert "lacks the trigger 'mia' and the 1 others (p20)" in lacks
        assert "to mend it" not in lacks
        words = shlex.split(behind.partition("to mend it: dsk ")[2])
        assert words[:6] == ["clean", "--only", "--where", '"zoe"', "--first", "zoe"]
        assert dsk(*words).returncode == 0
        assert said(Path(words[-1])) == [lacks]

    def test_none_is_missed(self, make: Make) -> None:
        pictures = {n: (i, tuple(t for t in tags[1:])) for n, (i, tags) in good().items()}
        (text,) = said(make(pictures))
        assert "no word leads the captions" in text
        assert text.endswith("could be called (dsk clean --only --first WORD puts one there)")

    def test_on_every_picture(self, make: Make) -> None:
        more = tagged("blue_eyes", "orange_shirt", "absurdres", "lens_test", "simple_background")
        pictures = {name: (image, (*tags, *more)) for name, (image, tags) in good().items()}
        own, empty = said(make(pictures))
        assert own.startswith("worth a look: 'blue eyes', 'orange shirt' stand on every picture")
        assert "dsk core --drop --also orange_shirt" in own
        assert empty.startswith("worth a look: 'absurdres', 'lens test' stand on every picture")
        assert "dsk clean --only --drop absurdres,lens_test" in empty

    def test_on_nearly_every_picture(self, make: Make) -> None:
        pictures = {
            name: (image, (*tags, *tagged("blue_eyes") * (name != "p07.png")))
            for name, (image, tags) in good().items()
        }
        (text,) = said(make(pictures))
        words = "worth a look: 'blue eyes' (29 of 30) stands on nearly every picture: what is"
        assert text.startswith(words)
        assert "to mend it: dsk core --drop -d" in text

    @pytest.mark.parametrize("lead", ["mia_x", ""])
    def test_core_is_advised_where_it_does_something(self, make: Make, dsk: Run, lead: str) -> None:
        """A trigger that nobody made one takes nothing in."""
        head = (Tag(lead, by=("folder",)),) if lead else ()
        pictures = {
            name: (image, (*head, *tags[1:], *tagged("blue_eyes")))
            for name, (image, tags) in good().items()
        }
        folder = make(pictures)
        (text,) = [text for text in said(folder) if "blue eyes" in text]
        assert "no caption has a trigger yet" in text
        if not lead:
            assert "to mend it" not in text
            return
        assert "to mend it: dsk clean --only --first 'mia x' -d" in text
        for _ in range(2):
            words = shlex.split(text.partition("to mend it: dsk ")[2])
            assert dsk(*words).returncode == 0
            text = "".join(said(folder))
        assert text == ""

    def test_what_was_typed_by_hand_is_no_matter_for_core(self, make: Make) -> None:
        own = Tag("blue_eyes")
        pictures = {name: (image, (*tags, own)) for name, (image, tags) in good().items()}
        (text,) = said(make(pictures))
        assert text.endswith("typed by hand, so a stage leaves it as it is")

    @pytest.mark.parametrize("slip", ["stnading", "standin", "Standing", "stan-ding", "standingg"])
    def test_slips(self, make: Make, slip: str) -> None:
        tags = (*tagged("mia", "1girl", "solo", "smile"), Tag(slip, by=("folder",)))
        (text,) = said(make(good() | {"p03.png": (drawing(seed=3), tags)}))
        assert f"{slip!r} stands on one picture only, beside 'standing' on 29 (p03)" in text

    @pytest.mark.parametrize("slip", ["smille", "simle"])
    def test_slips_of_short_names_and_on_a_few_pictures(
        self, make: Make, dsk: Run, slip: str
    ) -> None:
        tags = (*tagged("mia", "1girl", "solo", "standing"), Tag(slip))
        folder = make(good() | {f"p0{n}.png": (encoded(n), tags) for n in (3, 5)})
        (text,) = said(folder)
        assert f"{slip!r} stands on 2 pictures only, beside 'smile' on 28 (p03, p05)" in text
        assert dsk(*shlex.split(text.partition("to mend it: dsk ")[2])).returncode == 0
        assert said(folder) == []

    @pytest.mark.parametrize(
        "name", ["smiles", "smirk", "miles", "stunning", "branding", "standing_on_one_leg"]
    )
    def test_other_words_are_no_slips(self, make: Make, name: str) -> None:
        tags = (*tagged("mia", "1girl", "solo", "smile"), Tag(name, by=("folder",)))
        assert said(make(good() | {"p03.png": (drawing(seed=3), tags)})) == []

    def test_a_model_makes_no_slips(self, make: Make) -> None:
        tags = (*tagged("mia", "1girl", "solo", "smile"), Tag("standin", by=("wd",)))
        assert said(make(good() | {"p03.png": (drawing(seed=3), tags)})) == []

    def test_ratings(self, make: Make) -> None:
        folder = make(good(), ratings={"p03": "q", "p04": "s"})
        (text,) = said(folder)
        assert "1 of 30 pictures is rated questionable or explicit among safe ones" in text
        assert "28 general, 1 sensitive, 1 questionable (p03)" in text
