#!/bin/sh
# demo.sh: a real simulation, recorded: a scratch copy of examples/izhikevich, two runs, and what can be asked about them.
set -eu
cd "$(dirname "$0")/.."
root=$(pwd -P)
scripts/setup.sh demo
unset PYTHONPATH PYTHONDONTWRITEBYTECODE
PATH=$root/.venv/bin:$PATH
export PATH

scratch=$(mktemp -d)/izhikevich
cp -R examples/izhikevich "$scratch"
rm -rf "$scratch/Data" "$scratch/.smt"
cd "$scratch"

# On a fresh machine nobody has told git a name yet.
name=$(git config user.name || echo "A Scientist")
email=$(git config user.email || echo "scientist@example.org")
export GIT_AUTHOR_NAME="$name" GIT_AUTHOR_EMAIL="$email" GIT_COMMITTER_NAME="$name" GIT_COMMITTER_EMAIL="$email"

step() {
    printf '\n$ %s\n' "$1"
    eval "$1" || { status=$?; printf 'demo: that ended with status %s (in %s)\n' "$status" "$scratch" >&2; exit 1; }
}

echo "A scratch copy of examples/izhikevich is in $scratch"
step 'ls'
step 'git init --quiet --initial-branch=main'
step 'git add .'
step 'git commit --quiet --message="a network of spiking neurons"'

step 'smt init Izhikevich'
step 'smt run --executable=python --main=izhikevich.py default.param'
step 'smt comment "a slow rhythm, and it follows the stimulus"'

step 'smt configure --executable=python --main=izhikevich.py'
step 'smt run --reason="does more noise break the rhythm?" default.param noise=7.0'
step 'smt comment "faster, and the rhythm is still there"'
step 'smt tag "Figure 1"'

step 'smt list'
step 'smt list -T'
step 'smt list -P'
step "smt list -l \"noise > 6 and 'Figure 1' in tags\""
step 'smt view last'
step 'smt diff "$(smt list | tail -n 1)" last || true'
step 'smt repeat last'
step 'smt info'

cat <<NEXT

Both runs are on record, with their code, parameters, inputs and results. To go on where this ended:

    cd '$scratch'
    export PATH='$root/.venv/bin':"\$PATH"

    smt run default.param seed=1         # once more, with other random numbers
    smt list --sort=duration -T          # the runs as a table
    smt list -f markdown                 # … for your notes; also csv, html, json, latex, shell
    smt delete last; smt delete --undo   # nothing is lost by a slip
    smt help run                         # what else a run can be told

The first steps in words: $root/doc/tutorial/first-steps.rst
NEXT
