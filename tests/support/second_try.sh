#!/usr/bin/env bash
# For a test in which other processes have a part (servers, QEMU's guest, a browser), which share the machine with everything else:
# a failure may be theirs, and is tried once more where ISOCHIO_SECOND_TRIES names a file; the test's name is added to it then.
# script/test sets that and shows the names. Without it, as with a plain ctest, the first failure counts.
#   second_try.sh NAME SECONDS COMMAND...     each try ends after SECONDS; exit status 77 is "skipped"
name=$1 seconds=$2
shift 2
timeout --kill-after=10 "$seconds" "$@"
status=$?
[ "$status" -eq 124 ] && echo "$name: no end after $seconds s"
if [ "$status" -eq 0 ] || [ "$status" -eq 77 ] || [ -z "$ISOCHIO_SECOND_TRIES" ]; then exit "$status"; fi
printf '%s\n' "$name" >>"$ISOCHIO_SECOND_TRIES"
echo "== exit status $status: second try"
exec timeout --kill-after=10 "$seconds" "$@"
