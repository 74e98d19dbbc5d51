# Everything runs in .venv, which is made when it is needed. `make help` lists the targets.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$p && break; done)
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test unit bench bench-scale faults check format crds docs run image upgrade clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## Make .venv with everything that the other targets need

$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or newer is needed; PYTHON=/path/to/python names one" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: setup ## One Git commit on its way to two real clusters; KEEP=1 leaves them up
	@$(BIN)/python examples/multicluster/demo.py

test: setup ## All tests, on real clusters; PYTEST_ARGS='-k name' chooses, WORKERS=0 plays them in one process
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

unit: setup ## The tests that need no clusters: seconds
	$(BIN)/pytest -m 'not cluster' $(PYTEST_ARGS)

bench: setup ## How fast, at what cost, beside the bare helm; BENCH_ARGS='-n 20 --json FILE' chooses
	$(BIN)/python -m bench $(BENCH_ARGS)

bench-scale: setup ## 1,000 releases on 20 API servers; BENCH_ARGS='-n 100 -m 5' chooses; needs 10 GB of memory
	$(BIN)/python -m bench --scale -n 1000 -m 20 --steady 60 $(BENCH_ARGS)

faults: setup ## Kill the hub fifty times in the middle of upgrades, and a leader twenty times: minutes
	HUB_FAULT_KILLS=50 $(BIN)/pytest -s tests/faults/test_kills.py
	HUB_FAULT_LEADERS=20 $(BIN)/pytest -s tests/faults/test_leaders.py

check: setup ## Format, lint, types, import directions, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --strict hub
	$(BIN)/lint-imports
	$(BIN)/python -m hub.api.crds --check crds
	$(BIN)/python charts/generate.py --check
	$(BIN)/python docs/cli/generate.py --check
	$(BIN)/hadolint Dockerfile

format: setup ## Let ruff put the code in shape
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --quiet --fix .

crds: setup ## Write crds/ from the models, and the schema of the chart's values from the settings
	$(BIN)/python -m hub.api.crds crds
	$(BIN)/python charts/generate.py

docs: setup ## Write docs/cli/ from the commands
	$(BIN)/python docs/cli/generate.py

run: setup ## The hub, beside the clusters of 'hubctl dev up'
	$(BIN)/hub --kubeconfig .hub/hub.kubeconfig

image: ## The container image; needs docker and network
	docker build --tag hubctl/hub:$(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' hub/__init__.py) .

upgrade: ## Renew constraints.txt with today's versions
	@rm -rf build/upgrade && $(PYTHON) -m venv build/upgrade
	build/upgrade/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@grep '^#' constraints.txt > build/constraints.txt
	@build/upgrade/bin/python -m pip freeze --exclude-editable >> build/constraints.txt
	@mv build/constraints.txt constraints.txt && rm -rf build/upgrade

clean: ## Remove .venv and what tools left behind
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
