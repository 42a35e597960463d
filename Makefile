# What a person or a CI does with a checkout; `make` alone lists it. The two that matter: make demo, make test.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:

export CHROMIUM ?= /usr/bin/chromium
BIN := .venv/bin
DEV := .venv/.package .venv/.dev
UNIT_WORKERS ?= 2
# What pytest is given on top: make unit ARGS='-k cursor -x'
ARGS ?=
# How often `make crash` kills its server, and fills its disk.
KILLS ?= 300
FULL_DISKS ?= 20
# How long `make soak` goes on.
MINUTES ?= 60
# How many requests of each kind `make fuzz` makes up for an operation.
EXAMPLES ?= 300
# How many seeds `make simulate` runs.
SEEDS ?= 20000

.PHONY: help demo test deps check fmt unit examples e2e conformance js clients compatibility crash soak simulate fuzz bench lock clean

help: ## list these targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.package ## a real call between two Python clients, with messages both ways, told as it happens
	$(BIN)/midcall demo

test: deps check unit examples e2e conformance js ## everything: dependencies, checks, then all tests with real browsers

deps: $(DEV) ## install what tests need: Chromium, Node, certutil (apt, only what is missing), npm packages
	@scripts/deps.sh
	@scripts/bench-deps.sh

check: $(DEV) ## lint, format, types, who may import whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

fmt: $(DEV) ## put the code into shape
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

unit: $(DEV) ## all tests but the end-to-end ones
	$(BIN)/pytest -n $(UNIT_WORKERS) --ignore=tests/e2e --ignore=tests/conformance --ignore=tests/packages \
	    --ignore=tests/clients/java --ignore=tests/clients/go $(ARGS) tests

examples: $(DEV) ## the example application in Python with its own test suite, as in a repository of its own
	cd examples/support_desk && $(CURDIR)/$(BIN)/mypy && $(CURDIR)/$(BIN)/python -m pytest \
	    -p no:schemathesis -p no:hypothesispytest $(ARGS)  # which are this repository's, and slow to import

e2e: $(DEV) ## end-to-end tests: real server, real browsers, official clients (needs make deps once)
	$(BIN)/pytest $(ARGS) tests/e2e

conformance: $(DEV) ## one suite for the browser SDK and midcall.sdk with and without media; prints their table
	$(BIN)/pytest -n $(UNIT_WORKERS) --dist worksteal $(ARGS) tests/conformance

js: $(DEV) ## the npm package and the JavaScript example, by Node, Jest, Vitest and Playwright (needs make deps once)
	$(BIN)/pytest $(ARGS) tests/packages

clients: $(DEV) ## official Java and Go libraries, unchanged (the other clients are part of make unit)
	@scripts/clients-deps.sh
	$(BIN)/pytest $(ARGS) tests/clients/java tests/clients/go

compatibility: deps ## let every official client do everything, and print docs/reference/compatibility.md from it
	@scripts/clients-deps.sh
	MIDCALL_WRITE_DOCS=1 $(BIN)/pytest $(ARGS) tests/clients

crash: $(DEV) ## kill a server under load, KILLS=300 times, and compare what it promised with what came of it
	PYTHONPATH=tests:tests/e2e $(BIN)/python -m crash --kills $(KILLS) --full-disks $(FULL_DISKS) $(ARGS)

simulate: $(DEV) ## run SEEDS=20000 seeds of the simulated message path, or replay one: SEED=123 [STORE=sqlite]
	PYTHONPATH=tests $(BIN)/python -m simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS)) \
	    $(if $(STORE),--store $(STORE)) $(ARGS)

soak: $(DEV) ## a steady load for MINUTES=60, watched for anything that grows; plot in build/soak
	PYTHONPATH=tests:tests/e2e $(BIN)/python -m soak --minutes $(MINUTES) $(ARGS)

fuzz: $(DEV) ## made-up REST requests from the OpenAPI documents, EXAMPLES=300 of each kind for each operation
	MIDCALL_EXAMPLES=$(EXAMPLES) $(BIN)/pytest -n $(UNIT_WORKERS) --timeout 900 tests/contract/test_rest_properties.py $(ARGS)

bench: $(DEV) ## cost, latency and memory beside nchan, Fastify and FastAPI (FULL=1: up to 10^6 stored messages)
	@scripts/bench-deps.sh
	$(BIN)/python benchmarks/run.py $(if $(FULL),--full) $(ARGS)

lock: ## pin the newest allowed versions again (make lock ARGS= keeps what is pinned)
	scripts/lock.sh $(if $(filter command,$(origin ARGS)),$(ARGS),--upgrade)

clean: ## remove everything make has made
	rm -rf .venv .venv-lock .venv.lock dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache \
	    .hypothesis .coverage .coverage.* htmlcov test-results \
	    tests/e2e/browser/node_modules tests/clients/node_modules tests/clients/{node,cli}/*/node_modules \
	    benchmarks/references/fastify/node_modules {packages/testing-js,examples/support_desk_js}/{node_modules,test-results}
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.runtime: requirements.txt requirements-build.txt
	@scripts/venv.sh runtime

.venv/.package: pyproject.toml .venv/.runtime
	@scripts/venv.sh package

.venv/.dev: requirements-dev.txt .venv/.runtime
	@scripts/venv.sh dev
