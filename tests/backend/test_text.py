"""Text is encoded as kohya encodes captions and as A1111 encodes prompts."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from datasetkit.backend import checkpoint, text
from datasetkit.backend.prompt import BREAK, attention, plain


@pytest.fixture(scope="module")
def base(base_folder: Path) -> checkpoint.Base:
    return checkpoint.load(str(base_folder))


@pytest.fixture(scope="module")
def clip() -> Any:
    """The real CLIP tokenizer that the package ships."""
    return checkpoint._tokenizer(checkpoint.CONFIGS / "tokenizer")


def test_the_shipped_tokenizer_is_clips(clip: Any) -> None:
    assert len(clip) == 49408
    assert clip("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert text.words(clip, "1girl, solo") == [272, 1611, 267, 5797]


def test_captions_are_cut_every_75_tokens(clip: Any) -> None:
    long = ", ".join(["hat"] * 60)  # 119 tokens
    assert text.chunks_needed(clip, ["hat", long]) == 2
    assert text.chunks_needed(clip, [", ".join(["hat"] * 400)]) == 3
    ids = text.caption_ids(clip, ["hat", long], 2)
    assert ids.shape == (2, 2, 77)
    assert ids[0, 0, :4].tolist() == [49406, 3801, 49407, 49407]
    assert ids[:, :, 0].eq(49406).all()
    assert ids[:, :, -1].eq(49407).all()
    assert ids[1, :, 1:-1].flatten()[:119].tolist() == text.words(clip, long)


def test_chunks_are_joined_with_one_begin_and_one_end_mark(base: checkpoint.Base) -> None:
    ids = text.caption_ids(base.tokenizer, ["so " * 90], 2)
    states = text.encode(base.text_encoder, ids, clip_skip=1)
    assert states.shape == (1, 152, 16)
    first, second = (base.text_encoder(ids[:, n]).last_hidden_state for n in range(2))
    assert torch.allclose(states[:, :76], first[:, :76], atol=1e-6)
    assert torch.allclose(states[:, 76:], second[:, 1:], atol=1e-6)


def test_clip_skip_takes_an_earlier_layer_and_then_the_norm(base: checkpoint.Base) -> None:
    ids = text.caption_ids(base.tokenizer, ["kirara, solo"])
    model = base.text_encoder
    layers = model(ids[:, 0], output_hidden_states=True).hidden_states
    norm = getattr(model, "text_model", model).final_layer_norm
    assert torch.allclose(text.encode(model, ids, 1), norm(layers[-1]), atol=1e-6)
    assert torch.allclose(text.encode(model, ids, 2), norm(layers[-2]), atol=1e-6)


def test_either_transformers_layout_serves(base: checkpoint.Base) -> None:
    class Older(torch.nn.Module):
        """As transformers before 5.6 has it: the model is one level down."""

        def __init__(self) -> None:
            super().__init__()
            self.text_model = base.text_encoder

        def forward(self, ids: torch.Tensor, **options: Any) -> Any:
            return self.text_model(ids, **options)

    ids = text.caption_ids(base.tokenizer, ["kirara"])
    assert torch.equal(text.encode(Older(), ids, 2), text.encode(base.text_encoder, ids, 2))


def test_a_prompt_without_weights_is_the_plain_encoding(base: checkpoint.Base) -> None:
    states = text.encode_prompt(base.text_encoder, base.tokenizer, "kirara, solo", 1)
    ids = text.caption_ids(base.tokenizer, ["kirara, solo"])
    assert torch.equal(states, text.encode(base.text_encoder, ids, 1))


def test_weights_act_and_keep_the_mean(base: checkpoint.Base) -> None:
    model = copy.deepcopy(base.text_encoder)

    def hear(words: str) -> torch.Tensor:
        return text.encode_prompt(model, base.tokenizer, words, 1)

    assert hear("(kirara:1.4)").isfinite().all()  # the miniature's mean is 0: not brought back
    getattr(model, "text_model", model).final_layer_norm.bias.add_(0.3)  # as in a trained one
    assert torch.allclose(hear("(kirara:1.4)").mean(), hear("kirara").mean(), atol=1e-6)
    assert not torch.allclose(hear("(kirara:1.4)"), hear("kirara"), atol=1e-3)
    assert hear("kirara BREAK solo").shape[1] == 154
    assert torch.equal(hear(r"a \(b\)"), hear(plain("a (b)")))


def test_chunks_break_at_a_comma(clip: Any) -> None:
    rows = text.prompt_chunks(clip, "hat " * 70 + ", red hat blue hat green hat")
    assert [len(row) for row in rows] == [71, 6]
    rows = text.prompt_chunks(clip, "hat " * 90)
    assert [len(row) for row in rows] == [75, 15]


CASES = {
    "(a)": [("a", 1.1)],
    "a (b:1.3), [c]": [("a ", 1.0), ("b", 1.3), (", ", 1.0), ("c", 1 / 1.1)],
    "(a [b] (c:2))": [("a ", 1.1), ("b", 1.0), (" ", 1.1), ("c", 2.2)],
    "(a": [("a", 1.1)],
    "a)": [("a)", 1.0)],
    "(a:1..2)": [("a:1..2)", 1.1)],
    r"miku \(vocaloid\)": [("miku (vocaloid)", 1.0)],
    "a BREAK b": [("a", 1.0), (BREAK, 1.0), ("b", 1.0)],
    "(a BREAK b)": [("a", 1.1), (BREAK, 1.0), ("b", 1.1)],
    "": [("", 1.0)],
}


@pytest.mark.parametrize("words", CASES)
def test_attention(words: str) -> None:
    found = attention(words)
    assert [part for part, _ in found] == [part for part, _ in CASES[words]]
    assert [w for _, w in found] == pytest.approx([w for _, w in CASES[words]])


def test_golden_attention(shared: Path) -> None:
    golden = json.loads((shared / "golden" / "prompt_syntax.json").read_text())["attention"]
    for words, wanted in golden:
        if words == "(a BREAK b)":
            continue  # A1111 reads BREAK in brackets as a word, by mistake: we break
        found = [("BREAK", -1.0) if part == BREAK else (part, weight)
                 for part, weight in attention(words)]  # fmt: skip
        assert [part for part, _ in found] == [part for part, _ in wanted], words
        assert [w for _, w in found] == pytest.approx([w for _, w in wanted]), words
