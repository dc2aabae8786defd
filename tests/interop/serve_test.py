"""`isochio serve` as clients meet it, well-behaved and not.    serve_test.py ISOCHIO [unittest arguments]"""
import json
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

from usbip_client import Client, Served

ISOCHIO = sys.argv.pop(1) if len(sys.argv) > 1 else "isochio"
EPIPE, ENOENT, EINVAL, ECONNRESET, EMSGSIZE, EREMOTEIO, EOVERFLOW, EXDEV = 32, 2, 22, 104, 90, 121, 75, 18
CONFIGURATION = 3  # of gadget-zero
SHORT_NOT_OK, ZERO_PACKET = 1, 0x40


def mod63(size, packet):
    return bytes(i % packet % 63 for i in range(size))


class Attached(unittest.TestCase):
    arguments = ("gadget-zero",)

    def setUp(self):
        self.server = Served(ISOCHIO, *self.arguments).__enter__()
        self.addCleanup(self.server.__exit__)
        self.client = self.connect()
        self.assertIsNotNone(self.client.attach())

    def connect(self):
        client = Client(self.server.port)
        self.addCleanup(client.close)
        return client

    def assert_served(self):
        """The server still does its work: a new client gets the device."""
        self.client.close()
        client = self.connect()
        for _ in range(100):
            if client.attach() is not None:
                break
            client = self.connect()
        self.assertEqual(client.control(0x80, 6, 0x0100, 0, 18).data[:2], b"\x12\x01")

    def finish(self):
        status, output, errors = self.server.stop()
        self.assertEqual(status, 0, output + errors)
        return output


