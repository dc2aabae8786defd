# isochio: the HTML report as a reader meets it: in Chromium, without a network. Usage: html_test.py ISOCHIO LONG_REPORT [-v]
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

try:
    from selenium import webdriver
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select
except ImportError:
    print("python3-selenium is not installed: not tested")
    sys.exit(77)
if not shutil.which("chromedriver") or not shutil.which("chromium"):
    print("chromium and chromium-driver are not installed: not tested")
    sys.exit(77)

ISOCHIO, LONG_REPORT = sys.argv[1:3]
FOLDER = tempfile.mkdtemp(prefix="isochio-html-")

# A completion may come no later than 1 us after its due time, and entries ask for half of what comes: both are found.
FAILING = """
frames = 60
[[stream]]
alternate = 2
endpoint = "in"
request = 512
[checks]
completion_latency_us = 1
"""

FAULTS = """
frames = 40
[[stream]]
alternate = 1
endpoint = "in"
[[fault]]
kind = "bit_error"
endpoint = "in"
frame = 10
count = 3
every = 7
[[fault]]
name = "a bad hub"
kind = "sof_lost"
frame = 20
"""


def start_browser():
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    # No sandbox: tests also run as root in a container. Nothing is opened but files that were just written.
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,1600"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(service=webdriver.chrome.service.Service(shutil.which("chromedriver")), options=options)


