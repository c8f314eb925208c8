# Two commands do everything on a fresh machine: `make lab` and `make test`.
# Every other target is for people who change the project. `make help` lists them.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# Jupyter wants to hear that it is meant to run as root, as it is in many containers.
ROOT   := $(if $(filter 0,$(shell id -u 2>/dev/null)),--allow-root)
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: help setup lab test lint format notebooks pictures bench bench-peers soak data lock clean

help:            ## list the targets
	@grep -E '^[a-z-]+: .*##|^[a-z-]+:  +##' $(MAKEFILE_LIST) | sed -E 's/:.*## / — /'

setup: $(READY)  ## make .venv from the lock file

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if (3, 11) <= v[:2] <= (3, 13) else "miniserve needs Python 3.11, 3.12 or 3.13; this is %d.%d. Try: make PYTHON=python3.12 …" % v[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

lab: setup       ## open JupyterLab on the first chapter
	$(BIN)/jupyter lab $(ROOT) --ServerApp.root_dir=. notebooks/00_start_here.ipynb

test: setup      ## run all tests but the long ones (soak), the notebooks included
	$(BIN)/python -m tests

soak: setup      ## the long versions of some tests: half an hour and more
	$(BIN)/python -m pytest tests -m soak

lint: setup      ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup    ## let ruff format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

notebooks: setup ## run every notebook and save it (ONLY=04 for one)
	$(BIN)/python -m tests.rerun_notebooks $(ONLY)

pictures: setup  ## make the README's pictures of the panels (needs Chromium)
	$(BIN)/python -m tests.browser.pictures

bench: setup     ## measure the engine (7 minutes), then the standard load test in all four modes, with a sweep over rates
	$(BIN)/python -m miniserve.bench.engine $(ARGS)
	$(BIN)/miniserve bench --standard --sweep

bench-peers: setup ## this engine beside others that are installed (5 minutes; miniserve/bench/peers says how)
	$(BIN)/python -m miniserve.bench.peers $(ARGS)

data: setup      ## make corpora and tutor again (about 30 hours of two cores; needs the train extra)
	$(BIN)/python -m pip install --editable '.[train]'
	sh data/build/make_data.sh $(BIN)/python

lock: setup      ## resolve requirements.lock again (needs uv)
	uv pip compile pyproject.toml --extra test --extra browser --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements.lock

clean:           ## remove the environment and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
