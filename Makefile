# Everything needs only Python 3.11 or newer and make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: help install demo test test-all crash check lint types schemas docs bench bench-quick \
  bench-parts pictures figures clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: $(VENV)/installed ## make the virtual environment and install everything into it

define new-environment
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
  { echo "batcher needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
$(PYTHON) -m venv $(VENV)
endef

$(VENV)/installed: pyproject.toml
	$(new-environment)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --group dev
	$(BIN)/python -m compileall -q batcher
	@touch $(VENV)/runtime $@

# What batcher itself needs, without the development packages.
$(VENV)/runtime: pyproject.toml
	$(new-environment)
	$(BIN)/python -m pip install --quiet --editable .
	$(BIN)/python -m compileall -q batcher
	@touch $@

demo: $(VENV)/runtime ## label 2,000 rows on the simulator; show accuracy, errors, cost and rows
	@$(BIN)/python jobs/demo.py

test: install ## run the tests: at most five minutes on two cores
	$(BIN)/python -m pytest

test-all: install ## run all tests but those of make crash: up to 40 minutes on two cores
	$(BIN)/python -m pytest -m "not crash" --hypothesis-profile=full

crash: install ## kill, damage and cut off power by the thousand, and 50 nights of troubles: takes hours
	$(BIN)/python -m pytest -m crash -n 0 --timeout 0 -s --hypothesis-profile=full tests

check: lint types ## lint and types

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

schemas: install ## write schemas/*.json from the code that reads and writes these files
	$(BIN)/python -c 'from batcher.core.job.job_schema import schema_text as t; print(t(), end="")' \
	  > schemas/job.schema.json
	$(BIN)/python -c 'from batcher.core.run_record.run_schema import schema_text as t; print(t(), end="")' \
	  > schemas/run.schema.json

docs: install ## write the generated parts of ARCHITECTURE.md and docs/
	$(BIN)/python docs/generate.py

bench: install ## compare with bare clients and peers for 15 minutes; write docs/performance.md
	$(BIN)/python -m pip install --quiet --group figures
	$(BIN)/python benchmarks/bench.py --write

bench-quick: install ## the same comparison in two minutes; writes nothing
	$(BIN)/python benchmarks/bench.py --quick

bench-parts: install ## measure the client, resuming, pacing and caching on their own
	$(BIN)/python benchmarks/client.py
	$(BIN)/python benchmarks/resume.py
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/pacing.py
	$(BIN)/python benchmarks/caching.py

pictures: install ## draw the README's terminal from a real run on the simulator
	$(BIN)/python -m pip install --quiet --group pictures
	$(BIN)/python docs/pictures.py

figures: install ## simulate pacing, estimates and nights with batches, and draw them
	$(BIN)/python -m pip install --quiet --group figures
	$(BIN)/python tests/pacing/table.py --details --picture docs/pacing.svg
	$(BIN)/python tests/estimating/calibration.py --picture docs/estimating.svg
	$(BIN)/python tests/nights/nights_table.py --picture docs/batches.svg

clean: ## remove what make made
	rm -rf $(VENV) .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis
