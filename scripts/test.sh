#!/bin/sh
# test.sh [PYTEST WORDS…]: run tests, in parallel; SMT_TEST_REQUIRE=git,strace makes it a failure when one is missing.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh test
unset PYTHONDONTWRITEBYTECODE PYTHONPATH
exec .venv/bin/python -m pytest -q -n auto --dist worksteal "$@"
