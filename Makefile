# Each target does the set-up that it needs (scripts/setup.sh makes .venv once) and says what it does.
# PYTHON=/path/to/python chooses the interpreter.

.PHONY: help demo test test-fast test-lowest check docs bench clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo:  ## a real simulation, recorded: two runs, annotated, listed, viewed
	@scripts/demo.sh

test:  ## all tests
	@scripts/test.sh

test-fast:  ## unit and contract tests without the slow ones, below two minutes
	@scripts/test.sh -m "not slow" test/unit test/contracts

test-lowest:  ## all tests with the oldest libraries that pyproject.toml allows
	@scripts/test-lowest.sh

check:  ## lint, types, architecture, documentation
	@scripts/check.sh

docs:  ## the documentation as HTML, in doc/_build/html
	@scripts/docs.sh

bench:  ## the table of doc/explanation/performance.rst
	@scripts/bench.sh

clean:  ## remove what the other targets made (.venv too)
	@scripts/clean.sh
