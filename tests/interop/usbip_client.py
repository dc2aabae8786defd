"""A USB/IP client, written from the protocol's document alone: the other side of `isochio serve` in the tests."""
import ctypes
import signal
import struct
import subprocess
import tempfile
import time

from connection import Connection


def end_with_parent():
    """In a process that has just begun: it does not outlive a test that is killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Served:
    """`isochio serve` as a process, on a free port unless told; use with `with`."""

    def __init__(self, command, *arguments, port=0):
        self.line = [command, "serve", *arguments, "--port", str(port)]

    def __enter__(self):
        self.errors = tempfile.TemporaryFile("a+")  # it appends, wherever we read
        self.process = subprocess.Popen(self.line, stdout=subprocess.PIPE, stderr=self.errors, text=True, preexec_fn=end_with_parent)
        banner = self.process.stdout.readline()
        if " port " not in banner:
            raise RuntimeError(f"isochio serve did not start: {banner}{self.said()}")
        self.port = int(banner.split(" port ")[1].split()[0])
        return self

    def said(self):
        """Its standard error so far."""
        self.errors.seek(0)
        return self.errors.read()

    def status(self):
        """What it says of itself now."""
        before = len(self.said())
        if self.process.poll() is not None:
            return f"the server has ended with {self.process.returncode}\n{self.said()}"
        self.process.send_signal(signal.SIGUSR1)
        for _ in range(30):
            time.sleep(0.1)
            if len(self.said()) > before:
                return "the server: " + self.said()
        return "the server does not answer a signal\n" + self.said()

    def stop(self):
        """Ends it as Ctrl-C does: exit status, standard output and error."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        output, _ = self.process.communicate(timeout=30)
        return self.process.returncode, output, self.said()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self.errors.close()


class Reply:
    def __init__(self, command, seqnum, words):
        self.command, self.seqnum = command, seqnum
        self.status, self.actual, self.start_frame, self.packet_count, self.errors = words[:5]
        self.data, self.packets = b"", []


class Client(Connection):
    DEVID = 1 << 16 | 2

    def __init__(self, port, seconds=15):
        super().__init__(port, seconds)
        self.seqnum = 0
        self.inbound = {}  # seqnum: number of packets, of URBs whose reply brings data

    def list(self):
        self.socket.sendall(struct.pack(">HHI", 0x0111, 0x8005, 0))
        version, code, status, count = struct.unpack(">HHII", self.exact(12))
        assert (version, code, status, count) == (0x0111, 0x0005, 0, 1), (version, code, status, count)
        device = self.exact(0x138)
        return device, self.exact(4 * device[-1])

    def attach(self, bus_id=b"1-1"):
        self.socket.sendall(struct.pack(">HHI32s", 0x0111, 0x8003, 0, bus_id))
        version, code, status = struct.unpack(">HHI", self.exact(8))
        assert (version, code) == (0x0111, 0x0003)
        return self.exact(0x138) if status == 0 else None

    def submit(self, endpoint, inward, length, data=b"", setup=bytes(8), packets=None, flags=0):
        """packets: sizes of the isochronous packets, back to back. Returns the number of the URB."""
        self.seqnum += 1
        count = 0 if packets is None else len(packets)
        message = struct.pack(">10I", 1, self.seqnum, self.DEVID, int(inward), endpoint, flags, length, 0, count, 1) + setup + data
        offset = 0
        for size in packets or ():
            message += struct.pack(">4I", offset, size, 0, 0)
            offset += size
        self.inbound[self.seqnum] = inward
        self.socket.sendall(message)
        return self.seqnum

    def unlink(self, urb):
        self.seqnum += 1
        self.socket.sendall(struct.pack(">12I", 2, self.seqnum, self.DEVID, 0, 0, urb, 0, 0, 0, 0, 0, 0))
        return self.seqnum

    def reply(self):
        words = struct.unpack(">5I", self.exact(20))
        reply = Reply(words[0], words[1], struct.unpack(">iIIII8x", self.exact(28)))
        assert words[2:] == (0, 0, 0)
        if reply.command == 3:
            if self.inbound[reply.seqnum]:
                reply.data = self.exact(reply.actual)
            if reply.packet_count not in (0, 0xffffffff):
                reply.packets = [struct.unpack(">IIIi", self.exact(16)) for _ in range(reply.packet_count)]
        return reply

    def control(self, kind, request, value=0, index=0, length=0, data=b""):
        inward = bool(kind & 0x80)
        setup = struct.pack("<BBHHH", kind, request, value, index, length or len(data))
        urb = self.submit(0, inward, length or len(data), data, setup)
        reply = self.reply()
        assert reply.seqnum == urb, (reply.seqnum, urb)
        return reply

    def configure(self, configuration, alternate=None, interface=0):
        assert self.control(0x00, 9, configuration).status == 0
        if alternate is not None:
            assert self.control(0x01, 11, alternate, interface).status == 0
