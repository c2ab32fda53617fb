"""datasetkit: from a booru query to a clean, tagged dataset, a trained LoRA and its grid."""

__version__ = "0.1.0"
