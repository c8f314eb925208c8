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

bench: setup     ## measure the engine (6 minutes), then the standard load test in all four modes, with a sweep over rates
	$(BIN)/python -m miniserve.bench.engine $(ARGS)
	$(BIN)/miniserve bench --standard --sweep

bench-peers: setup ## this engine beside others that are installed (5 minutes; miniserve/bench/peers says how)
	$(BIN)/python -m miniserve.bench.peers $(ARGS)

CORPUS  := $(BIN)/python data/build/make_corpus.py
CACHE   := data/build/cache
TRAIN   := $(BIN)/python data/build/train.py --precision float32 --threads 2
AVERAGE := $(BIN)/python data/build/average.py

data: setup      ## make corpora and tutor again (about 27 hours of two cores; needs the train extra)
	$(BIN)/python -m pip install --editable '.[train]'
	for n in 1 2 3 4 5 6; do \
	  $(CORPUS) --train-examples 600000 --seed 80$$n --out $(CACHE)/v8-$$n || exit 1; done
	$(CORPUS) --train-examples 160000 --seed 901 --out $(CACHE)/v9
	$(CORPUS) --train-examples 480000 --seed 1101 --out $(CACHE)/v11
	$(CORPUS) --train-examples 400000 --seed 1201 --out $(CACHE)/v12
	$(CORPUS) --train-examples 480000 --seed 1301 --out $(CACHE)/v13
	$(CORPUS) --train-examples 100000 --seed 1401 --out $(CACHE)/v14
	$(CORPUS) --train-examples 300000 --seed 1501 --out $(CACHE)/v15
	$(CORPUS) --train-examples 400000 --seed 1601 --out $(CACHE)/v16
	$(CORPUS) --train-examples 130000 --seed 1701 --out $(CACHE)/v17
	$(CORPUS) --train-examples 290000 --seed 2001 --out $(CACHE)/v20
	$(CORPUS) --train-examples 150000 --seed 2101 --out $(CACHE)/v21
	$(CORPUS) --train-examples 300000 --seed 2201 --out $(CACHE)/v22
	$(CORPUS) --train-examples 340000 --seed 2301 --out $(CACHE)/v23
	$(CORPUS) --train-examples 70000 --seed 2401 --out $(CACHE)/v24
	$(CORPUS) --train-examples 180000 --seed 2501 --out $(CACHE)/v25
	$(CORPUS) --train-examples 260000 --seed 2601 --out $(CACHE)/v26
	$(CORPUS) --train-examples 480000 --seed 2701 --out $(CACHE)/v27
	$(CORPUS) --train-examples 95000 --seed 2801 --out $(CACHE)/v28
	$(CORPUS) --train-examples 260000 --seed 2901 --out $(CACHE)/v29
	$(CORPUS) --train-examples 480000 --seed 3101 --out $(CACHE)/v31
	$(CORPUS) --train-examples 300000 --seed 3201 --out $(CACHE)/v32
	$(CORPUS) --train-examples 125000 --seed 3301 --out $(CACHE)/v33
	$(CORPUS) --train-examples 80000 --seed 3401 --out $(CACHE)/v34
	$(CORPUS) --train-examples 300000 --seed 3501 --out $(CACHE)/v35
	$(CORPUS) --train-examples 480000 --seed 3601 --out $(CACHE)/v36
	$(CORPUS) --train-examples 300000 --seed 3701 --out $(CACHE)/v37
	$(CORPUS) --train-examples 480000 --seed 3901 --out $(CACHE)/v39
	$(CORPUS) --train-examples 480000 --seed 4001 --out $(CACHE)/v40
	$(CORPUS) --train-examples 480000 --seed 4101 --out $(CACHE)/v41
	$(CORPUS) --train-examples 480000 --seed 4201 --out $(CACHE)/v42
	$(CORPUS) --train-examples 480000 --seed 4301 --out $(CACHE)/v43
	$(CORPUS) --train-examples 480000 --seed 4401 --out $(CACHE)/v44
	$(CORPUS) --train-examples 480000 --seed 4501 --out $(CACHE)/v45
	$(CORPUS) --train-examples 480000 --seed 4601 --out $(CACHE)/v46
	$(CORPUS) --train-examples 480000 --seed 4701 --out $(CACHE)/v47
	$(CORPUS) --train-examples 480000 --seed 4801 --out $(CACHE)/v48
	$(CORPUS) --train-examples 480000 --seed 4901 --out $(CACHE)/v49
	$(TRAIN) --recipe data/build/recipes/part1.json --run $(CACHE)/run
	cp -r $(CACHE)/run/export $(CACHE)/first
	$(TRAIN) --recipe data/build/recipes/part2.json --run $(CACHE)/run9
	$(AVERAGE) $(CACHE)/first $(CACHE)/run9/export 0.55 $(CACHE)/second
	$(TRAIN) --recipe data/build/recipes/part3.json --run $(CACHE)/run11
	$(AVERAGE) $(CACHE)/second $(CACHE)/run11/export 0.8 $(CACHE)/third
	$(TRAIN) --recipe data/build/recipes/part4.json --run $(CACHE)/run12
	$(AVERAGE) $(CACHE)/third $(CACHE)/run12/export 0.8 $(CACHE)/fourth
	$(TRAIN) --recipe data/build/recipes/part5.json --run $(CACHE)/run13
	$(AVERAGE) $(CACHE)/fourth $(CACHE)/run13/export 0.8 $(CACHE)/fifth
	$(TRAIN) --recipe data/build/recipes/part6.json --run $(CACHE)/run14
	$(AVERAGE) $(CACHE)/fifth $(CACHE)/run14/export 0.7 $(CACHE)/sixth
	$(TRAIN) --recipe data/build/recipes/part7.json --run $(CACHE)/run15
	$(AVERAGE) $(CACHE)/sixth $(CACHE)/run15/export 0.6 $(CACHE)/seventh
	$(TRAIN) --recipe data/build/recipes/part8.json --run $(CACHE)/run17
	$(AVERAGE) $(CACHE)/seventh $(CACHE)/run17/export 0.6 $(CACHE)/eighth
	$(TRAIN) --recipe data/build/recipes/part9.json --run $(CACHE)/run18
	$(AVERAGE) $(CACHE)/eighth $(CACHE)/run18/export 0.4 $(CACHE)/ninth
	$(TRAIN) --recipe data/build/recipes/part10.json --run $(CACHE)/run20
	$(AVERAGE) $(CACHE)/ninth $(CACHE)/run20/export 0.7 $(CACHE)/tenth
	$(TRAIN) --recipe data/build/recipes/part11.json --run $(CACHE)/run21
	$(AVERAGE) $(CACHE)/tenth $(CACHE)/run21/export 0.5 $(CACHE)/eleventh
	$(AVERAGE) $(CACHE)/ninth $(CACHE)/eleventh 0.85 $(CACHE)/eleventh_mean
	$(TRAIN) --recipe data/build/recipes/part12.json --run $(CACHE)/run22
	$(AVERAGE) $(CACHE)/eleventh_mean $(CACHE)/run22/export 0.8 $(CACHE)/twelfth
	$(TRAIN) --recipe data/build/recipes/part13.json --run $(CACHE)/run24
	$(AVERAGE) $(CACHE)/twelfth $(CACHE)/run24/export 0.7 $(CACHE)/thirteenth
	$(AVERAGE) $(CACHE)/ninth $(CACHE)/thirteenth 0.85 $(CACHE)/thirteenth_mean
	$(TRAIN) --recipe data/build/recipes/part14.json --run $(CACHE)/run26
	$(AVERAGE) $(CACHE)/thirteenth_mean $(CACHE)/run26/export 0.85 $(CACHE)/fourteenth
	$(AVERAGE) $(CACHE)/ninth $(CACHE)/fourteenth 0.85 $(CACHE)/fourteenth_mean
	$(TRAIN) --recipe data/build/recipes/part15.json --run $(CACHE)/run28
	$(AVERAGE) $(CACHE)/fourteenth_mean $(CACHE)/run28/export 0.4 $(CACHE)/fifteenth
	$(TRAIN) --recipe data/build/recipes/part16.json --run $(CACHE)/run29
	$(AVERAGE) $(CACHE)/fifteenth $(CACHE)/run29/export 0.85 $(CACHE)/sixteenth
	$(AVERAGE) $(CACHE)/ninth $(CACHE)/sixteenth 0.9 $(CACHE)/sixteenth_mean
	$(TRAIN) --recipe data/build/recipes/part17.json --run $(CACHE)/run33
	$(AVERAGE) $(CACHE)/sixteenth_mean $(CACHE)/run33/export 0.5 $(CACHE)/seventeenth
	$(AVERAGE) $(CACHE)/ninth $(CACHE)/seventeenth 0.88 $(CACHE)/seventeenth_a
	$(AVERAGE) $(CACHE)/fifteenth $(CACHE)/seventeenth 0.8 $(CACHE)/seventeenth_b
	$(AVERAGE) $(CACHE)/seventeenth_a $(CACHE)/seventeenth_b 0.6 $(CACHE)/seventeenth_mean
	$(TRAIN) --recipe data/build/recipes/part18.json --run $(CACHE)/run34
	$(AVERAGE) $(CACHE)/seventeenth_mean $(CACHE)/run34/export 0.3 $(CACHE)/eighteenth
	$(TRAIN) --recipe data/build/recipes/part19.json --run $(CACHE)/run35
	$(AVERAGE) $(CACHE)/eighteenth $(CACHE)/run35/export 0.85 $(CACHE)/nineteenth
	$(AVERAGE) $(CACHE)/ninth $(CACHE)/nineteenth 0.95 $(CACHE)/nineteenth_mean
	$(TRAIN) --recipe data/build/recipes/part20.json --run $(CACHE)/run39
	$(AVERAGE) $(CACHE)/nineteenth_mean $(CACHE)/run39/export 0.85 $(CACHE)/twentieth
	$(AVERAGE) $(CACHE)/ninth $(CACHE)/twentieth 0.92 $(CACHE)/twentieth_mean
	$(TRAIN) --recipe data/build/recipes/part21.json --run $(CACHE)/run42
	$(AVERAGE) $(CACHE)/twentieth_mean $(CACHE)/run42/export 0.7 $(CACHE)/twenty_first
	$(AVERAGE) $(CACHE)/ninth $(CACHE)/twenty_first 0.92 $(CACHE)/twenty_first_mean
	$(BIN)/python data/build/deepen.py $(CACHE)/twenty_first_mean 1,2 $(CACHE)/deep_start
	$(BIN)/python data/build/deepen.py $(CACHE)/ninth 1,2 $(CACHE)/deep_ninth
	$(TRAIN) --recipe data/build/recipes/part22.json --run $(CACHE)/run43
	$(AVERAGE) $(CACHE)/deep_start $(CACHE)/run43/export 0.65 $(CACHE)/twenty_second
	$(AVERAGE) $(CACHE)/deep_ninth $(CACHE)/twenty_second 0.94 $(CACHE)/twenty_second_mean
	$(TRAIN) --recipe data/build/recipes/part23.json --run $(CACHE)/run45
	$(AVERAGE) $(CACHE)/twenty_second_mean $(CACHE)/run45/export 0.6 data/tutor
	$(BIN)/python data/build/make_golden.py
	$(BIN)/python data/build/evaluate.py --kinds

lock: setup      ## resolve requirements.lock again (needs uv)
	uv pip compile pyproject.toml --extra test --extra browser --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements.lock

clean:           ## remove the environment and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
