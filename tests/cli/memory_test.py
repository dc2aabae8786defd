#!/usr/bin/env python3
"""Memory stays small whatever a run's length: results stream to files."""
import os
import sys
import tempfile
import unittest

ISOCHIO = sys.argv[1]
MOST = 200 * 1024  # KiB
GROWTH = 12 * 1024  # the HTML report keeps so many events and no more

# Every packet is damaged and every SOF is early or late: as many violations, faults and frame list rows as there can be.
FAULTY = """speed = "fs"
device = "uac1-audio"
[[stream]]
interface = 2
alternate = 1
endpoint = "in"
[[fault]]
kind = "bit_error"
endpoint = "in"
every = 2
[[fault]]
kind = "sof_jitter"
bits = 30
probability = 1.0
"""


class Memory(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def peak(self, scenario, frames):
        """KiB that the command held at most, with every report and a capture."""
        files = [option for kind in ("json", "html", "junit", "capture")
                 for option in (f"--{kind}", os.path.join(self.folder.name, f"run.{kind}"))]
        arguments = [ISOCHIO, "run", scenario, "--frames", str(frames), *files]
        pid = os.posix_spawn(ISOCHIO, arguments, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
        _, status, usage = os.wait4(pid, 0)
        self.assertIn(os.waitstatus_to_exitcode(status), (0, 1))
        return usage.ru_maxrss

    def compare(self, scenario):
        short, long = self.peak(scenario, 500), self.peak(scenario, 5000)
        print(f"{short / 1024:.1f} MiB for 500 frames, {long / 1024:.1f} MiB for 5000")
        self.assertLess(long, MOST)
        self.assertLess(long - short, GROWTH)

    def test_a_run_ten_times_as_long_takes_no_more_memory(self):
        self.compare("fs-audio")

    def test_nor_does_one_in_which_everything_fails(self):
        path = os.path.join(self.folder.name, "faulty.toml")
        with open(path, "w") as file:
            file.write(FAULTY)
        self.compare(path)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
