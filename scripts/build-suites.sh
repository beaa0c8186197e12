#!/usr/bin/env bash
# Builds the file system suites that come as Rust sources, once a version, into .cache/suites. `make test` calls it.
# Needs cargo (scripts/system-packages-test.txt). Takes a minute the first time, nothing after that.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD/.cache/suites

build() { # NAME VERSION
    grep -qsF "\"$1 $2 " "$root/.crates.toml" && [[ -x $root/bin/$1 ]] && return
    command -v cargo >/dev/null || { echo "cargo is missing. Please run: sudo apt-get install -y cargo" >&2; exit 1; }
    echo "set-up: building $1 $2" >&2
    cargo install --quiet --locked --root "$root" --version "$2" "$1" >&2
}

build fsx 0.3.2
build pjdfstest 0.2.2
