PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3.14 python3,$(shell command -v $(name) 2>/dev/null)))
BIN := .venv/bin
READY := .venv/ready
# Two test processes with one thread each are faster than the other way round.
TESTS := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -q

.PHONY: demo test lint types tests lock clean

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

tests: $(READY)
	$(TESTS)

# torch first and alone, by its exact version: anything looser brings gigabytes of GPU packages.
$(READY): pyproject.toml requirements/test.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet -r requirements/test.txt
	$(BIN)/python -m pip install --quiet --no-deps -e .
	touch $(READY)

lock: $(READY)
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	$(BIN)/python -m pip freeze --exclude-editable --exclude torch > requirements/test.txt

clean:
	rm -rf .venv demo .pytest_cache .mypy_cache .ruff_cache
