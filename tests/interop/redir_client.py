"""A usbredir client, written from the protocol's document alone: the other side of `isochio serve --usbredir` in the tests."""
import struct

from connection import Connection

(HELLO, CONNECT, DISCONNECT, RESET, INTERFACE_INFO, EP_INFO, SET_CONFIGURATION, GET_CONFIGURATION, CONFIGURATION_STATUS, SET_ALT, GET_ALT,
 ALT_STATUS, START_ISO, STOP_ISO, ISO_STATUS, START_INTERRUPT, STOP_INTERRUPT, INTERRUPT_STATUS, ALLOC_STREAMS, FREE_STREAMS, STREAMS_STATUS,
 CANCEL, FILTER_REJECT, FILTER, DISCONNECT_ACK) = range(25)
CONTROL, BULK, ISO, INTERRUPT = 100, 101, 102, 103
SUCCESS, CANCELLED, INVALID, IO_ERROR, STALL, TIMEOUT, BABBLE = range(7)
DEVICE_VERSION, FILTERS, MAX_PACKET, WIDE_IDS, WIDE_LENGTH = 1 << 1, 1 << 2, 1 << 4, 1 << 5, 1 << 6


class Client(Connection):
    def __init__(self, port, offers=DEVICE_VERSION | FILTERS | MAX_PACKET | WIDE_IDS | WIDE_LENGTH, seconds=15):
        super().__init__(port, seconds)
        self.offers, self.wide, self.id = offers, False, 0
        self.kept = []
        self.send(HELLO, struct.pack("<64sI", b"isochio's tests", offers))
        kind, _, body = self.message()
        assert kind == HELLO, kind
        self.wide = bool(offers & struct.unpack_from("<I", body, 64)[0] & WIDE_IDS)

    def send(self, kind, body=b"", number=0):
        self.socket.sendall(struct.pack("<IIQ" if self.wide else "<III", kind, len(body), number) + body)

    def message(self):
        kind, size, number = struct.unpack("<IIQ", self.exact(16)) if self.wide else struct.unpack("<III", self.exact(12))
        return kind, number, self.exact(size)

    def expect(self, *kinds):
        """The next message of one of these kinds; others are kept for later."""
        for i, kept in enumerate(self.kept):
            if kept[0] in kinds:
                return self.kept.pop(i)
        while True:
            message = self.message()
            if message[0] in kinds:
                return message
            self.kept.append(message)

    def attach(self):
        """Endpoint and interface information, and what the device announces itself as."""
        kinds = [self.message() for _ in range(3)]
        assert [kind for kind, _, _ in kinds] == [EP_INFO, INTERFACE_INFO, CONNECT], kinds
        return [body for _, _, body in kinds]

    def number(self):
        self.id += 1
        return self.id

    def control(self, kind, request, value=0, index=0, length=0, data=b""):
        number = self.number()
        length = length or len(data)
        self.send(CONTROL, struct.pack("<BBBBHHH", kind & 0x80, request, kind, 0, value, index, length) + data, number)
        _, got, body = self.expect(CONTROL)
        assert got == number, (got, number)
        fields = struct.unpack_from("<BBBBHHH", body)
        assert fields[4:6] == (value, index) and fields[6] == (len(body) - 10 if kind & 0x80 else fields[6])
        return fields[3], body[10:]

    def configure(self, configuration, alternate=None, interface=0):
        number = self.number()
        self.send(SET_CONFIGURATION, bytes([configuration]), number)
        self.info = self.expect(EP_INFO)[2]
        self.expect(INTERFACE_INFO)
        assert self.expect(CONFIGURATION_STATUS)[1:] == (number, bytes([SUCCESS, configuration]))
        if alternate is not None:
            number = self.number()
            self.send(SET_ALT, bytes([interface, alternate]), number)
            self.info = self.expect(EP_INFO)[2]
            self.expect(INTERFACE_INFO)
            assert self.expect(ALT_STATUS)[1:] == (number, bytes([SUCCESS, interface, alternate]))

    def endpoint(self, address):
        """Type, interval, interface and bytes of a service interval, from the last endpoint information."""
        i = address & 0xf | (address & 0x80) >> 3
        return self.info[i], self.info[32 + i], self.info[64 + i], struct.unpack_from("<H", self.info, 96 + 2 * i)[0]

    def bulk(self, endpoint, length=0, data=b""):
        number = self.number()
        length = length or len(data)
        self.send(BULK, struct.pack("<BBHIH", endpoint, 0, length & 0xffff, 0, length >> 16) + data, number)
        return number

    def bulk_reply(self):
        _, number, body = self.expect(BULK)
        endpoint, status, low, _, high = struct.unpack_from("<BBHIH", body)
        return number, status, low | high << 16, body[10:]

    def start(self, endpoint, packets, urbs):
        self.send(START_ISO, bytes([endpoint, packets, urbs]))
        return self.expect(ISO_STATUS)[2][0]

    def iso(self):
        _, number, body = self.expect(ISO)
        endpoint, status, length = struct.unpack_from("<BBH", body)
        assert length == len(body) - 4
        return number, endpoint, status, body[4:]

    def send_iso(self, endpoint, data):
        self.send(ISO, struct.pack("<BBH", endpoint, 0, len(data)) + data)
