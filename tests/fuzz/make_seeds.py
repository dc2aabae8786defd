"""Whole USB/IP messages for the fuzzer to begin with.    make_seeds.py FOLDER"""
import os
import struct
import sys


def submit(seqnum, direction, endpoint, flags, length, packets, setup=bytes(8), data=b"", descriptors=()):
    head = struct.pack(">10I", 1, seqnum, 0x10002, direction, endpoint, flags, length, 0, packets, 1) + setup
    return head + data + b"".join(struct.pack(">4I", *d) for d in descriptors)


SEEDS = {
    "list": bytes.fromhex("0111800500000000"),
    "import": bytes.fromhex("0111800300000000") + b"1-1".ljust(32, b"\0"),
    "control": submit(1, 1, 0, 0x200, 18, 0xffffffff, bytes.fromhex("8006000100001200")),
    "bulk": submit(2, 0, 1, 0, 5, 0, data=b"hello"),
    "iso_in": submit(3, 1, 2, 2, 2048, 2, descriptors=[(0, 1024, 0, 0), (1024, 1024, 0, 0)]),
    "iso_out": submit(4, 0, 2, 2, 6, 2, data=b"abcdef", descriptors=[(0, 4, 0, 0), (4, 2, 0, 0)]),
    "unlink": struct.pack(">12I", 2, 5, 0x10002, 0, 0, 3, 0, 0, 0, 0, 0, 0),
}
SEEDS["several"] = SEEDS["import"] + b"".join(SEEDS[name] for name in ("control", "iso_out", "unlink", "bulk"))

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
for name, data in SEEDS.items():
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)
