"""What evidence costs: processor time of a run that passes, with each output, against the run alone. Not a test.

    outputs_bench.py ISOCHIO [SCENARIO [FRAMES]]
"""
import os
import resource
import subprocess
import sys
import tempfile

OUTPUTS = ["", "--wave-on-violation", "--json", "--html", "--capture", "--wave"]
ROUNDS = 5  # the least of so many, taken in turn, so that a busy moment strikes all alike


def processor_time(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(isochio, scenario="hs-3x1024-in", frames="200"):
    least = {}
    with tempfile.TemporaryDirectory(prefix="isochio-bench-") as folder:
        for turn in range(ROUNDS):
            for output in OUTPUTS:
                if output == "--wave" and turn > 0:
                    continue  # it takes long enough once
                extra = [output, os.path.join(folder, "output")] if output else []
                taken = processor_time([isochio, "run", scenario, "--frames", frames, *extra])
                least[output] = min(taken, least.get(output, taken))
    print(f"{scenario}, {frames} frames, nothing violated: processor time (goal of --wave-on-violation: below 2)")
    for output, taken in least.items():
        print(f"  {output or 'the run alone':20} {taken:7.2f} s  {taken / least['']:6.2f} times")


if __name__ == "__main__":
    main(*sys.argv[1:])
