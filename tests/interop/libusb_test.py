"""isochio run --target libusb under an unmodified Linux kernel (Debian's, in QEMU), on devices that isochio serve serves to it.

    libusb_test.py ISOCHIO WORK_FOLDER [unittest arguments]

Two isochios meet: one is the device, outside; the other runs in the guest and sees it only through libusb, usbfs and vhci-hcd. What
the inner one reports is held against what the outer one's checkers see on the simulated wire.
"""
import json
import os
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(HERE, "guest"))
from guest import Guest  # noqa: E402
from usbip_client import Served  # noqa: E402

ISOCHIO, WORK = (os.path.abspath(sys.argv.pop(1)) for _ in range(2))
NEEDED = ("qemu-system-x86_64", "cpio", "busybox", "usbip", "aplay", "modprobe", "apt-get")
COMMAND = "ISOCHIO_DATA=/host/data LD_LIBRARY_PATH=/host/lib /host/isochio"

# A guest in software emulation on a busy machine needs more in flight than a real one: as the shipped scenarios, but deeper.
DEEP = "depth = 32\nframes_per_request = 8\n"


def fill_share(folder):
    """The command, the libraries that it names, scenarios and devices."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(os.path.join(folder, "lib"))
    shutil.copy(ISOCHIO, os.path.join(folder, "isochio"))
    for line in subprocess.run(["ldd", ISOCHIO], capture_output=True, text=True, check=True).stdout.splitlines():
        if "=> /" in line:
            shutil.copy(line.split()[2], os.path.join(folder, "lib"))
    shutil.copytree(os.path.join(ROOT, "rtl", "devices"), os.path.join(folder, "data", "devices"))
    shelf = os.path.join(folder, "data", "scenarios")
    os.makedirs(shelf)
    source = os.path.join(ROOT, "tests", "scenarios")
    for name in os.listdir(source):
        if not name.endswith(".toml"):
            continue
        with open(os.path.join(source, name)) as file:
            text = file.read()
        isochronous = text.split("[[bulk]]")[0]
        if "depth" not in isochronous and "frames_per_request" not in isochronous:
            text = text.replace("[[stream]]\n", "[[stream]]\n" + DEEP)
        with open(os.path.join(shelf, name), "w") as file:
            file.write(text)


def setUpModule():
    global guest, share
    share = os.path.join(WORK, "libusb-share")
    fill_share(share)
    guest = Guest(WORK, share=share, log=os.path.join(WORK, "libusb-console.log"))
    guest.__enter__()
    unittest.addModuleCleanup(guest.__exit__, None, None, None)
    for module in ("vhci-hcd", "snd-usb-audio"):
        status, output = guest.run(f"modprobe {module}")
        assert status == 0, output


class Libusb(unittest.TestCase):
    def attach(self, device, speed):
        self.server = Served(ISOCHIO, device, "--speed", speed)
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)
        status, output = guest.run(f"usbip --tcp-port {self.server.port} attach -r 10.0.2.2 -b 1-1")
        self.assertEqual(status, 0, output)
        self.addCleanup(self.detach)
        status, output = guest.run(
            "for i in $(seq 50); do ls -d /sys/bus/usb/devices/1-1:* 2>/dev/null && exit 0; sleep 0.1; done; exit 1", 20)
        self.assertEqual(status, 0, "not enumerated: " + guest.run("dmesg | tail -n 20")[1])
        guest.run("sleep 0.3")

    def detach(self):
        guest.run("usbip detach -p 0; for i in $(seq 50); do [ -e /sys/bus/usb/devices/1-1 ] || exit 0; sleep 0.1; done")

    def isochio(self, arguments, seconds=60):
        return guest.run(f"{COMMAND} {arguments}", seconds)

    def run_scenario(self, name, device, speed, arguments=""):
        self.attach(device, speed)
        status, output = self.isochio(f"run {name} --target libusb --json /host/report.json {arguments}")
        self.assertEqual(status, 0, output)
        with open(os.path.join(share, "report.json")) as file:
            report = json.load(file)
        self.assertEqual(report["verdict"], "passed")
        # What nothing on this host shows is never "passed".
        self.assertEqual([group for group in ("wire_timing", "pid_sequence", "latency") if group not in report["not_observable"]], [])
        self.assertIn("not observable on this target: wire_timing, pid_sequence, latency", output)
        return report

    def stop(self):
        self.detach()
        status, output, errors = self.server.stop()
        self.assertEqual(status, 0, output + errors)
        self.assertIn("0 violations", output)

    def test_isochronous_in(self):
        report = self.run_scenario("hs-1x1024-in", "test", "hs")
        self.assertEqual(report["entries"], 8 * 250)
        self.assertEqual(report["bytes"], 8 * 250 * 1024)
        self.assertNotIn("frame_timing", report["not_observable"])
        self.stop()

    def test_sound_card_full_speed_taken_from_its_kernel_driver(self):
        self.attach("uac1-audio", "fs")
        driver = "readlink /sys/bus/usb/devices/1-1:1.1/driver"
        self.assertIn("snd-usb-audio", guest.run(driver)[1])
        status, output = self.isochio("run fs-audio --target libusb --json /host/report.json")
        self.assertEqual(status, 0, output)
        with open(os.path.join(share, "report.json")) as file:
            report = json.load(file)
        # The scenario leaves the feedback endpoint alone.
        self.assertEqual({s["endpoint"]: s["entries"] for s in report["streams"]}, {"0x01": 500, "0x81": 0, "0x82": 500})
        self.assertNotIn("frame_timing", report["not_observable"])
        self.assertIn("snd-usb-audio", guest.run(driver)[1], "the kernel's driver has not come back")
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
        guest.run("echo someone:x:1234:1234::/:/bin/sh >>/etc/passwd; echo someone:x:1234: >>/etc/group")
        guest.run("chmod 600 /dev/bus/usb/*/*; chmod -R a+rX /host")
        environment, program = COMMAND.rsplit(" ", 1)
        status, output = guest.run(
            f"{environment} start-stop-daemon -S -c someone -x {program} -- run hs-1x1024-in --target libusb", 30)
        self.assertEqual(status, 3, output)
        self.assertIn("70-isochio.rules", output)

    def test_a_device_that_is_unplugged_ends_the_run(self):
        self.attach("test", "hs")
        status, output = guest.run(f"(until readlink /sys/bus/usb/devices/1-1:1.0/driver | grep -q usbfs; do sleep 0.1; done; sleep 3; usbip detach -p 0) & {COMMAND} run hs-1x1024-in --frames 1000000 --target libusb; s=$?; wait; exit $s", 60)
        self.assertEqual(status, 1, output)
        self.assertIn("error", output)


if __name__ == "__main__":
    missing = [name for name in NEEDED if shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None]
    if missing:
        print("SKIPPED, ALL OF IT: the tests against a real Linux kernel need " + ", ".join(missing) +
              " (Debian: apt-get install qemu-system-x86 busybox-static cpio kmod usbip alsa-utils)", flush=True)
        sys.exit(77)
    made = subprocess.run(["bash", os.path.join(HERE, "guest", "make_guest.sh"), WORK], capture_output=True, text=True)
    if made.returncode != 0:
        print("SKIPPED, ALL OF IT: Debian's kernel could not be fetched for the guest: " + made.stdout + made.stderr, flush=True)
        sys.exit(77)
    unittest.main()
