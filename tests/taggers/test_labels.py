"""Label lists of every form: each read by what it says, each damage named with its line."""

import json

import pytest

from datasetkit.errors import ModelError
from datasetkit.taggers.labels import Label, Vocabulary, labels_inside, read_labels
from datasetkit.taggers.spec import FAMILIES, Spec

WD = FAMILIES["wd"]


def read(tmp_path, text, spec=WD, name="selected_tags.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_labels(path, spec)


def test_labels_have_kinds_and_booru_names(tmp_path):
    rows = ["9,general,9,5", "1,>_<,0,5", "2,byleth_(female)_(fire_emblem),4,3"]
    assert read(tmp_path, "\n".join(["tag_id,name,category,count", *rows])) == (
        Label("general", "rating"),
        Label(">_<", "general"),
        Label("byleth_(female)_(fire_emblem)", "character"),
    )


def test_columns_are_found_by_their_names_in_any_order(tmp_path):
    text = "\ufeffcount,category,name,tag_id\n5,9,explicit,1\n4,0,null,2\n3,4,nan,3\n"
    assert read(tmp_path, text) == (
        Label("explicit", "rating"),
        Label("null", "general"),
        Label("nan", "character"),
    )


def test_e621_has_numbers_of_its_own(tmp_path):
    text = 'tag_id,name,category,count\n1,"a, b",0,5\n2,fox,5,5\n3,tail_mod,8,1\n'
    expected = (Label("a_b", "general"), Label("fox", "species"), Label("tail_mod", "lore"))
    assert read(tmp_path, text, FAMILIES["z3d-e621"]) == expected
    assert read(tmp_path, text, name="tags-selected.csv") == expected


def test_thresholds_and_series_of_a_tags_own(tmp_path):
    text = (
        "id,tag_id,name,category,best_threshold,ips\n"
        '0,9,1girl,0,0.45,[]\n1,8,"rem_(re:zero)",4,,"[""re:zero""]"\n2,7,solo,0,,\n'
    )
    labels = read(tmp_path, text)
    assert labels[0] == Label("1girl", "general", 0.45)
    assert labels[1].series == ("re:zero",)
    vocabulary = Vocabulary(labels)
    assert vocabulary.own == {"1girl": 0.45}
    assert vocabulary.series == {labels[1].name: ("re:zero",)}
    assert vocabulary.names == {"1girl", "rem_(re:zero)", "solo"}


def test_words_for_kinds(tmp_path):
    text = "name,category\na,General\nb,Character\nc,style\nrating:g,rating\n"
    kinds = [(label.name, label.kind) for label in read(tmp_path, text)]
    assert kinds == [("a", "general"), ("b", "character"), ("c", "artist"), ("general", "rating")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id;tag\n1;2\n", "no columns"),
        ("", "no columns"),
        ("tag_id,name,category,count\n1,a,zero,5\n", r"line 2: category 'zero'"),
        ("tag_id,name,category,count\n1,a,0,5\n2,b\n", r"line 3: category ''"),
        ("tag_id,name,category,count\n1,a,77,5\n", r"category '77'"),
        ("tag_id,name,category,count\n1,a,0,5\n2,,0,4\n", r"line 3: the tag has no name"),
        ("name,category,ips\na,4,[oops\n", r"line 2: the series \[oops"),
        ("name,category,best_threshold\na,0,1.5\n", r"line 2: the threshold '1.5'"),
        ("name,category,best_threshold\na,0,high\n", r"line 2: the threshold 'high'"),
        ('name,category,ips\na,4,"{""a"": 1}"\n', r"line 2: the series"),
        (b"tag_id,name,category,count\n1,\xff\xfe,0,5\n", "cannot be read"),
    ],
)
def test_another_kind_of_csv_is_refused(tmp_path, text, message):
    with pytest.raises(ModelError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize(
    "rows",
    [
        ["a,0,9", "c,4,7", "b,0,8"],  # sorted by count: characters among the rest
        ["b,0,8", "a,0,9", "c,4,7"],  # sorted otherwise
        ["a,0,1", "general,9,5", "b,0,1"],
    ],
)
def test_a_list_that_was_sorted_anew_is_refused(tmp_path, rows):
    text = "\n".join(["name,category,count", *rows])
    ordered = Spec(in_order=True)
    with pytest.raises(ModelError, match=r"not in the order .*line \d.*fetch it again"):
        read(tmp_path, text, ordered)
    assert read(tmp_path, text)  # of another family, whose order nobody knows


def test_ratings_may_stand_anywhere(tmp_path):
    text = "name,category,count\na,0,9\nb,0,8\ngeneral,9,1\nexplicit,9,1\nc,4,3\n"
    kinds = [label.kind for label in read(tmp_path, text, Spec(in_order=True))]
    assert kinds == ["general", "general", "rating", "rating", "character"]


JSON = Spec(format="json")


def test_json_lists_of_every_shape(tmp_path):
    expected = (Label("1girl", "general"), Label("hatsune_miku", "character"))
    entries = {"1": {"tag": "hatsune_miku", "category": "Character"},
               "0": {"tag": "1girl", "category": "General"}}  # fmt: skip
    assert read(tmp_path, json.dumps(entries), JSON) == expected
    names = {"0": "1girl", "1": "hatsune_miku"}
    kinds = {"hatsune_miku": "character", "1girl": "general"}
    apart = {"idx_to_tag": names, "tag_to_category": kinds}
    assert read(tmp_path, json.dumps(apart), JSON) == expected
    camie = {"model_info": {"img_size": 512}, "dataset_info": {"tag_mapping": apart}}
    assert read(tmp_path, json.dumps(camie), JSON) == expected
    flat = (Label("a_b", "general"), Label("c", "general"))
    assert read(tmp_path, json.dumps(["a b", "c"]), JSON) == flat
    assert read(tmp_path, json.dumps({"c": 1, "a b": 0}), JSON) == flat


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("[1, 2]", "not of names"),
        ("{}", "no list of labels"),
        ('"a"', "no list of labels"),
        ('{"0": {"tag": "a"}, "2": {"tag": "b"}}', "none at place 1"),
        ('{"0": {"name": "a"}}', "label '0' has no tag"),
        ('{"0": {"tag": "a"}, "1": null}', "label '1' has no tag"),
        ('["a", ""]', "label 1 has no name"),
        ('{"idx_to_tag": {"0": " "}}', "label 0 has no name"),
        ('{"idx_to_tag": {"0": null}}', "label 0 has no name"),
        ('{"idx_to_tag": {"0": ["a"]}}', "cannot be read"),
        ('{"idx_to_tag": {"0": "a"}, "tag_to_category": ["b"]}', "cannot be read"),
        ('{"0": {"tag": "a", "category": "Charcter"}}', "did you mean 'character'"),
    ],
)
def test_a_damaged_json_list_is_refused(tmp_path, text, message):
    with pytest.raises(ModelError, match=message):
        read(tmp_path, text, JSON)


def test_lines_and_ratings_in_names(tmp_path):
    lines = Spec(format="lines")
    assert read(tmp_path, "1girl\nblue eyes\n\n>_<\nrating:safe\n", lines, "top_tags.txt") == (
        Label("1girl", "general"),
        Label("blue_eyes", "general"),
        Label(">_<", "general"),
        Label("safe", "rating"),
    )


@pytest.mark.parametrize("text", ['["1girl", "rating:safe"]', "['1girl', 'rating:safe']",
                                  "1girl\nrating:safe\n", "1girl rating:safe"])  # fmt: skip
def test_labels_inside_of_the_model(tmp_path, text):
    expected = (Label("1girl", "general"), Label("safe", "rating"))
    assert labels_inside(text, tmp_path) == expected


@pytest.mark.parametrize("text", ["", "[]", "[1, 2]", "__import__('os').system('x')"])
def test_nothing_inside_is_run(tmp_path, text):
    if text.startswith("__"):
        assert [label.kind for label in labels_inside(text, tmp_path)] == ["general"]
    else:
        with pytest.raises(ModelError, match="no list of labels"):
            labels_inside(text, tmp_path)
