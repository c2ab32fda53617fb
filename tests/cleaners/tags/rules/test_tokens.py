"""CLIP's tokens: counted as the trainer's own tokenizer counts them, and trimmed."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import CLIPTokenizer

import datasetkit
from datasetkit.cleaners.tags.rules.order import keeping
from datasetkit.cleaners.tags.rules.patterns import Patterns
from datasetkit.cleaners.tags.rules.tokens import Limit, length
from datasetkit.dataset import caption
from datasetkit.pixels import Picture
from datasetkit.record import HAND, Record, Tag
from datasetkit.tokens import count, too_long

RECORD = Record("a", Picture(Path("a.png"), (8, 8)))
FOLDER = Path(datasetkit.__file__).parent / "backend" / "configs" / "sd1" / "tokenizer"
CLIP = CLIPTokenizer.from_pretrained(FOLDER)


def of_clip(text: str) -> int:
    return len(CLIP(text, add_special_tokens=False, verbose=False).input_ids)


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "shimakaze (kancolle), 1girl, solo, rabbit tail, striped thighhighs",
        "score_9, score_8_up, >_<, o_o, ||_||, (o)_(o), \\(^o^)/, eileen (ren'py), 2²½Ⅷ",
        "don't we'LL i'd 1girl's !!'s ...'s", "<|startoftext|>a<|endoftext|>",
        "初音ミク (ボーカロイド), が が, é́ ﬁ Ǆ İstanbul ß ΑΣ",
        "🦊🦊 🇯🇵 👩‍👩‍👧 \u3000a\u00a0b\u200bc",
    ],
)  # fmt: skip
def test_the_count_is_clips(text: str) -> None:
    assert count(text) == of_clip(text)


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn", "Co"]), max_size=20))
@example("a'S b")
def test_the_count_is_clips_of_any_text(text: str) -> None:
    assert count(text) == of_clip(text)


def record_of(*tags: Tag) -> Record:
    return RECORD.with_tags(tags)


def test_a_captions_length_is_the_sum_of_its_tags() -> None:
    trigger = Tag("ohwx_X", "trigger")
    made = record_of(trigger, Tag("shimakaze_(kancolle)"), Tag(">_<"), Tag("score_8_up", "quality"))
    assert length(made.tags) == of_clip(caption(made)) == count(caption(made))
    assert length(()) == 0


def long_caption() -> tuple[Tag, ...]:
    head = Tag("shimakaze_(kancolle)", "character", ("danbooru",))
    sure = [Tag(f"striped_{n}_thighhighs", by=("danbooru",)) for n in range(12)]
    unsure = [Tag(f"frilled_{n}_apron", by=("wd",), score=0.3 + n / 100) for n in range(12)]
    return (head, Tag("typed_by_hand", by=(HAND,), score=0.1), *unsure, *sure)


def test_the_least_sure_go_first_and_of_equals_the_last() -> None:
    tags = long_caption()
    assert length(tags) > 100
    trimmed = Limit(100)(tags, RECORD)
    gone = [tag for tag in tags if tag not in trimmed]
    assert gone == [tag for tag in tags if tag.by == ("wd",)][: len(gone)]
    assert 100 - 10 < length(trimmed) <= 100
    hard = Limit(40)(tags, RECORD)
    assert [tag.name for tag in hard[2:]] == [
        f"striped_{n}_thighhighs" for n in range(len(hard) - 2)
    ]
    assert Limit(100)(trimmed, RECORD) is trimmed


def test_the_head_and_what_was_typed_stay_however_long() -> None:
    tags = long_caption()
    assert [tag.name for tag in Limit(1)(tags, RECORD)] == ["shimakaze_(kancolle)", "typed_by_hand"]
    assert Limit(1)(tags, keeping(RECORD, 5))[:5] == tags[:5]
    assert Limit(0)(tags, RECORD) is tags


def test_a_word_of_age_is_never_trimmed() -> None:
    tags = (*long_caption(), Tag("child", by=("wd",), score=0.1))
    assert Limit(20)(tags, RECORD)[-1].name == "child"


def test_long_captions_are_told_with_a_way_out() -> None:
    assert too_long([10, 75]) == ""
    assert too_long([10, 76, 103]) == (
        "2 captions are longer than 75 tokens (the longest 103); what is beyond is not read: "
        "max_token_length 150 reads them all, dsk clean --tokens 75 trims them"
    )
    assert too_long([300]).startswith("1 caption is longer than 75 tokens (the longest 300)")
    assert "no kohya trainer reads them all" in too_long([300])


def test_what_a_person_asks_for_is_never_trimmed() -> None:
    tags = (*long_caption(), Tag("my_style", by=("clean",)))
    assert Limit(60, wanted=Patterns(["my_style"]))(tags, RECORD)[-1].name == "my_style"
    assert Limit(60)(tags, RECORD)[-1].name != "my_style"
