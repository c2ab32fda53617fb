"""Makes the demo's tokenizer: CLIP's kind of byte pairs, learnt from the demo's tags."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TOKENS = 77


def make_tokenizer(folder: Path, tags: list[list[str]]) -> Any:
    """A CLIP tokenizer whose merges come from the tags; its files are written to the folder.

    CLIP's vocabulary is a function of its merges: 256 bytes, 256 bytes that end a word, the
    merges, two specials. Both the old pair of files and tokenizer.json are written.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    words = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    alphabet = _byte_letters()
    trainer = trainers.BpeTrainer(
        vocab_size=4000, end_of_word_suffix="</w>", initial_alphabet=alphabet, show_progress=False
    )
    words.train_from_iterator((" ".join(caption(row)).replace(",", " , ") for row in tags), trainer)
    merges = [tuple(pair) for pair in json.loads(words.to_str())["model"]["merges"]]
    names = [*alphabet, *(letter + "</w>" for letter in alphabet)]
    names += ["".join(pair) for pair in merges] + ["<|startoftext|>", "<|endoftext|>"]
    vocab = {name: number for number, name in enumerate(dict.fromkeys(names))}
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    tokenizer = CLIPTokenizer(
        vocab=vocab,
        merges=merges,
        model_max_length=TOKENS,
        pad_token="<|endoftext|>",
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def _byte_letters() -> list[str]:
    """The 256 letters that stand for bytes in GPT-2's and CLIP's vocabularies, in their order."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + place) for place in range(len(others))]


def caption(tags: list[str]) -> list[str]:
    """Tags as captions write them: spaces instead of underscores, kaomoji kept."""
    return [tag.replace("_", " ") + "," for tag in tags]
