# The front door. Every target sets itself up: .venv is made from requirements.lock when it is missing or older.

PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo up test test-all faults check bench picture dictionary lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.ready ## a simulated plant through the whole graph: machines at risk and the plan
	$(BIN)/smartmaint demo

up: .venv/.ready ## the same graph in the Dagster UI, until stopped
	$(BIN)/smartmaint up

test: .venv/.ready ## every test that needs no server and no patience
	$(BIN)/pytest -m "not slow and not service" -n 2 --dist loadfile

test-all: .venv/.ready ## every test; those whose server is absent say so
	$(BIN)/pytest

FAULTS ?= all
faults: .venv/.ready ## every fault at every point, for hours, or at FAULTS=n of each kind; the table goes into docs/faults.md
	SMARTMAINT_FAULTS=$(FAULTS) SMARTMAINT_FAULTS_TABLE=$(CURDIR)/docs/faults.md $(BIN)/pytest tests/faults

# dg gets an empty instance: without a home it would take the template dagster.yaml and make a folder called $$home.
check: .venv/.ready ## lint, format, types and definitions: exactly what CI checks
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && touch "$$scratch/dagster.yaml" && \
		DAGSTER_HOME="$$scratch" DG_CLI_CONFIG=.ci/dg.toml $(BIN)/dg check defs

bench: .venv/.ready ## speed as a ratio to a baseline of the same run
	$(BIN)/smartmaint bench

picture: demo ## the README's picture of the lineage page, taken anew of data/home (needs chromium)
	SMARTMAINT_PICTURE_OF=$(CURDIR)/data/home $(BIN)/pytest tests/process/test_lineage_page.py

dictionary: .venv/.ready ## docs/dictionary.md anew from the description of the views
	$(BIN)/python -c "from pipelines.reporting.dictionary import page; print(page(), end='')" > docs/dictionary.md.part
	mv docs/dictionary.md.part docs/dictionary.md

lock: .venv/.ready ## resolve pyproject.toml into requirements.lock; pins that fit stay, OPTIONS=--upgrade moves all
	$$(command -v uv || echo $(BIN)/uv) pip compile --universal --python-version 3.11 --generate-hashes \
		--extra dev pyproject.toml -o requirements.lock -q $(OPTIONS)

clean: ## remove .venv and what the tools left; data/home stays
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.ready: requirements.lock pyproject.toml .ci/bootstrap
	@PYTHON="$(PYTHON)" .ci/bootstrap
