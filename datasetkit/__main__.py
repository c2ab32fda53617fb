"""``python -m datasetkit`` is ``dsk``."""

from datasetkit.cli import main

main()
