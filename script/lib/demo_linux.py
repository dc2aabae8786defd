"""Plays a tone through the simulated high-speed sound card, by the kernel of a QEMU guest, and records it from there.

    demo_linux.py ISOCHIO GUEST_FOLDER OUTPUT_FOLDER

GUEST_FOLDER is what tests/interop/guest/make_guest.sh made. Leaves in OUTPUT_FOLDER: tone.wav (played), recording.wav, capture.pcapng (every
packet on the simulated bus), report.json (what the checks found), kernel.log. The card's clock runs 100 ppm fast, so that the player has
to follow its feedback endpoint. Exit status 0: the recording is the tone, and nothing was wrong on the bus.
"""
import json
import math
import os
import struct
import sys
import wave

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "interop", *part) for part in ((), ("guest",))]
import sound  # noqa: E402
from guest import Guest, GuestError  # noqa: E402
from usbip_client import Served  # noqa: E402

RATE, SECONDS, RECORDED, CLOCK_PPM = 48000, 5, 4, 100
TONES = (440, 660)  # Hz, left and right
FILES = ("tone.wav", "recording.wav", "capture.pcapng", "report.json")


class DemoError(Exception):
    """The demo did not come to its end, or what it made is not right; the message says what."""


def write_tone(path):
    frames = b"".join(struct.pack("<hh", *(round(12000 * math.sin(2 * math.pi * tone * k / RATE)) for tone in TONES))
                      for k in range(RATE * SECONDS))
    with wave.open(path, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(frames)


def read_wave(path):
    """Samples of both channels."""
    with wave.open(path, "rb") as file:
        if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (2, 2, RATE):
            raise DemoError(f"{path} is of another format than what was asked for")
        data = file.readframes(file.getnframes())
    samples = struct.unpack(f"<{len(data) // 2}h", data)
    return samples[0::2], samples[1::2]


def share_of_tone(samples, tone):
    """How much of the signal's power is at this frequency, 0 to 1 (Goertzel)."""
    total = sum(x * x for x in samples)
    if total == 0:
        return 0.0
    turn, a, b = 2 * math.cos(2 * math.pi * tone / RATE), 0.0, 0.0
    for x in samples:
        a, b = x + turn * a - b, a
    return 2 * (a * a + b * b - turn * a * b) / (len(samples) * total)


def check_recording(path):
    """The recording is the tone from its first sound on, and lasts."""
    left, right = read_wave(path)
    begin = next((k for k, pair in enumerate(zip(left, right)) if pair != (0, 0)), len(left))
    if len(left) - begin < RATE:
        raise DemoError(f"{path} has only {(len(left) - begin) / RATE:.2f} s of sound")
    shares = [share_of_tone(channel[begin:begin + RATE], tone) for channel, tone in zip((left, right), TONES)]
    if min(shares) < 0.99:
        raise DemoError(f"{path} is not the tone: {shares[0]:.1%} of it are at {TONES[0]} Hz, {shares[1]:.1%} at {TONES[1]} Hz")
    return shares


def play(guest, share, isochio, folder, say):
    """Runs the demo in a guest that has been booted; `share` is its /host. Returns the lines of a summary."""
    for name in FILES:
        if os.path.exists(os.path.join(folder, name)):
            os.remove(os.path.join(folder, name))
    tone, recording, capture, report = (os.path.join(folder, name) for name in FILES)
    write_tone(tone)
    os.makedirs(share, exist_ok=True)
    with open(tone, "rb") as source, open(os.path.join(share, "tone.wav"), "wb") as copy:
        copy.write(source.read())

    def run(command, seconds=30):
        status, output = guest.run(command, seconds)
        if status != 0:
            raise DemoError(f"in the guest, «{command}» ended with {status}: {output.strip()}")
        return output.strip()

    card = sound.loopback("uac2-audio", folder)
    with Served(isochio, card, "--pace", "real", "--grace", "500", "--register", f"SAMPLE_PPM={CLOCK_PPM}", "--capture", capture,
                "--json", report) as server:
        say("plugging in the sound card: its two streams are joined, its clock runs 100 ppm fast")
        run("modprobe vhci-hcd; modprobe snd-usb-audio; cp /host/tone.wav /tmp/")
        run(f"usbip --tcp-port {server.port} attach -r 10.0.2.2 -b 1-1")
        run("for i in $(seq 100); do [ -e /proc/asound/card0/stream0 ] && exit 0; sleep 0.1; done; echo no sound card came up; exit 1")
        say("the kernel has found: " + run("head -1 /proc/asound/card0/stream0"))
        say(f"playing {SECONDS} s of {TONES[0]} Hz and {TONES[1]} Hz, and recording {RECORDED} s")
        how = "-q -D hw:0,0 --buffer-time=2000000"
        running = "for i in $(seq 100); do grep -q RUNNING /proc/asound/card0/pcm0c/sub0/status && break; sleep 0.1; done"
        run(f"arecord -N {how} -t wav -f S16_LE -c 2 -r {RATE} --samples={RATE * RECORDED} /host/recording.wav & recorder=$!; {running}; "
            f"aplay {how} /tmp/tone.wav && wait $recorder", 120)
        guest.run("usbip detach -p 0; sleep 1")
        status, output, errors = server.stop()
    with open(os.path.join(share, "recording.wav"), "rb") as source, open(recording, "wb") as copy:
        copy.write(source.read())
    with open(report) as file:
        verdict = json.load(file)["verdict"]
    if status != 0 or verdict != "passed":
        raise DemoError(f"something was wrong on the bus ({report}): {output}{errors}")
    shares = check_recording(recording)
    stream = sound.PlayedStream(capture, 1, 4)
    return [f"the recording is the tone: {shares[0]:.2%} of the left channel are {TONES[0]} Hz, {shares[1]:.2%} of the right one {TONES[1]} Hz",
            f"the card's clock is {CLOCK_PPM:+d} ppm off; the kernel's player follows its feedback with "
            f"{(stream.rate(1, RECORDED) / RATE - 1) * 1e6:+.0f} ppm",
            "on the bus: " + output.strip()]


def main(isochio, guest_folder, folder):
    os.makedirs(folder, exist_ok=True)
    share = os.path.join(folder, "shared")
    os.makedirs(share, exist_ok=True)

    def say(text):
        print("   " + text, flush=True)

    try:
        say("booting Debian's kernel in QEMU; without hardware support that takes 10 to 60 s")
        with Guest(guest_folder, share=share, log=os.path.join(folder, "kernel.log")) as guest:
            say(f"kernel {guest.release} runs")
            summary = play(guest, share, isochio, folder, say)
    except (DemoError, GuestError, RuntimeError) as problem:
        print(f"demo-linux: {problem}", file=sys.stderr)
        return 1
    for line in summary:
        say(line)
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*(os.path.abspath(path) for path in sys.argv[1:])))
