# The two commands of a fresh clone are `make run` and `make test`; each does its own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SET_UP := $(VENV)/.set-up

.PHONY: run test unit e2e bench bench-quick bench-fleet lint format lock clean help

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(SET_UP): requirements-dev.lock pyproject.toml
	@echo "set-up: a virtual environment with the locked dependencies in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: $(SET_UP) ## a gateway with the embedded store and two simulated members
	@exec $(BIN)/fleetgate demo

test: lint unit e2e ## everything CI runs

unit: $(SET_UP) ## tests without real control planes
	$(BIN)/python -m pytest -q -m "not e2e"

e2e: $(SET_UP) ## tests against real kube-apiservers, kubectl and client-go (built on the first run)
	$(BIN)/python -m tests.e2e.environment.build
	$(BIN)/python -m pytest -q -m e2e

# Sizes of `make bench`; ROWS are names with commas, empty: all.
PODS ?= 10000
MEMBERS ?= 2
REPEAT ?= 5
ROWS ?=

bench: $(SET_UP) ## fleetgate beside a real kube-apiserver; PODS= MEMBERS= REPEAT= ROWS=
	$(BIN)/python -m bench --pods $(PODS) --members $(MEMBERS) --repeat $(REPEAT) --rows "$(ROWS)"

bench-quick: $(SET_UP) ## CPU time of the gateway against bench/baseline.json
	$(BIN)/python -m bench.quick

# Sizes are PODS, PODSxMEMBERS or PODSxMEMBERS:MEGABYTES; empty: from a thousand Pods to a million, half an hour.
SIZES ?=

bench-fleet: $(SET_UP) ## how a gateway alone grows with Pods and members; SIZES="10000 20000x200 1000000x10:0"
	$(BIN)/python -m bench.fleet $(SIZES)

lint: $(SET_UP) ## ruff, mypy and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(SET_UP) ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(SET_UP) ## compile the lock files anew
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet pyproject.toml --generate-hashes --no-header --no-emit-index-url --no-annotate -o requirements.lock
	$(BIN)/uv pip compile --quiet pyproject.toml --extra dev --generate-hashes --no-header --no-emit-index-url --no-annotate -o requirements-dev.lock

clean: ## remove what the other commands made here
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build ./*.egg-info
