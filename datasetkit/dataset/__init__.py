"""A dataset on disk: a folder of pictures and captions that people read, and its memory in .dsk/.

The folder is an interface. A caption that a person edited wins; a picture that a person deleted
stays deleted. A line appended to ``.dsk/records.jsonl`` commits a change; files follow it by
rename, so that a run killed anywhere is finished by the next one.
"""

from datasetkit.dataset.captions import caption
from datasetkit.dataset.dataset import Dataset, Reject
from datasetkit.dataset.steps import Step, next_undone, note_task, undo

__all__ = ["Dataset", "Reject", "Step", "caption", "next_undone", "note_task", "undo"]
