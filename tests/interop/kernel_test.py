"""The served devices under an unmodified Linux kernel: Debian's, in QEMU, booted once for all tests.

    kernel_test.py ISOCHIO USBTEST_IOCTL WORK_FOLDER [unittest arguments]

Enumeration and descriptors, the kernel's own usbtest on rtl/devices/gadget-zero.toml, and snd-usb-audio on the sound cards.
"""
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "guest"))
sys.path.append(os.path.join(HERE, "..", "..", "script", "lib"))
import demo_linux  # noqa: E402
import sound  # noqa: E402
import pages  # noqa: E402
import redir_cases  # noqa: E402
from guest import Guest  # noqa: E402
from usbip_client import Client, Served  # noqa: E402

ISOCHIO, USBTEST, WORK = (os.path.abspath(sys.argv.pop(1)) for _ in range(3))
NEEDED = ("qemu-system-x86_64", "cpio", "busybox", "usbip", "aplay", "modprobe", "apt-get")

# What the kernel says at level warning or above that is no fault of a device; each with its reason.
KNOWN = (
    "vhci_device speed not set",  # vhci-hcd resets a port before the attach has told it the speed
    "not running at top speed",   # a high-speed device that is served at full speed
    "Not yet implemented", "vhci_get_frame_number",  # vhci-hcd has no frame number to offer, which snd-usb-audio asks for
    "unlink->seqnum", "was already given back", "urb->status -104",  # vhci-hcd tells of every unlink
    "connection closed", "stop threads", "release socket", "disconnect device",  # … and of each detach
)


def setUpModule():
    global guest, share
    share = os.path.join(WORK, "share")
    os.makedirs(share, exist_ok=True)
    shutil.copy(USBTEST, os.path.join(share, "usbtest_ioctl"))
    shutil.copy(os.path.join(os.path.dirname(USBTEST), "isochio_usbfs_stream"), os.path.join(share, "usbfs_stream"))
    made = subprocess.run(["bash", os.path.join(HERE, "guest", "make_guest.sh"), WORK], capture_output=True, text=True)
    if made.returncode != 0:
        raise RuntimeError("the guest was not made: " + made.stdout + made.stderr)
    guest = Guest(WORK, share=share, extra=redir_cases.qemu_arguments())
    guest.__enter__()
    unittest.addModuleCleanup(guest.__exit__, None, None, None)
    for cases in (redir_cases, pages):
        cases.guest, cases.ISOCHIO = guest, ISOCHIO
    for module in ("vhci-hcd", "snd-usb-audio"):
        status, output = guest.run(f"modprobe {module}")
        assert status == 0, output


class Served_(unittest.TestCase):
    """Serves a device and attaches it in the guest."""

    def attach(self, device, *arguments):
        self.server = Served(ISOCHIO, device, *arguments)
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)
        guest.run("dmesg -c >/dev/null")
        status, output = guest.run(f"usbip --tcp-port {self.server.port} attach -r 10.0.2.2 -b 1-1")
        self.assertEqual(status, 0, output)
        self.addCleanup(self.detach)
        status, output = guest.run("for i in $(seq 50); do ls -d /sys/bus/usb/devices/1-1:* 2>/dev/null && exit 0; sleep 0.1; done; exit 1", 20)
        self.assertEqual(status, 0, "not enumerated: " + self.log())
        status, self.node = guest.run("printf /dev/bus/usb/001/%03d $(cat /sys/bus/usb/devices/1-1/devnum)")
        guest.run("sleep 0.3")

    def detach(self):
        guest.run("usbip detach -p 0; for i in $(seq 50); do [ -e /sys/bus/usb/devices/1-1 ] || exit 0; sleep 0.1; done")

    def log(self):
        return guest.run("dmesg")[1]

    def assert_quiet_log(self):
        """No warning and no error in the kernel's log since attach()."""
        lines = guest.run("dmesg -r")[1].splitlines()
        loud = [line for line in lines if re.match(r"<(\d+)>", line) and int(line[1:line.index(">")]) % 8 <= 4]
        bad = [line for line in loud if not any(known in line for known in KNOWN)]
        self.assertEqual(bad, [])

    def stop(self):
        """Detaches, ends the server; nothing was wrong on the bus."""
        self.detach()
        status, output, errors = self.server.stop()
        self.assertEqual(status, 0, output + errors)
        self.assertIn("0 violations", output)
        return output