class HighSpeed(Attached):
    def test_list_and_import_show_the_device(self):
        device, interfaces = self.connect().list()
        self.assertEqual(device[0x100:0x103], b"1-1")
        self.assertEqual(struct.unpack(">III", device[0x120:0x12c]), (1, 2, 3))
        self.assertEqual(device[0x12c:0x130], b"\x05\x25\xa4\xa0")
        self.assertEqual(interfaces, b"\xff\0\0\0")

    def test_a_device_in_use_and_an_unknown_one_are_refused(self):
        self.assertIsNone(self.connect().attach())
        self.assertIsNone(self.connect().attach(b"2-2"))

    def test_control_transfers_with_data_both_ways_and_a_stall(self):
        client = self.client
        client.configure(CONFIGURATION)
        self.assertEqual(client.control(0x40, 0x5b, data=b"isochio!").status, 0)
        self.assertEqual(client.control(0xc0, 0x5c, length=8).data, b"isochio!")
        self.assertEqual(client.control(0xc0, 0x99, length=8).status, -EPIPE)

    def test_short_control_data_is_an_error_only_with_short_not_ok(self):
        setup = struct.pack("<BBHHH", 0x80, 6, 0x0100, 0, 64)
        for flags, status in ((0, 0), (SHORT_NOT_OK, -EREMOTEIO)):
            self.client.submit(0, True, 64, setup=setup, flags=flags)
            reply = self.client.reply()
            self.assertEqual((reply.status, reply.actual), (status, 18))

    def test_bulk_urbs_in_flight_end_in_order_with_the_right_bytes(self):
        self.client.configure(CONFIGURATION, 1)
        urbs = [self.client.submit(1, True, 2048) for _ in range(8)]
        for urb in urbs:
            reply = self.client.reply()
            self.assertEqual((reply.seqnum, reply.status, reply.actual), (urb, 0, 2048))
            self.assertEqual(reply.data, mod63(2048, 512))
        self.client.submit(1, False, 1024, mod63(1024, 512), flags=ZERO_PACKET)
        self.assertEqual(self.client.reply().actual, 1024)

    def test_a_halted_endpoint_is_epipe_until_the_halt_is_cleared(self):
        client = self.client
        client.configure(CONFIGURATION, 1)
        self.assertEqual(client.control(0x02, 3, 0, 0x81).status, 0)  # SET_FEATURE(ENDPOINT_HALT)
        urbs = [client.submit(1, True, 512) for _ in range(3)]
        for urb in urbs:
            reply = client.reply()
            self.assertEqual((reply.seqnum, reply.status), (urb, -EPIPE))
        self.assertEqual(client.control(0x02, 1, 0, 0x81).status, 0)
        client.submit(1, True, 512)
        self.assertEqual(client.reply().data, mod63(512, 512))

    def stream(self, endpoint, inward, size, packets, depth, urbs):
        """Isochronous URBs, `depth` in flight; the replies in order."""
        data = b"" if inward else mod63(size, 1024) * packets
        submit = lambda: self.client.submit(endpoint, inward, size * packets, data, packets=[size] * packets)
        replies, sent = [], 0
        for _ in range(depth):
            submit()
        sent = depth
        while len(replies) < urbs:
            replies.append(self.client.reply())
            if sent < urbs:
                submit()
                sent += 1
        return replies

    def test_isochronous_streams_have_no_hole_whatever_their_urbs_length(self):
        self.client.configure(CONFIGURATION, 1)
        for inward in (True, False):
            for packets, depth in ((8, 4), (3, 2), (1, 2), (5, 3)):
                with self.subTest(inward=inward, packets=packets, depth=depth):
                    replies = self.stream(2, inward, 1024, packets, depth, 40)
                    starts = [reply.start_frame for reply in replies]
                    self.assertEqual(starts, [starts[0] + i * packets for i in range(40)])
                    for reply in replies:
                        self.assertEqual((reply.status, reply.errors), (0, 0))
                        self.assertEqual(reply.packets, [(i * 1024, 1024, 1024, 0) for i in range(packets)])
                    if inward:
                        self.assertEqual(replies[7].data, mod63(1024, 1024) * packets)

    def test_isochronous_data_shorter_than_asked_for_come_without_holes(self):
        self.client.configure(CONFIGURATION, 2)
        self.client.submit(2, True, 3072 * 2, packets=[3072] * 2)
        self.client.submit(2, True, 1000, packets=[0, 1000])
        first, second = self.client.reply(), self.client.reply()
        self.assertEqual(first.data, mod63(1024, 1024) * 6)
        # Less room than the device sends is babble.
        self.assertEqual(second.errors, 2)
        self.assertEqual([packet[3] for packet in second.packets], [-EOVERFLOW] * 2)
        self.assertEqual(len(second.data), sum(packet[2] for packet in second.packets))

    def test_unlinked_urbs_are_not_answered_and_the_others_stay_in_time(self):
        self.client.configure(CONFIGURATION, 1)
        urbs = [self.client.submit(2, True, 1024 * 800, packets=[1024] * 800) for _ in range(4)]
        unlink = self.client.unlink(urbs[1])
        replies = {}
        for _ in range(4):
            reply = self.client.reply()
            replies[reply.seqnum] = reply
        self.assertEqual(replies[unlink].status, -ECONNRESET)
        self.assertNotIn(urbs[1], replies)
        self.assertEqual(replies[urbs[2]].start_frame, replies[urbs[0]].start_frame + 1600)
        late = self.client.unlink(urbs[0])
        reply = self.client.reply()
        self.assertEqual((reply.command, reply.seqnum, reply.status), (4, late, 0))

    def test_an_unlink_that_overtakes_its_urb_takes_it_back_when_it_comes(self):
        self.client.configure(CONFIGURATION, 1)
        urb = self.client.seqnum + 2
        unlink = self.client.unlink(urb)
        self.assertEqual(self.client.submit(1, True, 512), urb)
        reply = self.client.reply()
        self.assertEqual((reply.command, reply.seqnum, reply.status), (4, unlink, -ECONNRESET))
        self.assertEqual(self.client.control(0x80, 6, 0x0100, 0, 18).actual, 18)

    def test_a_test_mode_is_refused_because_nothing_but_unplugging_ends_it(self):
        self.assertEqual(self.client.control(0x00, 3, 2, 0x0400).status, -EPIPE)
        self.assertEqual(self.client.control(0x80, 6, 0x0100, 0, 18).actual, 18)

    def test_what_no_endpoint_can_do_is_refused_and_the_session_goes_on(self):
        client = self.client
        client.configure(CONFIGURATION, 1)
        cases = [((5, True, 8), {}, -ENOENT), ((2, True, 8), {}, -EINVAL), ((1, True, 8), {"packets": [8]}, -EINVAL),
                 ((2, True, 2000), {"packets": [2000]}, -EMSGSIZE), ((0, True, 8), {"setup": bytes(6) + b"\x08\0"}, -EINVAL)]
        for place, options, status in cases:
            with self.subTest(place=place, options=options):
                client.submit(*place, **options)
                self.assertEqual(client.reply().status, status)
        self.assertEqual(client.control(0x80, 6, 0x0100, 0, 18).actual, 18)

    def test_the_device_is_as_new_for_each_client(self):
        self.client.configure(CONFIGURATION, 1)
        for _ in range(6):
            self.client.submit(2, True, 102400, packets=[1024] * 100)
        self.client.close()  # in mid-stream
        client = None
        for _ in range(100):
            client = self.connect()
            if client.attach() is not None:
                break
        self.assertEqual(client.control(0x80, 8, length=1).data, b"\0")  # GET_CONFIGURATION
        client.configure(CONFIGURATION, 1)
        client.submit(1, True, 512)
        self.assertEqual(client.reply().data, mod63(512, 512))
        self.finish()

    def test_garbage_ends_the_connection_and_nothing_else(self):
        noise = random.Random(1)
        for _ in range(30):
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as raw:
                try:
                    raw.sendall(noise.randbytes(noise.randint(8, 4000)))
                    while raw.recv(4096):
                        pass
                except ConnectionError:
                    pass
        hostile = [struct.pack(">5I28x", 1, 1, Client.DEVID, 0, 99), struct.pack(">5I28x", 7, 1, Client.DEVID, 0, 1),
                   struct.pack(">7I20x", 1, 1, Client.DEVID, 0, 1, 0, 0xffffffff),
                   struct.pack(">9I12x", 1, 1, Client.DEVID, 1, 2, 0, 64, 0, 0x7fffffff),
                   struct.pack(">9I12x", 1, 1, Client.DEVID, 1, 2, 0, 64, 0, 1) + struct.pack(">4I", 60, 8, 0, 0),
                   struct.pack(">5I28x", 1, 1, 77, 1, 1)]
        for message in hostile:
            with self.subTest(message=message.hex()):
                self.client.socket.sendall(message)
                self.assertTrue(self.client.closed_by_server())
                self.client.close()
                self.client = self.connect()
                self.assertIsNotNone(self.client.attach())
        self.assert_served()

    def test_a_number_in_use_ends_the_connection(self):
        self.client.configure(CONFIGURATION, 1)
        self.client.submit(2, True, 1024000, packets=[1000] * 1024)
        self.client.seqnum -= 1
        self.client.submit(2, True, 1024000, packets=[1000] * 1024)
        self.assertTrue(self.client.closed_by_server())
        self.assert_served()

    def test_a_client_that_reads_nothing_does_not_make_the_server_grow(self):
        self.client.configure(CONFIGURATION, 1)
        self.client.socket.settimeout(1)
        try:
            for _ in range(4000):
                self.client.submit(1, True, 65536)
        except TimeoutError:
            pass
        with open(f"/proc/{self.server.process.pid}/status") as file:
            resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
        self.assertLess(resident, 300_000)
        self.assert_served()

    def test_too_many_silent_connections_do_not_keep_the_owner_from_working(self):
        silent = [socket.create_connection(("127.0.0.1", self.server.port)) for _ in range(20)]
        self.assertEqual(self.client.control(0x80, 6, 0x0100, 0, 18).actual, 18)
        for one in silent:
            one.close()


