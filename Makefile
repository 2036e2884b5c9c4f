# The first Python on this machine that the package runs on.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3; do \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null \
	&& { echo "$$python"; break; }; done)
BIN := .venv/bin
READY := .venv/ready
TORCH := torch==2.13.0
# Two test processes with one thread each are faster than the other way round. A long traceback of a warning from
# garbage collection is pages of the test runner before the line that counts.
TESTS := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -q --tb=short

.PHONY: demo test lint types tests faults format lock clean

demo: $(READY)
	$(BIN)/layerwise fit sklearn:digits --code 8 -o demo/model
	$(BIN)/layerwise transform demo/model sklearn:digits -o demo/codes.csv
	$(BIN)/layerwise report demo/model sklearn:digits -o demo/report.html
	@echo "demo/model, demo/codes.csv and demo/report.html are ready."

test: lint types tests

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

# With `tests` alone: make tests ARGS="tests/data -k parquet"
tests: $(READY)
	$(TESTS) $(ARGS)

# Every fault in full; writes docs/reliability.md.
faults: $(READY)
	LAYERWISE_FAULTS=full OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -s tests/faults

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# torch first and alone, by its exact version: anything looser brings gigabytes of GPU packages.
$(READY): pyproject.toml requirements/test.txt requirements/peers.txt
	@test -n "$(PYTHON)" || { echo "layerwise needs Python 3.11 to 3.14; say PYTHON=/path/to/python." >&2; exit 1; }
	$(BIN)/python -c "" 2>/dev/null || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet -r requirements/test.txt
	$(BIN)/python -m pip install --quiet --no-deps -r requirements/peers.txt
	$(BIN)/python -m pip install --quiet --no-deps -e .
	touch $(READY)

# From an environment of its own, so that nothing installed by hand gets in.
lock:
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/python -m pip install --quiet --upgrade pip
	.venv-lock/bin/python -m pip install --quiet $(TORCH)
	.venv-lock/bin/python -m pip install --quiet $(TORCH) -e ".[dev]"
	.venv-lock/bin/python -m pip freeze --exclude-editable --exclude torch > .venv-lock/all.txt
	grep -viE '^(nvidia|cuda|triton)' .venv-lock/all.txt > requirements/test.txt
	rm -rf .venv-lock

clean:
	rm -rf .venv .venv-lock demo dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
