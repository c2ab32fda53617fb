"""Which stages there are: a name, where its class lives, and its one-line help. Strings only.

A stage joins by one line here. The help is the first line of the class's docstring (a test holds
the two together), repeated so that ``dsk --help`` imports no stage.
"""

from importlib import import_module
from typing import NamedTuple

from datasetkit.errors import UsageError, did_you_mean
from datasetkit.stage import Stage


class Entry(NamedTuple):
    """A stage's class as ``module:Class``, and its help in one line."""

    target: str
    help: str


STAGES = {
    "grab": Entry(
        "datasetkit.grabbers.grab:Grab",
        "Fetch the pictures that boorus find for a query, with their typed tags.",
    ),
    "refresh": Entry(
        "datasetkit.grabbers.refresh:Refresh",
        "Bring tags, ratings and scores up to date with the sites, without fetching pictures.",
    ),
    "folder": Entry(
        "datasetkit.grabbers.folder:Folder",
        "Take in the pictures of a local folder, with what other programs left beside them.",
    ),
    "tag": Entry(
        "datasetkit.taggers.tag:Tagging",
        "Add the tags that tagger models see and the booru missed.",
    ),
    "caption": Entry(
        "datasetkit.taggers.caption:Caption",
        "Describe each picture in plain sentences, by a vision-language model.",
    ),
    "dedupe": Entry(
        "datasetkit.cleaners.sets.dedupe:Dedupe",
        "Leave out pictures that are there twice, and keep the best of each.",
    ),
    "filter": Entry(
        "datasetkit.cleaners.sets.filter:Filter",
        "Leave out pictures by tags, size, blur, JPEG damage or faces, each with its reason.",
    ),
    "split": Entry(
        "datasetkit.cleaners.pixels.split:Split",
        "Cut comic strips, and with --pages whole pages, into their panels, each its own picture.",
    ),
    "clean": Entry(
        "datasetkit.cleaners.tags.clean:Clean",
        "Take junk out of the captions and put the character first.",
    ),
    "core": Entry(
        "datasetkit.cleaners.tags.core:Core",
        "Show which tags are the character's own (hair, eyes, ears), and drop them on demand.",
    ),
    "quality": Entry(
        "datasetkit.cleaners.tags.quality:Quality",
        "Add a family's quality tags by the sites' scores, and its tags for the year.",
    ),
    "flatten": Entry(
        "datasetkit.cleaners.pixels.flatten:Flatten",
        "Lay transparent pictures on a plain colour, and let the tags follow.",
    ),
    "trim": Entry(
        "datasetkit.cleaners.pixels.trim:Trim",
        "Cut off letterbox bars and plain borders, at any of the four sides.",
    ),
    "crop": Entry(
        "datasetkit.cleaners.pixels.crop:Crop",
        "Cut pictures longer than 3:1 to that ratio, around what is drawn.",
    ),
    "text": Entry(
        "datasetkit.cleaners.pixels.text:Text",
        "Find signatures, watermarks and other text, and keep training from learning them.",
    ),
    "upright": Entry(
        "datasetkit.cleaners.pixels.upright:Upright",
        "Rewrite turned, profiled, 16-bit, CMYK, palette and animated files as plain sRGB.",
    ),
    "pick": Entry(
        "datasetkit.cleaners.sets.pick:Pick",
        "Say what the set shows and what it lacks; with --count, keep the most varied pictures.",
    ),
    "repeats": Entry(
        "datasetkit.exporters.repeats:Repeats",
        "Write the folder a kohya trainer reads, with the repeats worked out.",
    ),
    "export": Entry(
        "datasetkit.exporters.export:Export",
        "Write the dataset in another program's form: datasets, OneTrainer, ai-toolkit and others.",
    ),
    "check": Entry(
        "datasetkit.inspectors.check:Check",
        "Find what would harm a training, each fault with the command that mends it.",
    ),
    "report": Entry(
        "datasetkit.inspectors.report.report:Report",
        "Write one page of HTML that shows the dataset: pictures, tags, shapes, what was left out.",
    ),
    "plan": Entry(
        "datasetkit.inspectors.plan:Plan",
        "Work out a training's steps, rank, rates, memory and time, with the reason for each.",
    ),
    "train": Entry(
        "datasetkit.backend.train:Train",
        "Train a LoRA on the exported folder, one file an epoch.",
    ),
    "generate": Entry(
        "datasetkit.backend.paint:Generate",
        "Paint pictures from a prompt, with or without a LoRA.",
    ),
    "grid": Entry(
        "datasetkit.backend.grid:Grid",
        "Paint epochs by weights in one picture, and name the best.",
    ),
}


def stage_class(name: str) -> type[Stage]:
    """Import the class of a stage; UsageError with the nearest name if there is none."""
    if name not in STAGES:
        raise UsageError(f"there is no stage '{name}'; {did_you_mean(name, STAGES)}")
    module, _, attribute = STAGES[name].target.partition(":")
    found: type[Stage] = getattr(import_module(module), attribute)
    return found


def name_of(stage: Stage) -> str:
    """The name under which a stage stands in the catalog (its class's name if it does not)."""
    kind = type(stage)
    target = f"{kind.__module__}:{kind.__qualname__}"
    return next((name for name, entry in STAGES.items() if entry.target == target), kind.__name__)
