"""`isochio serve --usbredir` as clients meet it, well-behaved and not.    redir_test.py ISOCHIO [unittest arguments]"""
import random
import socket
import struct
import sys
import time
import unittest

import redir_client as redir
from redir_client import Client
from usbip_client import Served

ISOCHIO = sys.argv.pop(1) if len(sys.argv) > 1 else "isochio"
CONFIGURATION = 3  # of gadget-zero


def mod63(size, packet):
    return bytes(i % packet % 63 for i in range(size))


class Attached(unittest.TestCase):
    arguments = ("gadget-zero",)

    def setUp(self):
        self.server = Served(ISOCHIO, *self.arguments, "--usbredir").__enter__()
        self.addCleanup(self.server.__exit__)
        self.client = self.connect()
        self.announced = self.client.attach()

    def connect(self, **options):
        client = Client(self.server.port, **options)
        self.addCleanup(client.close)
        return client

    def reconnect(self):
        self.client.close()
        for _ in range(100):
            self.client = self.connect()
            try:
                return self.client.attach()
            except EOFError:  # the one before still has the device
                time.sleep(0.02)
        self.fail("the device did not become free")

    def assert_served(self):
        self.reconnect()
        self.assertEqual(self.client.control(0x80, 6, 0x0100, 0, 18)[1][:2], b"\x12\x01")

    def finish(self):
        self.client.close()
        status, output, errors = self.server.stop()
        self.assertEqual(status, 0, output + errors)
        self.assertIn(" 0 violations", output)
        return output


