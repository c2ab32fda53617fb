"""The numbers of a training before it: each follows from the set, and the file is what they say."""

import os
import shlex
from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path

import pytest

from datasetkit.buckets import buckets_for
from datasetkit.content import content_print
from datasetkit.dataset import Dataset
from datasetkit.engines.chain import run_pipeline
from datasetkit.engines.events import Event, Said
from datasetkit.engines.local import run_leg
from datasetkit.errors import DatasetError, UsageError
from datasetkit.exporters.repeats import Repeats
from datasetkit.families import FAMILIES
from datasetkit.grabbers.folder import Folder
from datasetkit.inspectors.plan import Plan
from datasetkit.inspectors.planning.cards import CARDS, pace, span
from datasetkit.inspectors.planning.memory import Use, file_bytes, needed
from datasetkit.inspectors.planning.numbers import Asked, Training, worked_out
from datasetkit.inspectors.planning.reasons import numbers
from datasetkit.inspectors.planning.survey import Survey, one_sided
from datasetkit.inspectors.planning.told import advice
from datasetkit.pipeline import load
from datasetkit.pixels import Picture
from datasetkit.record import Record, Tag
from datasetkit.stage import Note, Wrote

Draw = Callable[..., Path]


def a_set(
    count: int, size: tuple[int, int] = (768, 1152), tags: Sequence[Tag] = (), **facts: object
) -> Survey:
    seen = Survey()
    found = tags or (Tag("kirara", "trigger"), *(Tag(f"tag_{n}") for n in range(9)))
    for number in range(count):
        picture = Picture(Path(f"{number}.png"), size)
        seen.add(Record(str(number), picture, tuple(found), facts=facts))
    return seen


def planned(seen: Survey, vram: float = 8, family: str = "sd1", **options: object) -> Training:
    return worked_out(Asked(FAMILIES[family], vram, **options), seen)  # type: ignore[arg-type]


def said(training: Training, name: str) -> tuple[str, str]:
    (found,) = [number for number in numbers(training) if number.name == name]
    return found.value, f"{found.why} [{found.known}]"


@pytest.fixture
def home(tmp_path: Path, draw: Draw) -> Path:
    folder = tmp_path / "gallery"
    for number, size in enumerate([(40, 60), (60, 40), (50, 50), (40, 60), (30, 90)]):
        draw(folder / f"p{number}.png", size, "RGB", number)
        (folder / f"p{number}.txt").write_text("1girl, long hair, smile, standing")
    with Dataset(tmp_path / "set", write=True) as dataset:
        run_leg(dataset, [Folder(str(folder))], lambda event: None)
    return tmp_path / "set"


def plan(home: Path, **options: object) -> list[str]:
    with Dataset(home) as dataset:
        work = list(Plan(**options)(dataset))  # type: ignore[arg-type]
    return [item.text for item in work if isinstance(item, Note)]


