# `make demo` opens the demo, `make test` runs what CI runs, `make quick` is for the daily loop.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test quick check check-scripts test-scripts format browser wheel clean

demo: $(VENV)/.installed
	$(BIN)/explorer demo

test: check test-scripts browser
	$(BIN)/python -m pytest

# Without the browser, wheel, crash and long tests, and without linters: see docs/testing.md. One process a core:
# the second runs everything that the first does not.
FIRST_HALF := tests/bench tests/demo tests/http tests/lm tests/maths $(wildcard tests/test_*.py)

quick: $(VENV)/.installed-dev
	@log=$$(mktemp); trap 'rm -f $$log' EXIT; \
	$(BIN)/python -m pytest --quick $(FIRST_HALF) >$$log 2>&1 & first=$$!; \
	$(BIN)/python -m pytest --quick $(addprefix --ignore=,$(FIRST_HALF)); second=$$?; \
	wait $$first; first=$$?; cat $$log; [ $$first = 0 ] && [ $$second = 0 ]

check: $(VENV)/.installed-dev check-scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# The page's scripts: node is needed here and for nothing that ships.
check-scripts: node_modules/.installed
	npm run --silent check

test-scripts: node_modules/.installed
	npm run --silent test

format: $(VENV)/.installed-dev node_modules/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	npm run --silent format

# Chromium from the system's packages where root can install them, else Playwright's own.
browser: $(VENV)/.installed-dev
	@command -v chromium >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || \
	  $(BIN)/python -m playwright install chromium

wheel: $(VENV)/.installed-dev
	$(BIN)/python -m build --wheel

clean:
	rm -rf $(VENV) node_modules build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	@echo "Installing (a few minutes the first time) ..."
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install --constraint constraints.txt --editable ".[dev]"
	@touch $@

node_modules/.installed: package.json package-lock.json
	@node --eval 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null || \
	  { echo "node 20 is needed for make check: https://nodejs.org" >&2; exit 1; }
	npm ci --no-audit --no-fund --silent
	@touch $@
