"""isochio run --target libusb under an unmodified Linux kernel (Debian's, in QEMU), on devices that isochio serve serves to it.

    libusb_test.py WORK [unittest arguments]    see lab.py

Two isochios meet: one is the device, outside; the other runs in the guest and sees it only through libusb, usbfs and vhci-hcd. What
the inner one reports is held against what the outer one's checkers see on the simulated wire.
"""
import json
import os
import re
import threading
import time

import lab
from guest_case import Vhci

ENVIRONMENT = "ISOCHIO_DATA=/host/data LD_LIBRARY_PATH=/programs/lib"
COMMAND = ENVIRONMENT + " /programs/isochio"

# A guest in software emulation on a busy machine needs more in flight than a real one: as the shipped scenarios, but deeper.
DEEP = "depth = 32\nframes_per_request = 8\n"


def setUpModule():
    shelf = os.path.join(lab.share, "data", "scenarios")
    for name in os.listdir(shelf):
        with open(os.path.join(lab.ROOT, "tests", "scenarios", name)) as file:
            text = file.read()
        isochronous = text.split("[[bulk]]")[0]
        if "depth" not in isochronous and "frames_per_request" not in isochronous:
            text = text.replace("[[stream]]\n", "[[stream]]\n" + DEEP)
        with open(os.path.join(shelf, name), "w") as file:
            file.write(text)


