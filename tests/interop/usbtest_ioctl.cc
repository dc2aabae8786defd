// isochio: runs one case of the kernel's usbtest driver on a device, as tools/usb/testusb does. For the guest of the
// interoperability tests, so it stands alone and is linked statically.
//   usbtest_ioctl /dev/bus/usb/001/002 INTERFACE CASE ITERATIONS LENGTH VARY SGLEN
// Prints the time that it took; exit status 0: passed, 1: failed (errno is printed), 2: usage.
// Source: drivers/usb/misc/usbtest.c (struct usbtest_param_64), include/uapi/linux/usbdevice_fs.h.
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace {

struct UsbtestParam {
  // in
  std::uint32_t test_num, iterations, length, vary, sglen;
  // out
  std::int64_t duration_sec, duration_usec;
};
constexpr unsigned long usbtest_request = _IOWR('U', 100, UsbtestParam);

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr, "usage: %s DEVICE INTERFACE CASE ITERATIONS LENGTH VARY SGLEN\n", argv[0]);
    return 2;
  }
  const auto number = [&](int i) { return static_cast<std::uint32_t>(std::strtoul(argv[i], nullptr, 0)); };
  const int fd = open(argv[1], O_RDWR);
  if (fd < 0) {
    std::fprintf(stderr, "%s: %s\n", argv[1], std::strerror(errno));
    return 1;
  }
  UsbtestParam param{number(3), number(4), number(5), number(6), number(7), 0, 0};
  usbdevfs_ioctl wrapper{static_cast<int>(number(2)), static_cast<int>(usbtest_request), &param};
  if (ioctl(fd, USBDEVFS_IOCTL, &wrapper) < 0) {
    std::printf("case %u: errno %d (%s)\n", param.test_num, errno, std::strerror(errno));
    return 1;
  }
  std::printf("case %u: passed in %lld.%06lld s\n", param.test_num, static_cast<long long>(param.duration_sec),
              static_cast<long long>(param.duration_usec));
  close(fd);
  return 0;
}
