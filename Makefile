# Two commands do everything: `make demo` and `make test`.
PYTHON ?= python3
SANDBOX ?= auto
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint bench docs wheel

.venv/report: pyproject.toml setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Telos needs Python 3.11 or newer; try: make PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --editable '.[report]'
	@touch $@

.venv/baselines: .venv/report
	$(PIP) --editable '.[baselines]'
	@touch $@

.venv/dev: .venv/report
	$(PIP) --editable '.[dev]'
	@touch $@

demo: .venv/baselines
	$(BIN)/telos demo --sandbox $(SANDBOX)

test: .venv/dev
	$(BIN)/telos doctor
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	mkdir -p .venv/mypy && ln -sfn ../.. .venv/mypy/telos
	cd .venv/mypy && MYPYPATH=. ../bin/mypy --config-file ../../pyproject.toml -p telos.envs -p telos.wrappers -p telos.baselines

# Peers come with requirements of their own, so without our constraints and in a place of their own. RLeXplore's cannot
# be met beside NumPy 2 (it pins a Matplotlib from 2022); the extra lists what it imports.
.venv/bench: .venv/report
	$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$@/bin/python -m pip install --quiet --disable-pip-version-check --no-deps 'rllte-core>=1.0.1'

bench: .venv/bench
	.venv/bench/bin/python benchmarks/swe_latency.py
	.venv/bench/bin/python benchmarks/swe_robustness.py
	.venv/bench/bin/python benchmarks/bonus_throughput.py
	.venv/bench/bin/python benchmarks/ppo_against_sb3.py

# From a copy: the generator looks into every folder below the package, this one's virtual environment included.
docs: .venv/report
	$(PIP) --editable '.[docs]'
	rm -rf .venv/docs && mkdir -p .venv/docs/telos && cp -r __init__.py envs wrappers baselines .venv/docs/telos
	$(BIN)/mkdocs build --strict

wheel: .venv/dev
	rm -rf dist
	$(BIN)/python -m build --wheel --outdir dist
