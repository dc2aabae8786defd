// isochio: an isochronous stream by the kernel's usbfs, for the guest of the interoperability tests, so it stands alone
// and is linked statically. It tells packets that are whole from those that an emulated controller left empty because
// its buffer was: a stream behind QEMU's usb-redir can show what arrived, not when.
//   usbfs_stream DEVICE INTERFACE ALTERNATE ENDPOINT BYTES URBS
// URBs of 8 packets of BYTES, 16 in flight. Data: byte i of a packet is (i modulo 1024) modulo 63, as Gadget Zero's
// source and sink have it. Prints "W whole, E empty, B bad"; exit status 0: none was bad. Source:
// include/uapi/linux/usbdevice_fs.h.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace {

constexpr int packets = 8, depth = 16;

struct Transfer {
  std::vector<unsigned char> memory, data;
  usbdevfs_urb* urb = nullptr;
};

int fail(const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
  return 1;
}

unsigned char expected(std::size_t i) { return static_cast<unsigned char>(i % 1024 % 63); }

struct Counts {
  int whole = 0, empty = 0, missed = 0, bad = 0;
};

void judge(const Transfer& transfer, std::size_t bytes, bool in, Counts& counts) {
  for (int p = 0; p < packets; ++p) {
    const auto& packet = transfer.urb->iso_frame_desc[p];
    bool good = packet.status == 0 && (!in || packet.actual_length == bytes);
    for (std::size_t i = 0; good && in && i < bytes; ++i)
      good = transfer.data[static_cast<std::size_t>(p) * bytes + i] == expected(i);
    if (good) {
      ++counts.whole;
    } else if (packet.status == 0 && packet.actual_length == 0) {
      ++counts.empty;
    } else if (packet.status == static_cast<unsigned>(-EXDEV)) {
      ++counts.missed;
    } else if (counts.bad++ == 0) {
      std::printf("first bad packet: status %d, %u bytes\n", static_cast<int>(packet.status), packet.actual_length);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "usage: %s DEVICE INTERFACE ALTERNATE ENDPOINT BYTES URBS\n", argv[0]);
    return 2;
  }
  const auto number = [&](int i) { return static_cast<unsigned>(std::strtoul(argv[i], nullptr, 0)); };
  const unsigned endpoint = number(4), bytes = number(5), urbs = number(6);
  const bool in = (endpoint & 0x80U) != 0;
  const int fd = open(argv[1], O_RDWR);
  if (fd < 0) return fail(argv[1]);
  unsigned interface = number(2);
  usbdevfs_ioctl detach{static_cast<int>(interface), USBDEVFS_DISCONNECT, nullptr};
  ioctl(fd, USBDEVFS_IOCTL, &detach);
  if (ioctl(fd, USBDEVFS_CLAIMINTERFACE, &interface) < 0) return fail("claim");
  usbdevfs_setinterface setting{interface, number(3)};
  if (ioctl(fd, USBDEVFS_SETINTERFACE, &setting) < 0) return fail("alternate setting");

  std::vector<Transfer> transfers(depth);
  unsigned sent = 0;
  for (Transfer& transfer : transfers) {
    transfer.memory.resize(sizeof(usbdevfs_urb) + packets * sizeof(usbdevfs_iso_packet_desc));
    transfer.data.resize(std::size_t{packets} * bytes);
    for (std::size_t i = 0; i < transfer.data.size(); ++i) transfer.data[i] = expected(i % bytes);
    transfer.urb = reinterpret_cast<usbdevfs_urb*>(transfer.memory.data());
    *transfer.urb = {};
    transfer.urb->type = USBDEVFS_URB_TYPE_ISO;
    transfer.urb->flags = USBDEVFS_URB_ISO_ASAP;
    transfer.urb->endpoint = static_cast<unsigned char>(endpoint);
    transfer.urb->buffer = transfer.data.data();
    transfer.urb->buffer_length = static_cast<int>(transfer.data.size());
    transfer.urb->number_of_packets = packets;
    transfer.urb->usercontext = &transfer;
    for (int p = 0; p < packets; ++p) transfer.urb->iso_frame_desc[p].length = bytes;
    if (ioctl(fd, USBDEVFS_SUBMITURB, transfer.urb) < 0) return fail("submit");
    ++sent;
  }
  Counts counts;
  for (unsigned done = 0; done < sent; ++done) {
    usbdevfs_urb* urb = nullptr;
    if (ioctl(fd, USBDEVFS_REAPURB, &urb) < 0) return fail("reap");
    judge(*static_cast<Transfer*>(urb->usercontext), bytes, in, counts);
    if (sent >= urbs) continue;
    if (ioctl(fd, USBDEVFS_SUBMITURB, urb) < 0) return fail("submit again");
    ++sent;
  }
  if (!in) sleep(4);  // stopping a stream throws away what is in its buffers
  setting.altsetting = 0;
  ioctl(fd, USBDEVFS_SETINTERFACE, &setting);
  std::printf("%d whole, %d empty, %d missed, %d bad\n", counts.whole, counts.empty, counts.missed, counts.bad);
  close(fd);
  return counts.bad == 0 ? 0 : 1;
}
