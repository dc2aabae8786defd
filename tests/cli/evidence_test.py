# isochio: what the command leaves behind when something fails: waves, JUnit, annotations, and nothing half written on a
# full disk. Usage: evidence_test.py ISOCHIO [-v]
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

ISOCHIO = sys.argv[1]
LATE = """frames = 40
[[stream]]
alternate = 2
endpoint = "in"
[checks]
completion_latency_us = 1
"""


def run(*arguments, file_limit=None, **environment):
    """Runs isochio; `file_limit`: no file may be longer than so many bytes."""
    limit = file_limit and (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit)))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    return subprocess.run([ISOCHIO, *arguments], capture_output=True, text=True, preexec_fn=limit, env={**clean, **environment})


class Evidence(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="isochio-evidence-")
        self.late = self.path("late.toml", LATE)

    def tearDown(self):
        shutil.rmtree(self.folder)

    def path(self, name, text=None):
        path = os.path.join(self.folder, name)
        if text is not None:
            with open(path, "w") as file:
                file.write(text)
        return path

    def read(self, name):
        with open(self.path(name)) as file:
            return file.read()

    def test_waves_are_kept_around_the_first_violation(self):
        done = run("run", self.late, "--wave-on-violation", self.path("v.fst"), "--wave-window", "0.5", "--json", self.path("r.json"))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("gtkwave " + self.path("v.gtkw"), done.stdout)
        violation = json.loads(self.read("r.json"))["violations"][0]
        save = self.read("v.gtkw")
        markers = [int(word) for word in re.search(r"^\*\S+ (.*)$", save, re.M).group(1).split()]
        self.assertEqual(len(markers), 27)
        self.assertAlmostEqual(markers[0] / 1000, violation["time_ns"], delta=1)
        self.assertIn("[markername] Acompletion_latency\n", save)
        # The marker of a microframe stands where that microframe begins: 1000.0 is at 0.
        for letter, frame, microframe in re.findall(r"\[markername\] ([B-Z])(\d+)\.(\d)", save):
            self.assertEqual(markers[1 + ord(letter) - ord("A")], ((int(frame) - 1000) * 8 + int(microframe)) * 125_000_000)
        if not shutil.which("fst2vcd"):
            self.skipTest("gtkwave is not installed: the wave file is not read")
        vcd = subprocess.run(["fst2vcd", self.path("v.fst")], capture_output=True, text=True).stdout
        times = [int(line[1:]) for line in re.findall(r"^#\d+$", vcd, re.M)]
        self.assertGreater(len(times), 1000)
        self.assertAlmostEqual(times[0], markers[0] - 500_000_000, delta=20_000)
        self.assertAlmostEqual(times[-1], markers[0] + 500_000_000, delta=20_000)
        top = re.search(r"\$scope module TOP \$end(.*?)\$scope", vcd, re.S).group(1)
        known = {"TOP." + "".join(name.split()) for name in re.findall(r"\$var wire \d+ \S+ (.*?) \$end", top)}
        named = [line for line in save.splitlines() if line.startswith("TOP.")]
        self.assertGreater(len(named), 8)
        self.assertEqual([name for name in named if name not in known], [])

    def test_waves_on_violation_cost_nothing_when_nothing_fails(self):
        clocks = []
        for extra in ([], ["--wave-on-violation", self.path("v.fst")]):
            done = run("run", "hs-1x1024-in", "--frames", "20", "--json", self.path("r.json"), *extra)
            self.assertEqual(done.returncode, 0)
            clocks.append(json.loads(self.read("r.json"))["perf"]["clocks_evaluated"])
        self.assertEqual(clocks[0], clocks[1])
        self.assertFalse(os.path.exists(self.path("v.fst")))

    def test_a_junit_failure_has_the_reason_and_the_command(self):
        run("run", self.late, self.path("misspelt.toml", "[[stream]]\nendpont = \"in\"\n"), "--junit", self.path("j.xml"))
        tree = xml.parse(self.path("j.xml")).getroot()
        failures = tree.findall(".//failure")
        self.assertEqual(len(failures), 1)
        self.assertIn("first completion_latency: request", failures[0].get("message"))
        self.assertIn("Repeat: isochio run", failures[0].text)
        errors = tree.findall(".//error")
        self.assertEqual(len(errors), 1)
        self.assertIn("endpont", errors[0].get("message"))
        self.assertIn("Repeat: isochio run", errors[0].text)
        self.assertEqual(int(tree.get("failures")), 1)
        self.assertEqual(int(tree.get("errors")), 1)

    def test_the_command_to_repeat_repeats_also_where_names_have_spaces(self):
        os.mkdir(self.path("it's a folder"))
        scenario = self.path("it's a folder/my late.toml", LATE)
        run("run", scenario, "--frames", "8", "--seed", "7", "--junit", self.path("j.xml"))
        failure = xml.parse(self.path("j.xml")).getroot().find(".//failure")
        command = re.search(r"^Repeat: isochio (run .*)$", failure.text, re.M).group(1)
        again = subprocess.run(f"'{ISOCHIO}' {command} --junit '{self.path('again.xml')}'", shell=True, capture_output=True, text=True)
        self.assertEqual(again.returncode, 1, again.stderr)
        self.assertEqual(xml.parse(self.path("again.xml")).getroot().find(".//failure").text, failure.text)
        # Also of what could not be run, with all that it depends on.
        run("run", self.late, "--frames", "8", "--profile", "uhci", "--seed", "3", "--junit", self.path("n.xml"))
        self.assertIn("--seed 3 --frames 8 --profile uhci", xml.parse(self.path("n.xml")).getroot().find(".//error").text)

    def test_a_failed_expectation_says_the_first_reason(self):
        expecting = self.path("expecting.toml", "frames = 8\n[[stream]]\nalternate = 2\nendpoint = \"in\"\n[expect]\nviolations = { crc = 1 }\n")
        run("run", expecting, "--junit", self.path("j.xml"))
        failure = xml.parse(self.path("j.xml")).getroot().find(".//failure")
        self.assertEqual(failure.get("message"), "1 outcome not as expected, first violations: expected 1 of the rule crc, got 0")

    def test_a_workflow_gets_annotations_with_file_and_line(self):
        quiet = run("run", self.late)
        self.assertNotIn("::error", quiet.stdout)
        done = run("run", self.late, GITHUB_ACTIONS="true", GITHUB_WORKSPACE=self.folder)
        found = re.findall(r"^::error file=(\S+),line=(\d+),title=(.*?)::(.*)$", done.stdout, re.M)
        self.assertEqual(len(found), 1)
        file, line, title, message = found[0]
        self.assertEqual((file, line, title), ("late.toml", "2", "late%3A latency"))
        self.assertIn("expected at most 1000 ns", message)
        self.assertIn("%0ARepeat: isochio run", message)
        bad = run("run", self.path("bad.toml", "frames = 4\n[[stream]]\nendpont = \"in\"\n"), GITHUB_ACTIONS="true", GITHUB_WORKSPACE=self.folder)
        self.assertIn("::error file=bad.toml,line=3,", bad.stdout)
        self.assertNotIn("::error", run("run", "hs-1x1024-in", "--frames", "4", GITHUB_ACTIONS="true").stdout)

    def test_a_misspelt_key_is_named_before_the_key_that_it_should_have_been(self):
        done = run("run", self.path("bad.toml", "[[stream]]\nendpont = \"in\"\n"))
        self.assertEqual(done.returncode, 2)
        self.assertIn("bad.toml:2: stream[0].endpont:", done.stderr)
        self.assertIn("\"endpoint\"", done.stderr)
        done = run("run", self.path("bad.toml", "frames = 0\n[[stream]]\nendpont = \"in\"\n"))
        self.assertIn("bad.toml:1: frames:", done.stderr)  # another table's error stays the first one

    def test_a_full_disk_is_an_error_that_names_the_file_and_leaves_nothing_half_written(self):
        for option, name in (("--json", "full.json"), ("--html", "full.html")):
            with self.subTest(option):
                done = run("run", self.late, option, self.path(name), file_limit=2048)
                self.assertEqual(done.returncode, 2)
                self.assertIn(self.path(name) + ": the report can't be written: File too large", done.stdout + done.stderr)
                self.assertEqual([file for file in os.listdir(self.folder) if file.startswith("full")], [])
        done = run("run", self.late, "--capture", self.path("full.pcapng"), file_limit=300_000)
        self.assertEqual(done.returncode, 2)
        self.assertIn("the capture can't be written: File too large", done.stdout)
        with open(self.path("full.pcapng"), "rb") as file:
            capture = file.read()
        at = 0
        while at < len(capture):  # whole blocks only
            at += int.from_bytes(capture[at + 4:at + 8], "little")
        self.assertEqual(at, len(capture))


    def test_waves_that_do_not_fit_on_the_disk_are_an_error_and_leave_nothing(self):
        # Not a limit as above: the FST writer asks for no errors, so the file has to be found incomplete.
        for option in ("--wave", "--wave-on-violation"):
            with self.subTest(option):
                done = run("run", self.late, "--frames", "8", option, self.path("full.fst"), file_limit=300_000)
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn(self.path("full.fst") + ": the waves can't be written whole", done.stdout)
                self.assertEqual([file for file in os.listdir(self.folder) if file.startswith("full")], [])

    def test_what_came_back_and_does_not_fit_on_the_disk_is_not_blamed_on_the_device(self):
        payload = self.path("payload", "isochio " * 30_000)
        done = run("run", "loopback", "--payload", payload, "--received", self.path("back"), "--json", self.path("r.json"), file_limit=100_000)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn(self.path("back") + ": what came back can't be written: ", done.stdout)
        self.assertNotIn("payload_corrupt", done.stdout)
        self.assertEqual([file for file in os.listdir(self.folder) if file.startswith("back")], [])
        done = run("run", "loopback", "--payload", payload, "--received", self.path("back"))
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(self.read("back"), self.read("payload"))

    def test_what_can_not_be_printed_is_an_error(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("there is no /dev/full")
        for arguments in (["run", "fs-1023", "--frames", "4"], ["run", "fs-1023", "--frames", "4", "--json", "-"], ["list"]):
            with self.subTest(arguments=arguments), open("/dev/full", "w") as full:
                done = subprocess.run([ISOCHIO, *arguments], stdout=full, stderr=subprocess.PIPE, text=True)
                self.assertEqual(done.returncode, 2)
                self.assertIn("No space left on device", done.stderr)

    def test_several_reports_want_a_folder(self):
        for jobs in ("1", "2"):
            done = run("run", self.late, "fs-1023", "--frames", "4", "--jobs", jobs, "--json", self.late)
            self.assertEqual(done.returncode, 2)
            self.assertIn(self.late + ": the folder for several files can't be made: ", done.stderr)

    def test_no_output_takes_the_place_of_what_is_no_ordinary_file(self):
        payload = self.path("payload", "isochio " * 100)
        folder = os.path.join(self.folder, "folder")
        os.mkdir(folder)
        pipe = os.path.join(self.folder, "pipe")
        os.mkfifo(pipe)
        outputs = ["--json", "--html", "--junit", "--coverage", "--wave", "--wave-on-violation", "--capture", "--received"]
        for option in outputs:
            places = {folder: "irectory", os.path.join(self.folder, "missing", "x"): "No such file", os.path.join(self.late, "x"): "Not a directory"}
            if option in ("--wave", "--wave-on-violation", "--received"):
                places[folder] = places[pipe] = "no ordinary file"
            if option == "--coverage":
                places[folder] = "is no coverage"
                places["/dev/zero"] = "is a device"
            for place, why in places.items():
                with self.subTest(option, place=place):
                    scenario = ("loopback", "--payload", payload) if option == "--received" else (self.late,)
                    done = run("run", *scenario, "--frames", "4", option, place)
                    self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
                    self.assertIn(why, done.stderr)
                    self.assertIn(place, done.stderr)
                    self.assertNotIn("at high speed", done.stdout)  # it was known before the run
        self.assertTrue(os.path.isdir(folder))
        self.assertEqual(sorted(os.listdir(self.folder)), ["folder", "late.toml", "payload", "pipe"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
