"""Faults as a user meets them: in scenario files, reports, captures and `isochio serve`.

    faults_test.py ISOCHIO SOURCE_DIR [unittest arguments]
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ISOCHIO, SOURCE = sys.argv.pop(1), sys.argv.pop(1)
sys.path.insert(0, os.path.join(SOURCE, "tests", "interop"))
from usbip_client import Client, Served  # noqa: E402

EILSEQ = 84

STREAMS = """
frames = 60
speed = "{speed}"
[[stream]]
alternate = 1
endpoint = "in"
[[stream]]
alternate = 1
endpoint = "out"
"""

# What a packet shows by itself: damaged so that whoever reads it has to complain. One in each frame from the second on.
SPOILED = [
    'kind = "bit_error"\nendpoint = "in"',
    'kind = "bit_error"\nendpoint = "out"',
    'kind = "bit_error"\nplace = "crc"\nendpoint = "in"',
    'kind = "bit_error"\nplace = "crc"\npacket = "token"\nendpoint = "in"',
    'kind = "bit_error"\nplace = "token"\npacket = "token"\nendpoint = "out"',
    'kind = "bit_error"\nplace = "token"\npacket = "sof"',
    'kind = "truncated"\nendpoint = "in"',
    'kind = "truncated"\nbytes = 5\nendpoint = "out"',
    'kind = "babble"\nendpoint = "in"',
    'kind = "missing_eop"\nendpoint = "in"',
    'kind = "stuffing_error"\nendpoint = "out"',
    'kind = "stuffing_error"\nbyte = 1\npacket = "token"\nendpoint = "in"',
]
# What a packet does not show: these must not be flagged.
UNSUSPICIOUS = [
    'kind = "lost"\nendpoint = "in"',
    'kind = "no_answer"\nendpoint = "in"',
    'kind = "sof_late"\nbits = 20',
    'kind = "repeated_token"\nendpoint = "in"',
]
# What tshark says of a packet by itself. Of sequences it knows less: it takes MDATA MDATA DATA2 for a wrong one.
FLAGGED = ("(_ws.malformed && !usbll.invalid_pid_sequence && !usbll.invalid_setup_data) || usbll.undecoded || "
           "usbll.crc16.status == Bad || usbll.crc5.status == Bad || frame.packet_flags_symbol_error == 1")


def shows(fault):
    """Whether the packet that arrived is damaged so that it shows by itself."""
    kind = fault["kind"]
    if kind == "bit_error":
        return not fault["what"].startswith("SYNC spoiled")
    if kind == "wrong_pid":
        return "PID SETUP" not in fault["what"]
    if kind == "oversized":
        return fault["packet"] in ("IN", "OUT", "SETUP", "SOF")
    return kind in ("truncated", "babble", "missing_eop", "stuffing_error")


def faults(kinds, begin=2):
    return "".join(f"\n[[fault]]\nframe = {begin + 2 * i}\n{kind}\n" for i, kind in enumerate(kinds))


class Faults(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="isochio-faults-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)

    def run_scenario(self, text, name="run", *arguments):
        file = self.write("scenario.toml", text)
        done = subprocess.run([ISOCHIO, "run", file, "--json", self.path(name + ".json"), "--capture",
                               self.path(name + ".pcapng"), *arguments], capture_output=True, text=True, timeout=120)
        self.assertIn(done.returncode, (0, 1), done.stdout + done.stderr)
        with open(self.path(name + ".json")) as report:
            return json.load(report), done.stdout

    def tshark(self, capture, display, field):
        shown = subprocess.run(["tshark", "-r", self.path(capture), "-Y", display, "-T", "fields", "-e", field],
                               capture_output=True, text=True, timeout=120)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        return shown.stdout.splitlines()

    @unittest.skipUnless(shutil.which("tshark"), "tshark is not installed")
    def test_tshark_flags_exactly_the_packets_that_the_plan_spoiled(self):
        for speed in ("fs", "hs"):
            with self.subTest(speed=speed):
                report, _ = self.run_scenario(STREAMS.format(speed=speed) + faults(SPOILED + UNSUSPICIOUS))
                made = report["faults"]["listed"]
                self.assertEqual(len(made), len(SPOILED) + len(UNSUSPICIOUS))
                flagged = self.tshark("run.pcapng", FLAGGED, "frame.comment")
                self.assertEqual(len(flagged), len(SPOILED), flagged)
                for fault, comment in zip(made, flagged):
                    self.assertTrue(comment.startswith(f'fault {fault["id"]} "{fault["name"]}"'), (fault, comment))
                # And at the time that the report says.
                times = self.tshark("run.pcapng", FLAGGED, "frame.time_epoch")
                for fault, time in zip(made, times):
                    self.assertEqual(fault["time_ns"], int(time.replace(".", "")))

    @unittest.skipUnless(shutil.which("tshark") and shutil.which("mergecap"), "tshark and mergecap are not installed")
    def test_tshark_flags_exactly_the_packets_that_the_catalogue_spoils(self):
        root = pathlib.Path(SOURCE, "tests", "scenarios")
        scenarios = sorted(root.glob("wire-faults/*.toml")) + sorted(root.glob("time-faults/sof-spoiled-*.toml"))
        self.assertGreater(len(scenarios), 60)
        spoiled = []
        for file in scenarios:
            capture, report = self.path(file.stem + ".pcapng"), self.path(file.stem + ".json")
            done = subprocess.run([ISOCHIO, "run", str(file), "--capture", capture, "--json", report],
                                  capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            with open(report) as text:
                faults = json.load(text)["faults"]
            for fault in faults["listed"]:
                if shows(fault):
                    spoiled.append(f'fault {fault["id"]} "{fault["name"]}" ({fault["kind"]}) in frame '
                                   f'{fault["frame"]}.{fault["microframe"]}: {fault["what"]}')
        self.assertGreater(len(spoiled), 30)
        # One tshark for all of them.
        captures = [self.path(file.stem + ".pcapng") for file in scenarios]
        merged = subprocess.run(["mergecap", "-a", "-w", self.path("all.pcapng"), *captures], capture_output=True,
                                text=True, timeout=120)
        self.assertEqual(merged.returncode, 0, merged.stderr)
        self.assertEqual(spoiled, self.tshark("all.pcapng", FLAGGED, "frame.comment"))

    def test_the_same_seed_gives_the_same_bytes_and_another_one_other_faults(self):
        text = STREAMS.format(speed="hs") + (
            '[[fault]]\nkind = "bit_error"\nendpoint = "in"\nprobability = 0.05\n'
            '[[fault]]\nkind = "sof_jitter"\nbits = 20\nframe = 3\nframes = 5\n'
            '[[fault]]\nkind = "device_clock"\nppm = -300\nto_ppm = 300\nframes = 40\n')
        runs = [self.run_scenario(text, name, "--seed", seed)[0] for name, seed in (("a", "5"), ("b", "5"), ("c", "6"))]
        for report in runs:
            del report["perf"]
        self.assertEqual(runs[0], runs[1])
        with open(self.path("a.pcapng"), "rb") as a, open(self.path("b.pcapng"), "rb") as b:
            self.assertEqual(a.read(), b.read())
        self.assertGreater(runs[0]["faults"]["made"], 10)
        self.assertNotEqual(runs[0]["faults"]["listed"], runs[2]["faults"]["listed"])

    def test_idle_skipping_changes_nothing_though_clocks_are_off(self):
        text = STREAMS.format(speed="fs") + '[[fault]]\nkind = "device_clock"\nppm = 2000\nto_ppm = -2000\nframes = 40\n'
        runs = [self.run_scenario(text, name, *more)[0] for name, more in (("a", ()), ("b", ("--no-skip",)))]
        for report in runs:
            del report["perf"]
        self.assertEqual(runs[0], runs[1])

    def test_report_and_console_say_which_fault_a_violation_follows(self):
        text = STREAMS.format(speed="hs") + (
            '[[fault]]\nname = "noise"\nkind = "bit_error"\nendpoint = "in"\nframe = 5\nmicroframe = 3\n')
        report, console = self.run_scenario(text)
        made = report["faults"]["listed"]
        self.assertEqual(report["faults"]["planned"], [{"name": "noise", "kind": "bit_error", "made": 1}])
        self.assertEqual([(f["id"], f["microframe"], f["from"], f["packet"], f["endpoint"]) for f in made],
                         [(1, 3, "device", "DATA0", "0x81")])
        self.assertTrue(report["violations"])
        for violation in report["violations"]:
            self.assertEqual(violation["fault"], 1, violation)
        self.assertIn(f'[after fault 1, made in frame {made[0]["frame"]}.3]', console)
        self.assertIn("1 fault made on purpose: 1 noise", console)

    def test_a_run_without_faults_has_none_in_its_report(self):
        report, _ = self.run_scenario(STREAMS.format(speed="hs"))
        self.assertEqual(report["faults"], {"made": 0, "planned": [], "listed": []})
        self.assertEqual(report["verdict"], "passed")

    def test_a_bad_fault_is_an_error_with_file_line_and_key(self):
        file = self.write("bad.toml", STREAMS.format(speed="hs") + '[[fault]]\nkind = "sof_lost"\nppm = 3\n')
        done = subprocess.run([ISOCHIO, "run", file], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn('bad.toml:12: fault[0].ppm: has no meaning with kind = "sof_lost"', done.stderr)
        done = subprocess.run([ISOCHIO, "serve", "test", "--faults", file], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("bad.toml:", done.stderr)

    def test_serve_makes_the_faults_of_a_file_for_its_client(self):
        file = self.write("faults.toml", '[[fault]]\nname = "noise"\nkind = "bit_error"\nendpoint = 0x81\nevery = 5\n')
        with Served(ISOCHIO, "test", "--speed", "hs", "--faults", file, "--quiet") as server:
            client = Client(server.port)
            self.assertIsNotNone(client.attach())
            client.configure(1, 2)
            statuses = []
            for _ in range(2):
                client.submit(1, True, 16 * 1024, packets=[1024] * 16)
            for _ in range(2):
                statuses += [packet[3] for packet in client.reply().packets]
            client.close()
            code, output, errors = server.stop()
        self.assertEqual([-EILSEQ if i % 5 == 4 else 0 for i in range(32)], statuses)
        self.assertEqual(code, 1, output + errors)  # the bus was not in order
        self.assertIn("6 faults made on purpose: 6 noise", output)


if __name__ == "__main__":
    unittest.main()
