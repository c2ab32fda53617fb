"""Text as a UNet hears it: tokens in chunks of 75, encoded with our own clip skip.

diffusers' ``clip_skip`` counts from another number than A1111 and kohya do, and breaks where
transformers has no ``text_model`` level; so the hidden states are taken here.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from datasetkit.backend.prompt import BREAK, attention

if TYPE_CHECKING:
    import torch
    from torch import Tensor

CHUNK = 75  # tokens between the begin and end marks: CLIP's 77 positions less these two
MAX_CHUNKS = 3  # kohya's longest max_token_length is 225
COMMA_BACKTRACK = 20  # A1111 breaks a chunk at a comma that is at most this many tokens back


def chunks_needed(tokenizer: Any, texts: Sequence[str]) -> int:
    """How many chunks (1..3) hold the longest of these texts: kohya's max_token_length / 75."""
    longest = max((len(words(tokenizer, text)) for text in set(texts)), default=0)
    return max(1, min(MAX_CHUNKS, -(-longest // CHUNK)))


def words(tokenizer: Any, text: str) -> list[int]:
    """The token ids of a text, of any length, without begin and end marks."""
    found = tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)
    return list(found.input_ids)


def caption_ids(tokenizer: Any, texts: Sequence[str], chunks: int = 1) -> "Tensor":
    """Token ids (texts, chunks, 77) as kohya cuts captions: every 75 tokens, wherever that is.

    What is beyond the last chunk is left out; unused places hold the end mark.
    """
    import torch

    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    rows = []
    for text in texts:
        ids = words(tokenizer, text)[: CHUNK * chunks]
        ids += [end] * (CHUNK * chunks - len(ids))
        rows.append([[begin, *ids[n * CHUNK : (n + 1) * CHUNK], end] for n in range(chunks)])
    return torch.tensor(rows)


def encode(text_encoder: Any, ids: "Tensor", clip_skip: int) -> "Tensor":
    """Hidden states (rows, chunks * 75 + 2, width) with one begin and one end mark, as kohya has.

    ``ids`` is (rows, chunks, 77). Clip skip n takes the n-th last layer, then the final norm.
    """
    import torch

    hidden = _hidden(text_encoder, ids, clip_skip)
    middle = hidden[:, :, 1:-1].flatten(1, 2)
    return torch.cat([hidden[:, 0, :1], middle, hidden[:, -1, -1:]], dim=1)


def encode_prompt(
    text_encoder: Any, tokenizer: Any, text: str, clip_skip: int, chunks: int = 0
) -> "Tensor":
    """Hidden states (1, chunks * 77, width) of a prompt in A1111's grammar and chunking.

    Weights multiply the states, whose mean is then brought back (A1111's emphasis "Original").
    ``chunks`` fills up to a number, so that a prompt and its negative have the same length.
    """
    import torch

    rows = prompt_chunks(tokenizer, text)
    empty = [(tokenizer.eos_token_id, 1.0)] * CHUNK
    rows += [empty] * (chunks - len(rows))
    begin, end = (tokenizer.bos_token_id, 1.0), (tokenizer.eos_token_id, 1.0)
    filled = [[begin, *row, *empty[len(row) :], end] for row in rows]
    ids = torch.tensor([[[token for token, _ in row] for row in filled]])
    hidden = _hidden(text_encoder, ids, clip_skip)[0]
    weights = torch.tensor([[weight for _, weight in row] for row in filled])
    if not torch.all(weights == 1):
        weighed = hidden * weights.to(hidden)[:, :, None]
        ratio = float(hidden.mean() / weighed.mean())
        # Near 1 with CLIP's states; a small encoder's mean may be near 0, where it means nothing.
        hidden = weighed * ratio if 0.5 < ratio < 2 else weighed
    return hidden.flatten(0, 1)[None]


def prompt_chunks(tokenizer: Any, text: str) -> list[list[tuple[int, float]]]:
    """A prompt's (token, weight) pairs in chunks of at most 75, broken as A1111 breaks them."""
    comma = words(tokenizer, ",")[-1:]
    rows: list[list[tuple[int, float]]] = [[]]
    last_comma = -1  # the place behind the last comma in the open chunk
    for part, weight in attention(text):
        if part == BREAK:
            rows.append([])
            last_comma = -1
            continue
        for token in words(tokenizer, part):
            if len(rows[-1]) == CHUNK:
                cut = CHUNK
                if [token] != comma and last_comma > 0 and CHUNK - last_comma <= COMMA_BACKTRACK:
                    cut = last_comma
                rows.append(rows[-1][cut:])
                rows[-2] = rows[-2][:cut]
                last_comma = -1
            rows[-1].append((token, weight))
            if [token] == comma:
                last_comma = len(rows[-1])
    return rows


def _hidden(text_encoder: Any, ids: "Tensor", clip_skip: int) -> "Tensor":
    """Hidden states (rows, chunks, 77, width); every chunk is encoded on its own."""
    # transformers before 5.6 (and its kin with a projection) has a level more
    inner = getattr(text_encoder, "text_model", text_encoder)
    device: torch.device = inner.final_layer_norm.weight.device
    found = text_encoder(ids.flatten(0, 1).to(device), output_hidden_states=clip_skip > 1)
    if clip_skip > 1:
        states: Tensor = inner.final_layer_norm(found.hidden_states[-clip_skip])
    else:
        states = found.last_hidden_state
    return states.reshape(*ids.shape[:2], *states.shape[1:])
