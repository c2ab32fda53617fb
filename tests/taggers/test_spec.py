"""A user's description of a model: every word checked, the nearest good one named."""

import json

import pytest

from datasetkit.errors import ModelError, UsageError
from datasetkit.taggers.spec import FAMILIES, Spec, parse_spec, read_spec
from datasetkit.taggers.steps import staged


def test_a_family_and_what_differs():
    spec = parse_spec(
        "family: joytag\nside: 384\npad: black\nmean: [0.1, 0.2, 0.3]\nstd: 0.5\n"
        "thresholds: {general: 0.3, artist: 0.6}\nmodel: mine.onnx\nlabels: [a.txt, b.txt]\n"
    )
    assert (spec.side, spec.pad, spec.layout) == (384, (0, 0, 0), "NCHW")
    assert (spec.mean, spec.std) == ((0.1, 0.2, 0.3), (0.5, 0.5, 0.5))
    assert (spec.model, spec.labels) == ("mine.onnx", "a.txt|b.txt")
    assert [spec.threshold(kind) for kind in ("general", "artist", "character")] == [0.3, 0.6, 0.3]


def test_nothing_said_is_the_wd_family():
    assert parse_spec("") == parse_spec("family: wd") == FAMILIES["wd"]


def test_thresholds_without_a_general_one_leave_the_familys():
    spec = parse_spec("family: joytag\nthresholds: {character: 0.7}")
    assert spec.thresholds == {"general": 0.4, "character": 0.7}
    assert parse_spec("thresholds: {}").thresholds == FAMILIES["wd"].thresholds
    assert parse_spec("thresholds: {general: 0.4}").thresholds == {"general": 0.4}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_field_can_be_written_down(family):
    spec = FAMILIES[family]
    values = {name: getattr(spec, name) for name in Spec.__dataclass_fields__}
    text = "\n".join(f"{name}: {json.dumps(value)}" for name, value in values.items())
    assert parse_spec(text) == spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("family: [wd]", "there is no family"),
        ("side: 5000", "side: at most 4096 pixels"),
        ("canvas: 100000000", "canvas: at most 4096 pixels"),
        ("labels: ''", "labels: the list needs a name"),
        ("model: ''", "model: the ONNX file needs a name"),
        ("model: C:evil.onnx", "no file's name"),
        ("top: 1.0e+999", "top: must be a number"),
        ("sid: 448", "no key 'sid'; did you mean 'side'"),
        ("family: joytak", "no family 'joytak'; did you mean 'joytag'"),
        ("layout: NHCW", "layout: 'NHCW' is none of NHWC, NCHW"),
        ("fit: crop", "fit: 'crop' is none of pad"),
        ("side: big", "side: must be a whole number"),
        ("side: 4.5", "side: must be a whole number"),
        ("side: -4", "side: must be a whole number"),
        ("side: true", "side: True does not fit"),
        ("in_order: 1", "in_order: 1 does not fit"),
        ("top: 0", "top: must be more than 0"),
        ("top: many", "top: must be a number"),
        ("pad: [1, 2]", "pad: three numbers"),
        ("pad: [1, 2, 300]", "pad: three numbers"),
        ("pad: mauve", "pad: three numbers"),
        ("std: [1, 0, 1]", "std: nothing can be divided by 0"),
        ("thresholds: {general: 2}", "general must be from 0 to 1"),
        ("thresholds: {genral: .2}", "did you mean 'general'"),
        ("model: ../../etc/passwd", "no file's name"),
        ("labels: /etc/passwd", "no file's name"),
        ("more: [..]", "no file's name"),
        ("output: 3", "output: must be a text"),
        ("- a\n- b", "described by keys"),
        ("side: 1\nside: 2", "stands twice"),
        ("a: *b", "aliases|YAML"),
    ],
)
def test_what_makes_no_sense_is_refused(text, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        parse_spec(text)
    path = tmp_path / "tagger.yaml"
    path.write_text(text)
    with pytest.raises(ModelError, match=r"tagger\.yaml"):
        read_spec(path)


def test_a_file_that_is_no_description(tmp_path):
    path = tmp_path / "tagger.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="cannot be read"):
        read_spec(path)
    path.write_bytes(b"#" * (1 << 21))
    with pytest.raises(ModelError, match="larger than"):
        read_spec(path)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([{"type": "five_crop"}], "'five_crop' is not known"),
        ([{"type": "resize", "size": 384}], "resizes the short side"),
        ([{"type": "resize", "size": [384, 200]}], "no square"),
        ([{"type": "resize", "size": [8, 8], "interpolation": "hamming"}], "'hamming' is not"),
        ([{"type": "pad_to_size", "size": 8, "background_color": "mauve"}], "not 'mauve'"),
        ([{"type": "pad_to_size", "size": 8, "background_color": [1, 2]}], "pad: three numbers"),
        ([{"type": "normalize", "mean": [0.5], "std": [0.5]}], "mean: three numbers"),
        ([{"type": "normalize", "mean": [0, 0, 0], "std": [0, 1, 1]}], "divided by 0"),
        ([{"type": "resize", "size": "44"}], "'44' is no size"),
        ([{"type": "resize", "size": [-1, -1]}], "is no size"),
        ([{"type": "resize", "size": [100_000, 100_000]}], "is no size"),
        ([{"type": "resize", "size": [512, 512]}, {"type": "center_crop", "size": 448}], "crops"),
        ([{"size": 448}], "cannot be read"),
        ("x", "tells no steps"),
        ([], "tells no steps"),
        ({}, "tells no steps"),
        (None, "tells no steps"),
    ],
)
def test_steps_that_are_not_known_are_refused(tmp_path, steps, message):
    path = tmp_path / "preprocess.json"
    path.write_text(json.dumps({"stages": steps}))
    with pytest.raises(ModelError, match=message):
        staged(Spec(), path)
