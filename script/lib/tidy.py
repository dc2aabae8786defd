#!/usr/bin/env python3
"""clang-tidy over the library, the command and the Links, in the files that git has.

A file that was found clean is not looked at again while it, the headers it includes (of the repository, as the build knows them) and .clang-tidy
are the same: build/tidy keeps a mark for each such state."""

import concurrent.futures
import hashlib
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("BUILD_DIR", ROOT / "build")).resolve()
MARKS = BUILD / "tidy"


def output(*command):
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def includes():
    """Source file -> files of the repository that it includes, itself among them."""
    known, block = {}, []
    for line in output("ninja", "-C", str(BUILD), "-t", "deps").splitlines() + [""]:
        if line.startswith("    "):
            path = (BUILD / line.strip()).resolve()
            if path.is_relative_to(ROOT) and not path.is_relative_to(BUILD):
                block.append(path)
        elif not line:
            if block:
                known[block[0]] = block
            block = []
    return known


def mark(files):
    total = hashlib.sha256()
    for path in sorted({*files, ROOT / ".clang-tidy"}):
        total.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return MARKS / total.hexdigest()[:24]


def look_at(source, state):
    done = subprocess.run(["clang-tidy", "-p", str(BUILD), "--quiet", "--warnings-as-errors=*", source.relative_to(ROOT)],
                          cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if done.returncode == 0:
        state.touch()
    return source, done


def main():
    MARKS.mkdir(parents=True, exist_ok=True)
    known = includes()
    sources = [ROOT / name for name in output("git", "ls-files", "host/*.cc", "verilator/*.cc").splitlines()]
    todo = [(source, state) for source in sources if not (state := mark(known.get(source, [source]))).exists()]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        running = [pool.submit(look_at, *one) for one in todo]
        for number, future in enumerate(concurrent.futures.as_completed(running), 1):
            source, done = future.result()
            failed += done.returncode != 0
            if done.returncode != 0:
                print(f"{done.stdout}{source.relative_to(ROOT)}: not clean", flush=True)
            if sys.stderr.isatty():
                print(f"\r\033[K{number}/{len(todo)} {source.relative_to(ROOT)}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty() and todo:
        print("\r\033[K", end="", file=sys.stderr)
    print(f"{len(sources)} files, {len(sources) - len(todo)} unchanged since they were clean, {failed} not clean")
    sys.exit(failed > 0)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\ntidy: interrupted; what is done is kept, run it again to go on")
