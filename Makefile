# Each target makes what it needs once: .venv for saltus and its tests, .venv-peers for the systems it is measured against.
PYTHON    ?= python3
WORKLOADS ?= all
BIN       := .venv/bin
PEERS     := .venv-peers/bin

.PHONY: run test bench check clean
.DEFAULT_GOAL := run

run: .venv/core.stamp  ## train a network on the data set that comes with saltus
	$(BIN)/saltus fit penguins --target species

test: .venv/dev.stamp  ## every test, the slow ones and the examples in the documentation included
	$(BIN)/python -m pytest -n 2

check: .venv/dev.stamp  ## style, types, import directions, file lengths
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/arch/test_files.py

bench: .venv/core.stamp .venv-peers/peers.stamp  ## measure against PyTorch and JAX; WORKLOADS=mlp,tiny runs a part
	$(BIN)/python benchmarks/run.py --peers $(PEERS)/python --workloads $(WORKLOADS)

clean:
	rm -rf .venv .venv-peers

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "saltus needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/core.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/dev.stamp: pyproject.toml .venv/core.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# torch is pinned: a range would fetch a build for graphics cards, several gigabytes of it.
.venv-peers/peers.stamp:
	$(PYTHON) -m venv .venv-peers
	$(PEERS)/python -m pip install --quiet --disable-pip-version-check numpy torch==2.13.0 jax
	@touch $@
