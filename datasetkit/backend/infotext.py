"""The ``parameters`` text of a PNG, as A1111 writes it and all WebUIs read it back."""

import json
import re
from collections.abc import Mapping

# A reader's own expression for "Key: value, Key: "value, with commas"" on the last line.
FIELD = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')


def write(prompt: str, negative: str, fields: Mapping[str, object]) -> str:
    """Write prompt, negative prompt and fields; a field that is None or "" is left out."""
    line = ", ".join(f"{key}: {_quoted(str(value))}" for key, value in fields.items()
                     if value is not None and value != "")  # fmt: skip
    parts = [prompt, f"Negative prompt: {negative}" if negative else "", line]
    return "\n".join(part for part in parts if part)


def read(text: str) -> tuple[str, str, dict[str, str]]:
    """Read prompt, negative prompt and fields; a last line with under 3 fields is prompt."""
    *head, last = text.strip().split("\n")
    fields = FIELD.findall(last)
    if len(fields) < 3:
        head, fields = [*head, last], []
    prompt, _, negative = "\n".join(head).partition("Negative prompt:")
    values = {key: json.loads(value) if value.startswith('"') else value for key, value in fields}
    return prompt.strip(), negative.strip(), values


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if re.search(r"[,:\n]", value) else value
