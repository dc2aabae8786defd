"""What the tests in the guest share: a device that is served, attached, and looked at by Debian's kernel."""
import re
import unittest

import lab
from usbip_client import Served

# What the kernel says at level warning or above that is no fault of a device; each with its reason.
KNOWN = (
    "not running at top speed",   # a high-speed device that is served at full speed
    "unlink retry",               # usbtest's case 11 came while the URB was being given back, and says that it tries again
    "vhci_device speed not set",  # vhci-hcd resets a port before the attach has told it the speed
    "Not yet implemented", "vhci_get_frame_number",  # vhci-hcd has no frame number to offer, which snd-usb-audio asks for
    "unlink->seqnum", "was already given back", "urb->status -104",  # vhci-hcd tells of every unlink
    "connection closed", "stop threads", "release socket", "disconnect device",  # … and of each detach
)


class GuestCase(unittest.TestCase):
    """Each test finds the guest as it was booted; a command that takes too long ends it with a diagnosis."""
    title = "guest"

    def setUp(self):
        lab.ready()

    def guest(self, command, seconds=30):
        """Exit status and output."""
        return lab.guest.run(command, seconds)

    def must(self, command, seconds=30, why=""):
        """Output of a command that has to succeed."""
        status, output = self.guest(command, seconds)
        if status != 0:
            self.fail(f"in the guest, «{command}» ended with {status} {why}\n{output}\n--- kernel log\n{self.log()[-3000:]}")
        return output

    def serve(self, device, *arguments, port=0):
        self.server = Served(lab.isochio, device, *arguments, port=port)
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)
        lab.guest.witnesses.append(self.server.status)

    def end_server(self):
        """Nothing was wrong on the bus; its summary."""
        lab.guest.witnesses.remove(self.server.status)
        status, output, errors = self.server.stop()
        self.assertEqual(status, 0, output + errors)
        self.assertIn(" 0 violations", output)
        return output

    def log(self):
        return self.guest("dmesg")[1]

    def assert_quiet_log(self):
        """No warning and no error in the kernel's log since the test began."""
        lines = self.guest("dmesg -r")[1].splitlines()
        loud = [line for line in lines if re.match(r"<(\d+)>", line) and int(line[1:line.index(">")]) % 8 <= 4]
        self.assertEqual([line for line in loud if not any(known in line for known in KNOWN)], [])

    def usbtest(self, cases, seconds=60):
        """Cases of drivers/usb/misc/usbtest.c on what is attached: number, iterations, length, vary, entries of a queue or scatter list."""
        for number, *parameters in cases:
            with self.subTest(case=number):
                status, output = self.guest(f"/programs/isochio_usbtest_ioctl {self.node} 0 {number} {' '.join(map(str, parameters))}", seconds)
                self.assertEqual(status, 0, output + "\n" + self.log()[-1500:])

    def load_usbtest(self, alternate):
        # Case 11 unlinks in a loop that never sleeps while the URB is being given back, and vhci-hcd gives back in a thread, which never
        # ran again on the one processor of a kernel that is not preempted there.
        self.must("echo full >/sys/kernel/debug/sched/preempt")
        self.must(f"modprobe usbtest alt={alternate} pattern=1")


class Vhci(GuestCase):
    """Attached by USB/IP."""

    def attach(self, device, *arguments):
        self.serve(device, *arguments)
        self.must(f"usbip --tcp-port {self.server.port} attach -r 10.0.2.2 -b 1-1")
        self.addCleanup(self.detach)
        self.must("for i in $(seq 100); do ls -d /sys/bus/usb/devices/1-1:* 2>/dev/null && break; sleep 0.1; done; [ $i != 100 ]", 40, "not enumerated")
        self.node = self.must("printf /dev/bus/usb/001/%03d $(cat /sys/bus/usb/devices/1-1/devnum)").strip()
        # Its interfaces have their drivers; those without one settle nothing.
        self.guest("sleep 0.3")

    def detach(self):
        self.guest("usbip detach -p 0; for i in $(seq 100); do [ -e /sys/bus/usb/devices/1-1 ] || exit 0; sleep 0.1; done", 60)

    def stop(self):
        """Detaches, ends the server; nothing was wrong on the bus."""
        self.detach()
        return self.end_server()


class Redirected(GuestCase):
    """Behind one of QEMU's emulated controllers, by usbredir. QEMU connects to `isochio serve --usbredir` when that begins to listen,
    and the device is plugged into the guest; when it ends, it is unplugged."""
    controller = None

    DRIVERS = {"xhci": ("xhci_hcd", "xhci_pci"), "ehci": ("ehci-pci", "ehci_pci"), "uhci": ("uhci_hcd", "uhci_hcd")}  # driver, module

    def setUp(self):
        super().setUp()
        self.must("; ".join(f"modprobe {module}" for _, module in self.DRIVERS.values()) + "; dmesg -c >/dev/null", 60)

    def find(self, there=True, seconds=20):
        """The device's folder in sysfs, once its interfaces are there; or waits until it is gone."""
        driver = self.DRIVERS[self.controller][0]
        look = (f"for d in /sys/bus/usb/devices/[0-9]*-[0-9]; do [ $(cat $d/idVendor) = {self.vendor} ] && [ -e $d:* ] && "
                f"[ $(basename $(readlink -f $(readlink -f $d)/../../driver)) = {driver} ] && echo $d; done 2>/dev/null")
        wanted = "-n" if there else "-z"
        found = self.must(f"for i in $(seq {seconds * 5}); do found=$({look}); [ {wanted} \"$found\" ] && echo $found && exit 0; sleep 0.2; done; exit 1",
                          seconds * 4, "the device did not come" if there else "the device did not go")
        return found.strip()

    def attach(self, device, *arguments, vendor="0525"):
        self.vendor = vendor
        self.serve(device, "--usbredir", *arguments, port=lab.ports[self.controller])
        self.folder = self.find()
        self.node = self.must(f"printf /dev/bus/usb/%03d/%03d $(cat {self.folder}/busnum) $(cat {self.folder}/devnum)").strip()

    def stop(self):
        """Unplugs the device by ending the server; nothing was wrong on the bus."""
        output = self.end_server()
        self.find(there=False)
        return output
