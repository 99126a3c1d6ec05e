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
    project = tomllib.load(file)["project"]
lines = set(project["dependencies"])
for extra, more in project["optional-dependencies"].items():
    if extra not in ("test", "docs", "check", "dev"):  # tools of ours, which users don't install
        lines.update(more)
print(*sorted(line.replace(">=", "==") for line in lines if not line.startswith("sumatra[")), sep="\n")
PYTHON
printf 'with %s\n' "$(paste -s -d ' ' "$folder/constraints.txt")"
.venv/bin/python -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -qq --disable-pip-version-check -c "$folder/constraints.txt" \
    --config-settings editable_mode=compat -e '.[test]'
"$folder/venv/bin/python" -m pytest -q -n auto --dist worksteal "$@"
