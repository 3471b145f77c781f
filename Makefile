# Two commands are the promise: `make demo` and `make test`. Every target makes .venv first.
PY := .venv/bin/python
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-ci test-fault test-fault-long test-long lint fuzz mutants bench bench-hops bench-flood bench-viewers bench-preview bench-import lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(STAMP) ## make .venv from the hashed lock

$(STAMP): requirements.lock pyproject.toml
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "leadstream needs Python 3.11 or later; python3 is $$(python3 --version)"; exit 1; }
	python3 -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## start everything and play a firm on it; Ctrl-C stops
	.venv/bin/leadstream demo $(ARGS)

test: setup lint ## everything that is short; ten minutes on two cores
	$(PY) -m pytest -m "not long and not ci and not fault" -n 2 --dist loadfile $(ARGS)

test-ci: setup ## attacks on the edges, short faults, generations, the same history in other orders
	$(PY) -m pytest -m "ci and not long" -n 2 --dist loadfile $(ARGS)

test-fault: setup ## the fault suite: half an hour of seeded faults on whole stacks, and changelogs under compaction
	$(PY) -m tests.fault.suite --minutes 25 $(ARGS)
	$(PY) -m pytest -q -m fault tests/fault

test-fault-long: setup ## five seeds of it with the longest faults; each leaves a report, one that has a report is not run again, and they add up
	for seed in 1 2 3 4 5; do $(PY) -m tests.fault.suite --seed $$seed --minutes 25 --long $(ARGS) || exit 1; done
	$(PY) -m pytest -q -m fault tests/fault

test-long: setup ## 20,000 histories, faults on a real broker
	LEADSTREAM_EXAMPLES=20000 $(PY) -m pytest --timeout 7200 $(ARGS)

lint: setup ## ruff and its format, mypy --strict, import-linter
	$(PY) -m ruff check .
	$(PY) -m ruff format --check --quiet .
	$(PY) -m mypy
	.venv/bin/lint-imports

fuzz: setup ## spoiled bodies of every vendor for ten minutes: refused with a reason, and nothing else
	$(PY) -m tests.attack.fuzz $(ARGS)

mutants: setup ## remove rules one by one; the tests must notice each (about half an hour)
	$(PY) -m tests.mutants $(ARGS)

bench: setup ## what a record costs each hop, latency at 200, 500 and 1,000 events/s, a flood of one lead (about 8 minutes)
	$(PY) -m tests.benchmarks.hops
	for rate in 200 500 1000; do $(PY) -m tests.benchmarks.latency --rate $$rate || exit 1; done
	$(PY) -m tests.benchmarks.flood

bench-hops: setup ## what a record costs resolve and advance without Kafka, and one more event of a long history (a minute)
	$(PY) -m tests.benchmarks.hops $(ARGS)

bench-flood: setup ## 10,000 events of one lead within seconds: how far time falls behind, and the others' latency
	$(PY) -m tests.benchmarks.flood $(ARGS)

bench-viewers: setup ## that latency while 20 people look at pages and dashboards, against nobody
	$(PY) -m tests.benchmarks.viewers $(ARGS)

bench-preview: setup ## a preview of 20,000 leads, held to a full re-import (about 6 minutes)
	$(PY) -m tests.benchmarks.preview $(ARGS)

bench-import: setup ## an import of five million rows: its memory and how long it takes
	$(PY) -m tests.benchmarks.importing $(ARGS)

lock: ## make requirements.lock again (needs uv); it names no package index
	uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes --no-emit-index-url --no-header -o requirements.lock pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --extra live --generate-hashes --no-emit-index-url --no-header -c requirements.lock -o requirements.server.lock pyproject.toml
	echo 'hatchling>=1.25' | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements.lock -o requirements.build.lock -

clean: ## remove .venv, caches and the demo's data
	rm -rf .venv .leadstream .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
