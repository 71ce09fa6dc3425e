# Everything starts from a bare Python 3.11+: `make run` and `make test` build .venv on their own.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# A file's tests stay in one process: they share their servers and browsers. Long ones begin first: tests/scheduling.py.
PYTEST := $(BIN)/python -m pytest --numprocesses=logical --dist=loadfile --no-loadscope-reorder
# The tests start hundreds of Python processes: where no bytecode may be written (images say so), each compiles all it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install neo4j node go run test test-all check audit bench chaos lock clean

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements.lock
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(STAMP)

# The graph server that the tests start; it needs Java 17 and Maven, and is kept in Maven's own folder.
neo4j: $(VENV)/neo4j.classpath

$(VENV)/neo4j.classpath: tests/neo4j/pom.xml $(STAMP)
	mvn -q -B -f tests/neo4j/pom.xml dependency:build-classpath -Dmdep.outputFile=$(CURDIR)/$@

# The npm packages that the tests of the doors drive, and the example that they open.
node: tests/doors/node/node_modules/.package-lock.json examples/react/dist/index.html

REACT := examples/react
$(REACT)/dist/index.html: $(REACT)/node_modules/.package-lock.json $(REACT)/index.html $(wildcard $(REACT)/src/* $(REACT)/*.js)
	npm run --prefix $(REACT) --silent build

%/node_modules/.package-lock.json: %/package-lock.json
	npm ci --prefix $* --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

# The client in another language that the tests drive.
go: clients/go/chat-v1

clients/go/chat-v1: clients/go/main.go clients/go/go.sum
	cd clients/go && go build -o chat-v1 .

run: $(STAMP)
	$(BIN)/chatserver serve --sample

test: $(STAMP)
	$(PYTEST)

test-all: $(STAMP)
	$(PYTEST) -m "slow or not slow"

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(MAKE) --no-print-directory audit
	$(PYTEST) --cov --cov-report=term:skip-covered

# Code, tree and dependencies as an attacker reads them.
audit: $(STAMP)
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive chatserver retrieval graph prompts
	$(BIN)/python -m tests.audit

bench: $(STAMP)
	$(BIN)/python -m benchmarks.delivery --json artifacts/delivery.json

# The soak of the delivery: CHAOS="--seconds 60 --seed 7" for a shorter or another one.
chaos: $(STAMP)
	$(BIN)/python -m tests.delivery.chaos $(CHAOS)

# Compiled with hashes and without an index address; `uv.lock` would carry one.
# The second file is what the container has: no tools, the extras of the real engines.
LOCK := VIRTUAL_ENV=$(VENV) $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml
lock:
	$(LOCK) --group dev --output-file requirements.lock
	$(LOCK) --extra pinecone --extra neo4j --extra otel --extra files --group build --constraint requirements.lock --output-file deploy/requirements.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
