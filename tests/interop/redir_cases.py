"""The served device behind QEMU's emulated xHCI, EHCI and UHCI controllers, by usbredir: cases for the guest of kernel_test.py, whose
QEMU gets the controllers, and a usb-redir device on each, by qemu_arguments(). QEMU connects to `isochio serve --usbredir` when
that begins to listen, and the device is plugged into the guest; when it ends, it is unplugged.
"""
import re
import struct
import unittest

import pages
import redir_client
from usbip_client import Served

guest = None   # set by the module that boots it
ISOCHIO = None
PORTS = {}

CONTROLLERS = {"xhci": ("xhci_hcd", "xhci_pci"), "ehci": ("ehci-pci", "ehci_pci"), "uhci": ("uhci_hcd", "uhci_hcd")}  # driver, module

# What the kernel says at level warning or above that is no fault of a device; each with its reason.
KNOWN = (
    "not running at top speed",  # a high-speed device that is served at full speed
)


def qemu_arguments():
    """As docs/serve-qemu.md has them, on ports that are free."""
    arguments = []
    for name, (place, text) in zip(CONTROLLERS, (block for block in pages.blocks("serve-qemu.md") if block[0] == "qemu")):
        assert f"id={name}" in text, text
        PORTS[name] = pages.free_port()
        arguments += re.sub(r"port=\d+", f"port={PORTS[name]}", text).split()
    return arguments


class Behind(unittest.TestCase):
    controller = None

    def setUp(self):
        for _, module in CONTROLLERS.values():
            self.assertEqual(guest.run(f"modprobe {module}")[0], 0)

    def find(self, there=True, seconds=20):
        """The device's folder in sysfs, once its interfaces are there; or waits until it is gone."""
        driver = CONTROLLERS[self.controller][0]
        look = (f"for d in /sys/bus/usb/devices/[0-9]*-[0-9]; do [ $(cat $d/idVendor) = {self.vendor} ] && [ -e $d:* ] && "
                f"[ $(basename $(readlink -f $(readlink -f $d)/../../driver)) = {driver} ] && echo $d; done 2>/dev/null")
        wanted = "-n" if there else "-z"
        command = f"for i in $(seq {seconds * 5}); do found=$({look}); [ {wanted} \"$found\" ] && echo $found && exit 0; sleep 0.2; done; exit 1"
        status, output = guest.run(command, seconds * 2 + 10)
        self.assertEqual(status, 0, guest.run("dmesg | tail -n 30")[1])
        return output.strip()

    def attach(self, device, *arguments, vendor="0525"):
        self.vendor = vendor
        guest.run("dmesg -c >/dev/null")
        self.server = Served(ISOCHIO, device, "--usbredir", *arguments, port=PORTS[self.controller])
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)
        self.folder = self.find()
        self.node = guest.run(f"printf /dev/bus/usb/%03d/%03d $(cat {self.folder}/busnum) $(cat {self.folder}/devnum)")[1].strip()

    def stop(self):
        """Unplugs the device by ending the server; nothing was wrong on the bus."""
        status, output, errors = self.server.stop()
        self.assertEqual(status, 0, output + errors)
        self.assertIn(" 0 violations", output)
        self.find(there=False)
        return output

    def log(self):
        return guest.run("dmesg")[1]

    def assert_quiet_log(self):
        """No warning and no error in the kernel's log since attach()."""
        lines = guest.run("dmesg -r")[1].splitlines()
        loud = [line for line in lines if re.match(r"<(\d+)>", line) and int(line[1:line.index(">")]) % 8 <= 4]
        self.assertEqual([line for line in loud if not any(known in line for known in KNOWN)], [])

    def enumerate(self, speed):
        self.attach("gadget-zero", "--speed", speed)
        self.assert_quiet_log()
        self.assertEqual(guest.run(f"cat {self.folder}/speed")[1].strip(), {"fs": "12", "hs": "480"}[speed])
        seen = bytes.fromhex("".join(guest.run(f"od -An -v -tx1 {self.folder}/descriptors")[1].split()))
        self.assertEqual(struct.unpack_from("<H", seen, 20)[0], len(seen) - 18)
        self.stop()
        # The same bytes as a client of our own reads without QEMU and kernel.
        with Served(ISOCHIO, "gadget-zero", "--speed", speed, "--usbredir") as server:
            client = redir_client.Client(server.port)
            client.attach()
            own = client.control(0x80, 6, 0x0100, 0, 18)[1] + client.control(0x80, 6, 0x0200, 0, 4096)[1]
            client.close()
        self.assertEqual(seen.hex(), own.hex())

    def run_cases(self, speed, alternate, cases):
        """Cases of the kernel's usbtest: number, iterations, length, vary, entries of a queue or scatter list."""
        guest.run("rmmod usbtest")
        self.assertEqual(guest.run(f"modprobe usbtest alt={alternate} pattern=1")[0], 0)
        self.attach("gadget-zero", "--speed", speed)
        for number, *param in cases:
            with self.subTest(case=number):
                status, output = guest.run(f"/host/usbtest_ioctl {self.node} 0 {number} {' '.join(map(str, param))}", 60)
                self.assertEqual(status, 0, output + "\n" + self.log()[-1500:])
        self.assert_quiet_log()
        return self.stop()

    def stream(self, speed, alternate, endpoint, size, urbs):
        """An isochronous stream through usbfs: whole packets, those that QEMU gave empty, and those it came too late for; no others."""
        guest.run("rmmod usbtest")
        self.attach("gadget-zero", "--speed", speed)
        status, output = guest.run(f"/host/usbfs_stream {self.node} 0 {alternate} {endpoint} {size} {urbs}", 60)
        self.assertEqual(status, 0, output + "\n" + self.log()[-1500:])
        whole, empty, missed = map(int, re.match(r"(\d+) whole, (\d+) empty, (\d+) missed, 0 bad", output).groups())
        self.assertEqual(whole + empty + missed, urbs * 8)
        self.assert_quiet_log()
        moved = float(re.search(r"([\d.]+) MB", self.stop())[1])
        return whole, moved * 1e6 / size

    def out(self, speed, size, urbs):
        """What the guest was told was sent came to the bus; how much of it before the stream's end, depends on how busy the machine is."""
        whole, seen = self.stream(speed, 1, "0x02", size, urbs)
        self.assertGreater(whole, 500)
        self.assertGreater(seen, 150)


