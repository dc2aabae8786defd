"""The served devices under an unmodified Linux kernel, Debian's, by USB/IP: enumeration and descriptors, the kernel's own usbtest on
rtl/devices/gadget-zero.toml, and what usbmon sees of it.

    kernel_test.py WORK [unittest arguments]    see lab.py
"""
import re
import struct

import lab
from guest_case import Vhci
from usbip_client import Client


class Enumeration(Vhci):
    title = "enumeration"

    def check(self, device, speed):
        self.attach(device, "--speed", speed)
        self.assert_quiet_log()
        self.assertEqual(self.must("cat /sys/bus/usb/devices/1-1/speed").strip(), {"fs": "12", "hs": "480"}[speed])
        hexes = self.must("od -An -v -tx1 /sys/bus/usb/devices/1-1/descriptors")
        seen = bytes.fromhex("".join(hexes.split()))
        # The description's own bytes, as `isochio describe` compiles them, are what our host reads too.
        self.detach()
        client = Client(self.server.port)
        for _ in range(50):
            if client.attach() is not None:
                break
            client.close()
            client = Client(self.server.port)
        own = client.control(0x80, 6, 0x0100, 0, 18).data
        own += client.control(0x80, 6, 0x0200, 0, 0xffff).data
        client.close()
        self.assertEqual(seen.hex(), own.hex())
        self.assertEqual(struct.unpack_from("<H", seen, 20)[0], len(seen) - 18)

    def test_test_device_full_speed(self):
        self.check("test", "fs")

    def test_test_device_high_speed(self):
        self.check("test", "hs")

    def test_sound_card_full_speed(self):
        self.check("uac1-audio", "fs")

    def test_high_speed_sound_card_full_speed(self):
        self.check("uac2-audio", "fs")

    def test_high_speed_sound_card_high_speed(self):
        self.check("uac2-audio", "hs")

    def test_vendor_device_full_speed(self):
        self.check("vendor-hs", "fs")

    def test_vendor_device_high_speed(self):
        self.check("vendor-hs", "hs")

    def test_gadget_zero_full_speed(self):
        self.check("gadget-zero", "fs")

    def test_gadget_zero_high_speed(self):
        self.check("gadget-zero", "hs")


class Usbtest(Vhci):
    """drivers/usb/misc/usbtest.c: case, iterations, length, vary, entries of a queue or scatter list."""
    title = "usbtest"

    BULK = [(1, 40, 1024, 0, 0), (2, 40, 1024, 0, 0), (3, 40, 1024, 512, 0), (4, 40, 1024, 512, 0), (5, 5, 1024, 0, 8), (6, 5, 1024, 0, 8),
            (7, 5, 1024, 512, 8), (8, 5, 1024, 512, 8), (11, 10, 1024, 0, 0), (12, 10, 1024, 0, 0), (13, 5, 512, 0, 0), (17, 10, 1024, 0, 0),
            (18, 10, 1024, 0, 0), (24, 5, 1024, 0, 8), (29, 5, 0, 0, 0)]
    CONTROL = [(9, 5, 0, 0, 0), (10, 20, 0, 0, 8), (14, 20, 256, 17, 0), (21, 20, 256, 17, 0)]
    OUT, IN = [(15, 5, 8192, 0, 8), (22, 5, 8192, 0, 8)], [(16, 5, 8192, 0, 8), (23, 5, 8192, 0, 8)]

    def run_cases(self, speed, alternate, cases):
        self.load_usbtest(alternate)
        self.attach("gadget-zero", "--speed", speed)
        self.usbtest(cases)
        self.assert_quiet_log()
        self.stop()

    def test_control_full_speed(self):
        self.run_cases("fs", 1, self.CONTROL)

    def test_control_high_speed(self):
        self.run_cases("hs", 1, self.CONTROL)

    def test_bulk_full_speed(self):
        self.run_cases("fs", 1, self.BULK)

    def test_bulk_high_speed(self):
        self.run_cases("hs", 1, self.BULK)

    def test_isochronous_full_speed(self):
        self.run_cases("fs", 1, self.OUT + self.IN)

    def test_isochronous_high_speed(self):
        self.run_cases("hs", 1, self.OUT + self.IN)

    def test_isochronous_high_bandwidth_in(self):
        # Whole service intervals of 3 x 1024: a source that sends more than the last packet's room would be babble.
        self.run_cases("hs", 2, [(16, 5, 9216, 0, 8), (23, 5, 9216, 0, 8)])

    def test_isochronous_high_bandwidth_out(self):
        self.run_cases("hs", 3, self.OUT)


class Usbmon(Vhci):
    title = "usbmon"

    def test_the_kernel_counts_the_urbs_that_the_server_counts(self):
        self.load_usbtest(1)
        self.must("modprobe usbmon")
        self.must("(cat /sys/kernel/debug/usb/usbmon/1u >/tmp/usbmon 2>/dev/null & echo $! >/tmp/usbmon.pid)")
        self.attach("gadget-zero")
        self.usbtest([(16, 5, 8192, 0, 8)])
        output = self.stop()
        text = self.must("sleep 1; kill $(cat /tmp/usbmon.pid); cat /tmp/usbmon")
        # Tag, time, S(ubmitted) or C(ompleted), type:bus:device:endpoint, …; device 1 is the virtual root hub.
        events = [line.split() for line in text.splitlines()]
        completed, streamed, moved = 0, 0, 0
        for event in events:
            kind, _, device, _ = event[3].split(":")
            if event[2] != "C" or device == "001":
                continue
            completed += 1
            if kind == "Zi":
                streamed += 1
                # status:interval:start:errors, packets, the first five of them, length
                self.assertEqual((event[4].split(":")[0], event[4].split(":")[3], event[5]), ("0", "0", "8"))
                moved += int(event[11])
        ours = re.search(r"(\d+) URBs \((\d+) failed, (\d+) taken back\)", output)
        # vhci-hcd answers SET_ADDRESS itself.
        self.assertEqual(completed - 1, int(ours[1]) + int(ours[3]), text[:2000] + output)
        self.assertEqual((streamed, moved), (40, 40 * 8192))


if __name__ == "__main__":
    lab.main()
