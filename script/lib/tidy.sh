#!/usr/bin/env bash
# isochio: clang-tidy over the library, the command and the Links. A file that is unchanged since it was found clean (itself, the
# headers of the repository and .clang-tidy) is not looked at again.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=build/tidy
mkdir -p "$cache"
common=$(git ls-files '*.h' .clang-tidy | sort | xargs cat | sha256sum | cut -c1-16)
export cache common
tidy() {
  local mark
  mark=$cache/$(cat "$1" | sha256sum | cut -c1-16).$common
  [ -e "$mark" ] && return
  clang-tidy -p build --quiet --warnings-as-errors='*' "$1" 2>/dev/null && touch "$mark"
}
export -f tidy
git ls-files 'host/*.cc' 'verilator/*.cc' | xargs -P "$(nproc)" -I{} bash -c 'tidy {}'
