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
        # Much work for a processor whose time is told in steps of some milliseconds: at least one of these is too long.
        done = run("explore", "--runs", "20", "--aim", "speed=hs,transactions=3,size=full,fault=none", "--failures", "1", "--limit", "0.001",
                   "--shrink", "0", "--folder", self.folder, "--json", "-")
        self.assertEqual(done.returncode, 1, done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual([failure["kind"] for failure in found["failures"]], ["hung"])
        self.assertEqual(found["failures"][0]["tries"], 0)
        path = found["failures"][0]["file"]
        with open(path) as file:
            text = file.read()
        self.assertIn(f"# isochio explore --seed 1: run {found['failures'][0]['run']} hung", text)
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

    def test_coverage_is_merged_reported_and_its_holes_filled(self):
        file, page = os.path.join(self.folder, "c.json"), os.path.join(self.folder, "c.html")
        self.assertEqual(run("explore", "--runs", "5", "--coverage", file, "--folder", self.folder).returncode, 0)
        self.assertEqual(run("run", "hs-1x1024-in", "fs-audio", "--frames", "20", "--coverage", file).returncode, 0)
        done = run("coverage", file, "--json", "-", "--html", page)
        self.assertEqual(done.returncode, 0, done.stderr)
        before = json.loads(done.stdout)
        self.assertEqual(before["runs"], 7)
        self.assertTrue(all(one["reason"] for one in before["exclusions"]))
        with open(page) as report:
            self.assertIn("isochio explore --aim", report.read())
        self.assertEqual(run("coverage", file, "--at-least", "95").returncode, 1)
        # What a hole's command makes fills it.
        hole = "fault=no_answer,profile=uhci"
        self.assertIn(hole, [one["filled_by"].split()[-1] for one in before["holes"]])
        self.assertEqual(run("explore", "--runs", "3", "--aim", hole, "--coverage", file, "--folder", self.folder).returncode, 0)
        self.assertEqual(run("explore", "--runs", "10", "--fill", file, "--coverage", file, "--folder", self.folder).returncode, 0)
        after = json.loads(run("coverage", file, "--json", "-").stdout)
        self.assertNotIn(hole, [one["filled_by"].split()[-1] for one in after["holes"]])
        self.assertGreater(after["all"]["hit"], before["all"]["hit"] + 10)

    def test_a_file_that_is_no_coverage_is_named_and_kept(self):
        file = os.path.join(self.folder, "other.json")
        with open(file, "w") as other:
            other.write("{}")
        for arguments in (["coverage", file], ["run", "fs-audio", "--frames", "4", "--coverage", file]):
            done = run(*arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn("other.json: is no coverage", done.stderr)
        with open(file) as other:
            self.assertEqual(other.read(), "{}")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
