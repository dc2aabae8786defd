"""snd-usb-audio of Debian's kernel on the served sound cards: playing and recording in loopback, following feedback, the clock source,
and what script/demo-linux does.

    sound_test.py WORK [unittest arguments]    see lab.py
"""
import os
import re

import lab
import demo_linux
import sound
from guest_case import GuestCase, Vhci


class Audio(Vhci):
    """snd-usb-audio on the sound cards."""
    # Real pace: the card's time must not outrun the programs that fill and empty its buffers. It waits for a slow guest instead of
    # leaving a hole; less than the second after which the kernel complains of a stream that does not stop.
    PACE = ("--pace", "real", "--grace", "500")

    def attach(self, device, *arguments):
        super().attach(device, *arguments)
        self.must("for i in $(seq 100); do [ -e /proc/asound/card0/stream0 ] && exit 0; sleep 0.1; done; exit 1", 40, "no sound card came up")

    def play(self, frames, sample_bytes):
        """What is to be played, no two seconds of it alike; in the guest as /tmp/play.raw, where it is at hand at once."""
        half = sample_bytes // 2
        played = b"".join((k & 0xffff | 1).to_bytes(half, "little") + (k * 7919 & 0xffff).to_bytes(half, "little") for k in range(frames))
        with open(os.path.join(lab.share, "play.raw"), "wb") as file:
            file.write(played)
        self.must("cp /host/play.raw /tmp/")
        return played

    def how(self, rate, form):
        return f"-q -D hw:0,0 -t raw -f {form} -c 2 -r {rate} --buffer-time=4000000"


class Loopback(Audio):
    """The two streams are joined in the device: what aplay plays is what arecord records."""
    title = "sound loopback"

    def loop(self, device, rate, form="S16_LE", sample_bytes=4):
        played = self.play(2 * rate, sample_bytes)
        recorded_file = os.path.join(lab.share, "record.raw")
        if os.path.exists(recorded_file):
            os.remove(recorded_file)
        self.attach(sound.loopback(device, lab.work), *self.PACE)
        how = self.how(rate, form)
        # Recording comes first: what the device has no room for before that would be lost. Without -N ALSA gives up when nothing
        # has come for 1.1 buffers, which is soon at high rates.
        running = "for i in $(seq 100); do grep -q RUNNING /proc/asound/card0/pcm0c/sub0/status && break; sleep 0.1; done"
        status, output = self.guest(
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
        difference = self.difference(played[at:at + len(heard)], heard, sample_bytes, rate)
        if difference:
            self.detach()
            self.fail(difference + "\nthe server: " + "".join(self.server.stop()[1:]))
        self.assert_quiet_log()
        self.stop()

    @staticmethod
    def difference(played, heard, sample_bytes, rate):
        """Where the recording is first another, and where in the music it goes on; empty if it never is."""
        if played == heard:
            return ""
        first = next(k for k in range(0, len(heard), sample_bytes) if heard[k:k + sample_bytes] != played[k:k + sample_bytes])
        silence = len(heard[first:]) - len(heard[first:].lstrip(b"\0"))
        rest = heard[first + silence - silence % sample_bytes:][:256]
        on = played.find(rest) if rest else -1
        return (f"{first // sample_bytes / rate:.4f} s from the first sound (sample {first // sample_bytes}) there are {silence // sample_bytes} silent samples; "
                f"what follows is sample {on // sample_bytes if on >= 0 else 'unknown, ' + rest[:32].hex()} of the music")

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
    title = "feedback"
    SETTLED = 1  # seconds

    def follow(self, device, rate, ppm):
        capture = os.path.join(lab.work, f"feedback-{device}.pcapng")
        self.play(6 * rate, 4)
        self.attach(device, *self.PACE, "--register", f"SAMPLE_PPM={ppm}", "--capture", capture)
        # The last look at the card's state in which it ran.
        self.addCleanup(self.guest, "rm -f /tmp/watch")
        look = "cat /proc/asound/card0/stream0 >/tmp/now 2>/dev/null; grep -q Momentary /tmp/now && cp /tmp/now /tmp/last"
        status, output = self.guest(
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
        # A unit of the last place is 2.5 ppm of 6 samples in 16.16, 1.4 ppm of 44 samples in 10.14. At full speed the card measures by
        # the ends of SOFs, 16 ms apart, and bit stuffing makes some of them a bit longer: 83 ns in 16 ms are 5.2 ppm.
        true_value = true_rate / (8000 if high_speed else 1000) * 65536
        self.assertAlmostEqual(value, true_value, delta=1.5 if high_speed else 6 + true_value * 5.2e-6)

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


class Demo(GuestCase):
    title = "demo-linux"

    def test_it_records_the_tone_that_it_plays(self):
        folder = os.path.join(lab.work, "demo")
        os.makedirs(folder, exist_ok=True)
        summary = demo_linux.play(lab.guest, lab.share, lab.isochio, folder, lambda _: None)
        self.assertEqual(len(summary), 3)
        self.assertEqual(sorted(name for name in os.listdir(folder) if not name.startswith("loopback")), sorted(demo_linux.FILES))


class ClockSource(Audio):
    title = "clock source"

    def test_the_kernel_finds_all_sampling_frequencies_and_alternate_settings_of_usb_audio_2(self):
        self.attach("uac2-audio")
        text = self.must("cat /proc/asound/card0/stream0")
        self.assertEqual(text.count("Rates: 44100, 48000, 88200, 96000"), 4, text)
        self.assertEqual((text.count("Format: S16_LE"), text.count("Format: S32_LE")), (2, 2), text)
        self.assertEqual(text.count("Endpoint: 0x01 (1 OUT) (ASYNC)"), 2, text)
        self.assertEqual(text.count("Sync Endpoint: 0x81 (1 IN)"), 2, text)
        self.assert_quiet_log()
        self.stop()


if __name__ == "__main__":
    lab.main()
