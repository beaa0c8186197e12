# Two commands do all: `make mount` and `make test`. Each sets up what is missing first, and nothing when all is there.
DIR ?= $(HOME)/GraphFS
BIN := .venv/bin
CODE := graphfs gateway tagger mount.py
ALL := $(CODE) tests scripts bench
present = $(wildcard $(1))

.PHONY: help mount unmount cluster cluster-stop test test-cluster test-ray soak check static venv lock demo-tagging bench docs fix clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

mount: ## mount the drive on DIR (default ~/GraphFS)
	@scripts/setup mount
	@$(BIN)/python mount.py "$(DIR)" $(ARGS)

unmount: ## unmount DIR; returns when everything is safe
	@$(BIN)/graphfs unmount "$(DIR)"

cluster: ## a cluster of plain processes on this machine; prints how to mount it
	@scripts/setup cluster
	@$(BIN)/python scripts/cluster.py start $(ARGS)

cluster-stop: ## ends what `make cluster` started; the data stay in .cluster
	@$(BIN)/python scripts/cluster.py stop

test: ## everything: the checks and the whole suite
	@scripts/setup test
	@$(MAKE) --no-print-directory static
	@scripts/run-tests $(TESTS)

soak: ## for long: 200 kills of the mount, the tagger and both (KILLS=), 30 faults of a cluster (FAULTS=)
	@scripts/setup test
	@FAULT_ROUNDS=$(or $(FAULTS),30) FAULT_MOUNTS=4 $(BIN)/pytest -q -s -o faulthandler_timeout=0 tests/system/test_faults.py
	@CRASH_KILLS=$(or $(KILLS),200) $(BIN)/pytest -q -o faulthandler_timeout=0 tests/system/test_crash.py

test-cluster: ## the whole mounted suite on a cluster, through Nginx, with each binding
	@scripts/setup test
	@FILESYSTEM_DRIVES=cluster-pyfuse3,cluster-fusepy $(BIN)/pytest -q tests/filesystem $(TESTS)

test-ray: ## taggers as actors of a Ray cluster of this machine, in an environment of its own (.cache/ray)
	@scripts/setup test
	@test -x .cache/ray/bin/python || $(BIN)/python -m venv --without-pip .cache/ray
	@$(BIN)/pip --python .cache/ray/bin/python install -q --no-deps --require-hashes -r locks/ray.txt
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > .cache/ray/lib/python3.$$($(BIN)/python -c 'import sys; print(sys.version_info[1])')/site-packages/beside.pth
	@PYTHONPATH=. .cache/ray/bin/python -m pytest -q tests/system/on_ray.py

check: ## the checks and the quick tests, in a minute
	@scripts/setup venv
	@$(MAKE) --no-print-directory static
	@scripts/run-tests -m "not slow" $(call present,tests/house tests/unit)

static: # what needs no run: style, format, types, layers
	@$(BIN)/ruff check $(call present,$(ALL))
	@$(BIN)/ruff format --check $(call present,$(ALL))
	@$(BIN)/mypy $(call present,$(CODE))
	@$(BIN)/lint-imports

fix: ## let ruff mend what it can
	@$(BIN)/ruff check --fix $(call present,$(ALL))
	@$(BIN)/ruff format $(call present,$(ALL))

venv: ## only the virtual environment, with the developers' tools
	@scripts/setup venv

lock: ## resolve pyproject.toml into locks/ again
	@scripts/lock $(ARGS)

docs: ## write the generated pages of docs/ again
	@$(BIN)/python scripts/config_table.py
	@$(BIN)/python scripts/cli_reference.py
	@$(BIN)/python scripts/http_docs.py

demo-tagging: ## files of many kinds are tagged, reviewed, and the next ones tagged better
	@scripts/setup mount
	@$(BIN)/python scripts/demo_tagging.py $(ARGS)

bench: ## the benchmark tables (see docs/performance.md)
	@scripts/setup test
	@$(BIN)/python -m bench $(ARGS)

clean: ## remove what the set-up, the tests and the tools made
	@rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
