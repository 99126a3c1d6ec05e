#!/bin/sh
# bench.sh [WORDS FOR bench/run.py…]: measure a plain installation and print the table.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh bench
unset PYTHONDONTWRITEBYTECODE PYTHONUNBUFFERED PYTHONPATH
exec .bench/bin/python bench/run.py "$@"
