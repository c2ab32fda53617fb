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
from datasetkit.taggers.folders import check_names, fits, guessed, no_tagger
from datasetkit.taggers.spec import FAMILIES, FILE, STAGES, Spec, read_spec
from datasetkit.taggers.steps import staged

DEFAULT = "SmilingWolf/wd-swinv2-tagger-v3"
FAST = "wd-convnext-v3"  # by its int8 copy, where one was made
BEST = "wd-eva02-large-v3"
INT8 = "int8"
DESCRIBER = "HuggingFaceTB/SmolVLM-500M-Instruct"  # what the caption stage takes unasked

_FETCHING = threading.Lock()  # one thread fetches, the others find


@dataclass(frozen=True)
class Model:
    """A tagger: how it is called in records, what it takes, and where its files are.

    ``path`` is the folder of one that is on this machine; else ``repo`` (and ``subfolder``) is
    where it is fetched from, at ``revision``, each file checked by the SHA-256 in ``sums``.
    ``licence`` is as its card states it, ``size`` that of its weights in bytes; "" and 0 where
    nobody says.
    """

    name: str
    spec: Spec
    repo: str = ""
    revision: str = ""
    subfolder: str = ""
    sums: Mapping[str, str] = field(default_factory=dict, hash=False)
    path: Path | None = None
    about: str = ""
    licence: str = ""
    size: int = 0

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
    licence: str = "", size: int = 0,
) -> Model:  # fmt: skip
    name = name or subfolder.rpartition("/")[2] or repo.partition("/")[2]
    sums = {f"{subfolder}/{file}" if subfolder else file: sum_ for file, sum_ in
            (sums or {}).items()}  # fmt: skip
    return Model(
        name, spec or FAMILIES[family], repo, revision, subfolder, sums, None, about, licence, size
    )


_V3 = replace(FAMILIES["wd"], in_order=True)
# F1 on its card is best at .53, where the others of the family have theirs at .26.
_EVA02 = replace(_V3, thresholds={"general": 0.5296, "character": 0.85})
_V3_TAGS = "298633d94d0031d2081c0893f29c82eab7f0df00b08483ba8f29d1e979441217"  # one list for all
_V2_TAGS = "8c8750600db36233a1b274ac88bd46289e588b338218c2e4c62bbc9f2b516368"


def _wd(
    repo: str, revision: str, sum_: str, size: int, about: str = "", spec: Spec | None = None
) -> Model:
    """A tagger of SmilingWolf's: the third generation, or with the plain spec the second."""
    tags = _V2_TAGS if spec is FAMILIES["wd"] else _V3_TAGS
    sums = {"model.onnx": sum_, "selected_tags.csv": tags} if revision else {}
    return _row(f"SmilingWolf/{repo}", "wd", revision, about, sums=sums, spec=spec or _V3,
                licence="Apache-2.0", size=size)  # fmt: skip


_V2 = FAMILIES["wd"]
_PIXAI_1 = "Mexes/pixai-tagger-v1.0-onnx-fp32-fp16-int8"
_PIXAI_1_AT = "0800778563144a0e6fdf41ddadd84aae3cb0dbcf"
_PIXAI_1_TAGS = "a9455cbf0a910d4a3890739f2f70bd986278f4594285ef1049121a03896e2a6d"
_CL_AT = "0b6e9b4e145b1423bfd1715119074a24a301b471"

