"""Stages that change pictures: decoded once, encoded at most once, the original kept."""

import os

# As of the taggers: onnxruntime's own builds would number this machine and report to their maker,
# in sessions that rapidocr opens as well. It reads this when it is first imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
