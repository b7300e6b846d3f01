# Everything runs in its own environment under .venv; nothing is installed on the machine.
PYTHON ?= python3
BIN := .venv/bin
export PYTHONPATH := $(CURDIR)
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo demo-shop test slow check lint types import-rules docs-check bench evals figures chaos up audit sbom lock docs snapshots migration hooks release clean

help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

# As it was written: a prompt may hold quotes and dollar signs, which neither make nor the shell should read.
demo: override export PROMPT := $(value PROMPT)
demo: .venv/.run ## From an Airtable row to a film, on this machine, with nothing to sign up for
	@SCENES="$(SCENES)" SECONDS_PER_CLIP="$(SECONDS)" MODEL="$(MODEL)" VOICE="$(VOICE)" CAMPAIGN="$(CAMPAIGN)" JSON="$(JSON)" $(BIN)/python -m tools.demo

demo-shop: .venv/.run ## Credits, a batch, webhooks and a clip paid by x402, sold to nobody on this machine (JSON=1)
	@JSON="$(JSON)" $(BIN)/python -m tools.demo.shop

test: .venv/.dev ## The test suite without its slow part: about ten minutes on two cores
	@$(BIN)/pytest -n 3 --dist loadgroup -m "not slow" $(ARGS)

slow: .venv/.dev ## Its slow part, about half an hour: kills, acceptance, every vendor, every refusal
	@$(BIN)/pytest -n 2 --dist loadgroup -m slow $(ARGS)

check: lint types import-rules docs-check ## Format, lint, types, import rules, generated documents

lint: .venv/.dev ## Format and lint
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .

types: .venv/.dev ## Types
	@$(BIN)/mypy

import-rules: .venv/.dev ## Who may import whom
	@$(BIN)/lint-imports --no-cache > .venv/lint-imports.txt || (cat .venv/lint-imports.txt; exit 1)

docs-check: .venv/.dev ## Whether generated documents are up to date
	@$(BIN)/python -m tools.docs --check

bench: .venv/.dev ## Every claim of speed and size, side by side (SECTION=media, JSON=1, AGAINST=COMMIT)
	@SECTION="$(SECTION)" JSON="$(JSON)" AGAINST="$(AGAINST)" $(BIN)/python -m tools.bench

evals: .venv/.dev ## Whether a wording of the scene writer's prompt is a better one: recorded answers, no cost (NEW=expand-v2 OLD=…)
	@$(BIN)/flask writers eval $(NEW) $(if $(OLD),--against $(OLD))

figures: .venv/.dev ## Lengths, rooms, circles, types, by reading the code (AGAINST=COMMIT SUITE="9 min" SUITE_BEFORE=…)
	@$(BIN)/python -m tools.figures $(if $(AGAINST),--against $(AGAINST)) $(if $(SUITE),--suite "$(SUITE)") $(if $(SUITE_BEFORE),--suite-before "$(SUITE_BEFORE)")

chaos: .venv/.dev ## Kill everything at random and count the bill (RUNS CLIPS SEED DATABASE ABILITY JSON); FAILURES=all: ten by name (TRIGGERS FILMS JSON)
	@FAILURES="$(FAILURES)" TRIGGERS="$(TRIGGERS)" FILMS="$(FILMS)" RUNS="$(RUNS)" CLIPS="$(CLIPS)" SEED="$(SEED)" DATABASE="$(DATABASE)" ABILITY="$(ABILITY)" JSON="$(JSON)" $(BIN)/python -m tools.chaos

up: .venv/.run ## Web and worker on the settings in .env
	@$(BIN)/python -m tools.up

docs: .venv/.dev ## Write all generated documents anew
	@$(BIN)/python -m tools.docs

snapshots: .venv/.dev ## Write tests/snapshots anew: what others see (API, settings, base, commands, sentences)
	@$(BIN)/python -m tools.snapshots

lock: .venv/.dev ## Pin what requirements*.in ask for
	@$(BIN)/uv pip compile -q --no-emit-index-url --no-header --python-version 3.11 --generate-hashes --no-strip-extras --upgrade requirements.in -o requirements.txt
	@$(BIN)/uv pip compile -q --no-emit-index-url --no-header --python-version 3.11 --upgrade requirements-dev.in -o requirements-dev.txt
	@$(BIN)/uv pip compile -q --no-emit-index-url --no-header --python-version 3.11 --generate-hashes --no-strip-extras --upgrade requirements-otel.in -o requirements-otel.txt
	@$(BIN)/uv pip compile -q --no-emit-index-url --no-header --python-version 3.11 --generate-hashes --no-strip-extras --upgrade requirements-c2pa.in -o requirements-c2pa.txt
	@$(BIN)/uv pip compile -q --no-emit-index-url --no-header --python-version 3.11 --generate-hashes --no-strip-extras --upgrade requirements-search.in -o requirements-search.txt

audit: .venv/.dev ## Known advisories against the pinned packages; needs a way to PyPI
	@$(BIN)/python -m tools.audit

sbom: .venv/.dev ## A bill of materials of what ships (CycloneDX), for a release
	@$(BIN)/python -m tools.sbom

migration: .venv/.dev ## A migration to the tables as they are now (M="why")
	@$(BIN)/python -m tools.migration "$(M)"

hooks: .venv/.dev ## Have git check format, imports and messages of your commits, and all of make check before a push
	@$(BIN)/pre-commit install

release: .venv/.dev ## Tag this commit as the version that the changelog names (VERSION=1.2.3)
	@$(BIN)/python -m tools.release "$(VERSION)"

clean: ## Remove the environment and what the demo left
	rm -rf .venv var

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed (make PYTHON=python3.12 …)")'
	@$(PYTHON) -m venv .venv

.venv/.run: requirements.txt | .venv/bin/python
	@echo "Preparing the environment (once) …" >&2
	@$(BIN)/python -m tools.install requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt .venv/.run
	@$(BIN)/python -m tools.install requirements-dev.txt
	@touch $@