class TestSteps:
    def test_they_are_the_sum_over_the_buckets(self) -> None:
        seen = a_set(40)
        seen.sizes.update({(900, 300): 7, (512, 512): 3})
        seen.pictures += 10
        found = planned(seen, batch=4)
        buckets = buckets_for(512)
        counts: dict[tuple[int, int], int] = {}
        for size, count in seen.sizes.items():
            place = buckets.assign(*size)[0]
            counts[place] = counts.get(place, 0) + count * found.repeats
        assert found.in_buckets == counts
        assert found.steps == found.epochs * sum(ceil(n / 4) for n in counts.values())
        assert found.views == 50 * found.repeats * found.epochs

    @pytest.mark.parametrize("count", [30, 61, 100, 150, 201, 299, 300])
    def test_a_usual_set_gets_about_2000_in_8_to_14_epochs(self, count: int) -> None:
        found = planned(a_set(count))
        assert 1900 <= found.steps <= 2350
        assert 8 <= found.epochs <= 14
        assert found.batch == 2

    def test_few_pictures_are_not_learned_by_heart(self) -> None:
        found = planned(a_set(10))
        assert found.views == 10 * 150
        assert found.rank == 8
        assert "150 times at most" in said(found, "pictures shown")[1]
        assert planned(a_set(1)).steps == 10 * ceil(15 / 2)

    def test_of_many_pictures_each_is_shown_once_an_epoch(self) -> None:
        found = planned(a_set(5000), vram=24)
        assert (found.repeats, found.epochs, found.batch) == (1, 2, 4)
        assert planned(a_set(20_000)).epochs == 1

    def test_what_is_asked_for_is_done(self) -> None:
        found = planned(a_set(60), steps=1200, epochs=5, batch=3, resolution=448)
        assert (found.repeats, found.epochs, found.batch, found.resolution) == (4, 5, 3, 448)
        assert said(found, "batch")[1] == "asked with --batch [asked]"
        assert said(found, "repeats")[1] == (
            "ceil(1,200 / 5 epochs / 60 pictures), in each epoch [arithmetic]"
        )

    def test_shapes_that_leave_batches_short_make_the_batch_smaller(self) -> None:
        seen = Survey()
        for number, size in enumerate(buckets_for(1024).sizes * 5):
            seen.add(Record(str(number), Picture(Path("x.png"), size), (Tag("a"),)))
        given = {"steps": seen.pictures, "epochs": 1, "resolution": 1024, "kind": "style"}
        found = planned(seen, vram=80, **given)
        assert (found.batch, len(found.in_buckets), found.steps) == (2, 41, 3 * 41)
        assert planned(a_set(seen.pictures), vram=80, **given).batch == 4
        short = planned(seen, vram=80, batch=4, **given)
        assert "82 batches an epoch" in said(short, "steps")[1]
        assert "(full batches would be 52)" in said(short, "steps")[1]
        assert "52 full ones would do instead of 82" in next(advice(short)).text


class TestNumbers:
    def test_a_style_has_a_larger_rank_and_alpha_is_half(self) -> None:
        by_one = (Tag("someone", "artist"), *(Tag(f"tag_{n}") for n in range(9)))
        style, character = planned(a_set(60, tags=by_one)), planned(a_set(60))
        assert (style.kind, style.rank) == (("style", "artist someone on 60 of 60 pictures"), 32)
        assert (character.kind[0], character.rank) == ("character", 16)
        assert said(style, "alpha")[0] == "16"
        assert planned(a_set(60, tags=by_one), kind="character").rank == 16
        assert "no tag tells" in planned(a_set(60, tags=[Tag("smile")])).kind[1]

    def test_many_characters_are_a_style(self) -> None:
        seen = Survey()
        for number in range(40):
            tags = (Tag(f"girl_{number % 9}", "character"), Tag("smile"))
            seen.add(Record(str(number), Picture(Path("x.png"), (512, 512)), tags))
        assert seen.kind() == ("style", "9 characters and none on most pictures")

    def test_pictures_are_mirrored_only_where_few_and_alike_on_both_sides(self) -> None:
        plain = [Tag("kirara", "trigger"), *(Tag(f"tag_{n}") for n in range(9))]
        assert planned(a_set(20)).flip
        assert not planned(a_set(31)).flip
        assert not planned(a_set(20, tags=plain[:4])).flip
        sided = planned(a_set(20, tags=[*plain, Tag("heterochromia")]))
        assert not sided.flip
        assert "differs by side: heterochromia 20" in said(sided, "flip")[1]
        names = ("asymmetrical_hair", "single_braid", "english_text", "side_ponytail")
        assert all(map(one_sided, names))
        assert not any(map(one_sided, ("twintails", "single", "smile", "braid")))

    @pytest.mark.parametrize(("words", "chunk"), [(10, "75"), (90, "150"), (200, "225")])
    def test_a_caption_is_read_to_its_end(self, words: int, chunk: str) -> None:
        found = planned(a_set(30, tags=[Tag("sun_" * words)]))
        assert said(found, "caption length")[0] == chunk
        assert found.use().chunks == int(chunk) // 75

    def test_beyond_225_tokens_it_says_how_many_are_cut(self) -> None:
        found = planned(a_set(30, tags=[Tag("sun_" * 300)]))
        value, why = said(found, "caption length")
        assert value == "225"
        assert "30 are cut (dsk clean --tokens 225)" in why

    def test_a_word_in_front_of_all_captions_is_a_trigger(self) -> None:
        plain = [Tag(f"tag_{n}") for n in range(9)]
        without = said(planned(a_set(40, tags=[Tag("1girl"), *plain])), "keep_tokens")[1]
        assert "no caption has a trigger" in without
        assert (
            "trigger" not in said(planned(a_set(40, tags=[Tag("mia"), *plain])), "keep_tokens")[1]
        )

    def test_fixed_tags_are_those_that_clean_wrote_down(self) -> None:
        seen = a_set(30, clean={"keep_tokens": 3})
        assert said(planned(seen), "keep_tokens")[0] == "3"
        assert planned(a_set(30)).keep == 1
        bare = said(planned(a_set(30, tags=[Tag("1girl")])), "keep_tokens")[1]
        assert "no caption has a trigger" in bare

    def test_a_schedule_that_ends_in_noise_is_not_weighted_away(self) -> None:
        assert said(planned(a_set(30), family="easyfluff"), "min-SNR")[0] == "0"
        assert said(planned(a_set(30)), "min-SNR")[0] == "5"

    def test_every_number_has_a_reason(self) -> None:
        known = {"recipe", "judgement", "counted", "family", "arithmetic", "measured",
                 "measured in part", "published", "asked"}  # fmt: skip
        for family in FAMILIES:
            for number in numbers(planned(a_set(40), family=family)):
                assert number.value
                assert number.why
                assert number.known in known


