"""Pipelines are read as data, and what is wrong in one is named with the way out."""

from pathlib import Path

import pytest

from datasetkit.cleaners.pixels.crop import Crop
from datasetkit.cleaners.tags.clean import Clean
from datasetkit.errors import DatasetkitError, UsageError
from datasetkit.grabbers.folder import Folder
from datasetkit.pipeline import build, call_of, in_yaml, load, parse
from datasetkit.plain_yaml import read_yaml

GOOD = """
dataset: here
stages:
  - folder: {path: gallery}
  - clean: {drop: "absurdres, *_request", first: no}
  - crop: {ratio: 2}
"""


def test_a_pipeline_is_read() -> None:
    pipeline = parse(GOOD)
    assert pipeline.dataset == "here"
    assert pipeline.stages == (
        Folder("gallery"),
        Clean(drop=("absurdres", "*_request"), first="no"),
        Crop(ratio=2.0),
    )


def test_an_option_is_changed_from_the_command_line() -> None:
    assert parse(GOOD, ["crop.ratio=2.5"]).stages[2] == Crop(ratio=2.5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stages: [claen]", "there is no stage 'claen'; did you mean 'clean'?"),
        ("stages: [clean: {dorp: x}]", "no option 'dorp'; did you mean 'drop'?"),
        ("stages: [crop: {ratio: wide}]", "ratio: must be a number, not 'wide'"),
        ("stages: [crop: {ratio: 0.5}]", "ratio: must be 1 or more, not 0.5"),
        ("stages: [clean: {junk: 7}]", "junk: must be true or false, not 7"),
        ("stages: [folder]", "the option 'path' is required"),
        ("stages: [crop: 3]", "its options must be a mapping, not 3"),
        ("stages: [{crop: , clean: }]", "a stage is a name, or a name with its options"),
        ("stages: []", "at least one stage"),
        ("stage: [clean]", "no key 'stage'; did you mean 'stages'?"),
        ("dataset: 7\nstages: [clean]", "must be the name of a folder, not 7"),
        ("[clean]", "a pipeline is a mapping"),
        ("stages: [clean]\nstages: [crop]", "line 2: the key 'stages' stands twice"),
        ("stages: [crop: {ratio: 2, ratio: 3}]", "the key 'ratio' stands twice"),
        ("a: &a [x]\nb: *a", "line 2: YAML aliases are not read here"),
        ("[" * 60, "nested deeper than 20"),
        ("{[1, 2]: 3}", "a key is a word"),
        ("a: !!bool maybe", "YAML tags"),
        ("a: !!set {x}", "YAML tags"),
        ("stages: [", "not good YAML"),
        ("stages: \x00", "not good YAML"),
    ],
)
def test_what_is_wrong_is_named(text: str, said: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse(text)
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("crop", "STAGE.OPTION=VALUE"),
        ("corp.ratio=2", "did you mean 'crop'"),
        ("tag.threshold=1", "has no stage 'tag'"),
        ("crop.ratoi=2", "did you mean 'ratio'"),
    ],
)
def test_a_wrong_override_is_named(override: str, said: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse(GOOD, [override])
    assert said in str(refusal.value)


def test_yaml_is_data_alone(tmp_path: Path) -> None:
    canary = tmp_path / "PWNED"
    with pytest.raises(UsageError, match="YAML tags"):
        read_yaml(f"!!python/object/apply:os.mkdir ['{canary}']")
    assert not canary.exists()


def test_words_stay_words() -> None:
    text = "[no, on, yes, 2b, 12:30:45, 0x10, 1_000, 2024-01-01, 010, 1e3, -4, .5, true, null, ~]"
    assert read_yaml(text) == [
        *("no", "on", "yes", "2b", "12:30:45", "0x10", "1_000", "2024-01-01"),
        *(10, 1000.0, -4, 0.5, True, None, None),
    ]


def test_a_file_that_is_no_pipeline(tmp_path: Path) -> None:
    for data, said in ((b"\xff\xfe", "it is no text in UTF-8"), (b"x" * 2_000_000, "larger than")):
        path = tmp_path / "p.yaml"
        path.write_bytes(data)
        with pytest.raises(UsageError, match=said):
            load(path)
    for name, said in (
        ("none.yaml", "there is no such file$"),
        ("pp.yaml", r"there is no such file; did you mean p\.yaml\?$"),
        (".", "it is a folder, and a pipeline is a YAML file$"),
    ):
        with pytest.raises(UsageError, match=f"cannot read the pipeline .*: {said}"):
            load(tmp_path / name)


def test_a_stage_is_written_as_it_is_read() -> None:
    stage = Clean(drop=("a", "b"), junk=False)
    call = call_of(stage)
    assert call == {"clean": {"drop": ("a", "b"), "junk": False}}
    assert build("clean", call["clean"]) == stage


@pytest.mark.parametrize(
    ("option", "became"),
    [
        ("limit: 4", {"limit": "4"}),
        ("thresholds: .4", {"thresholds": "0.4"}),
        ("model: [wd-vit-v3, own/tagger]", {"model": "wd-vit-v3,own/tagger"}),
        ("thresholds: {general: .4, artist: .6}", {"thresholds": "general=0.4,artist=0.6"}),
        ("limit: {general: 3}", {"limit": "general=3"}),
        ("drop: [2023, 1.5]", {"drop": ("2023", "1.5")}),
        ("drop: 2023", {"drop": ("2023",)}),
    ],
)
def test_yaml_may_say_what_the_command_line_says(option: str, became: dict[str, object]) -> None:
    (stage,) = parse(f"stages: [tag: {{{option}}}]").stages
    assert {key: getattr(stage, key) for key in became} == became


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("model: true", "model: must be text, not True"),
        ("model: [[a]]", "model: must be text, not [['a']]"),
        ("thresholds: {general: high}", "thresholds: must be text, not {'general': 'high'}"),
        ("threshold: 0,5", "has no option '5'; a number has a point where it is broken (0.5)"),
        ("threshold: '0,5'", "threshold: must be a number, not '0,5'; write 0.5"),
    ],
)
def test_what_yaml_cannot_mean_is_named(option: str, said: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse(f"stages: [tag: {{{option}}}]")
    assert said in str(refusal.value)


def test_a_query_that_is_a_list_has_its_words_side_by_side() -> None:
    (stage,) = parse("stages: [grab: {query: [solo, 'rating:g', 2023]}]").stages
    assert getattr(stage, "query") == "solo rating:g 2023"  # noqa: B009
    with pytest.raises(UsageError, match="query: must be text"):
        parse("stages: [grab: {query: {score: 5}}]")


def test_what_a_stage_itself_refuses_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    for option, said in (
        ("merge: unoin", "did you mean 'union'"),
        ("model: wd-vit-v4", "wd-vit-v3"),
    ):
        path.write_text(f"stages: [tag: {{{option}}}]")
        with pytest.raises(DatasetkitError, match="stage 'tag': ") as refusal:
            load(path).check()
        assert str(refusal.value).startswith(f"{path}: ") and said in str(refusal.value)


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("tag: {fast: yes, best: yes}", "one model at a time: a model's name, 'fast' or 'best'"),
        ("clean: {replace: [a=b=c]}", "; 'drop' takes tags away"),
        ("generate: {prompt: '<lora:x:1>', base: x}", "a LoRA is given with 'lora' and 'weight'"),
        ("filter: {faces: 1}", "counted by a model: detector: FILE names one"),
        ("clean: {site: e621}", "dsk tags refresh e621 fetches them"),
    ],
)
def test_a_pipeline_is_told_of_its_options_in_its_own_words(
    tmp_path: Path, stage: str, said: str
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(f"stages: [{stage}]")
    with pytest.raises(DatasetkitError) as refusal:
        load(path).check()
    assert said in str(refusal.value) and " --" not in str(refusal.value)


def test_a_command_that_is_named_keeps_its_words() -> None:
    text = "dsk clean --tokens 75 --drop NAME trims them, --drop takes some, --model NAME is none"
    assert in_yaml(text, [Clean()]) == (
        "dsk clean --tokens 75 --drop NAME trims them, 'drop' takes some, --model NAME is none"
    )