# Revisions and sums are pinned where two who pin them agree, sizes where somebody counted.
MODELS: Mapping[str, Model] = {
    "wd-swinv2-v3": _wd(
        "wd-swinv2-tagger-v3", "627aef95638667ddcaa3ac8ae625e88ea5b02f51",
        "e6774bff34d43bd49f75a47db4ef217dce701c9847b546523eb85ff6dbba1db1", 467_460_978,
        "the default: as good as models of three times its size",
    ),
    "wd-vit-v3": _wd(
        "wd-vit-tagger-v3", "7f6b584d0bd3f55c4531f14ba3d4761b2bccdc0f",
        "35f23693620b668f4d53fd3c62bf65e40af739bc52c7eb0fbc49258b58d065b6", 378_536_310,
    ),
    "wd-convnext-v3": _wd(
        "wd-convnext-tagger-v3", "d39e46de298d27340111b64965e20b8185c407e6",
        "1b8a7abf13d9b8368267df47501d523789c4aeae66b2296ad98483239dfa32eb", 394_990_732,
        "--fast: quickest on a processor, most of all as int8",
    ),
    "wd-vit-large-v3": _wd(
        "wd-vit-large-tagger-v3", "ae469aa2e4706a3af08d3673cf73a11d1add314c",
        "e4c8001b000a6c98f2db10794f7c406daa79873d071d6ca924330fa053fa1845", 1_260_645_673,
    ),
    "wd-eva02-large-v3": _wd(
        "wd-eva02-large-tagger-v3", "b25b82a03f7282e41aa2f257a52c7583b710bd1c",
        "9e768793060c7939b277ccb382783e8670e8a042d29d77aa736be0c8cc898bfc", 1_260_435_999,
        "--best: three times the work", _EVA02,
    ),
    "wd-moat-v2": _wd(
        "wd-v1-4-moat-tagger-v2", "8452cddf280b952281b6e102411c50e981cb2908",
        "b8cef913be4c9e8d93f9f903e74271416502ce0b4b04df0ff1e2f00df488aa03", 326_197_340,
        "the generation before", _V2,
    ),
    "wd-convnext-v2": _wd(
        "wd-v1-4-convnext-tagger-v2", "4b34d1b07bdd8e95494072648960b8a6adcbc0ff",
        "71f06ecb7b9df81d8f271da4d43997ea2ed363cdac29aa64fcb256c9631e656a", 387_820_405, spec=_V2,
    ),
    "wd-convnextv2-v2": _wd(
        "wd-v1-4-convnextv2-tagger-v2", "bf364499ea843a403cc2770072f31f5cfb2ffa58",
        "e91daa19cd9e8725125b7d70702d1560855fb687f8d8c4218eddaa821f41834a", 0, spec=_V2,
    ),
    "wd-swinv2-v2": _wd("wd-v1-4-swinv2-tagger-v2", "", "", 0, spec=_V2),
    "wd-vit-v2": _wd(
        "wd-v1-4-vit-tagger-v2", "1f3f3e8ae769634e31e1ef696df11ec37493e4f2",
        "8a21cadd1f88a095094cafbffe3028c3cc3d97f4d58c54344c5994bcf48e24ac", 0, spec=_V2,
    ),
    "pixai-0.9": _row(
        "deepghs/pixai-tagger-v0.9-onnx", "pixai-0.9", "d8cf666911a2c3d10d586d7823259192313c7eb7",
        "characters with their series; no ratings", name="pixai-tagger-v0.9",
        sums={
            "model.onnx": "a8d479098b5e23f253543c93df42391736abbb77c21c2efd3a513b9cda7b3657",
            "selected_tags.csv": "76b5dd39354a7a4d9baefb94d63b44a09a4934ee15303b7eb86c38f2128eb68a",
            "preprocess.json": "5f8303626704053724fa7ac19cd269f57f5f843b6cca314276c8c4d48d335975",
        },
        licence="Apache-2.0", size=1_271_365_854,
    ),
    "pixai-1.0": _row(
        _PIXAI_1, "pixai-1.0", _PIXAI_1_AT, "30,877 tags to May 2026; for graphics cards",
        name="pixai-tagger-v1.0",
        sums={
            "model.onnx": "1cae6083f07be1e1757125802566c767005ae883e4504c00db4ee1ef93486dad",
            "selected_tags.csv": _PIXAI_1_TAGS,
        },
        licence="Apache-2.0", size=1_984_062_544,
    ),
    "pixai-1.0-fp16": _row(
        _PIXAI_1, "pixai-1.0", _PIXAI_1_AT, "the same at half the size",
        name="pixai-tagger-v1.0-fp16",
        spec=replace(FAMILIES["pixai-1.0"], model="model_fp16.onnx"),
        sums={
            "model_fp16.onnx": "cd668e6760bb58ec400ce1b0286e5c9133f83b543caac6a378406b7d56f8c303",
            "selected_tags.csv": _PIXAI_1_TAGS,
        },
        licence="Apache-2.0", size=992_916_002,
    ),
    **{
        f"animetimm-{arch.replace('_', '-')}": _row(
            f"animetimm/{arch}.dbv4-full", "animetimm",
            about="a threshold a tag; its conditions must be accepted first",
            licence="GPL-3.0", size=size,
        )
        for arch, size in {"caformer_b36": 536_982_484, "caformer_s18": 0,
                           "resnet34": 111_000_000, "resnet152": 0}.items()
    },
    "cl-1.02": _row(
        "cella110n/cl_tagger", "cl", _CL_AT, "42,163 tags, of every kind",
        subfolder="cl_tagger_1_02", licence="Apache-2.0", size=1_425_860_192,
        sums={
            "model.onnx": "1459e946ffc083159015e0eb26239016349ddd36c3daecfeb70bfa4ccf38b944",
            "tag_mapping.json": "9611988482f1bf9a174622c0067d0baa88fda69c0a855cc500411426e77832ec",
        },
    ),
    "cl-1.01": _row("cella110n/cl_tagger", "cl", _CL_AT, subfolder="cl_tagger_1_01",
                    licence="Apache-2.0"),
    "cl-1.00": _row("cella110n/cl_tagger", "cl", subfolder="cl_tagger_1_00", licence="Apache-2.0"),
    "joytag": _row(
        "fancyfeast/joytag", "joytag", "6b7f16331a6ccf0fdce37d5a9564715f6e772b22",
        "flat: it does not tell kinds", licence="Apache-2.0", size=366_116_154,
        sums={
            "model.onnx": "f85b7130e6e549b5b0822537007b7482e8c4c8e754c8d9a5bee08e27050e1097",
            "top_tags.txt": "32b1963a234af848643b2bbf47d8eff1f1c7889406810c57b980f41b2b9e01d0",
        },
    ),
    "z3d-e621": _row("toynya/Z3D-E621-Convnext", "z3d-e621", about="e621's words"),
    "ml-danbooru": _row("deepghs/ml-danbooru-onnx", "ml-danbooru", about="general tags only; old"),
    "deepdanbooru": _row("deepghs/imgutils-models", "deepdanbooru", subfolder="deepdanbooru",
                         about="of historical interest"),
    "deepdanbooru-onnx": _row("skytnt/deepdanbooru_onnx", "deepdanbooru-onnx",
                              about="the same, its labels inside the model"),
    "camie-2": _row(
        "Camais03/camie-tagger-v2", "camie", "7d40c1b85b86ab4f607b2caf26b1b50c99db743e",
        "70,527 tags; its licence lets only you choose it", licence="GPL-3.0", size=788_983_561,
        sums={
            "camie-tagger-v2.onnx":
                "ab0aaf253e3d546090001bec9bebc776c354ab6800f442ab9167af87b4a953ac",
            "camie-tagger-v2-metadata.json":
                "de9f962eb0fd86b7e30d0af4e8c7990205200d70e955d8ecae60f87d14eae66b",
        },
    ),
}  # fmt: skip