class TestMemory:
    def test_the_published_figure_lies_in_the_span(self) -> None:
        need = needed(Use("sd1", rank=32, resolution=512, batch=8))
        assert need.least < 15.4 < need.most  # LyCORIS' guidelines, RTX 4090
        cached = needed(Use("sdxl", 8, 1024, 1, text=False, lean=True))
        low = needed(Use("sdxl", 8, 1024, 1, text=False, lean=True, low=True))
        assert low.most < 8  # with the base in fp8 beside
        texts = 817_720_320 * 2 / 2**30
        assert cached.least - texts < 8 < 10 < cached.most  # sd-scripts' docs/train_SDXL-en.md

    @pytest.mark.parametrize(
        ("side", "batch", "saved"), [(256, 1, 313), (512, 1, 1266), (768, 1, 2784), (512, 4, 5051)]
    )
    def test_what_is_kept_is_what_was_measured(self, side: int, batch: int, saved: int) -> None:
        need = needed(Use("sd1", 16, side, batch, text=False))
        assert need.kept * 2**30 / 1e6 == pytest.approx(saved, rel=0.03)

    def test_files_have_their_size_a_rank(self) -> None:
        assert file_bytes("sd1", 1, text=True) == pytest.approx(1.18e6, rel=0.01)
        assert file_bytes("sdxl", 1, text=True) == pytest.approx(7.1e6, rel=0.01)
        assert said(planned(a_set(60)), "file")[0] == "18.9 MB"

    def test_what_does_not_fit_becomes_leaner(self) -> None:
        seen = a_set(400)
        found = [planned(seen, vram=vram) for vram in (24, 8, 5, 4.3, 2)]
        shown = [(one.batch, one.lean, one.fits) for one in found]
        assert shown == [(4, False, True), (2, False, True), (2, True, True), (1, True, True),
                         (1, True, False)]  # fmt: skip

    def test_too_small_a_card_is_told_with_what_to_change(self, home: Path) -> None:
        text = "\n".join(plan(home, vram=2))
        assert "it does not fit into 2 GB at batch 1 with checkpointing: 2.9 to 4.1 GB" in text
        assert "(base 1.83 + LoRA" in text
        assert "--batch 1 --resolution 384: 2.6 to 3.8 GB, is still too much" in text
        assert "or a card of 6 GB (--vram 6)" in text
        text = "\n".join(plan(home, vram=8, family="illustrious-v0.1"))
        assert "not fit into" not in text.replace("not surely fit", "")
        assert "low memory" in text
        assert load(home / "plan.yaml").stages[0].changed_options()["low_memory"] is True
        assert "does not fit" not in text and "may not fit" not in text
        text = "\n".join(plan(home, vram=4, family="illustrious-v0.1"))
        assert "it does not fit into 4 GB at batch 1 with checkpointing and low memory" in text
        assert any(line.startswith("RTX 4060") for line in text.splitlines())


