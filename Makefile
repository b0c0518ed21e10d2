# Needs python3 (3.11 or newer) with venv, and make. Everything else is installed under .venv.
PYTHON ?= python3
BIN := .venv/bin
# uv as it is found; else our own copy of it.
UV := $(or $(shell command -v uv),.uv/bin/uv)
UV_VERSION := 0.13.9
# Files of tests run side by side: they wait for brokers and databases more than they compute.
WORKERS ?= 2

export UV_PROJECT_ENVIRONMENT := .venv
# Without bytecode every process of a demo or a test compiles its imports again.
unexport PYTHONDONTWRITEBYTECODE VIRTUAL_ENV PYTHONHOME PYTHONPATH

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s  %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: .venv/ready ## Install everything, as uv.lock has it.

demo: setup ## Watch a bad deployment being caught, on a Postgres and a Kafka of its own.
	$(BIN)/driftwarden demo $(ARGS)

test: setup ## Run every test. One file: make test ARGS=tests/test_outbox.py
	$(BIN)/pytest -n $(WORKERS) --dist loadfile $(ARGS)

check: setup ## Run all that CI runs: format, lint, types, layers, deployment files, tests.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/hadolint Dockerfile
	$(BIN)/pytest -n $(WORKERS) --dist loadfile $(ARGS)

bench: setup ## Measure speed and power on this machine.
	$(BIN)/python -m benchmarks $(ARGS)

.venv/ready: pyproject.toml uv.lock | $(UV)
	$(UV) sync --frozen --compile-bytecode --python $(PYTHON)
	@touch $@

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