class Enumeration(Served_):
    def check(self, device, speed):
        self.attach(device, "--speed", speed)
        self.assert_quiet_log()
        self.assertEqual(guest.run("cat /sys/bus/usb/devices/1-1/speed")[1].strip(), {"fs": "12", "hs": "480"}[speed])
        hexes = guest.run("od -An -v -tx1 /sys/bus/usb/devices/1-1/descriptors")[1]
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


class Usbtest(Served_):
    """drivers/usb/misc/usbtest.c: case, iterations, length, vary, entries of a queue or scatter list."""

    BULK = [(1, 40, 1024, 0, 0), (2, 40, 1024, 0, 0), (3, 40, 1024, 512, 0), (4, 40, 1024, 512, 0), (5, 5, 1024, 0, 8), (6, 5, 1024, 0, 8),
            (7, 5, 1024, 512, 8), (8, 5, 1024, 512, 8), (11, 10, 1024, 0, 0), (12, 10, 1024, 0, 0), (13, 5, 512, 0, 0), (17, 10, 1024, 0, 0),
            (18, 10, 1024, 0, 0), (24, 5, 1024, 0, 8), (29, 5, 0, 0, 0)]
    CONTROL = [(9, 5, 0, 0, 0), (10, 20, 0, 0, 8), (14, 20, 256, 17, 0), (21, 20, 256, 17, 0)]
    OUT, IN = [(15, 5, 8192, 0, 8), (22, 5, 8192, 0, 8)], [(16, 5, 8192, 0, 8), (23, 5, 8192, 0, 8)]

    def run_cases(self, speed, alternate, cases):
        guest.run("rmmod usbtest")
        self.assertEqual(guest.run(f"modprobe usbtest alt={alternate} pattern=1")[0], 0)
        self.attach("gadget-zero", "--speed", speed)
        for number, *param in cases:
            with self.subTest(case=number):
                status, output = guest.run(f"/host/usbtest_ioctl {self.node} 0 {number} {' '.join(map(str, param))}", 30)
                self.assertEqual(status, 0, output + "\n" + self.log()[-1500:])
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


class Usbmon(Served_):
    def test_usbmon_counts_the_urbs_that_the_server_counts(self):
        guest.run("rmmod usbtest; modprobe usbtest alt=1 pattern=1; modprobe usbmon")
        guest.run("(cat /sys/kernel/debug/usb/usbmon/1u >/tmp/usbmon 2>/dev/null & echo $! >/tmp/usbmon.pid)")
        self.attach("gadget-zero")
        status, output = guest.run(f"/host/usbtest_ioctl {self.node} 0 16 5 8192 0 8", 30)
        self.assertEqual(status, 0, output)
        output = self.stop()
        text = guest.run("sleep 1; kill $(cat /tmp/usbmon.pid); cat /tmp/usbmon")[1]
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


class Audio(Served_):
    """snd-usb-audio on the sound cards."""
    # Real pace: the card's time must not outrun the programs that fill and empty its buffers. It waits for a slow guest instead of
    # leaving a hole; less than the second after which the kernel complains of a stream that does not stop.
    PACE = ("--pace", "real", "--grace", "500")

    def attach(self, device, *arguments):
        super().attach(device, *arguments)
        self.assertEqual(guest.run("for i in $(seq 100); do [ -e /proc/asound/card0/stream0 ] && exit 0; sleep 0.1; done; exit 1")[0], 0, self.log())

    def play(self, frames, sample_bytes):
        """What is to be played, no two seconds of it alike; in the guest as /tmp/play.raw, where it is at hand at once."""
        half = sample_bytes // 2
        played = b"".join((k & 0xffff | 1).to_bytes(half, "little") + (k * 7919 & 0xffff).to_bytes(half, "little") for k in range(frames))
        with open(os.path.join(share, "play.raw"), "wb") as file:
            file.write(played)
        self.assertEqual(guest.run("cp /host/play.raw /tmp/"), (0, ""))
        return played

    def how(self, rate, form):
        return f"-q -D hw:0,0 -t raw -f {form} -c 2 -r {rate} --buffer-time=4000000"


