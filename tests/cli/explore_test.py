# isochio explore as a user meets it: exit codes, files of failures, repeatability. Usage: explore_test.py ISOCHIO [-v]
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ISOCHIO = sys.argv[1]


def run(*arguments):
    return subprocess.run([ISOCHIO, *arguments], capture_output=True, text=True)


class Explore(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="isochio-explore-")

    def tearDown(self):
        shutil.rmtree(self.folder)

    def test_runs_that_keep_their_promises_leave_nothing_behind(self):
        done = run("explore", "--runs", "20", "--seed", "3", "--jobs", "2", "--folder", self.folder)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("20 runs with seed 3: 0 failed", done.stdout)
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_run_beyond_the_limit_hangs_and_is_written_down(self):
        done = run("explore", "--runs", "1", "--limit", "0.001", "--shrink", "5", "--folder", self.folder, "--json", "-")
        self.assertEqual(done.returncode, 1, done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual([failure["kind"] for failure in found["failures"]], ["hung"])
        self.assertEqual(found["failures"][0]["tries"], 5)
        path = found["failures"][0]["file"]
        with open(path) as file:
            text = file.read()
        self.assertIn("# isochio explore --seed 1: run 0 hung", text)
        self.assertIn("isochio run " + path, text)
        # Without the limit it is a scenario as any other.
        self.assertEqual(run("run", path).returncode, 0)

    def test_bad_aims_and_devices_are_named(self):
        done = run("explore", "--runs", "1", "--aim", "fault")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--aim fault", done.stderr)
        done = run("explore", "--runs", "1", "--device", "no-such")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no-such", done.stderr)

    def test_a_promised_scenario_says_nothing_else(self):
        path = os.path.join(self.folder, "both.toml")
        with open(path, "w") as file:
            file.write('frames = 4\n[[stream]]\nendpoint = "in"\n[expect]\npromised = true\nviolations = { missed = 1 }\n')
        done = run("run", path)
        self.assertEqual(done.returncode, 2)
        self.assertIn("expect.violations", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
