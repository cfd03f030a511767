# Needs Python 3.11 or newer. PYTHON=… selects the interpreter that creates .venv.

.DEFAULT_GOAL := help
.PHONY: help run test lint lint-python lint-javascript api-types coverage mutants venv venv-dev

PYTHON ?=
ARGS ?=
PIP_INSTALL = .venv/bin/python -m pip install --quiet --disable-pip-version-check
PRINT_OPENAPI = .venv/bin/python -m tests.support.print_openapi
NODE_IS_MISSING = checking the JavaScript needs npm and Node.js 20.19, 22.13, 24 or newer
export PYTHON

help: ## list the targets
	@echo 'make run        start the product and print its address; Ctrl-C stops it'
	@echo 'make test       run the tests; ARGS="…" is passed to pytest'
	@echo 'make lint       check style, types and imports of the Python and the JavaScript'
	@echo 'make api-types  generate the JavaScript types of the API'
	@echo 'make coverage   run the tests and report line and branch coverage; ARGS="…" is passed to pytest'
	@echo 'make mutants    test the tests: mutate the importer for at most two hours; ARGS="--help" lists the options'
	@echo 'make venv       only create .venv'

# `exec` lets a SIGTERM that make receives reach the program directly, without a shell in between.
run: venv
	@exec .venv/bin/python run.py

test: venv-dev
	@exec .venv/bin/python -m pytest $(ARGS)

lint: lint-python lint-javascript

lint-python: venv-dev
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m ruff format --check .
	@.venv/bin/python -m mypy
	@.venv/bin/lint-imports --no-logo --no-cache

# Node.js is a development tool: running the product does not need it.
lint-javascript: venv-dev
	@if .ci/has-node; then \
	  $(MAKE) --silent node_modules/.package-lock.json && \
	  npm run --silent lint && npm run --silent format:check && npm run --silent types && \
	  npm run --silent vendor:check && npm run --silent message-types:check && npm run --silent bundle:check && \
	  $(PRINT_OPENAPI) | npm run --silent api-types:check; \
	elif [ -n "$$CI" ]; then \
	  echo 'error: $(NODE_IS_MISSING)' >&2; exit 1; \
	else \
	  echo 'Skipped: $(NODE_IS_MISSING)'; \
	fi

api-types: venv-dev
	@if ! .ci/has-node; then echo 'error: $(NODE_IS_MISSING)' >&2; exit 1; fi
	@$(MAKE) --silent node_modules/.package-lock.json
	@$(PRINT_OPENAPI) | npm run --silent api-types

node_modules/.package-lock.json: package-lock.json
	@echo 'Installing the packages of package-lock.json into node_modules …'
	@npm ci --silent
	@touch $@

# The report follows even if a test fails, but make fails, too.
coverage: venv-dev
	@.venv/bin/python -m coverage erase
	@status=0; .venv/bin/python -m coverage run -m pytest $(ARGS) || status=$$?; \
	.venv/bin/python -m coverage combine --quiet; \
	.venv/bin/python -m coverage report; \
	exit $$status

mutants: venv-dev
	@if ! [ .venv/.requirements-mutants -nt requirements-mutants.txt ]; then \
	  echo 'Installing the packages of requirements-mutants.txt into .venv …'; exec $(PIP_INSTALL) -r requirements-mutants.txt; \
	fi
	@touch .venv/.requirements-mutants
	@PYTHONPATH=tests exec .venv/bin/python -m support.mutants $(ARGS)

# Create .venv again if it was moved or copied, or if its Python is missing or too old.
venv:
	@set -e; here=$$(pwd -P); \
	is_supported='import sys; sys.exit(sys.version_info < (3, 11))'; \
	is_usable='import importlib.util, sys; sys.exit(sys.version_info < (3, 11) or not importlib.util.find_spec("pip"))'; \
	if .venv/bin/python -c "$$is_usable" 2>/dev/null; then \
	  case $$(cat .venv/bin/activate 2>/dev/null) in \
	    *"VIRTUAL_ENV=$$here/.venv"* | *"VIRTUAL_ENV=\"$$here/.venv\""* | *"VIRTUAL_ENV='$$here/.venv'"*) exit 0;; \
	  esac; \
	fi; \
	interpreter=; \
	if [ -n "$$PYTHON" ]; then \
	  if "$$PYTHON" -c "$$is_supported" 2>/dev/null; then interpreter=$$PYTHON; fi; \
	else \
	  for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	    if "$$name" -c "$$is_supported" 2>/dev/null; then interpreter=$$name; break; fi; \
	  done; \
	fi; \
	if [ -z "$$interpreter" ]; then \
	  echo "error: $${PYTHON:-python3} is missing or older than Python 3.11: install a newer one or set PYTHON=/path/to/python3" >&2; \
	  exit 1; \
	fi; \
	rm -rf .venv; \
	if ! output=$$("$$interpreter" -m venv .venv 2>&1); then \
	  rm -rf .venv; \
	  echo "$$output" | tail -n 1 >&2; \
	  echo "error: $$interpreter cannot create .venv: install its venv module (Debian, Ubuntu: apt install python3-venv)" >&2; \
	  exit 1; \
	fi
	@if ! [ .venv/.requirements -nt requirements.txt ]; then \
	  echo 'Installing the packages of requirements.txt into .venv …'; exec $(PIP_INSTALL) -r requirements.txt; \
	fi
	@touch .venv/.requirements

venv-dev: venv
	@if ! [ .venv/.requirements-dev -nt requirements-dev.txt ]; then \
	  echo 'Installing the packages of requirements-dev.txt into .venv …'; exec $(PIP_INSTALL) -r requirements-dev.txt; \
	fi
	@touch .venv/.requirements-dev