class TestTime:
    def test_what_nobody_published_is_unknown(self, home: Path) -> None:
        text = plan(home, vram=32)
        assert any(line.startswith("RTX 5090") and "unknown" in line for line in text)
        text = plan(home, vram=12)
        assert any(line.startswith("RTX 3060") and "[extrapolated]" in line for line in text)
        assert any(line.startswith("other cards: RTX 4090 (--vram 24), ") for line in text)
        text = plan(home, vram=12, family="sdxl", batch=8)
        assert any(line.startswith("RTX 3060") and "does not fit" in line for line in text)

    def test_published_figures_come_back(self) -> None:
        found = pace(CARDS[0], "sd1", 8 * 512 * 512, lean=False)
        assert found
        assert found.best == pytest.approx(0.30)
        found = pace(CARDS[0], "sdxl", 1024 * 1024, lean=True)
        assert found
        assert (found.best, found.worst) == (1.4, 3.0)
        found = pace(CARDS[1], "sdxl", 1024 * 1024, lean=True)
        assert found
        assert (found.best, found.known) == (1.2, "published at the best")

    def test_spans_are_in_the_unit_of_people(self) -> None:
        assert span(0.5, 1.5) == "0.50 to 1.50 s"
        assert span(90, 600) == "2 to 10 min"
        assert span(3600, 9000) == "1.0 to 2.5 h"


NAMES = ("a: b #c", 'a "b" \\', "a\nb", "ロボ🤖", "a\x85b", "- x", "~")


class TestFile:
    def test_its_stages_run_and_come_to_the_same_sum(self, home: Path) -> None:
        text = plan(home, resolution=64)
        pipeline = load(home / "plan.yaml")
        assert [type(stage).__name__ for stage in pipeline.stages] == ["Repeats", "Train", "Grid"]
        heard: list[str] = []

        def report(event: Event) -> None:
            if isinstance(event, Said):
                heard.append(event.text)

        repeats = pipeline.stages[0]
        assert isinstance(repeats, Repeats)
        with Dataset(home, write=True) as dataset:
            run_leg(dataset, [repeats], report)
        (steps,) = [line.split()[1] for line in text if line.startswith("steps ")]
        assert any(line.endswith(f"= {steps} steps") for line in heard)
        (shown,) = [line.split()[2] for line in text if line.startswith("pictures shown ")]
        assert shown == f"{repeats.steps:,}"
        assert any(f"= {shown} pictures shown (asked: {shown};" in line for line in heard)

    def test_of_sdxl_only_the_folder_is_made(self, home: Path) -> None:
        text = plan(home, family="noobai-vpred", kind="style", vram=24)
        pipeline = load(home / "plan.yaml")
        assert [type(stage).__name__ for stage in pipeline.stages] == ["Repeats"]
        assert "dsk train cannot train SDXL yet" in "\n".join(text)
        assert "writes these numbers into train.toml" in text[-2]
        with Dataset(home, write=True) as dataset:
            run_pipeline(dataset, pipeline, lambda event: None)
        train = (home / "train" / "train.toml").read_text()
        assert "v_parameterization = true" in train
        assert "min_snr_gamma" not in train
        assert "network_dim = 8\nnetwork_alpha = 4" in train
        assert "fp8_base" not in train

    def test_of_a_small_card_the_folder_has_the_settings(self, home: Path) -> None:
        plan(home, family="sdxl", kind="style", vram=8)
        with Dataset(home, write=True) as dataset:
            run_pipeline(dataset, load(home / "plan.yaml"), lambda event: None)
        train = (home / "train" / "train.toml").read_text()
        assert "fp8_base = true" in train and "cache_text_encoder_outputs = true" in train
        assert "shuffle_caption = false" in (home / "train" / "dataset.toml").read_text()

    def test_twice_writes_the_same_bytes_and_then_nothing(self, home: Path) -> None:
        plan(home)
        path = home / "plan.yaml"
        before, when = path.read_bytes(), path.stat().st_mtime_ns
        with Dataset(home) as dataset:
            work = list(Plan()(dataset))
        assert [item.fresh for item in work if isinstance(item, Wrote)] == [False]
        assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, when)
        plan(home, steps=500)
        assert path.read_bytes() != before

    def test_the_command_that_runs_it_can_be_typed(self, home: Path, tmp_path: Path) -> None:
        out = tmp_path / "it's a plan.yaml"
        assert any(line.endswith(f"dsk run {shlex.quote(str(out))} does it")
                   for line in plan(home, out=str(out)))  # fmt: skip

    def test_what_is_no_plan_or_was_changed_is_left(self, home: Path, tmp_path: Path) -> None:
        mine = tmp_path / "mine.yaml"
        mine.write_text("stages: [tag]\n")
        with pytest.raises(DatasetError, match=r"mine\.yaml is no plan of dsk"):
            plan(home, out=str(mine))
        assert mine.read_text() == "stages: [tag]\n"
        plan(home)
        path = home / "plan.yaml"
        edited = path.read_text().replace("rank: 8", "rank: 12")
        path.write_text(edited)
        with pytest.raises(DatasetError, match="was changed since dsk plan wrote it"):
            plan(home)
        assert path.read_text() == edited
        link = tmp_path / "link.yaml"
        link.symlink_to(mine)
        with pytest.raises(DatasetError, match="is no plan"):
            plan(home, out=str(link))
        assert load(path).stages[1].changed_options()["rank"] == 12

    @pytest.mark.parametrize("name", NAMES)
    def test_any_name_of_a_dataset_is_read_back(self, home: Path, name: str) -> None:
        other = home.rename(home.with_name(name))
        plan(other)
        assert load(other / "plan.yaml").dataset in {"", other.as_posix()}
        if name != "a\x85b":
            assert load(other / "plan.yaml").dataset == other.as_posix()

    @pytest.mark.skipif(os.name == "nt", reason="names are text there")
    def test_a_name_that_is_no_text_is_left_out(self, home: Path) -> None:
        other = home.rename(home.with_name(os.fsdecode(b"x\xff")))
        plan(other)
        assert load(other / "plan.yaml").dataset == ""

    def test_a_tag_ends_no_comment(self, home: Path) -> None:
        for path in home.glob("*.txt"):
            path.write_text("single_x\u2028stages: y, heterochromia\x07 z")
        with Dataset(home, write=True):
            pass
        plan(home, epochs=3)
        assert load(home / "plan.yaml").stages[0].changed_options()["epochs"] == 3

    def test_the_base_is_named_where_it_is_needed(self, home: Path) -> None:
        plan(home, base="models/a b.safetensors")
        for stage in load(home / "plan.yaml").stages:
            assert stage.changed_options()["base"] == "models/a b.safetensors"


