# Needs Python 3.10 or newer and nothing else. PYTHON=… chooses the interpreter that .venv is made with.

.DEFAULT_GOAL := help
.PHONY: help run test lint venv venv-dev

PYTHON ?=
ARGS ?=
PIP_INSTALL = .venv/bin/python -m pip install --quiet --disable-pip-version-check
export PYTHON

help: ## list the targets
	@echo 'make run    start everything and print the address to open; Ctrl-C stops it'
	@echo 'make test   run all tests (ARGS="…" goes to pytest)'
	@echo 'make lint   check style and types'
	@echo 'make venv   only set up .venv'

# `exec` lets a SIGTERM to make reach the program itself instead of a shell in between.
run: venv
	@exec .venv/bin/python run.py

test: venv-dev
	@exec .venv/bin/python -m pytest $(ARGS)

lint: venv-dev
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m ruff format --check .
	@.venv/bin/python -m mypy

# A .venv that was moved or copied, or whose Python is gone or too old, is made anew.
venv:
	@set -e; here=$$(pwd -P); \
	fits='import sys; sys.exit(sys.version_info < (3, 10))'; \
	works='import importlib.util, sys; sys.exit(sys.version_info < (3, 10) or not importlib.util.find_spec("pip"))'; \
	if .venv/bin/python -c "$$works" 2>/dev/null; then \
	  case $$(cat .venv/bin/activate 2>/dev/null) in \
	    *"VIRTUAL_ENV=$$here/.venv"* | *"VIRTUAL_ENV=\"$$here/.venv\""* | *"VIRTUAL_ENV='$$here/.venv'"*) exit 0;; \
	  esac; \
	fi; \
	found=; \
	if [ -n "$$PYTHON" ]; then \
	  if "$$PYTHON" -c "$$fits" 2>/dev/null; then found=$$PYTHON; fi; \
	else \
	  for name in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python; do \
	    if "$$name" -c "$$fits" 2>/dev/null; then found=$$name; break; fi; \
	  done; \
	fi; \
	if [ -z "$$found" ]; then \
	  echo "error: $${PYTHON:-python3} is missing or older than Python 3.10: install a newer one or give PYTHON=/path/to/python3" >&2; \
	  exit 1; \
	fi; \
	rm -rf .venv; \
	if ! said=$$("$$found" -m venv .venv 2>&1); then \
	  rm -rf .venv; \
	  echo "$$said" | tail -n 1 >&2; \
	  echo "error: $$found cannot make .venv: install its venv module (Debian, Ubuntu: apt install python3-venv)" >&2; \
	  exit 1; \
	fi
	@if ! [ .venv/.requirements -nt requirements.txt ]; then \
	  echo 'Installing what requirements.txt lists into .venv …'; exec $(PIP_INSTALL) -r requirements.txt; \
	fi
	@touch .venv/.requirements

venv-dev: venv
	@if ! [ .venv/.requirements-dev -nt requirements-dev.txt ]; then \
	  echo 'Installing what requirements-dev.txt lists into .venv …'; exec $(PIP_INSTALL) -r requirements-dev.txt; \
	fi
	@touch .venv/.requirements-dev