_BY_NAME: dict[str, Model] = {}
_BY_REPO: dict[tuple[str, str], Model] = {}
for _model in MODELS.values():  # the first of a repository is the one its bare name means
    _BY_NAME.setdefault(_model.name, _model)
    for _folder in (_model.subfolder, ""):
        _BY_REPO.setdefault((_model.repo.lower(), _folder.lower()), _model)
_REPO = re.compile(r"([\w.-]+/[\w.-]+)(?:/([\w.-]+))?", re.ASCII)
_SNAPSHOT = re.compile(r"models--([\w.-]+)--([\w.-]+)/snapshots/[0-9a-f]{40}$", re.ASCII)


def model_named(text: str) -> Model:
    """The model of a folder, of a short name such as ``wd-vit-v3``, or of a repository.

    A repository that is not known here is taken for one of the WD family; a folder for what its
    ``tagger.yaml``, its name or its files say. Raises ModelError for anything else.
    """
    path = hub.folder_named(text)
    if path:
        try:
            return _local(path)
        except OSError as error:
            raise ModelError(f"'{path}' cannot be read ({error.strerror})") from error
    if text in MODELS:
        return MODELS[text]
    if _is_file(text):
        raise ModelError(f"'{text}' is a file; name the folder in which the model's files are")
    known = known_repository(text)
    if known:
        return known
    if text.lower() == DESCRIBER.lower():
        raise no_tagger(text)
    repo = _REPO.fullmatch(text)
    if repo is None or repo[2] or not hub.is_repository(repo[1]):
        is_path = set(text) & set("/\\")
        near = "dsk models list shows those" if is_path else did_you_mean(text.lower(), MODELS)
        raise ModelError(
            f"model '{text[:100]}' is neither a folder here, nor a repository's name such as "
            f"'owner/name', nor one of dsk's own; {near}"
        )
    owner, _, name = repo[1].partition("/")
    return Model(name, FAMILIES["animetimm" if owner == "animetimm" else "wd"], repo[1])


def known_repository(text: str) -> Model | None:
    """The model of a repository (and its subfolder) that is known here, however it is cased."""
    repo = _REPO.fullmatch(text)
    return _BY_REPO.get((repo[1].lower(), (repo[2] or "").lower())) if repo else None


def _is_file(text: str) -> bool:
    try:
        return Path(text).expanduser().is_file()
    except (OSError, RuntimeError):
        return False


def int8_folder(model: Model, mark: str = "") -> Path:
    """Where the int8 copy of a model is put; ``mark`` parts models that are called the same.

    The copy without a mark is of one of dsk's own models, where ``--fast`` looks for it.
    """
    return cache_folder() / "models" / "-".join(filter(None, (model.name, mark, INT8)))


def fast_model() -> Model:
    """The quickest model on this machine: the int8 copy of FAST where there is one, else FAST."""
    copy = int8_folder(MODELS[FAST])
    return _local(copy) if (copy / "model.onnx").is_file() else MODELS[FAST]


def _local(path: Path) -> Model:
    """The model of a folder; raises ModelError where its files are another's."""
    model = _of_folder(path.resolve())
    check_names(path, model.spec)
    return model


def _of_folder(path: Path) -> Model:
    """The model of a folder: as it says itself, as it is called, or as its files look."""
    if (path / FILE).is_file():
        return Model(path.name, read_spec(path / FILE), path=path)
    cached = _SNAPSHOT.search(path.as_posix())  # whose own name is a commit's
    if cached:
        repo = f"{cached[1]}/{cached[2]}".lower()
        for model in MODELS.values():
            if model.repo.lower() == repo and not model.subfolder and fits(path, model.spec):
                return Model(model.name, model.spec, path=path)
        return Model(cached[2], guessed(path), path=path)
    name = path.name.removesuffix(f"-{INT8}")
    known = MODELS.get(name) or _BY_NAME.get(name)
    if known and fits(path, known.spec):
        return Model(path.name, known.spec, path=path)
    return Model(path.name, guessed(path), path=path)