class Libusb(Vhci):
    title = "libusb"

    def attach(self, device, speed):
        # Bus time waits for a guest that a busy machine slows down: a queue that runs dry is a late packet, and reported as one.
        super().attach(device, "--speed", speed, "--grace", "500")

    def isochio(self, arguments, seconds=60):
        return self.guest(f"{COMMAND} {arguments}", seconds)

    def run_scenario(self, name, device, speed, arguments=""):
        self.attach(device, speed)
        status, output = self.isochio(f"run {name} --target libusb --json /host/report.json {arguments}")
        self.assertEqual(status, 0, output)
        with open(os.path.join(lab.share, "report.json")) as file:
            report = json.load(file)
        self.assertEqual(report["verdict"], "passed")
        # What nothing on this host shows is never "passed".
        self.assertEqual([group for group in ("wire_timing", "pid_sequence", "latency") if group not in report["not_observable"]], [])
        self.assertIn("not observable on this target: wire_timing, pid_sequence, latency", output)
        return report

    def test_isochronous_in(self):
        report = self.run_scenario("hs-1x1024-in", "test", "hs")
        self.assertEqual(report["entries"], 8 * 250)
        self.assertEqual(report["bytes"], 8 * 250 * 1024)
        self.assertNotIn("frame_timing", report["not_observable"])
        self.stop()

    def test_sound_card_full_speed_taken_from_its_kernel_driver(self):
        self.attach("uac1-audio", "fs")
        driver = "readlink /sys/bus/usb/devices/1-1:1.1/driver"
        self.assertIn("snd-usb-audio", self.guest(driver)[1])
        status, output = self.isochio("run fs-audio --target libusb --json /host/report.json")
        self.assertEqual(status, 0, output)
        with open(os.path.join(lab.share, "report.json")) as file:
            report = json.load(file)
        # The scenario leaves the feedback endpoint alone.
        self.assertEqual({s["endpoint"]: s["entries"] for s in report["streams"]}, {"0x01": 500, "0x81": 0, "0x82": 500})
        self.assertNotIn("frame_timing", report["not_observable"])
        self.assertIn("snd-usb-audio", self.guest(driver)[1], "the kernel's driver has not come back")
        self.stop()

    def test_loopback(self):
        report = self.run_scenario("loopback", "test", "hs", "--frames 1000")
        self.assertGreaterEqual(report["bytes"], 2 * 8 * 1000 * 1024)
        self.stop()

    def test_bulk_beside_isochronous(self):
        report = self.run_scenario("bulk-interference", "test", "hs")
        self.assertEqual(len(report["streams"]), 3)
        self.stop()

    def test_devices_lists_what_each_can_run(self):
        self.attach("test", "hs")
        status, output = self.isochio("devices")
        self.assertEqual(status, 0, output)
        line = next(line for line in output.splitlines() if line.startswith("1-1 "))
        for word in ("1209:0001", "hs", "isochio test device"):
            self.assertIn(word, line)
        runs = next(line for line in output.splitlines() if line.strip().startswith("runs "))
        self.assertIn("hs-1x1024-in", runs)
        self.assertNotIn("fs-audio", runs)

    def test_a_device_is_named_by_place_or_identity(self):
        self.attach("test", "hs")
        for option in ("--bus-port 1-1", "--device 1209:0001"):
            status, output = self.isochio(f"run hs-1x1024-in --frames 20 --target libusb {option}")
            self.assertEqual(status, 0, output)

    def test_no_such_device_is_a_target_that_is_not_available(self):
        status, output = self.isochio("run hs-1x1024-in --target libusb")
        self.assertEqual(status, 3, output)
        self.assertIn("no device 1209:0001 is attached", output)

    def test_no_permission_names_the_udev_rule(self):
        self.attach("test", "hs")
        self.guest("echo someone:x:1234:1234::/:/bin/sh >>/etc/passwd; echo someone:x:1234: >>/etc/group")
        self.guest("chmod 600 /dev/bus/usb/*/*; chmod -R a+rX /host")
        status, output = self.guest(
            f"{ENVIRONMENT} start-stop-daemon -S -c someone -x /programs/isochio -- run hs-1x1024-in --target libusb", 30)
        self.assertEqual(status, 3, output)
        self.assertIn("70-isochio.rules", output)

    def run_and(self, then, scenario="hs-1x1024-in", seconds=60):
        """A run without end; when it streams, `then` happens: a command in the guest, or a function here."""
        started = os.path.join(lab.share, "started")
        if os.path.exists(started):
            os.remove(started)
        # Preparing the device takes some dozens of URBs; a sound driver has made some before.
        urbs = "$(cat /sys/bus/usb/devices/1-1/urbnum)"
        waiting = f"until [ {urbs} -gt $((before + 200)) ]; do sleep 0.1; done; touch /host/started"
        here = None
        if callable(then):
            def watch():
                deadline = time.monotonic() + seconds
                while not os.path.exists(started) and time.monotonic() < deadline:
                    time.sleep(0.05)
                then()
            here = threading.Thread(target=watch)
            here.start()
        command = f"{COMMAND} run {scenario} --frames 1000000 --json /host/report.json --target libusb"
        status, output = self.guest(
            f"rm -f /host/report.json; before={urbs}; {command} & run=$!; {waiting}; {'true' if here else then}; wait $run", seconds)
        if here:
            here.join()
        self.assertEqual(status, 1, output)
        with open(os.path.join(lab.share, "report.json")) as file:
            report = json.load(file)
        self.assertEqual(report["verdict"], "error", output)
        return report, output

    def assert_unplugged(self, report, output):
        self.assertRegex(report["error"], r"the device was unplugged after \d+ of 1000000 frames")
        # The cable is to blame, and nothing that was checked until then.
        self.assertEqual(report["violations"], [], output)

    def test_a_device_that_is_unplugged_ends_the_run(self):
        for scenario, device, speed in (("hs-1x1024-in", "test", "hs"), ("loopback", "test", "hs"), ("fs-audio", "uac1-audio", "fs")):
            with self.subTest(scenario=scenario):
                self.attach(device, speed)
                self.assert_unplugged(*self.run_and("usbip detach -p 0", scenario))
                self.end_server()

    def test_a_server_that_dies_is_an_unplugged_device(self):
        self.attach("test", "hs")
        self.assert_unplugged(*self.run_and(lambda: self.server.process.kill()))

    def test_ctrl_c_gives_everything_back(self):
        self.attach("uac1-audio", "fs")
        report, output = self.run_and("kill -INT $run", "fs-audio")
        self.assertIn("interrupted", report["error"])
        self.assertEqual(report["violations"], [], output)
        self.assertIn("snd-usb-audio", self.guest("readlink /sys/bus/usb/devices/1-1:1.1/driver")[1])
        self.stop()

    def test_a_run_waits_until_the_device_is_plugged_in(self):
        self.guest(f"({COMMAND} run hs-1x1024-in --target libusb --wait 60 >/tmp/waited 2>&1; echo status $? >>/tmp/waited) &")
        self.guest(f"({COMMAND} devices --watch >/tmp/watched 2>&1 & echo $! >/tmp/watch.pid)")
        self.guest("for i in $(seq 300); do grep -q watching /tmp/watched && break; sleep 0.1; done; sleep 1", 40)
        self.assertNotIn("status", self.guest("cat /tmp/waited")[1])
        self.attach("test", "hs")
        status, output = self.guest("for i in $(seq 400); do grep -q status /tmp/waited && break; sleep 0.1; done; cat /tmp/waited", 60)
        self.assertIn("status 0", output)
        self.stop()
        output = self.guest("for i in $(seq 100); do grep -q ^- /tmp/watched && break; sleep 0.1; done; kill -INT $(cat /tmp/watch.pid); sleep 0.5; cat /tmp/watched")[1]
        lines = [line.split() for line in output.splitlines() if line[:2] in ("+ ", "- ")]
        self.assertEqual([line[:3] for line in lines], [["+", "1-1", "1209:0001"], ["-", "1-1", "1209:0001"]], output)

    def test_a_device_that_never_comes_is_a_target_that_is_not_available(self):
        status, output = self.isochio("run hs-1x1024-in --target libusb --wait 2")
        self.assertEqual(status, 3, output)
        self.assertIn("waited 2 s", output)

    def test_driverkit_drivers_run_over_libusb(self):
        """The capture and the playback driver of host/driverkit/examples, unchanged, on the device that another isochio simulates."""
        self.attach("test", "hs")
        status, output = self.guest(f"{ENVIRONMENT} /programs/isochio-example-drivers --libusb /host/data/devices/test.toml 2000", 60)
        self.assertEqual(status, 0, output)
        told = {name: int(value) for line in output.splitlines() for value, name in re.findall(r"(\d+) (\w+)", line) if "Capture" in line}
        self.assertGreater(told["entries"], 100)
        self.assertEqual(told["bytes"], 3072 * told["entries"])
        self.assertEqual((told["failed"], told["packets"], told["out"]), (0, 3 * told["entries"], 0))
        played = next(line for line in output.splitlines() if line.startswith("PlaybackDriver"))
        played = {name: int(value) for value, name in re.findall(r"(\d+) (\w+)", played)}
        self.assertGreater(played["feedbacks"], 10)
        # 44.1 samples a frame of eight entries, as the device's feedback says.
        self.assertAlmostEqual(played["samples"] / played["entries"] * 8, 44.1, delta=0.05)
        self.stop()


if __name__ == "__main__":
    lab.main()
