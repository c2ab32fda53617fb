"""Models that look at a picture and say what is in it."""

import os

# onnxruntime's own builds would number this machine and report to their maker. It reads this when
# it is first imported; whoever wants otherwise has set it before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
