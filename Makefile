# Every target works from a fresh clone: what it needs is built first. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help

# The system's own Python where it is new enough: sandboxes can reach it, one in somebody's home they cannot.
PYTHON ?= $(shell for p in /usr/bin/python3 python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
BIN := .venv/bin
# More options for pytest, such as PYTEST_ARGS='-k airlock -x'. Tests run in WORKERS processes, 0 in the
# very one: twice as many as a small machine has processors, since they wait for programs as often as they work.
PYTEST_ARGS ?=
WORKERS ?= 4
# Where the pictures of the pages go, and more options for the program that takes them.
SHOTS ?= screenshots
CORPUS ?= corpus
SEED ?= development
EACH ?= 4
SHOTS_ARGS ?=
# Catalogues of a site's own languages, for `make words` (docs/translating.md).
PO ?=
# Where `make offline` puts its folder, and the database that `make vulnerabilities` asks (the public one by default).
TO ?= dist/offline
OSV_URL ?=
# How much of a cluster the tests start: api (no root needed), node, or the best that this machine can run.
TIER ?= best
# Hash-pinned wheels for CPython 3.11 and later on any Linux; nothing of this machine's package sources gets in.
COMPILE_PINS := env -u UV_INDEX_URL -u UV_EXTRA_INDEX_URL -u UV_FIND_LINKS -u PIP_FIND_LINKS UV_NO_CONFIG=1 \
	../$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --only-binary :all: --no-emit-index-url --no-emit-find-links --no-annotate \
	--override without.txt --custom-compile-command 'make pins' $(PINS_ARGS)

.PHONY: help setup demo test cluster cluster-down test-cluster check fix soak corpus docs generated words screenshots \
	pins licences bill vulnerabilities wheel offline clean python ready

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

python:
	@test -n '$(PYTHON)' || { echo 'No Python 3.11 or newer found. Type: apt-get install python3 python3-venv' \
		'(as root), or make setup PYTHON=/path/to/python3' >&2; exit 1; }

setup: python ## Build .venv (services, tools), .venv-workspace (JupyterLab) and what the tests need
	@'$(PYTHON)' tools/setup.py

ready: python
	@'$(PYTHON)' tools/setup.py --quiet

demo: ready ## Show the whole way from an approval to its end on this machine (ONCE=1, BREAK=...)
	@$(BIN)/tre demo

test: ready ## Run every test that needs no cluster (WORKERS=0, PYTEST_ARGS=...)
	@$(BIN)/python -m tests $(WORKERS) $(PYTEST_ARGS)

cluster: ready ## Build, once, and start a real one-node Kubernetes for tests (TIER=api without root)
	@$(BIN)/python -m tests.cluster up --tier $(TIER)

cluster-down: ready ## Remove that cluster and say whether anything is left
	@$(BIN)/python -m tests.cluster down

test-cluster: ready ## Run the tests that need a cluster (CLUSTER=mine: the one of KUBECONFIG, PYTEST_ARGS=...)
	@CLUSTER='$(CLUSTER)' $(BIN)/python -m tests.cluster test --tier $(TIER) $(PYTEST_ARGS)

check: ready ## Format, rules, types, imports, docstrings, dangers, sizes, leaks
	@$(BIN)/python tools/check.py

fix: ready ## Repair what a machine can repair
	@$(BIN)/ruff check --fix tre tests tools verifier || true
	@$(BIN)/ruff format tre tests tools verifier

soak: ready ## Run the long variants of the tests, those of the cluster too where one can run
	@$(BIN)/python -m pytest -m soak --ignore=tests/cluster $(PYTEST_ARGS) || test $$? = 5 # 5: none was asked for
	@CLUSTER='$(CLUSTER)' $(BIN)/python -m tests.cluster test --tier $(TIER) -m soak -rs $(PYTEST_ARGS) || test $$? = 5

corpus: ready ## Write outputs to measure the checks on into CORPUS=corpus (SEED=any word, EACH=4 of each kind)
	@test -x .venv-corpus/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python .venv-corpus
	@$(BIN)/uv pip sync --quiet --python .venv-corpus --require-hashes requirements/corpus.txt
	@.venv-corpus/bin/python tools/corpus --seed '$(SEED)' --to '$(CORPUS)' --each $(EACH)
	@$(BIN)/python tools/corpus/carriers.py '$(CORPUS)'

docs: generated ## Build the documentation as a site in build/site, strictly: a broken link is an error
	@.venv-docs/bin/python tools/build_site.py

generated: ready ## Write anew what follows from the code: pages of docs/, definitions of helm/tre/crds/
	@$(BIN)/python tools/generate_docs.py
	@$(BIN)/python tools/dashboards.py
	@$(BIN)/python tools/generate_crds.py
	@$(BIN)/python tools/render_guards.py

words: ready ## Collect the texts of the public pages for translators; PO=languages/cy.po: bring that up to date, compile it
	@$(BIN)/python tools/words.py $(PO)

screenshots: ready ## Take a picture of every page into SHOTS=screenshots (SHOTS_ARGS=--documentation: docs/images too)
	@$(BIN)/python tools/screenshots.py $(SHOTS) $(SHOTS_ARGS)

pins: ready ## Compile requirements/*.txt anew from *.in (PINS_ARGS=--upgrade for newer versions)
	@cd requirements && for name in services workspace dev docs corpus; do \
		echo "pinning $$name" && $(COMPILE_PINS) --output-file "$$name.txt" "$$name.in"; done

licences: ready ## Bring requirements/licences.toml up to date, and say what a person must read
	@$(BIN)/python tools/licences.py

bill: ready ## Write the bills of materials (CycloneDX) of both environments into dist/
	@mkdir -p dist
	@$(BIN)/python tools/bill_of_materials.py tre-launcher-services .venv --pins requirements/services.txt --package tre \
		> dist/bill-of-materials-services.json
	@$(BIN)/python tools/bill_of_materials.py tre-launcher-workspace .venv-workspace --pins requirements/workspace.txt \
		> dist/bill-of-materials-workspace.json
	@ls dist/bill-of-materials-*.json

vulnerabilities: ready ## Ask a database of known weaknesses about every pin (OSV_URL=... for one of your own)
	@$(BIN)/python tools/vulnerabilities.py $(OSV_URL)

wheel: ready ## Build the package into dist/; the same files give the same bytes anywhere
	@$(BIN)/python -m hatchling build --target wheel --directory dist
	@sha256sum dist/*.whl

offline: ready ## Put all that an installation needs into the folder TO=dist/offline, for a machine without a network
	@$(BIN)/python tools/offline.py $(TO)

clean: ## Remove everything that was built
	@chmod -R u+w .venv .venv-workspace* .venv-docs .venv-corpus 2>/dev/null || true
	@rm -rf .venv .venv-workspace* .venv-docs .venv-corpus .setup.lock tests/node/node_modules build dist htmlcov \
		.coverage .coverage.* \
		.mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find tre tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
