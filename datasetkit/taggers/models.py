"""The taggers people use: where each is kept, what it takes, and how a name becomes a model."""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from datasetkit import hub
from datasetkit.errors import ModelError, did_you_mean
from datasetkit.settings import cache_folder
from datasetkit.taggers.spec import FAMILIES, FILE, STAGES, Spec, read_spec, staged

DEFAULT = "SmilingWolf/wd-swinv2-tagger-v3"
FAST = "wd-convnext-v3"  # by its int8 copy, where one was made
BEST = "wd-eva02-large-v3"
INT8 = "int8"

_FETCHING = threading.Lock()  # one thread fetches, the others find


@dataclass(frozen=True)
class Model:
    """A tagger: how it is called in records, what it takes, and where its files are.

    ``path`` is the folder of one that is on this machine; else ``repo`` (and ``subfolder``) is
    where it is fetched from, at ``revision``, each file checked by the SHA-256 in ``sums``.
    """

    name: str
    spec: Spec
    repo: str = ""
    revision: str = ""
    subfolder: str = ""
    sums: Mapping[str, str] = field(default_factory=dict, hash=False)
    path: Path | None = None
    about: str = ""

    @property
    def source(self) -> str:
        """The folder or the repository, as hub takes it."""
        return str(self.path) if self.path else self.repo

    @property
    def files(self) -> tuple[str, ...]:
        """The files without which it does not run, as hub takes them."""
        names = [self.spec.model, self.spec.labels, *self.spec.more]
        return tuple("|".join(map(self._placed, name.split("|"))) for name in names if name)

    def _placed(self, name: str) -> str:
        return f"{self.subfolder}/{name}" if self.subfolder else name

    def check(self) -> Path | None:
        """The folder if its files are here, None if they can be fetched; else ModelError."""
        found = hub.check(self.source, self.files, self.revision, sums=self.sums)
        return found / self.subfolder if found else None

    def folder(self) -> Path:
        """The folder in which its files stand, fetched if need be."""
        with _FETCHING:
            if self.path:
                return hub.folder(self.source, self.files)
            return (
                _fetched(self.repo, self.files, self.revision, tuple(self.sums.items()))
                / self.subfolder
            )

    def spec_in(self, folder: Path) -> Spec:
        """What it takes, with what its own ``preprocess.json`` says."""
        steps = folder / STAGES
        return staged(self.spec, steps) if STAGES in self.spec.more else self.spec


@lru_cache(maxsize=8)
def _fetched(
    repo: str, files: tuple[str, ...], revision: str, sums: tuple[tuple[str, str], ...]
) -> Path:
    return hub.folder(repo, files, revision, sums=dict(sums))


def _row(
    repo: str, family: str, revision: str = "", about: str = "", *, name: str = "",
    subfolder: str = "", sums: Mapping[str, str] | None = None, spec: Spec | None = None,
) -> Model:  # fmt: skip
    name = name or subfolder.rpartition("/")[2] or repo.partition("/")[2]
    return Model(name, spec or FAMILIES[family], repo, revision, subfolder, sums or {}, None, about)


_V3 = replace(FAMILIES["wd"], in_order=True)
# F1 on its card is best at .53, where the others of the family have theirs at .26.
_EVA02 = replace(_V3, thresholds={"general": 0.5296, "character": 0.85})
_PIXAI_1 = "Mexes/pixai-tagger-v1.0-onnx-fp32-fp16-int8"
_ANIMETIMM = ("caformer_b36", "caformer_s18", "resnet34", "resnet152")

