"""Tiny vision-language models with random weights, saved as transformers saves the real ones."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BlipConfig,
    BlipForConditionalGeneration,
    BlipProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

WORDS = """
    <pad> <s> </s> <unk> <image> USER: ASSISTANT: describe this picture in one or two sentences a
    girl with blue red green hair and an umbrella stands walks sits on the beach hill street near
    old tree under clouds she wears hat coat smiles at cat
""".split()  # one token each

TEMPLATE = (
    "{% for message in messages %}USER: {% for item in message['content'] %}"
    "{% if item['type'] == 'image' %}<image> {% else %}{{ item['text'] }} {% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
SIDE, PATCH = 16, 8


def tokenizer() -> PreTrainedTokenizerFast:
    plain = Tokenizer(models.WordLevel({w: n for n, w in enumerate(WORDS)}, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        unk_token="<unk>", additional_special_tokens=["<image>"],
    )  # fmt: skip


def image_processor(kind: str) -> object:
    """The one of Pillow, for torchvision need not be there."""
    import transformers

    options = {
        "size": {"height": SIDE, "width": SIDE},
        "crop_size": {"height": SIDE, "width": SIDE},
    }
    made = getattr(transformers, f"{kind}ImageProcessorPil", None)
    return (made or getattr(transformers, f"{kind}ImageProcessor"))(**options)


def talking_model(folder: Path, seed: int = 0) -> Path:
    """A LLaVA of 30,000 weights: answers a question about a picture."""
    torch.manual_seed(seed)
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
             "num_attention_heads": 2}  # fmt: skip
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(image_size=SIDE, patch_size=PATCH, **small),
        text_config=LlamaConfig(
            vocab_size=len(WORDS), pad_token_id=0, bos_token_id=1, eos_token_id=2,
            num_key_value_heads=2, initializer_range=0.4, **small,
        ),
        image_token_index=WORDS.index("<image>"),
    )  # fmt: skip
    model = LlavaForConditionalGeneration(config)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.4)
    model.save_pretrained(folder)
    LlavaProcessor(
        image_processor=image_processor("CLIP"), tokenizer=tokenizer(), patch_size=PATCH,
        vision_feature_select_strategy="default", chat_template=TEMPLATE, image_token="<image>",
        num_additional_image_tokens=1,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def captioning_model(folder: Path) -> Path:
    """A BLIP: begins, or continues, a caption, and takes no question."""
    torch.manual_seed(0)
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
             "num_attention_heads": 2}  # fmt: skip
    config = BlipConfig(
        text_config={
            **small, "vocab_size": len(WORDS), "projection_dim": 16, "encoder_hidden_size": 32,
            "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "sep_token_id": 2,
        },
        vision_config={**small, "image_size": SIDE, "patch_size": PATCH, "projection_dim": 16},
        projection_dim=16,
    )  # fmt: skip
    model = BlipForConditionalGeneration(config)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.4)
    model.save_pretrained(folder)
    BlipProcessor(image_processor("Blip"), tokenizer()).save_pretrained(folder)
    return folder