class Loopback(Audio):
    """The two streams are joined in the device: what aplay plays is what arecord records."""

    def loop(self, device, rate, form="S16_LE", sample_bytes=4):
        played = self.play(2 * rate, sample_bytes)
        recorded_file = os.path.join(share, "record.raw")
        if os.path.exists(recorded_file):
            os.remove(recorded_file)
        self.attach(sound.loopback(device, WORK), *self.PACE)
        how = self.how(rate, form)
        # Recording comes first: what the device has no room for before that would be lost. Without -N ALSA gives up when nothing
        # has come for 1.1 buffers, which is soon at high rates.
        running = "for i in $(seq 100); do grep -q RUNNING /proc/asound/card0/pcm0c/sub0/status && break; sleep 0.1; done"
        status, output = guest.run(
            f"arecord -N {how} --samples={rate} /host/record.raw & recorder=$!; {running}; aplay {how} /tmp/play.raw; wait $recorder", 120)
        self.assertEqual((status, output.strip()), (0, ""), self.log()[-1500:])
        with open(recorded_file, "rb") as file:
            recorded = file.read()
        self.assertEqual(len(recorded), rate * sample_bytes)
        heard = recorded.lstrip(b"\0")  # silence before the music
        heard = heard[len(heard) % sample_bytes:]
        self.assertGreater(len(heard), rate * sample_bytes // 2)
        at = played.find(heard[:256])
        self.assertGreaterEqual(at, 0, "what was recorded is not what was played: " + heard[:64].hex())
        self.assertTrue(played[at:at + len(heard)] == heard, "the recording has a hole or a wrong sample")
        self.assert_quiet_log()
        self.stop()

    def test_usb_audio_1_at_48_khz_is_bit_exact(self):
        self.loop("uac1-audio", 48000)

    def test_usb_audio_1_at_44_1_khz_is_bit_exact(self):
        self.loop("uac1-audio", 44100)

    def test_usb_audio_2_at_48_khz_is_bit_exact(self):
        self.loop("uac2-audio", 48000)

    def test_usb_audio_2_at_44_1_khz_is_bit_exact(self):
        self.loop("uac2-audio", 44100)

    def test_usb_audio_2_at_96_khz_with_24_bits_is_bit_exact(self):
        self.loop("uac2-audio", 96000, "S32_LE", 8)


class Feedback(Audio):
    """The card's clock is 100 ppm off from the bus: the kernel follows the feedback endpoint."""
    SETTLED = 1  # seconds

    def follow(self, device, rate, ppm):
        capture = os.path.join(WORK, f"feedback-{device}.pcapng")
        self.play(6 * rate, 4)
        self.attach(device, *self.PACE, "--register", f"SAMPLE_PPM={ppm}", "--capture", capture)
        # The last look at the card's state in which it ran.
        self.addCleanup(guest.run, "rm -f /tmp/watch")
        look = "cat /proc/asound/card0/stream0 >/tmp/now 2>/dev/null; grep -q Momentary /tmp/now && cp /tmp/now /tmp/last"
        status, output = guest.run(
            f"touch /tmp/watch; rm -f /tmp/last; (while [ -e /tmp/watch ]; do {look}; sleep 0.2; done) & "
            f"aplay {self.how(rate, 'S16_LE')} /tmp/play.raw; status=$?; rm /tmp/watch; cat /tmp/last; exit $status", 120)
        self.assertEqual(status, 0, output + self.log()[-1500:])
        self.assertNotIn("rrun", output)  # "underrun!!!"
        self.assert_quiet_log()
        self.stop()

        # What the kernel says of itself: samples in a (micro)frame, 16.16.
        high_speed = device == "uac2-audio"
        true_rate = rate * (1 + ppm * 1e-6)
        momentary = re.search(r"Momentary freq = \d+ Hz \((0x[0-9a-f]+)\.([0-9a-f]{4})\)", output)
        self.assertIsNotNone(momentary, output)
        self.assertEqual(re.search(r"Feedback Format = (\S+)", output)[1], "16.16" if high_speed else "10.14")
        value = int(momentary[1], 16) * 65536 + int(momentary[2], 16)
        # A unit of the last place is 2.5 ppm of 6 samples in 16.16, 1.4 ppm of 44 samples in 10.14.
        self.assertAlmostEqual(value, true_rate / (8000 if high_speed else 1000) * 65536, delta=1.5 if high_speed else 6)

        # And what it did, by the packets on the bus.
        stream = sound.PlayedStream(capture, 1, 4)
        self.assertGreater(stream.seconds(), 5)
        self.assertEqual(stream.holes(), 0)
        seen = (stream.rate(self.SETTLED) / rate - 1) * 1e6
        swing = stream.swing(self.SETTLED, true_rate)
        print(f"{device}: clock {ppm:+d} ppm, host {seen:+.1f} ppm, a buffer of the card would swing by {swing:.2f} samples", flush=True)
        self.assertAlmostEqual(seen, ppm, delta=10)
        # A card with that little room has neither an overrun nor an underrun; a host that did not follow would swing by 20 samples.
        self.assertLess(swing, 6)
        os.remove(capture)

    def test_usb_audio_1_follows_a_clock_that_is_100_ppm_slow(self):
        self.follow("uac1-audio", 44100, -100)

    def test_usb_audio_1_follows_a_clock_that_is_100_ppm_fast(self):
        self.follow("uac1-audio", 48000, 100)

    def test_usb_audio_2_follows_a_clock_that_is_100_ppm_slow(self):
        self.follow("uac2-audio", 44100, -100)

    def test_usb_audio_2_follows_a_clock_that_is_100_ppm_fast(self):
        self.follow("uac2-audio", 48000, 100)


class Demo(unittest.TestCase):
    def test_script_demo_linux_records_the_tone_that_it_plays(self):
        folder = os.path.join(WORK, "demo")
        os.makedirs(folder, exist_ok=True)
        summary = demo_linux.play(guest, share, ISOCHIO, folder, lambda _: None)
        self.assertEqual(len(summary), 3)
        self.assertEqual(sorted(name for name in os.listdir(folder) if not name.startswith("loopback")), sorted(demo_linux.FILES))


class ClockSource(Audio):
    def test_the_kernel_finds_all_sampling_frequencies_and_alternate_settings_of_usb_audio_2(self):
        self.attach("uac2-audio")
        text = guest.run("cat /proc/asound/card0/stream0")[1]
        self.assertEqual(text.count("Rates: 44100, 48000, 88200, 96000"), 4, text)
        self.assertEqual((text.count("Format: S16_LE"), text.count("Format: S32_LE")), (2, 2), text)
        self.assertEqual(text.count("Endpoint: 0x01 (1 OUT) (ASYNC)"), 2, text)
        self.assertEqual(text.count("Sync Endpoint: 0x81 (1 IN)"), 2, text)
        self.assert_quiet_log()
        self.stop()


class RedirXhci(redir_cases.RedirXhci):
    pass  # here, so that they run in this module's guest


class Pages(pages.Commands):
    pass


class RedirEhci(redir_cases.RedirEhci):
    pass


class RedirUhci(redir_cases.RedirUhci):
    pass


if __name__ == "__main__":
    missing = [name for name in NEEDED if shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None]
    if missing:
        print("SKIPPED, ALL OF IT: the tests against a real Linux kernel need " + ", ".join(missing) +
              " (Debian: apt-get install qemu-system-x86 busybox-static cpio kmod usbip alsa-utils)", flush=True)
        sys.exit(77)
    unittest.main()
