"""Write one page a stage to docs/stages from its docstring and options; --check compares only.

The pages say what ``dsk STAGE --help`` says, with the YAML entry and the Python call beside it.
"""

import dataclasses
import inspect
import sys
from pathlib import Path
from typing import Any

from datasetkit.catalog import STAGES, stage_class
from datasetkit.stage import options_of

PAGES = Path(__file__).parent.parent / "docs" / "stages"


def page(name: str) -> str:
    """The page of one stage, in Markdown."""
    kind = stage_class(name)
    fields = options_of(kind)
    required = [field.name for field in fields if field.default is dataclasses.MISSING]
    arguments = "".join(f" {option.upper()}" for option in required)
    yaml = f"- {name}: {{{', '.join(f'{option}: …' for option in required)}}}"
    call = f"{kind.__name__}({', '.join(f'{option}=…' for option in required)})"
    lines = [
        f"# {name}",
        "",
        inspect.getdoc(kind) or "",
        "",
        "```sh",
        f"dsk {name}{arguments}",
        "```",
        "```yaml",
        yaml if required else f"- {name}",
        "```",
        "```python",
        f"from {kind.__module__} import {kind.__name__}",
        "",
        f"stage = {call}",
        "```",
        "",
    ]
    if fields:
        lines += ["| option | default | meaning |", "| --- | --- | --- |"]
        lines += [_row(field) for field in fields]
        lines.append("")
    return "\n".join(lines)


def overview() -> str:
    """The list of all stages, in the order of the work."""
    rows = [f"| [{name}]({name}.md) | {entry.help} |" for name, entry in STAGES.items()]
    return "\n".join(["# Stages", "", "| stage | what it does |", "| --- | --- |", *rows, ""])


def pages() -> dict[str, str]:
    """All pages by file name."""
    return {"README.md": overview(), **{f"{name}.md": page(name) for name in STAGES}}


def main() -> None:
    """Write the pages, or with --check fail where one is not what the code says."""
    stale = []
    for name, text in pages().items():
        path = PAGES / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    if stale and "--check" in sys.argv:
        sys.exit(f"stale pages in docs/stages: {', '.join(stale)}; run make docs")


def _row(field: "dataclasses.Field[Any]") -> str:
    default = field.default
    if default is dataclasses.MISSING:
        shown = "required"
    elif isinstance(default, bool):
        shown = "yes" if default else "no"
    elif isinstance(default, tuple):
        shown = ", ".join(map(str, default))
    else:
        shown = str(default)
    limits = [f"at least {field.metadata['ge']:g}"] if "ge" in field.metadata else []
    limits += [f"at most {field.metadata['le']:g}"] if "le" in field.metadata else []
    meaning = field.metadata["description"] + (f" ({', '.join(limits)})" if limits else "")
    return f"| `{field.name}` | {shown} | {meaning} |".replace("*", r"\*").replace("||", r"\|\|")


if __name__ == "__main__":
    main()
