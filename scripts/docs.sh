#!/bin/sh
# docs.sh: build the documentation; a warning is an error.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh docs
.venv/bin/python -m sphinx -q -W --keep-going -b html doc doc/_build/html
echo "doc/_build/html/index.html"