MODELS: Mapping[str, Model] = {
    "wd-swinv2-v3": _row(
        "SmilingWolf/wd-swinv2-tagger-v3", "wd", "627aef95638667ddcaa3ac8ae625e88ea5b02f51",
        "the default: as good as models of three times its size", spec=_V3,
        sums={"model.onnx": "e6774bff34d43bd49f75a47db4ef217dce701c9847b546523eb85ff6dbba1db1"},
    ),
    "wd-vit-v3": _row("SmilingWolf/wd-vit-tagger-v3", "wd", spec=_V3),
    "wd-convnext-v3": _row("SmilingWolf/wd-convnext-tagger-v3", "wd",
                           about="--fast: quickest on a processor, most of all as int8", spec=_V3),
    "wd-vit-large-v3": _row("SmilingWolf/wd-vit-large-tagger-v3", "wd", spec=_V3),
    "wd-eva02-large-v3": _row("SmilingWolf/wd-eva02-large-tagger-v3", "wd",
                              about="--best: three times the work", spec=_EVA02),
    "wd-moat-v2": _row("SmilingWolf/wd-v1-4-moat-tagger-v2", "wd"),
    "wd-convnext-v2": _row("SmilingWolf/wd-v1-4-convnext-tagger-v2", "wd"),
    "wd-convnextv2-v2": _row("SmilingWolf/wd-v1-4-convnextv2-tagger-v2", "wd"),
    "wd-swinv2-v2": _row("SmilingWolf/wd-v1-4-swinv2-tagger-v2", "wd"),
    "wd-vit-v2": _row("SmilingWolf/wd-v1-4-vit-tagger-v2", "wd"),
    "pixai-0.9": _row(
        "deepghs/pixai-tagger-v0.9-onnx", "pixai-0.9", "d8cf666911a2c3d10d586d7823259192313c7eb7",
        "characters with their series; no ratings", name="pixai-tagger-v0.9",
        sums={"model.onnx": "a8d479098b5e23f253543c93df42391736abbb77c21c2efd3a513b9cda7b3657"},
    ),
    "pixai-1.0": _row(
        _PIXAI_1, "pixai-1.0", "0800778563144a0e6fdf41ddadd84aae3cb0dbcf",
        "30,877 tags to May 2026; for graphics cards", name="pixai-tagger-v1.0",
        sums={"model.onnx": "1cae6083f07be1e1757125802566c767005ae883e4504c00db4ee1ef93486dad"},
    ),
    "pixai-1.0-fp16": _row(
        _PIXAI_1, "pixai-1.0", "0800778563144a0e6fdf41ddadd84aae3cb0dbcf",
        "the same at half the size", name="pixai-tagger-v1.0-fp16",
        spec=replace(FAMILIES["pixai-1.0"], model="model_fp16.onnx"),
        sums={
            "model_fp16.onnx": "cd668e6760bb58ec400ce1b0286e5c9133f83b543caac6a378406b7d56f8c303"
        },
    ),
    **{
        f"animetimm-{arch.replace('_', '-')}": _row(
            f"animetimm/{arch}.dbv4-full", "animetimm",
            about="a threshold a tag; GPL-3.0, its conditions must be accepted first",
        )
        for arch in _ANIMETIMM
    },
    "cl-1.02": _row("cella110n/cl_tagger", "cl", subfolder="cl_tagger_1_02",
                    about="42,163 tags, of every kind"),
    "cl-1.01": _row("cella110n/cl_tagger", "cl", subfolder="cl_tagger_1_01"),
    "cl-1.00": _row("cella110n/cl_tagger", "cl", subfolder="cl_tagger_1_00"),
    "joytag": _row("fancyfeast/joytag", "joytag", about="flat: it does not tell kinds"),
    "z3d-e621": _row("toynya/Z3D-E621-Convnext", "z3d-e621", about="e621's words"),
    "ml-danbooru": _row("deepghs/ml-danbooru-onnx", "ml-danbooru", about="general tags only; old"),
    "deepdanbooru": _row("deepghs/imgutils-models", "deepdanbooru", subfolder="deepdanbooru",
                         about="of historical interest"),
    "deepdanbooru-onnx": _row("skytnt/deepdanbooru_onnx", "deepdanbooru-onnx",
                              about="the same, its labels inside the model"),
    "camie-2": _row("Camais03/camie-tagger-v2", "camie",
                    about="70,527 tags; GPL-3.0, so that only you can choose it"),
}  # fmt: skip

_BY_NAME: dict[str, Model] = {}
_BY_REPO: dict[tuple[str, str], Model] = {}
for _model in MODELS.values():  # the first of a repository is the one its bare name means
    _BY_NAME.setdefault(_model.name, _model)
    for _folder in (_model.subfolder, ""):
        _BY_REPO.setdefault((_model.repo.lower(), _folder.lower()), _model)
_REPO = re.compile(r"([A-Za-z0-9][\w.-]*/[\w.-]+)(?:/([\w.-]+))?")


def model_named(text: str) -> Model:
    """The model of a folder, of a short name such as ``wd-vit-v3``, or of a repository.

    A repository that is not known here is taken for one of the WD family; a folder for what its
    ``tagger.yaml``, its name or its files say. Raises ModelError for anything else.
    """
    path = Path(text).expanduser()
    if text and path.is_dir():
        return _local(path)
    if text in MODELS:
        return MODELS[text]
    repo = _REPO.fullmatch(text)
    known = repo and _BY_REPO.get((repo[1].lower(), (repo[2] or "").lower()))
    if known:
        return known
    if repo is None or repo[2]:
        raise ModelError(
            f"model '{text}' is neither a folder here, nor a repository's name such as "
            f"'owner/name', nor one of dsk's own; {did_you_mean(text, MODELS)}"
        )
    owner, _, name = repo[1].partition("/")
    return Model(name, FAMILIES["animetimm" if owner == "animetimm" else "wd"], repo[1])


def int8_folder(model: Model) -> Path:
    """Where the int8 copy of a model is put, and looked for by ``--fast``."""
    return cache_folder() / "models" / f"{model.name}-{INT8}"


def fast_model() -> Model:
    """The quickest model on this machine: the int8 copy of FAST where there is one, else FAST."""
    copy = int8_folder(MODELS[FAST])
    return _local(copy) if (copy / "model.onnx").is_file() else MODELS[FAST]


def _local(path: Path) -> Model:
    """The model of a folder: as it says itself, as it is called, or as its files look."""
    path = path.resolve()
    if (path / FILE).is_file():
        return Model(path.name, read_spec(path / FILE), path=path)
    name = path.name.removesuffix(f"-{INT8}")
    known = MODELS.get(name) or _BY_NAME.get(name)
    if known and all(_there(path, names) for names in (known.spec.model, known.spec.labels)):
        return Model(path.name, known.spec, path=path)
    return Model(path.name, _guessed(path), path=path)


def _there(folder: Path, names: str) -> bool:
    return not names or any((folder / name).is_file() for name in names.split("|"))


def _guessed(path: Path) -> Spec:
    """The family whose files these are; WD where they tell nothing."""
    for family in ("cl", "joytag", "camie", "z3d-e621", "ml-danbooru", "deepdanbooru"):
        spec = FAMILIES[family]
        if all(_there(path, names) for names in (spec.model, spec.labels)):
            return spec
    if (path / STAGES).is_file():
        return FAMILIES["animetimm"]
    return FAMILIES["wd"]
