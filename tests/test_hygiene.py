"""What may stand nowhere in the source: ways by which data becomes code, or keys become text."""

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "datasetkit"
SCRIPTS = Path(__file__).parent.parent / "scripts"
SOURCES = sorted([*PACKAGE.rglob("*.py"), *SCRIPTS.glob("*.py")])

FORBIDDEN = {
    "pickle": r"^\s*(import|from)\s+(pickle|cPickle|dill|cloudpickle|joblib|shelve|marshal)\b",
    "eval": r"(?<![.\w])(eval|exec)\s*\(",
    "a shell": r"os\.system\(|os\.popen\(|shell\s*=\s*True|^\s*(import|from)\s+(subprocess|pty)\b",
    "yaml.load": r"yaml\.(load|full_load|unsafe_load)(_all)?\s*\(",
    "numpy's pickles": r"allow_pickle\s*=\s*True",
    "a checkpoint's code": r"torch\.load\((?![^)]*weights_only=True)",
    "certificates unchecked": r"verify\s*=\s*False",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nowhere(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what], re.MULTILINE)
    found = [path.name for path in SOURCES if pattern.search(path.read_text(encoding="utf-8"))]
    assert found == []


def test_the_library_is_silent() -> None:
    """Only the rooms that face people write to the screen."""
    speakers = {"cli.py", "screen.py", "info.py"}
    for path in PACKAGE.rglob("*.py"):
        if path.name not in speakers:
            assert not re.search(r"^\s*print\(", path.read_text(encoding="utf-8"), re.MULTILINE), (
                path
            )