# Cases of usbtest. Not 24 (unlink in the middle of a queue) behind QEMU's xHCI: QEMU 7.2 cancels its whole queue, gets each packet back as
# cancelled, and then does not begin again; the kernel waits for ever.
CONTROL = [(9, 3, 0, 0, 0), (10, 10, 0, 0, 8), (14, 10, 256, 17, 0), (21, 10, 256, 17, 0)]
BULK = [(1, 20, 1024, 0, 0), (2, 20, 1024, 0, 0), (3, 20, 1024, 512, 0), (4, 20, 1024, 512, 0), (5, 3, 1024, 0, 8), (6, 3, 1024, 0, 8),
        (7, 3, 1024, 512, 8), (8, 3, 1024, 512, 8), (11, 5, 1024, 0, 0), (12, 5, 1024, 0, 0), (13, 3, 512, 0, 0), (17, 5, 1024, 0, 0),
        (18, 5, 1024, 0, 0), (29, 3, 0, 0, 0)]
UNLINK_QUEUED = [(24, 3, 1024, 0, 8)]


class RedirXhci(Behind):
    controller = "xhci"

    def test_enumeration_full_speed(self):
        self.enumerate("fs")

    def test_enumeration_high_speed(self):
        self.enumerate("hs")

    def test_control_and_bulk_full_speed(self):
        self.run_cases("fs", 1, CONTROL + BULK)

    def test_control_and_bulk_high_speed(self):
        self.run_cases("hs", 1, CONTROL + BULK)

    def test_isochronous_in_full_speed(self):
        whole, _ = self.stream("fs", 1, "0x82", 512, 125)
        self.assertGreater(whole, 500)

    def test_isochronous_in_high_speed(self):
        # 8000 packets a second; a simulation that is slower leaves empty ones between.
        whole, _ = self.stream("hs", 1, "0x82", 1024, 1000)
        self.assertGreater(whole, 400)

    def test_isochronous_out_full_speed(self):
        self.out("fs", 512, 125)


class RedirEhci(Behind):
    controller = "ehci"

    def test_enumeration_high_speed(self):
        self.enumerate("hs")

    def test_control_and_bulk_high_speed(self):
        self.run_cases("hs", 1, CONTROL + BULK + UNLINK_QUEUED)

    def test_isochronous_in_high_bandwidth(self):
        whole, _ = self.stream("hs", 2, "0x82", 3072, 1000)
        self.assertGreater(whole, 400)

    def test_isochronous_out_high_speed(self):
        # QEMU's EHCI says of each OUT packet that no byte of it was sent; the simulated bus has seen them all.
        self.out("hs", 1024, 250)


class RedirUhci(Behind):
    controller = "uhci"

    def test_enumeration_full_speed(self):
        self.enumerate("fs")

    def test_control_and_bulk_full_speed(self):
        self.run_cases("fs", 1, CONTROL + BULK + UNLINK_QUEUED)

    def test_isochronous_in_full_speed(self):
        whole, _ = self.stream("fs", 1, "0x82", 512, 125)
        self.assertGreater(whole, 500)

    def test_isochronous_out_full_speed(self):
        self.out("fs", 512, 125)
