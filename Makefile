# Everything a new machine needs is Python >= 3.11 and make.
#   make demo        the whole of the paper's path on a small synthetic factory
#   make rehearsal   DCASE 2021's whole structure, from a served data set to Table II and a report
#   make test        lint and the test suite
#   make test-newest   a part of them on Python 3.12 with the newest pins, where that is installed
#   make test-gpu    the tests that need a GPU; without one they are skipped
#   make soak        kills, damaged files, full disks and generated bad input; at most 15 minutes
#   make audit       known vulnerabilities of the pinned versions
#   make clean       forget the environment and the demo's results
PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo_workdir
REHEARSAL ?= rehearsal
AUDIT ?= .venv-audit
NEWEST ?= python3.12
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d%d" % sys.version_info[:2])')
CONSTRAINTS := $(wildcard constraints/py$(VERSION).txt)
READY := $(VENV)/ready-$(VERSION)
BIN := $(VENV)/bin
.DELETE_ON_ERROR:
.PHONY: setup demo rehearsal test test-newest newest test-gpu soak audit lint clean

setup: $(READY)

$(READY): pyproject.toml $(CONSTRAINTS)
	@echo "set-up: a Python $(VERSION) environment in $(VENV)"
	@rm -rf $(VENV)
	@start=$$(date +%s); \
	$(PYTHON) -m venv $(VENV) && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) -e '.[test,viz,tb]' && \
	echo "set-up took $$(( $$(date +%s) - start )) s"
	@touch $@

demo: $(READY)
	@start=$$(date +%s); \
	$(BIN)/jax-dns run --config=configs/demo.py --workdir=$(DEMO) && \
	echo "the demo took $$(( $$(date +%s) - start )) s after set-up; its files are in $(DEMO)"

rehearsal: $(READY)
	$(BIN)/python experiments/rehearsal.py --workdir=$(REHEARSAL)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Two processes (see tests/conftest.py), one cache of compiled programs for both.
test: lint
	$(BIN)/python -m pytest -n 2

test-newest:
	@if $(NEWEST) -c "" 2>/dev/null; then $(MAKE) newest PYTHON=$(NEWEST) VENV=.venv-newest; \
	else echo "$(NEWEST) is not installed: the tests with the newest pins are left out"; fi

# What depends on the versions most: training, vmap, checkpoints, the paths of smoothing.
newest: $(READY)
	$(BIN)/python -m pytest -n 2 tests/training tests/pipeline/test_train.py \
	  tests/smoothing/test_api.py tests/smoothing/host tests/smoothing/engine/test_tpu_bins.py \
	  tests/generative/test_autoencoder.py

# JAX's own choice of the device; memory is left to the child processes that some tests start.
test-gpu: $(READY)
	JAX_PLATFORMS= XLA_PYTHON_CLIENT_PREALLOCATE=false $(BIN)/python -m pytest -m gpu

# A line for each test as it ends. It aims at 15 minutes on two quiet cores; a hang is a failure, so
# it is bounded from outside too.
soak: $(READY)
	timeout --kill-after=10 2400 $(BIN)/python -m pytest -n 2 --dist worksteal -v -m soak

audit: $(AUDIT)/bin/pip-audit
	$(AUDIT)/bin/python constraints/audit.py constraints/py311.txt constraints/py312.txt

# An environment of its own: its packages are none of the project's.
$(AUDIT)/bin/pip-audit:
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check pip-audit

clean:
	rm -rf $(VENV) .venv-newest $(AUDIT) $(DEMO) $(REHEARSAL)
