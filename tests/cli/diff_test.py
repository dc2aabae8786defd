# isochio: isochio diff as a user meets it. Usage: diff_test.py ISOCHIO [-v]
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest

ISOCHIO = sys.argv[1]
STREAM = '[[stream]]\nalternate = 2\nendpoint = "in"\n'


class Diff(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="isochio-diff-")

    def tearDown(self):
        shutil.rmtree(self.folder)

    def report(self, name, scenario):
        """Runs a scenario of this text; the path of its JSON report. All have the same name, so that it is no difference."""
        toml, path = os.path.join(self.folder, "mine.toml"), os.path.join(self.folder, name)
        with open(toml, "w") as file:
            file.write(scenario)
        subprocess.run([ISOCHIO, "run", toml, "--json", path], capture_output=True)
        return path

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def diff(self, *arguments):
        return subprocess.run([ISOCHIO, "diff", *arguments], capture_output=True, text=True)

    def diff_json(self, a, b, *arguments):
        done = self.diff(a, b, "--json", *arguments)
        return done.returncode, json.loads(done.stdout)

    def test_two_runs_of_one_scenario_are_the_same(self):
        a, b = (self.report(name, "frames = 40\n" + STREAM) for name in ("a.json", "b.json"))
        done = self.diff(a, b)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("say the same", done.stdout)
        self.assertTrue(self.diff_json(a, b)[1]["same"])

    def test_what_moved_otherwise_is_told_frame_by_frame(self):
        a = self.report("a.json", "frames = 40\n" + STREAM)
        b = self.report("b.json", "frames = 40\n" + STREAM + "request = 512\n")
        code, diff = self.diff_json(a, b)
        self.assertEqual(code, 1)
        with open(a) as file:
            first = json.load(file)["frame_list"][0]["frame"]
        whole = [f for f in diff["frames"] if f["endpoint"] == "0x81"]
        self.assertEqual(len(whole), 1)
        self.assertEqual((whole[0]["first"], whole[0]["last"], whole[0]["count"]), (f"{first}.0", f"{first + 39}.7", 320))
        self.assertEqual(whole[0]["a"], "ok, 1024 of 1024 bytes")
        self.assertTrue(whole[0]["b"].endswith(", 512 of 512 bytes"), whole[0]["b"])
        self.assertIn({"path": "verdict", "a": "passed", "b": "failed"}, diff["results"])
        self.assertEqual(len(diff["violations"]["only_b"]), 320)
        self.assertEqual(diff["violations"]["only_a"], [])
        text = self.diff(a, b).stdout
        self.assertIn(f"  0x81 {first}.0 to {first + 39}.7 (320): ok, 1024 of 1024 bytes -> ", text)
        self.assertIn('verdict: "passed" -> "failed"', text)
        self.assertIn("violations only in " + b + " (320):", text)

    def test_frames_that_only_one_run_has_are_told(self):
        a = self.report("a.json", "frames = 40\n" + STREAM)
        b = self.report("b.json", "frames = 60\n" + STREAM)
        _, diff = self.diff_json(a, b)
        # The last request of the shorter run completes sooner: that is told apart.
        self.assertEqual([(f["count"], f["a"], f["b"]) for f in diff["frames"] if f["endpoint"] == "0x81"], [(160, "not there", "ok, 1024 of 1024 bytes")])
        back = self.diff_json(b, a)[1]["frames"]
        self.assertEqual([(f["count"], f["b"]) for f in back if f["endpoint"] == "0x81"], [(160, "not there")])

    def test_one_entry_in_the_middle_and_a_refusal_are_found(self):
        a = self.report("a.json", "frames = 40\n" + STREAM)
        with open(a) as file:
            report = json.load(file)
        row = next(r for r in report["frame_list"] if r["repeat"] > 2)
        begin = row["frame"] * 8 + row["microframe"] + row["step"]  # the second request of the row
        head, middle, tail = dict(row, repeat=1), dict(row, repeat=1), dict(row, repeat=row["repeat"] - 2)
        middle.update(frame=begin // 8, microframe=begin % 8, entries=[[11, 1024, 1024, "ok"], [1, 1024, 0, "missed"], [20, 1024, 1024, "ok"]])
        tail.update(frame=(begin + row["step"]) // 8, microframe=(begin + row["step"]) % 8)
        refused = dict(row, repeat=1, entries=[], latency_us=None, status="too old")
        at = report["frame_list"].index(row)
        report["frame_list"][at:at + 1] = [head, middle, refused, tail]
        b = self.write("b.json", json.dumps(report, indent=1))  # in another form than ours
        code, diff = self.diff_json(a, b)
        self.assertEqual(code, 1)
        self.assertEqual(diff["results"], [])
        at = begin + 11
        self.assertIn({"endpoint": "0x81", "first": f"{at // 8}.{at % 8}", "last": f"{at // 8}.{at % 8}", "count": 1,
                       "a": "ok, 1024 of 1024 bytes", "b": "missed, 0 of 1024 bytes"}, diff["frames"])
        self.assertEqual([f["b"] for f in diff["frames"] if "refused" in f["endpoint"]], ["request refused, too old"])
        self.assertEqual(diff["frame_differences"], 2)

    def test_bad_input_leaves_with_2_and_names_the_file(self):
        good = self.report("a.json", "frames = 4\n" + STREAM)
        for name, text in (("text.json", "hello"), ("other.json", "{}"), ("list.json", "[1]"), ("cut.json", open_text(good)[:-40]),
                           ("row.json", '{"format":"isochio-report-1","frame_list":[{"endpoint":7}]}')):
            with self.subTest(name):
                bad = self.write(name, text)
                for pair in ((good, bad), (bad, good)):
                    done = self.diff(*pair)
                    self.assertEqual((done.returncode, done.stdout), (2, ""))
                    self.assertIn(bad, done.stderr)
        self.assertEqual(self.diff(good, os.path.join(self.folder, "nothing.json")).returncode, 2)
        self.assertEqual(self.diff(good).returncode, 2)

    def test_a_report_that_was_changed_by_hand_asks_for_no_endless_work(self):
        good = self.report("a.json", "frames = 8\n" + STREAM)
        def set_row(key, value):
            return lambda report: report["frame_list"][0].__setitem__(key, value)
        changes = {"repeat": set_row("repeat", 10**15), "step": set_row("step", -1), "interval": set_row("interval", 0),
                   "frame": set_row("frame", 2**61), "count": set_row("entries", [[10**15, 1, 1, "ok"]]),
                   "list": lambda report: report.update(frame_list=7), "rows": lambda report: report.update(frame_list=[1]),
                   "violations": lambda report: report.update(violations=7), "violation": lambda report: report.update(violations=[7]),
                   "place": lambda report: report.update(violations=[{"frame": "x"}]), "speed": lambda report: report.update(speed=7),
                   "streams": lambda report: report.update(streams=[7]), "stream": lambda report: report.update(streams=[{"endpoint": 7}])}
        for name, change in changes.items():
            with self.subTest(name):
                report = json.loads(open_text(good))
                change(report)
                bad = self.write(name + ".json", json.dumps(report))
                for pair in ((good, bad), (bad, good)):
                    done = subprocess.run([ISOCHIO, "diff", *pair], capture_output=True, text=True, timeout=60)
                    self.assertEqual((done.returncode, done.stdout), (2, ""))
                    self.assertIn(bad + ": is not a report of isochio run --json: ", done.stderr)

    def test_a_report_without_frame_list_is_not_the_same_as_one_with(self):
        good = self.report("a.json", "frames = 8\n" + STREAM)
        report = json.loads(open_text(good))
        del report["frame_list"]
        old = self.write("old.json", json.dumps(report))
        done = self.diff(good, old)
        self.assertEqual(done.returncode, 1)
        self.assertIn("frames: not compared; a report has no frame list", done.stdout)
        self.assertFalse(self.diff_json(good, old)[1]["same"])
        self.assertEqual(self.diff(old, old).returncode, 0)

    def test_large_reports_are_read_in_little_memory(self):
        rows = 100_000
        def text(odd):
            for i in range(rows):
                yield json.dumps({"endpoint": "0x81", "frame": 1000 + 4 * i, "microframe": 0, "repeat": 1, "step": 0, "request": i + 1, "interval": 1,
                                  "status": "ok", "latency_us": 5000 + i % 7 + (1 if odd and i == 77_000 else 0), "entries": [[32, 1024, 1024, "ok"]]})
        paths = [self.write(name, '{"format":"isochio-report-1","speed":"hs","frame_list":[' + ",\n".join(text(odd)) + "]}")
                 for name, odd in (("a.json", False), ("b.json", True))]
        done = subprocess.run([ISOCHIO, "diff", *paths], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("frames: 1 differences in 1 places", done.stdout)
        self.assertIn(f"0x81 requests {1000 + 4 * 77_000}.0", done.stdout)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{os.path.getsize(paths[0]) / 1e6:.0f} MB each, {peak:.0f} MB of memory")
        self.assertLess(peak, 100)


def open_text(path):
    with open(path) as file:
        return file.read()


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