class TestSet:
    def test_pictures_that_are_refused_are_left_out(self, home: Path) -> None:
        (home / "p0.txt").write_text("1girl, loli")
        with Dataset(home, write=True):
            pass
        text = plan(home)
        assert "1 picture is left out by the safety rules" in text
        assert any(line.startswith("4 pictures of a character") for line in text)

    def test_few_and_many_are_told(self, home: Path) -> None:
        assert any("5 pictures are few: 30 to 300" in line for line in plan(home))

    def test_no_picture_is_no_plan(self, tmp_path: Path) -> None:
        with Dataset(tmp_path / "empty", write=True):
            pass
        with pytest.raises(UsageError, match="there are no pictures"):
            plan(tmp_path / "empty")

    def test_masks_are_counted(self, home: Path) -> None:
        with Dataset(home, write=True) as dataset:
            record = dataset.records[0]
            fact = {
                "mask": [[0, 0, 9, 9]],
                "size": list(record.picture.size),
                "print": content_print(record.picture),
            }
            seen = Survey()
            seen.add(record.with_facts("text", fact))
            seen.add(record)
        assert said(planned(seen), "masks")[0] == "1"
        assert not [n for n in numbers(planned(a_set(30))) if n.name == "masks"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"family": "sd2"}, "there is no family 'sd2'"),
        ({"kind": "stile"}, "did you mean 'style'"),
        ({"resolution": 32}, "64 is the least"),
        ({"out": "plan.txt"}, "call it plan.yaml"),
        ({"out": "."}, "is a folder"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Plan(**options).check()  # type: ignore[arg-type]
