#!/bin/sh
# test-lowest.sh: run the tests with the lowest version of each dependency that pyproject.toml allows.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh test
unset PYTHONDONTWRITEBYTECODE PYTHONPATH
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
.venv/bin/python - >"$folder/constraints.txt" <<'PYTHON'
import tomllib

with open("pyproject.toml", "rb") as file:
    for line in tomllib.load(file)["project"]["dependencies"]:
        print(line.replace(">=", "=="))
PYTHON
printf 'with %s\n' "$(paste -s -d ' ' "$folder/constraints.txt")"
.venv/bin/python -c 'import sys; print(sys.executable)' >/dev/null
.venv/bin/python -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -qq --disable-pip-version-check -c "$folder/constraints.txt" \
    --config-settings editable_mode=compat -e '.[test]'
"$folder/venv/bin/python" -m pytest -q -n auto --dist worksteal "$@"
