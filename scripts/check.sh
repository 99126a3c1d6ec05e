#!/bin/sh
# check.sh: everything that can be said about the code without running it; goes on after a complaint, fails at the end.
set -u
cd "$(dirname "$0")/.." || exit 1
scripts/setup.sh check || exit 1
unset PYTHONPATH
failed=""

check() {
    name=$1
    shift
    printf '%s … ' "$name"
    if said=$("$@" 2>&1); then
        echo "good"
    else
        echo "NOT GOOD"
        printf '%s\n' "$said"
        failed="$failed $name"
    fi
}

check lint .venv/bin/python -m ruff check sumatra test bench examples doc setup.py bin/smt
check types .venv/bin/python -m mypy
check floors .venv/bin/python -c 'import sys; from importlinter.cli import lint_imports_command as check; sys.exit(check())'
check documentation scripts/docs.sh
[ -z "$failed" ] || { printf 'not good:%s\n' "$failed"; exit 1; }
