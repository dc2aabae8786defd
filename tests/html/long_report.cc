// isochio: writes the HTML report of a made-up run: FRAMES frames at high speed with three IN transactions in each
// microframe, one entry in a thousand missed. To see how a long report opens without simulating one.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "report/html.h"
#include "support/bus_script.h"

using namespace isochio;

namespace {

constexpr std::uint64_t first_frame = 1000;
constexpr unsigned microframes = 8;
constexpr std::uint64_t missed_every = 1000;  // entries

/// One request a frame.
class Requests {
 public:
  Requests(report::HtmlReport& report) : report_(report) {
    request_.endpoint = {0x81};
    request_.entries.resize(microframes);
  }

  void frame(std::uint64_t number, bus::BusTime end) {
    ++request_.id;
    request_.first_frame = number;
    report_.timeline().on_submit(request_, end - 4 * bus::frame);
    for (unsigned i = 0; i < microframes; ++i) {
      const bool missed = ++entries_ % missed_every == 0;
      request_.entries[i] = {3072, missed ? 0U : 3072U, missed ? controller::Status::missed : controller::Status::ok,
                             end - (microframes - 1 - i) * bus::microframe};
      report_.timeline().on_entry(request_, i, request_.entries[i].time);
      if (missed)
        report_.report({check::Rule::missed,
                        request_.id,
                        i,
                        {0x81},
                        usb::FrameTime::of(number, i),
                        request_.entries[i].time,
                        "a transaction",
                        "none"});
    }
    const auto latency = (5 + static_cast<std::int64_t>(number % 40)) * bus::microsecond;
    report_.timeline().on_complete(request_, controller::Status::ok, end, end + latency);
  }

 private:
  report::HtmlReport& report_;
  controller::IsochRequest request_;
  std::uint64_t entries_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fputs("usage: isochio_long_report FRAMES FILE\n", stderr), 2;
  const std::uint64_t frames = std::strtoull(argv[1], nullptr, 10);
  auto report = report::HtmlReport::create(argv[2], first_frame);
  if (!report) return std::fprintf(stderr, "%s\n", report.error().c_str()), 77;
  const std::vector<usb::EndpointConfig> endpoints{{{0x81}, usb::TransferType::isochronous, 1024, 3, 1}};
  (*report)->timeline().on_endpoints(endpoints, usb::Speed::high, {});
  test::BusScript bus((*report)->timeline(), usb::Speed::high);
  const test::BusScript::Bytes data(1024, 0x5a);
  const usb::Pid pids[] = {usb::Pid::data2, usb::Pid::data1, usb::Pid::data0};
  Requests requests(**report);
  for (std::uint64_t frame = first_frame; frame < first_frame + frames; ++frame) {
    for (unsigned i = 0; i < microframes; ++i) {
      bus.sof(usb::FrameTime::of(frame, i));
      for (const auto pid : pids) {
        bus.token(usb::Pid::in, 1);
        bus.device_data(pid, data, 90 + static_cast<std::int64_t>(frame % 7));
      }
    }
    requests.frame(frame, bus.now());
  }
  report::RunResult result;
  result.scenario = "long";
  result.seed = 1;
  result.speed = usb::Speed::high;
  result.frames = frames;
  result.verdict = report::Verdict::failed;
  result.violations[static_cast<std::size_t>(check::Rule::missed)] = frames * microframes / missed_every;
  result.repeat_command = "isochio_long_report";
  const auto done = (*report)->finish(result);
  if (!done) return std::fprintf(stderr, "%s\n", done.error().c_str()), 1;
  return 0;
}