class FullSpeed(Attached):
    arguments = ("gadget-zero", "--speed", "fs")

    def test_full_speed_streams_have_no_hole_either(self):
        self.client.configure(CONFIGURATION, 1)
        replies = HighSpeed.stream(self, 2, True, 512, 1, 2, 30)
        starts = [reply.start_frame for reply in replies]
        self.assertEqual(starts, list(range(starts[0], starts[0] + 30)))
        self.assertIn("0 violations", self.finish())


class Command(unittest.TestCase):
    def test_a_port_in_use_is_said_with_what_to_do(self):
        with Served(ISOCHIO, "gadget-zero") as server:
            again = subprocess.run([ISOCHIO, "serve", "gadget-zero", "--port", str(server.port)], capture_output=True, text=True, timeout=20)
            self.assertEqual(again.returncode, 3)
            self.assertIn("--port", again.stderr)

    def test_high_speed_of_a_full_speed_device_is_refused(self):
        done = subprocess.run([ISOCHIO, "serve", "uac1-audio", "--speed", "hs", "--port", "0"], capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 2)
        self.assertIn("full speed only", done.stderr)

    def test_registers_given_at_the_start_are_there_for_each_client(self):
        # SAMPLE_MODE (0x00B) is 1 by the description: the sound cards have clocks of their own.
        with Served(ISOCHIO, "uac2-audio", "--register", "SAMPLE_PPM=-100", "--register", "0x005=0x1234") as server:
            for _ in range(2):
                client = Client(server.port)
                while client.attach() is None:  # the last client may not be let go of yet
                    client.close()
                    client = Client(server.port)
                read = [struct.unpack("<i", client.control(0xc0, 1, 0, number, 4).data)[0] for number in (0x00f, 0x005, 0x00b, 0x00a)]
                client.close()
                self.assertEqual(read, [-100, 0x1234, 1, 48000])
            self.assertEqual(server.stop()[0], 0)

    def test_the_requests_of_the_clock_source_are_those_of_usb_audio_2(self):
        with Served(ISOCHIO, "uac2-audio") as server:
            client = Client(server.port)
            client.attach()
            client.configure(1, 0)
            rates = client.control(0xa1, 2, 0x0100, 0x1000, 256).data
            self.assertEqual([struct.unpack_from("<III", rates, 2 + 12 * k) for k in range(struct.unpack_from("<H", rates)[0])],
                             [(rate, rate, 0) for rate in (44100, 48000, 88200, 96000)])
            self.assertEqual(len(rates), 2 + 4 * 12)
            self.assertEqual(client.control(0xa1, 1, 0x0200, 0x1000, 1).data, b"\1")  # valid
            self.assertEqual(client.control(0x21, 1, 0x0100, 0x1000, 4, struct.pack("<I", 88200)).status, 0)
            self.assertEqual(client.control(0xa1, 1, 0x0100, 0x1000, 4).data, struct.pack("<I", 88200))
            self.assertEqual(client.control(0xc0, 1, 0, 0x00a, 4).data, struct.pack("<I", 88200))  # SAMPLE_RATE
            client.close()

    def test_a_register_that_is_not_there_is_said_with_the_nearest_one(self):
        for text, words in (("SAMPEL_PPM=3", "did you mean SAMPLE_PPM?"), ("SAMPLE_PPM", "NAME=VALUE"), ("SAMPLE_PPM=1x", "NAME=VALUE")):
            done = subprocess.run([ISOCHIO, "serve", "uac2-audio", "--register", text], capture_output=True, text=True, timeout=20)
            self.assertEqual(done.returncode, 2)
            self.assertIn(words, done.stderr)

    def test_the_report_of_what_was_seen_is_whole(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "report.json")
            with Served(ISOCHIO, "gadget-zero", "--json", path) as server:
                client = Client(server.port)
                client.attach()
                client.configure(CONFIGURATION, 1)
                client.submit(2, True, 102400, packets=[1024] * 100)
                client.reply()
                client.close()
                self.assertEqual(server.stop()[0], 0)
            with open(path) as file:
                report = json.load(file)
            self.assertEqual((report["scenario"], report["verdict"]), ("serve gadget-zero", "passed"))
            stream, = [one for one in report["streams"] if one["endpoint"] == "0x82"]
            self.assertEqual(stream["bytes"], 102400)

    def test_a_capture_is_whole_after_sigterm_in_mid_stream(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "c.pcapng")
            with Served(ISOCHIO, "gadget-zero", "--capture", path) as server:
                client = Client(server.port)
                client.attach()
                client.configure(CONFIGURATION, 1)
                for _ in range(4):
                    client.submit(2, True, 102400, packets=[1024] * 100)
                client.reply()
                server.process.terminate()
                status, output, errors = server.stop()
                client.close()
            self.assertEqual(status, 0, output + errors)
            with open(path, "rb") as file:
                data = file.read()
            at = 0
            while at < len(data):  # blocks of pcapng: the length stands at both ends
                length, = struct.unpack_from("<I", data, at + 4)
                self.assertEqual(struct.unpack_from("<I", data, at + length - 4)[0], length)
                at += length
            self.assertEqual(at, len(data))

    def test_real_pace_follows_the_wall_clock(self):
        import time
        with Served(ISOCHIO, "gadget-zero", "--speed", "fs", "--pace", "real") as server:
            client = Client(server.port)
            client.attach()
            client.configure(CONFIGURATION, 1)
            began = time.monotonic()
            client.submit(2, True, 512 * 300, packets=[512] * 300)
            client.reply()
            self.assertGreater(time.monotonic() - began, 0.29)
            client.close()


if __name__ == "__main__":
    unittest.main()
