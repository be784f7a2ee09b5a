# Everything a new machine needs is Python >= 3.11 and make.
#   make demo        the whole of the paper's path on a small synthetic factory
#   make rehearsal   DCASE 2021's whole structure, from a served data set to Table II and a report
#   make test        lint and the test suite
#   make test-gpu    the tests that need a GPU; without one they are skipped
#   make soak        kills, damaged files, full disks and generated bad input; at most 15 minutes
#   make audit       known vulnerabilities of the pinned versions
#   make clean       forget the environment and the demo's results
PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo_workdir
REHEARSAL ?= rehearsal
AUDIT ?= .venv-audit
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d%d" % sys.version_info[:2])')
CONSTRAINTS := $(wildcard constraints/py$(VERSION).txt)
READY := $(VENV)/ready-$(VERSION)
BIN := $(VENV)/bin
.DELETE_ON_ERROR:
.PHONY: setup demo rehearsal test test-gpu soak audit lint clean

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

# Two processes, a file of tests to each in turn; one cache of compiled programs for both.
test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

# JAX's own choice of the device; memory is left to the child processes that some tests start.
test-gpu: $(READY)
	JAX_PLATFORMS= XLA_PYTHON_CLIENT_PREALLOCATE=false $(BIN)/python -m pytest -m gpu

# It aims at 15 minutes on two quiet cores; a hang is a failure, so it is bounded from outside too.
soak: $(READY)
	timeout --kill-after=10 1500 $(BIN)/python -m pytest -s -v -m soak

audit: $(AUDIT)/bin/pip-audit
	$(AUDIT)/bin/python constraints/audit.py constraints/py311.txt constraints/py312.txt

# An environment of its own: its packages are none of the project's.
$(AUDIT)/bin/pip-audit:
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check pip-audit

clean:
	rm -rf $(VENV) $(AUDIT) $(DEMO) $(REHEARSAL)