def make_report(scenario, *arguments):
    """Runs a scenario; returns the page's path, the JSON report, and the exit code."""
    name = os.path.splitext(os.path.basename(scenario))[0]
    page, report = (os.path.join(FOLDER, name + ending) for ending in (".html", ".json"))
    done = subprocess.run([ISOCHIO, "run", scenario, "--html", page, "--json", report, *arguments], capture_output=True, text=True)
    with open(report) as file:
        return page, json.load(file), done.returncode


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = start_browser()
        cls.passing = make_report("feedback-44k1", "--frames", "120")
        scenario = os.path.join(FOLDER, "wrong.toml")
        with open(scenario, "w") as file:
            file.write(FAILING)
        cls.failing = make_report(scenario)
        scenario = os.path.join(FOLDER, "faults.toml")
        with open(scenario, "w") as file:
            file.write(FAULTS)
        cls.faults = make_report(scenario)
        cls.long = os.path.join(FOLDER, "long.html")
        subprocess.run([LONG_REPORT, "100000", cls.long], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.browser.quit()
        shutil.rmtree(FOLDER)

    def open(self, page):
        self.browser.get("file://" + page)
        deadline = time.monotonic() + 60
        while not (after := self.script("return document.documentElement.dataset.openedAfter")):
            self.assertLess(time.monotonic(), deadline, "the page did not get ready: " + str(self.browser.get_log("browser")))
            time.sleep(0.02)
        return int(after)

    def script(self, text, *arguments):
        return self.browser.execute_script(text, *arguments)

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def rows(self, place):
        return [[cell.text for cell in row.find_elements(By.TAG_NAME, "td")]
                for row in self.browser.find_elements(By.CSS_SELECTOR, place + " tbody tr")]

    def window(self):
        return self.script("return isochio.timeline.window()")

    def check_nothing_wrong(self):
        self.assertEqual(self.browser.get_log("browser"), [])
        self.assertTrue(self.script("return document.getElementById('trouble').hidden"))
        self.assertEqual(self.script("return performance.getEntriesByType('resource').map((r) => r.name)"), [])

    def check_tables(self, report):
        """What the page unpacked, against the JSON report."""
        count = self.script("const t = isochio.tables, n = {}; for (const name in t) n[name] = t[name].rows; return n")
        self.assertEqual(count["sofs"], report["sof"]["count"])
        self.assertEqual(count["entries"], report["entries"])
        self.assertEqual(count["completions"], report["requests"])
        for stream in report["streams"]:
            good = self.script(
                "const t = isochio.tables.transactions; let n = 0;"
                "for (let i = 0; i < t.rows; ++i) if (t.endpoint[i] === arguments[0] && t.data[i] && t.outcome[i] === 0) ++n;"
                "return n", int(stream["endpoint"], 16))
            self.assertEqual(good, stream["packets"])
            moved = self.script(
                "const t = isochio.tables.entries; let n = 0;"
                "for (let i = 0; i < t.rows; ++i) if (t.endpoint[i] === arguments[0]) n += t.moved[i]; return n", int(stream["endpoint"], 16))
            self.assertEqual(moved, stream["bytes"])

    def colours(self):
        """How many different colours the timeline has: a blank one has few."""
        return self.script(
            "const c = document.querySelector('#timeline canvas'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            "const s = new Set(); for (let i = 0; i < d.length; i += 4) s.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); return s.size")

    def processor_time(self):
        """Seconds that all renderers of this browser have taken."""
        parents, times = {}, {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as stat, open(f"/proc/{pid}/cmdline") as command:
                    fields = stat.read().rpartition(")")[2].split()
                    parents[int(pid)] = int(fields[1])
                    if "--type=renderer" in command.read():
                        times[int(pid)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            except OSError:
                pass  # it has ended meanwhile
        def is_ours(pid):
            while pid > 1 and pid != self.browser.service.process.pid:
                pid = parents.get(pid, 0)
            return pid > 1
        return sum(taken for pid, taken in times.items() if is_ours(pid))

    def test_a_passing_run_says_so_and_shows_all_there_was(self):
        page, report, code = self.passing
        self.assertEqual(code, 0)
        self.open(page)
        self.check_nothing_wrong()
        self.check_tables(report)
        self.assertEqual(self.find("#verdict").text, "passed")
        self.assertIn("isochio run feedback-44k1 --seed 1 --frames 120", self.find("#repeat").text)
        self.assertGreater(self.colours(), 3)
        self.assertEqual(len(self.browser.find_elements(By.CSS_SELECTOR, "#histograms canvas")) > 0, True)
        self.assertIn("all 125.000 µs", self.find("#histograms").text)
        self.assertIn("ideal 5.51250", self.find("#feedback").text)
        self.assertIn("no entry is like that", self.find("#entries-table").text)
        self.assertFalse(self.find("#found").is_displayed())
        self.assertIn("bins of the coverage model", self.find("#coverage-sum").text)
        rows = [row.text for row in self.browser.find_elements(By.CSS_SELECTOR, "#coverage-table tbody tr")]
        self.assertIn("direction in, out 2 of 2", rows)
        self.assertIn("fault none 1 of 35", rows)

    def test_a_failing_run_says_what_was_found_and_where(self):
        page, report, code = self.failing
        self.assertEqual(code, 1)
        self.open(page)
        self.check_nothing_wrong()
        self.check_tables(report)
        self.assertEqual(self.find("#verdict").text, "failed")
        self.assertIn("completion_latency 15", self.find("#rules").text)
        self.assertIn("payload_truncated", self.find("#first").text)
        listed = self.script("return isochio.timeline.violations.length")
        self.assertEqual(listed, len(report["violations"]))
        self.assertEqual(len(self.rows("#violations-table")), 20)

    def test_faults_are_listed_drawn_and_named_by_what_follows_them(self):
        page, report, _ = self.faults
        self.open(page)
        self.check_nothing_wrong()
        self.assertEqual(self.find("#faults-sum").text.split("\n"), ["bit_error 3", "a bad hub (sof_lost) 1"])
        self.assertEqual([row[1:] for row in self.rows("#faults-table")],
                         [[str(f["id"]), f["name"], f["what"]] for f in report["faults"]["listed"]])
        self.assertEqual(self.script("return isochio.timeline.lanes.map((l) => l.label)")[:2], ["violations", "faults"])
        after = {row[7] for row in self.rows("#violations-table")}
        self.assertLessEqual({"1", "2", "3", "4"}, after)
        self.find("#faults-table tbody button").click()
        self.assertIn("of the payload inverted", self.find("#detail").text)
        self.find("#first button").click()
        self.assertIn(", after fault 1", self.find("#detail").text)

    def test_a_page_without_room_is_drawn_again_when_it_has_some(self):
        self.open(self.failing[0])
        for display in ("none", ""):
            self.script("document.querySelector('main').style.display = arguments[0];"
                        "isochio.timeline.graph.resize()", display)
        self.check_nothing_wrong()
        self.assertGreater(self.colours(), 3)

    def test_the_timeline_zooms_by_keys_buttons_and_mouse(self):
        self.open(self.failing[0])
        whole = self.window()
        timeline = self.find("#timeline")
        timeline.send_keys("+")
        self.assertAlmostEqual(self.window()[1] - self.window()[0], (whole[1] - whole[0]) / 2)
        timeline.send_keys(Keys.ARROW_RIGHT)
        self.assertGreater(self.window()[0], whole[0] + (whole[1] - whole[0]) / 4)
        timeline.send_keys(Keys.HOME)
        self.assertEqual(self.window(), whole)
        self.find("[data-do=in]").click()
        self.assertLess(self.window()[1] - self.window()[0], whole[1] - whole[0])
        self.find("[data-do=whole]").click()
        self.assertEqual(self.window(), whole)
        ActionChains(self.browser).move_to_element_with_offset(timeline, -100, -30).click_and_hold().move_by_offset(80, 0).release().perform()
        self.assertLess(self.window()[1] - self.window()[0], (whole[1] - whole[0]) / 5)
        timeline.send_keys(Keys.HOME, "n")
        self.assertIn("payload_truncated in frame", self.find("#detail").text)
        self.assertLess(self.window()[1] - self.window()[0], 2.1)
        first = self.find("#detail").text
        timeline.send_keys("n")
        self.assertNotEqual(self.find("#detail").text, first)
        timeline.send_keys("p")
        self.assertEqual(self.find("#detail").text, first)
        timeline.send_keys(".")
        self.assertRegex(self.find("#detail").text, r"in frame \d+\.\d: .*bytes, .*begins")
        go = self.find("#go")
        go.send_keys("1130.2" + Keys.ENTER)
        self.assertIn("Frame 1130.2 begins", self.find("#detail").text)
        self.check_nothing_wrong()

    def test_the_frame_list_filters(self):
        page, report, _ = self.failing
        self.open(page)
        wrong = self.find("#entries-table [role=status]").text
        self.assertRegex(wrong, r"1 to 20 of 480")  # each entry is cut off
        Select(self.find("#show")).select_by_visible_text("all")
        frame = self.find("#frame")
        frame.send_keys("1130")
        rows = self.rows("#entries-table")
        self.assertEqual([row[0] for row in rows], [f"1130.{i}" for i in range(8)])
        frame.send_keys(".5")
        self.assertEqual([row[0] for row in self.rows("#entries-table")], ["1130.5"])
        self.find("#entries-table tbody button").click()
        self.assertIn("Frame 1130.5, request", self.find("#detail").text)
        self.open(self.passing[0])
        Select(self.find("#show")).select_by_visible_text("all")
        Select(self.find("#endpoint")).select_by_visible_text("0x81 IN")
        self.assertEqual({row[1] for row in self.rows("#entries-table")}, {"0x81 IN"})
        self.check_nothing_wrong()

    def test_it_fits_a_narrow_screen_and_follows_the_colour_scheme(self):
        backgrounds = set()
        for scheme in ("light", "dark"):
            self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
            self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                         {"width": 360, "height": 780, "deviceScaleFactor": 1, "mobile": False})
            self.open(self.failing[0])
            self.assertLessEqual(self.script("return document.documentElement.scrollWidth"), 360)
            backgrounds.add(self.script("return getComputedStyle(document.body).backgroundColor"))
            self.check_nothing_wrong()
        self.assertEqual(len(backgrounds), 2)
        self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})

    def test_a_report_of_100_000_frames_opens_in_less_than_three_seconds(self):
        # The machine may be busy with something else: what counts is the processor time that the page takes.
        before = self.processor_time()
        wall = self.open(self.long)
        taken = self.processor_time() - before
        print(f"opened with {taken:.2f} s of processor time in {wall / 1000:.2f} s; {os.path.getsize(self.long) / 1e6:.1f} MB")
        self.assertLess(taken, 3)
        self.assertGreater(taken, 0.02)
        self.assertEqual(self.script("return isochio.tables.transactions.rows"), 2_400_000)
        self.assertEqual(self.script("return isochio.tables.entries.rows"), 800_000)
        self.assertIn("1 to 20 of 800", self.find("#entries-table [role=status]").text)
        began = time.monotonic()
        self.find("#timeline").send_keys("n")
        self.assertIn("missed in frame", self.find("#detail").text)
        self.find("#timeline").send_keys("-", "-", "-", "+")
        self.assertLess(time.monotonic() - began, 20)
        self.check_nothing_wrong()


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
