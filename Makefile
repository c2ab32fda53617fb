# Two commands do all the set-up on a fresh machine with Python and git:
#   make demo   the whole length on drawn characters, without network or graphics card
#   make test   the tests
# Each makes .venv if it is missing. VENV=DIR puts it elsewhere.

PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo
BIN := $(VENV)/bin

.PHONY: demo test check docs

demo: $(VENV)/.ready
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(BIN)/dsk demo $(DEMO)

test: $(VENV)/.ready
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(BIN)/python -m pytest

check: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/make_docs.py --check

docs: $(VENV)/.ready
	$(BIN)/python scripts/make_docs.py

# torch first and pinned: a looser request may fetch gigabytes of CUDA libraries.
$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[dev]"
	touch $@
