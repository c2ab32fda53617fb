"""Which family's files stand in a folder, and what is said where they are called otherwise."""

from pathlib import Path

from datasetkit import hub
from datasetkit.errors import ModelError
from datasetkit.taggers.spec import FAMILIES, FILE, STAGES, Spec

# The more telling their files are called, the earlier.
_TELLING = (
    *("cl", "joytag", "camie", "z3d-e621", "ml-danbooru", "deepdanbooru"),
    "deepdanbooru-onnx",
)


def guessed(path: Path) -> Spec:
    """The family whose files these are; WD where they tell nothing."""
    for family in _TELLING:
        spec = FAMILIES[family]
        if fits(path, spec):
            return spec
    if (path / STAGES).is_file():
        return FAMILIES["animetimm"]
    return FAMILIES["wd"]


def fits(folder: Path, spec: Spec) -> bool:
    """Say whether the ONNX file and the label list are called as the spec has it."""
    return all(_there(folder, names) for names in (spec.model, spec.labels))


def check_names(folder: Path, spec: Spec) -> None:
    """Raise ModelError where the ONNX file has another name, or the model is no tagger at all."""
    if _there(folder, spec.model):
        return
    others = sorted(other.name for other in folder.glob("*.onnx"))
    if others:
        raise ModelError(
            f"the model's folder '{folder}' holds no {hub.listed([spec.model])}, but "
            f"{hub.listed(others)}; 'model: {others[0]}' in a {FILE} beside it names it"
        )
    if (folder / "config.json").is_file() and any(folder.glob("*.safetensors")):
        raise no_tagger(str(folder))


def no_tagger(text: str) -> ModelError:
    """The refusal of a model that is the caption stage's."""
    return ModelError(
        f"'{text}' describes pictures in sentences: it is a model for dsk caption, which fetches "
        "what it needs"
    )


def _there(folder: Path, names: str) -> bool:
    return not names or any((folder / name).is_file() for name in names.split("|"))
