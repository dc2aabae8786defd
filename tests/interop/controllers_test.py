"""The served device behind QEMU's emulated xHCI, EHCI and UHCI controllers, by usbredir, under Debian's kernel.

    controllers_test.py WORK [unittest arguments]    see lab.py
"""
import re
import struct

import lab
import redir_client
from guest_case import Redirected
from usbip_client import Served


class Behind(Redirected):
    def enumerate(self, speed):
        self.attach("gadget-zero", "--speed", speed)
        self.assert_quiet_log()
        self.assertEqual(self.must(f"cat {self.folder}/speed").strip(), {"fs": "12", "hs": "480"}[speed])
        seen = bytes.fromhex("".join(self.must(f"od -An -v -tx1 {self.folder}/descriptors").split()))
        self.assertEqual(struct.unpack_from("<H", seen, 20)[0], len(seen) - 18)
        self.stop()
        # The same bytes as a client of our own reads without QEMU and kernel.
        with Served(lab.isochio, "gadget-zero", "--speed", speed, "--usbredir") as server:
            client = redir_client.Client(server.port)
            client.attach()
            own = client.control(0x80, 6, 0x0100, 0, 18)[1] + client.control(0x80, 6, 0x0200, 0, 4096)[1]
            client.close()
        self.assertEqual(seen.hex(), own.hex())

    def run_cases(self, speed, alternate, cases):
        self.load_usbtest(alternate)
        self.attach("gadget-zero", "--speed", speed)
        self.usbtest(cases)
        self.assert_quiet_log()
        return self.stop()

    def stream(self, speed, alternate, endpoint, size, urbs):
        """An isochronous stream through usbfs: whole packets, those that QEMU gave empty, and those it came too late for; no others."""
        self.attach("gadget-zero", "--speed", speed)
        output = self.must(f"/programs/isochio_usbfs_stream {self.node} 0 {alternate} {endpoint} {size} {urbs}", 60)
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


class BehindXhci(Behind):
    title = "behind xHCI"
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


class BehindEhci(Behind):
    title = "behind EHCI"
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


class BehindUhci(Behind):
    title = "behind UHCI"
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


if __name__ == "__main__":
    lab.main()