class HighSpeed(Attached):
    def test_the_device_is_announced_with_its_speed_interfaces_and_numbers(self):
        endpoints, interfaces, device = self.announced
        self.assertEqual(struct.unpack("<BBBBHHH", device), (2, 0xff, 0, 0, 0x0525, 0xa4a0, struct.unpack_from("<H", device, 8)[0]))
        self.assertEqual(struct.unpack_from("<I", interfaces)[0], 1)
        self.assertEqual((interfaces[4], interfaces[36]), (0, 0xff))
        self.assertEqual([endpoints[0], endpoints[16]], [0, 0])
        self.assertEqual(set(endpoints[1:16] + endpoints[17:32]), {255})

    def test_endpoints_follow_the_alternate_setting(self):
        self.client.configure(CONFIGURATION, 1)
        self.assertEqual(self.client.endpoint(0x81), (2, 1, 0, 512))
        self.assertEqual(self.client.endpoint(0x02), (1, 1, 0, 1024))
        self.client.configure(CONFIGURATION, 2)
        self.assertEqual(self.client.endpoint(0x82), (1, 1, 0, 3072))
        self.assertEqual(self.client.endpoint(0x81)[0], 255)
        for query, reply, answer in ((redir.GET_CONFIGURATION, redir.CONFIGURATION_STATUS, bytes([0, CONFIGURATION])),
                                     (redir.GET_ALT, redir.ALT_STATUS, bytes([0, 0, 2]))):
            self.client.send(query, b"\0" if query == redir.GET_ALT else b"", 77)
            self.assertEqual(self.client.expect(reply)[1:], (77, answer))

    def test_a_setting_that_is_not_there_is_refused(self):
        self.client.configure(CONFIGURATION)
        self.client.send(redir.SET_ALT, bytes([0, 9]), 5)
        self.assertEqual(self.client.expect(redir.ALT_STATUS)[2][0], redir.INVALID)

    def test_control_transfers_both_ways_and_a_stall(self):
        self.client.configure(CONFIGURATION)
        self.assertEqual(self.client.control(0x40, 0x5b, data=b"isochio!")[0], redir.SUCCESS)
        self.assertEqual(self.client.control(0xc0, 0x5c, length=8), (redir.SUCCESS, b"isochio!"))
        self.assertEqual(self.client.control(0xc0, 0x99, length=8)[0], redir.STALL)

    def test_bulk_transfers_in_flight_end_in_order_with_the_right_bytes(self):
        self.client.configure(CONFIGURATION, 1)
        numbers = [self.client.bulk(0x81, 102_400) for _ in range(4)]
        for number in numbers:
            self.assertEqual(self.client.bulk_reply(), (number, redir.SUCCESS, 102_400, mod63(102_400, 512)))
        self.client.bulk(0x01, data=mod63(1024, 512))
        self.assertEqual(self.client.bulk_reply()[1:], (redir.SUCCESS, 1024, b""))

    def test_a_halt_is_a_stall_until_it_is_cleared(self):
        self.client.configure(CONFIGURATION, 1)
        self.assertEqual(self.client.control(0x02, 3, 0, 0x81)[0], redir.SUCCESS)
        self.client.bulk(0x81, 512)
        self.assertEqual(self.client.bulk_reply()[1], redir.STALL)
        self.assertEqual(self.client.control(0x02, 1, 0, 0x81)[0], redir.SUCCESS)
        self.client.bulk(0x81, 512)
        self.assertEqual(self.client.bulk_reply()[3], mod63(512, 512))

    def test_a_cancelled_packet_comes_back_as_cancelled_and_the_others_go_on(self):
        self.client.configure(CONFIGURATION, 1)
        first, second = self.client.bulk(0x81, 3_000_000), self.client.bulk(0x81, 512)
        self.client.send(redir.CANCEL, number=first)
        number, status, length, _ = self.client.bulk_reply()
        self.assertEqual((number, status, length), (first, redir.CANCELLED, 0))
        self.assertEqual(self.client.bulk_reply()[:2], (second, redir.SUCCESS))

    def test_an_isochronous_in_stream_runs_by_itself_until_it_is_stopped(self):
        self.client.configure(CONFIGURATION, 1)
        self.assertEqual(self.client.start(0x82, 8, 4), redir.SUCCESS)
        for expected in range(200):
            number, endpoint, status, data = self.client.iso()
            self.assertEqual((number, endpoint, status), (expected, 0x82, redir.SUCCESS))
            self.assertEqual(data, mod63(1024, 1024))
        self.client.send(redir.STOP_ISO, b"\x82")
        self.assertEqual(self.client.expect(redir.ISO_STATUS)[2], b"\0\x82")
        # The stream can begin again, and the session goes on.
        self.assertEqual(self.client.start(0x82, 32, 16), redir.SUCCESS)
        self.client.kept.clear()
        self.assertEqual(self.client.iso()[2], redir.SUCCESS)
        self.finish()

    def test_an_isochronous_out_stream_sends_what_comes_in_consecutive_intervals(self):
        self.client.configure(CONFIGURATION, 1)
        self.assertEqual(self.client.start(0x02, 8, 16), redir.SUCCESS)
        for _ in range(400):
            self.client.send_iso(0x02, mod63(1024, 1024))
        self.client.send_iso(0x02, b"")
        # A control transfer behind them all: what was sent has been taken.
        self.assertEqual(self.client.control(0x80, 6, 0x0100, 0, 18)[0], redir.SUCCESS)
        time.sleep(0.5)
        self.assertRegex(self.finish(), r"0\.4 MB")

    def test_few_out_packets_are_sent_too(self):
        self.client.configure(CONFIGURATION, 1)
        self.assertEqual(self.client.start(0x02, 8, 16), redir.SUCCESS)
        for _ in range(3):
            self.client.send_iso(0x02, mod63(1024, 1024))
        time.sleep(0.5)
        self.client.close()
        status, output, errors = self.server.stop()
        self.assertRegex(output, r" [2-9] URBs \(0 failed")

    def test_reset_makes_the_device_as_new(self):
        self.client.configure(CONFIGURATION, 1)
        number = self.client.bulk(0x81, 3_000_000)
        self.client.start(0x82, 8, 4)
        self.client.send(redir.RESET)
        self.assertEqual(self.client.bulk_reply()[:2], (number, redir.CANCELLED))
        self.assertEqual(self.client.control(0x80, 8, length=1), (redir.SUCCESS, b"\0"))  # GET_CONFIGURATION
        self.client.configure(CONFIGURATION, 1)
        self.client.bulk(0x81, 512)
        self.assertEqual(self.client.bulk_reply()[3], mod63(512, 512))

    def test_what_no_endpoint_can_do_is_refused_and_the_session_goes_on(self):
        self.client.configure(CONFIGURATION, 1)
        for endpoint in (0x85, 0x82, 0x80):
            self.client.bulk(endpoint, 512)
            self.assertEqual(self.client.bulk_reply()[1], redir.INVALID)
        self.assertEqual(self.client.start(0x81, 8, 4), redir.STALL)
        self.assertEqual(self.client.start(0x82, 200, 4), redir.STALL)
        self.client.send(redir.START_INTERRUPT, b"\x81")
        self.assertEqual(self.client.expect(redir.INTERRUPT_STATUS)[2][0], redir.STALL)
        self.client.send(redir.CANCEL, number=12345)
        self.client.send_iso(0x02, bytes(1024))  # of no stream
        self.assertEqual(self.client.start(0x02, 8, 4), redir.SUCCESS)
        self.client.send_iso(0x02, bytes(1025))
        self.assertEqual(self.client.expect(redir.ISO_STATUS)[2], bytes([redir.INVALID, 0x02]))
        self.assertEqual(self.client.control(0x80, 6, 0x0100, 0, 18)[0], redir.SUCCESS)

    def test_a_second_client_is_turned_away(self):
        other = self.connect()
        self.assertTrue(other.closed_by_server())
        self.assertEqual(self.client.control(0x80, 6, 0x0100, 0, 18)[0], redir.SUCCESS)

    def test_a_client_without_capabilities_is_served_with_narrow_numbers(self):
        self.client.close()
        for _ in range(100):
            self.client = self.connect(offers=0)
            try:
                endpoints, _, device = self.client.attach()
                break
            except EOFError:
                time.sleep(0.02)
        self.assertEqual((len(endpoints), len(device)), (96, 8))
        self.assertEqual(self.client.control(0x80, 6, 0x0100, 0, 18)[1][:2], b"\x12\x01")

    def test_garbage_ends_the_connection_and_nothing_else(self):
        noise = random.Random(1)
        hello = struct.pack("<III64sI", 0, 68, 0, b"x", 0x20)
        for i in range(40):
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as raw:
                try:
                    raw.sendall((hello if i % 2 else b"") + noise.randbytes(noise.randint(8, 4000)))
                    raw.shutdown(socket.SHUT_WR)
                    while raw.recv(4096):
                        pass
                except ConnectionError:
                    pass
        self.assertEqual(self.client.control(0x80, 6, 0x0100, 0, 18)[0], redir.SUCCESS)
        hostile = [struct.pack("<IIQ", redir.BULK, 0x7fffffff, 1), struct.pack("<IIQ", redir.BULK, 5, 1) + bytes(5),
                   struct.pack("<IIQBBHIH", redir.BULK, 10, 1, 1, 0, 999, 0, 0), struct.pack("<IIQ64s", redir.HELLO, 64, 0, b""),
                   struct.pack("<IIQ", 0x5a5a5a5a, 0, 1), struct.pack("<IIQ", redir.EP_INFO, 0, 1),
                   struct.pack("<IIQBBH", redir.ISO, 4, 0, 0x82, 0, 0), struct.pack("<IIQ", redir.FILTER, 3, 0) + b"abc",
                   struct.pack("<IIQ", redir.FILTER, 1 << 20, 0)]
        for message in hostile:
            with self.subTest(message=message.hex()):
                self.client.socket.sendall(message)
                self.assertTrue(self.client.closed_by_server())
                self.reconnect()
        self.assert_served()

    def test_a_number_in_use_ends_the_connection(self):
        self.client.configure(CONFIGURATION, 1)
        self.client.bulk(0x81, 3_000_000)
        self.client.id -= 1
        self.client.bulk(0x81, 512)
        self.assertTrue(self.client.closed_by_server())
        self.assert_served()

    def resident(self):
        with open(f"/proc/{self.server.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

    def test_a_client_that_reads_nothing_does_not_make_the_server_grow(self):
        self.client.configure(CONFIGURATION, 2)
        self.client.send(redir.START_ISO, bytes([0x82, 32, 16]))
        self.client.socket.settimeout(1)
        try:
            for _ in range(2000):
                self.client.send(redir.CONTROL, struct.pack("<BBBBHHH", 0x80, 6, 0x80, 0, 0x0100, 0, 4000), self.client.number())
            time.sleep(2)
        except (TimeoutError, ConnectionError):
            pass
        self.assertLess(self.resident(), 300_000)
        self.assert_served()

    def test_a_client_that_sends_faster_than_the_bus_does_not_make_the_server_grow(self):
        self.client.configure(CONFIGURATION, 3)
        self.assertEqual(self.client.start(0x02, 32, 16), redir.SUCCESS)
        self.client.socket.settimeout(1)
        try:
            packet = struct.pack("<IIQBBH", redir.ISO, 4 + 3072, 0, 0x02, 0, 3072) + bytes(3072)
            for _ in range(600):
                self.client.socket.sendall(packet * 16)
        except TimeoutError:
            pass
        self.assertLess(self.resident(), 300_000)
        self.assert_served()


class FullSpeed(Attached):
    arguments = ("gadget-zero", "--speed", "fs")

    def test_full_speed_is_announced_and_streams(self):
        self.assertEqual(self.announced[2][0], 1)
        self.client.configure(CONFIGURATION, 1)
        self.assertEqual(self.client.endpoint(0x82), (1, 1, 0, 512))
        began = time.monotonic()
        self.client.start(0x82, 10, 6)
        for expected in range(500):
            number, _, status, data = self.client.iso()
            self.assertEqual((number, status, len(data)), (expected, redir.SUCCESS, 512))
        # Not faster than the client's clock.
        self.assertGreater(time.monotonic() - began, 0.4)
        self.finish()


if __name__ == "__main__":
    unittest.main()
