# The few commands of the house. CI says the same words.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

MEMBERS := proto kit providers services/auth services/registry services/clusters services/backups services/baseos services/tasks \
	gateway agents/coreflow cli deploy/local
PACKAGES := $(foreach m,proto kit providers auth registry clusters backups baseos tasks gateway coreflow cli local,cloudly-$(m))

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(BIN)/uv:
	@(command -v $(PYTHON) >/dev/null && $(PYTHON) -m venv $(VENV)) || python3 -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "Cloudly needs Python 3.11; set PYTHON to one." >&2; rm -rf $(VENV); exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

# The locked packages, the contract made with them, then the members as they stand here. The generated root has to be there
# before its member is installed: an editable install of an empty package leads nowhere.
$(VENV)/.locked: requirements.lock | $(BIN)/uv
	@echo "installing Python packages…"
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) uv pip install --quiet --require-hashes -r requirements.lock
	@touch $@

proto/gen/.generated: $(VENV)/.locked $(shell find proto -name "*.proto") proto/generate.py proto/describe.py
	@python proto/generate.py && touch $@

$(VENV)/.installed: proto/gen/.generated $(addsuffix /pyproject.toml,$(MEMBERS))
	@[ -e $@ -a -z "$(filter %.toml,$?)" ] || VIRTUAL_ENV=$(CURDIR)/$(VENV) uv pip install --quiet --no-deps --no-build-isolation $(addprefix -e ./,$(MEMBERS))
	@touch $@

install: $(VENV)/.installed ## the Python environment and the generated contract

proto: proto/gen/.generated ## generate the Python of the contract

web/dist/.built: web/package-lock.json $(shell find web/src web/index.html web/public -type f 2>/dev/null)
	@echo "building the dashboard…"
	@cd web && { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent --no-audit --no-fund; } && npm run --silent build && touch dist/.built

web: web/dist/.built ## the dashboard's files

up: install web ## run everything here, on embedded defaults
	@cloudly-local up $(if $(PORT),--port $(PORT))

down: install ## stop what `make up` started
	@cloudly-local down

reset: install ## wipe the data of `make up` (asks first)
	@cloudly-local reset

demo: install web ## from nothing to an HTTP answer out of a container (needs Docker)
	@python -m tests.demo

test: install web ## all tests, against real servers
	@./tests/run

lint: install ## format, lint, types, imports, contract
	@ruff format --check . && ruff check . && mypy kit providers/cloudly_providers services/*/cloudly_* gateway/cloudly_gateway agents/coreflow/cloudly_coreflow cli/cloudly_cli deploy/local/cloudly_local && lint-imports --no-cache && (cd proto && buf format -d --exit-code && buf lint) && tests/breaking

format: install ## make the code look as lint wants it
	@ruff format . && ruff check --fix-only . ; cd proto && buf format -w

conformance: install ## the official OCI conformance program against the registry (needs Go)
	@python -m tests.conformance

oras: install ## the oras command against the registry (needs Go)
	@python -m tests.oras_command

bench: install web ## the measurements of bench/
	@python -m bench

docs: install ## write docs/configuration.md and docs/errors.md from the code
	@python docs/generate.py

lock: $(BIN)/uv ## renew requirements.lock for what the members ask
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		$(addprefix --no-emit-package ,$(PACKAGES)) --group dev $(addsuffix /pyproject.toml,$(MEMBERS)) --extra s3 -o requirements.lock

.PHONY: help install proto web up down reset demo test lint format conformance oras bench docs lock
