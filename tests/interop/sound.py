"""The shipped sound cards: a variant that loops back, and what a capture of a stream says about the rate of its player."""
import os
import struct

DEVICES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "rtl", "devices")
FULL_SPEED, HIGH_SPEED = 294, 295  # link types
OUT, SOF, DATA0, DATA1 = 0xe1, 0xa5, 0xc3, 0x4b  # PIDs


def loopback(device, folder):
    """Writes a description of the sound card whose streams are joined: what is played is what is recorded. Its path."""
    with open(os.path.join(DEVICES, device + ".toml")) as file:
        text = file.read()
    if "engine = 0\n" not in text:
        raise ValueError(f"{device} has no streams on one engine")
    path = os.path.join(folder, f"loopback-{device}.toml")
    with open(path, "w") as file:
        file.write(text.replace("engine = 0\n", 'engine = 0\nfunction = "loopback"\n'))
    return path


def packets(capture):
    """Link type and bytes of each packet of a pcapng file as isochio writes it (little endian)."""
    types = []
    with open(capture, "rb") as file:
        while True:
            head = file.read(8)
            if len(head) < 8:
                return
            kind, length = struct.unpack("<II", head)
            body = file.read(length - 8)
            if kind == 1:
                types.append(struct.unpack_from("<H", body)[0])
            elif kind == 6:
                interface, _, _, captured = struct.unpack_from("<IIII", body)
                yield types[interface], body[20:20 + captured]


class PlayedStream:
    """The data packets to one isochronous OUT endpoint: the (micro)frame of each, by counting SOFs, and its samples."""

    def __init__(self, capture, endpoint, sample_bytes):
        self.per_second, time, addressed = 1000, 0, False
        self.sent = []
        for link, packet in packets(capture):
            if link not in (FULL_SPEED, HIGH_SPEED) or not packet:
                continue
            self.per_second = 8000 if link == HIGH_SPEED else 1000
            if packet[0] == SOF:
                time += 1
            elif addressed and packet[0] in (DATA0, DATA1):
                self.sent.append((time, (len(packet) - 3) // sample_bytes))
            addressed = packet[0] == OUT and len(packet) == 3 and (packet[1] >> 7 | packet[2] << 1) & 0xf == endpoint

    def seconds(self):
        return (self.sent[-1][0] - self.sent[0][0]) / self.per_second if self.sent else 0

    def settled(self, after, until=float("inf")):
        """What was sent between these moments, in seconds behind the first packet."""
        times = [(time - self.sent[0][0]) / self.per_second for time, _ in self.sent]
        return [one for one, time in zip(self.sent, times) if after <= time <= until]

    def rate(self, after, until=float("inf")):
        """Samples per second of bus time, from the first to the last packet of the settled stream."""
        sent = self.settled(after, until)
        return sum(samples for _, samples in sent[:-1]) * self.per_second / (sent[-1][0] - sent[0][0])

    def swing(self, after, rate):
        """How far the level of a buffer that is filled by this stream and emptied at `rate` swings, in samples."""
        level, levels = 0, []
        sent = self.settled(after)
        for time, samples in sent:
            levels.append(level - (time - sent[0][0]) * rate / self.per_second)
            level += samples
        return max(levels) - min(levels)

    def holes(self):
        """Service intervals between the first and the last packet in which nothing was sent."""
        return self.sent[-1][0] - self.sent[0][0] + 1 - len(self.sent)
