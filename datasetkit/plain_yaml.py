"""YAML as data alone: no classes, no aliases, no doubled keys, and words stay words.

Only ``true``, ``false``, ``null`` and numbers are more than text; ``no``, ``on`` and ``12:30``
(a boolean, another, and 750 in YAML 1.1) are what the person wrote.
"""

import re
from typing import Any

import yaml

from datasetkit.errors import UsageError

MAX_DEPTH = 20  # of nesting; a pipeline needs four


class PlainLoader(yaml.SafeLoader):
    """PyYAML's safe loader, narrowed to the plain values of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping, refusing a key that stands twice (PyYAML would keep the last)."""
        seen: set[str] = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise UsageError(f"line {line}: a key is a word, not a list or mapping")
            if key.value in seen:
                raise UsageError(f"line {line}: the key '{key.value}' stands twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_WORDS = {
    "null": (r"null|~|", [*"n~", ""]),
    "bool": (r"true|false", [*"tf"]),
    "int": (r"[-+]?[0-9]+", [*"-+0123456789"]),
    "float": (r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?", [*"-+.0123456789"]),
}
for _name, (_pattern, _first) in _WORDS.items():
    PlainLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern})\Z"), _first
    )

PlainLoader.add_constructor(
    "tag:yaml.org,2002:int", lambda loader, node: int(node.value)
)  # 010: 10


def read_yaml(text: str) -> Any:
    """Read YAML text as mappings, lists, texts, numbers, booleans and null.

    Raises UsageError with the line for anything else: bad syntax, a doubled key, an alias, a
    class's tag, nesting deeper than MAX_DEPTH.
    """
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            line = event.start_mark.line + 1 if event.start_mark else 0
            if depth > MAX_DEPTH:
                raise UsageError(f"line {line}: nested deeper than {MAX_DEPTH}")
            if tag := getattr(event, "tag", None):
                raise UsageError(f"line {line}: YAML tags ({tag}) are not read here")
            if isinstance(event, yaml.AliasEvent):
                raise UsageError(f"line {line}: YAML aliases are not read here; write it out")
        return PlainLoader(text).get_single_data()
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UsageError(f"not good YAML: {' '.join(str(error).split())}") from error
