"""Whole messages for the fuzzers to begin with.    make_seeds.py FOLDER    fills FOLDER/usbip and FOLDER/session"""
import os
import struct
import sys


def submit(seqnum, direction, endpoint, flags, length, packets, setup=bytes(8), data=b"", descriptors=()):
    head = struct.pack(">10I", 1, seqnum, 0x10002, direction, endpoint, flags, length, 0, packets, 1) + setup
    return head + data + b"".join(struct.pack(">4I", *d) for d in descriptors)


USBIP = {
    "list": bytes.fromhex("0111800500000000"),
    "import": bytes.fromhex("0111800300000000") + b"1-1".ljust(32, b"\0"),
    "control": submit(1, 1, 0, 0x200, 18, 0xffffffff, bytes.fromhex("8006000100001200")),
    "bulk": submit(2, 0, 1, 0, 5, 0, data=b"hello"),
    "iso_in": submit(3, 1, 2, 2, 2048, 2, descriptors=[(0, 1024, 0, 0), (1024, 1024, 0, 0)]),
    "iso_out": submit(4, 0, 2, 2, 6, 2, data=b"abcdef", descriptors=[(0, 4, 0, 0), (4, 2, 0, 0)]),
    "unlink": struct.pack(">12I", 2, 5, 0x10002, 0, 0, 3, 0, 0, 0, 0, 0, 0),
}
USBIP["several"] = USBIP["import"] + b"".join(USBIP[name] for name in ("control", "iso_out", "unlink", "bulk"))


def redir(kind, body=b"", number=1, wide=True):
    return struct.pack("<IIQ" if wide else "<III", kind, len(body), number) + body


# The device double: configuration 1, interface 0 alternate 1 isochronous 0x81 and 0x01, bulk 0x82 and 0x02, interrupt 0x83.
CONFIGURE = (submit(1, 0, 0, 0, 0, 0, bytes.fromhex("0009010000000000")) + submit(2, 0, 0, 0, 0, 0, bytes.fromhex("010b010000000000")))
HELLO = redir(0, struct.pack("<64sI", b"fuzz", 0x72), 0, wide=False)
SET = redir(6, b"\1") + redir(9, b"\0\1", 2)
SESSION = {
    "usbip": USBIP["import"] + CONFIGURE + submit(3, 1, 1, 2, 2048, 2, descriptors=[(0, 1024, 0, 0), (1024, 1024, 0, 0)]) +
    submit(4, 0, 2, 0x40, 512, 0, data=bytes(512)) + submit(5, 1, 2, 0, 512, 0) + submit(6, 1, 3, 0, 8, 0) +
    struct.pack(">12I", 2, 7, 0x10002, 0, 0, 6, 0, 0, 0, 0, 0, 0),
    "redir_in": HELLO + SET + redir(12, b"\x81\2\2") + redir(15, b"\x83") + redir(100, bytes.fromhex("80 06 80 00 0001 0000 1200"), 9) +
    redir(13, b"\x81") + redir(16, b"\x83"),
    "redir_out": HELLO + SET + redir(12, b"\1\1\2") + b"".join(redir(102, b"\1\0\2\0ab", 0) for _ in range(4)) +
    redir(101, struct.pack("<BBHIH", 2, 0, 4, 0, 0) + b"data", 7) + redir(101, struct.pack("<BBHIH", 0x82, 0, 512, 0, 0), 8) +
    redir(21, number=8) + redir(3) + redir(7, number=10) + redir(10, b"\0", 11),
    "redir_filter": HELLO + redir(23, b"0x03,-1,-1,-1,1\0", 0) + redir(18, struct.pack("<II", 2, 4)) + redir(22),
    "redir_narrow": redir(0, struct.pack("<64sI", b"fuzz", 0), 0, wide=False) + redir(6, b"\1", wide=False) +
    redir(101, struct.pack("<BBHI", 0x82, 0, 64, 0), 5, wide=False),
}
SESSION = {f"{name}_{piece}": bytes([name.startswith("redir"), piece]) + data for name, data in SESSION.items() for piece in (0, 7)}

for folder, seeds in (("usbip", USBIP), ("session", SESSION)):
    folder = os.path.join(sys.argv[1], folder)
    os.makedirs(folder, exist_ok=True)
    for name, data in seeds.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
