#!/bin/sh
# clean.sh: remove what make made.  Nothing that git knows, and no project of yours, is touched.
set -eu
cd "$(dirname "$0")/.."
rm -rf .venv .bench build dist doc/_build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis ./*.egg-info sumatra/capture/*.so
find sumatra test bench examples doc -name __pycache__ -type d -prune -exec rm -rf {} +
echo "clean"
