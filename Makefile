# Everything a new machine needs is Python >= 3.11 and make.
#   make demo    the whole of the paper's path on a small synthetic factory
#   make test    lint and the test suite
#   make clean   forget the environment and the demo's results
PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo_workdir
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d%d" % sys.version_info[:2])')
CONSTRAINTS := $(wildcard constraints/py$(VERSION).txt)
READY := $(VENV)/ready-$(VERSION)
BIN := $(VENV)/bin
.DELETE_ON_ERROR:
.PHONY: setup demo test lint clean

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

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

test: lint
	$(BIN)/python -m pytest

clean:
	rm -rf $(VENV) $(DEMO)
