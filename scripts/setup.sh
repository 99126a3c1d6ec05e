#!/bin/sh
# setup.sh PROFILE: make .venv, once, with what PROFILE needs: demo, test, docs, check or bench.
# The interpreter is $PYTHON, or the newest that is found; 3.11 or later.
set -eu
cd "$(dirname "$0")/.."
root=$(pwd -P)
profile=${1:?which profile: demo, test, docs, check or bench}
unset PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE

say() { printf '%s\n' "$*" >&2; }
die() { say "setup: $*"; exit 1; }

# Debian splits Python and leaves git out; as root we can mend that, otherwise we say what is missing.
install() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "setup: apt-get install $*"
        log=$(mktemp)
        if DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@" >"$log" 2>&1 ||
            { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@"; } >>"$log" 2>&1; then
            rm -f "$log"
        else
            cat "$log" >&2
            die "apt-get could not install $*"
        fi
    else
        die "please install $* (on Debian: sudo apt-get install $*) and try again"
    fi
}

# The interpreter itself: not a wrapper that chooses one by the current folder, nor the environment that we may remake.
interpreter() {
    "$1" -I -c 'if True:
        import os, sys
        sys.version_info >= (3, 11) or sys.exit(1)
        print(os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        interpreter "$PYTHON" || die "PYTHON=$PYTHON isn't a Python of version 3.11 or later"
        return
    fi
    for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if interpreter "$name"; then return; fi
    done
    return 1
}

if ! python=$(find_python); then
    [ -z "${PYTHON:-}" ] || exit 1
    install python3 python3-venv
    python=$(find_python) || die "no Python of version 3.11 or later was found; name one: PYTHON=/path/to/python make …"
fi

command -v git >/dev/null 2>&1 || install git
case $profile in
    test | check) command -v strace >/dev/null 2>&1 || [ "$(id -u)" != 0 ] || install strace ;;
esac

# Where tests may not be skipped, what they need is installed: programs here, Python packages below.
for name in $(printf '%s' "${SMT_TEST_REQUIRE:-}" | tr ',' ' '); do
    case $name in
        pdflatex) packages="texlive-latex-base texlive-latex-recommended" ;;
        ip) packages=iproute2 ;;
        octave-cli) packages=octave ;;
        Rscript) packages=r-base-core ;;
        rpmbuild) packages=rpm ;;
        gcc) packages="gcc libc6-dev python3-dev" ;;
        svn | svnadmin | svnserve) packages=subversion ;;
        bash | fish | gfortran | make | rpm | strace | zsh) packages=$name ;;
        *) continue ;;
    esac
    # shellcheck disable=SC2086
    command -v "$name" >/dev/null 2>&1 || install --no-install-recommends $packages
done

case $profile in
    demo) set -- -e . -r examples/izhikevich/requirements.txt ;;
    test) set -- -e '.[test]' ;;
    docs) set -- -e '.[docs]' ;;
    check) set -- -e '.[check]' ;;
    bench) set -- -r bench/requirements.txt . ;;
    *) die "there is no profile called $profile" ;;
esac

# What the benchmarks measure is a plain installation, compiled, apart from the tools of a developer.
venv=.venv
sources="pyproject.toml setup.py $(find sumatra -name '*.[ch]' | sort)"
if [ "$profile" = bench ]; then
    venv=.bench
    sources="$sources bench/requirements.txt $(find sumatra -name '*.py' -print)"
fi

# shellcheck disable=SC2086
stamp="$root $(cat $sources examples/izhikevich/requirements.txt | cksum)"
done_already=$venv/.done-$profile
made_for=$(cat "$venv/.made-for" 2>/dev/null || true)

# An environment that was moved, was made with another interpreter than $PYTHON, or doesn't work, is made anew.
fits() {
    [ -x "$venv/bin/python" ] || return 1
    [ -z "$made_for" ] || [ "${made_for#*|}" = "$root" ] || return 1
    [ -z "${PYTHON:-}" ] || [ "${made_for%%|*}" = "$python" ] || return 1
}
# pysvn isn't to be had by pip: the package of that name there is another. Debian's works with Debian's version of Python.
link_pysvn() {
    case ",${SMT_TEST_REQUIRE:-}," in *,pysvn,*) ;; *) return ;; esac
    ! "$venv/bin/python" -c 'import pysvn' 2>/dev/null || return 0
    folder=/usr/lib/python3/dist-packages/pysvn
    [ -d "$folder" ] || install --no-install-recommends python3-svn
    ln -sfn "$folder" "$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/pysvn"
}

if fits && [ "$(cat "$done_already" 2>/dev/null)" = "$stamp" ]; then
    link_pysvn
    exit 0
fi
if ! fits || [ -z "$(interpreter "$venv/bin/python")" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    say "setup: making $venv with $python ($("$python" -V))"
    rm -rf "$venv"
    "$python" -I -c 'import ensurepip, venv' 2>/dev/null ||
        install "$("$python" -I -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    "$python" -I -m venv "$venv"
    printf '%s|%s' "$python" "$root" >"$venv/.made-for"
fi

say "setup: installing what '$profile' needs into $venv (once; takes a minute)"
if [ "$profile" = bench ]; then
    # A wheel is built from a copy, so that no build folder appears beside the sources.
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' EXIT
    cp -R sumatra pyproject.toml setup.py README.rst LICENSE "$copy"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check -r bench/requirements.txt
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --force-reinstall --no-deps "$copy"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check "$copy"
else
    # "compat": one line in a .pth file instead of an import hook, which would cost every start 10 ms.
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --config-settings editable_mode=compat "$@"
fi
link_pysvn
printf '%s' "$stamp" >"$done_already"
