# Two commands do everything: `make demo` and `make test`.
PYTHON ?= python3
SANDBOX ?= docker
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint bench docs wheel

.venv/report: pyproject.toml setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Telos needs Python 3.11 or newer; try: make PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --editable '.[report]'
	@touch $@

.venv/dev: .venv/report
	$(PIP) --editable '.[dev]'
	@touch $@

demo: .venv/report
ifeq ($(SANDBOX),docker)
	$(BIN)/telos swe build-image
endif
	$(BIN)/telos demo --sandbox $(SANDBOX)

test: .venv/dev
	$(BIN)/telos doctor
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	mkdir -p .venv/mypy && ln -sfn ../.. .venv/mypy/telos
	cd .venv/mypy && MYPYPATH=. ../bin/mypy --config-file ../../pyproject.toml -p telos.envs -p telos.wrappers -p telos.baselines

bench: .venv/report
	$(PIP) --editable '.[bench]'
	$(BIN)/python benchmarks/swe_latency.py

docs: .venv/report
	$(PIP) --editable '.[docs]'
	$(BIN)/mkdocs build --strict

wheel: .venv/dev
	rm -rf dist
	$(BIN)/python -m build --wheel --outdir dist
