# Each target makes what it needs once: .venv for saltus and its tests, .venv-peers and .venv-tensorflow for the systems it is
# measured against.
PYTHON    ?= python3
WORKLOADS ?= all
ONLY      ?= all
BIN       := .venv/bin
PEERS     := .venv-peers/bin
TF        := .venv-tensorflow/bin

.PHONY: run test bench results check clean
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

# WORKLOADS=cnn,lstm runs a part, dense, networks and jobs are the three parts; KERNELS=1 prints the kernels of saltus instead.
ifdef KERNELS
bench: .venv/core.stamp
	$(BIN)/python benchmarks/kernels.py --workloads $(WORKLOADS)
else
bench: .venv/bench.stamp .venv-peers/peers.stamp .venv-tensorflow/peers.stamp  ## measure against PyTorch, TensorFlow and JAX
	$(BIN)/python benchmarks/run.py --peers $(PEERS)/python --tensorflow $(TF)/python --workloads $(WORKLOADS)
endif

results: .venv/core.stamp  ## run single commands on real data and write docs/results.md; ONLY=adult,stocks runs a part
	$(BIN)/python benchmarks/real.py --only $(ONLY)

clean:
	rm -rf .venv .venv-peers .venv-tensorflow

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "saltus needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/core.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/bench.stamp: pyproject.toml .venv/core.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[images,tune]'
	@touch $@

.venv/dev.stamp: pyproject.toml .venv/core.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# torch is pinned: a range would fetch a build for graphics cards, several gigabytes of it.
.venv-peers/peers.stamp:
	$(PYTHON) -m venv .venv-peers
	$(PEERS)/python -m pip install --quiet --disable-pip-version-check numpy torch==2.13.0 jax scikit-learn optuna pillow
	$(PEERS)/python -m pip install --quiet --disable-pip-version-check --no-deps torchvision==0.28.0
	@touch $@

.venv-tensorflow/peers.stamp:
	$(PYTHON) -m venv .venv-tensorflow
	$(TF)/python -m pip install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0
	@touch $@
