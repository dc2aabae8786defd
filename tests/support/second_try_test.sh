#!/usr/bin/env bash
# second_try.sh WORK: what script/test rests on when it lets a test fail once.
set -u
try=$(dirname "$0")/second_try.sh work=$1
rm -rf "$work" && mkdir -p "$work"
failures=0
# expect WORDS STATUS NAMES: of the last call of `run`.
expect() {
  if [ "$status" != "$2" ] || [ "$(cat "$work/names" 2>/dev/null)" != "$3" ]; then
    echo "FAILED  $1: exit status $status, named: $(cat "$work/names" 2>/dev/null)"
    failures=1
  fi
  rm -f "$work/names" "$work/been_here"
}
run() { "$try" "a name" "$@" >/dev/null 2>&1; status=$?; }
passes_again="[ -e $work/been_here ] || { touch $work/been_here; exit 3; }"

unset ISOCHIO_SECOND_TRIES
run 10 bash -c "$passes_again"; expect "a plain ctest counts the first failure" 3 ""
export ISOCHIO_SECOND_TRIES=$work/names
run 10 true; expect "what passes is run once and not named" 0 ""
run 10 bash -c "$passes_again"; expect "what passes the second time passes, and is named" 0 "a name"
run 10 bash -c 'exit 4'; expect "what fails twice fails, with its own status" 4 "a name"
run 10 bash -c 'exit 77'; expect "what is skipped is not tried again" 77 ""
run 0.3 bash -c "[ -e $work/been_here ] || { touch $work/been_here; sleep 60; }"; expect "what hangs is ended and tried again" 0 "a name"
exit $failures
