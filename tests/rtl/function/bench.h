// isochio: drives isochio_function through the function port of docs/rtl.md, as the endpoint engines do.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include <verilated.h>

#include "Vfunction.h"
#include "payload_model.h"

namespace isochio::test {

/// An endpoint row (docs/device-image.md), as far as the function sees it.
struct Row {
  unsigned max_packet = 1024, more_packets = 0;
  unsigned interval = 0;
  unsigned function = 0, size_mode = 0, size = 0, sample_bytes = 0;
  unsigned feedback_period = 0, feedback_format = 0;
};

/// Register numbers (docs/registers.md).
namespace reg {
enum : unsigned {
  id = 0,
  version,
  build,
  status,
  control,
  log_mask,
  log_count,
  log_lost,
  frame,
  stamp,
  sample_rate,
  sample_mode,
  feedback,
  feedback_override,
  sample_ppm = 0x0f,
  counters = 0x10
};
enum : unsigned {
  function = 0,
  seed,
  size_mode,
  size,
  sample_bytes,
  list_length,
  packets = 8,
  bytes,
  zero_length,
  lost,
  duplicate,
  reordered,
  corrupt,
  mistimed,
  sequence_errors,
  overflow,
  first_bad_sequence,
  first_bad,
  truncated,
  faults,
  fault = 24,
  fault_argument,
  fault_every,
  fault_frame
};
constexpr unsigned in(unsigned engine, unsigned which) { return 0x100 + 0x20 * engine + which; }
constexpr unsigned out(unsigned engine, unsigned which) { return 0x200 + 0x20 * engine + which; }
constexpr unsigned list(unsigned engine, unsigned entry) { return 0x300 + 0x10 * engine + entry; }
}  // namespace reg

enum Function : unsigned { none, pattern, zeros, mod63, loopback, feedback };

struct Event {
  unsigned kind = 0, endpoint = 0, engine = 0, length = 0, pid = 0, status = 0;
};

class Bench {
 public:
  Bench();
  ~Bench();
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  Vfunction& port() { return *model_; }
  /// One clock, with the strobes that were set; they are low afterwards.
  void clock();
  /// Clocks until busy_o is low; fails the test after 5000.
  void settle();
  /// settle(), then lets time pass, and fails the test if any register changes.
  void idle(unsigned clocks);

  void high_speed(bool on);
  /// Starts a (micro)frame: `clocks` after the last one by the device's clock.
  void frame(unsigned clocks);
  std::uint16_t stamp() const;
  /// Idle clocks after every n-th byte, 0 none.
  void gap_every(unsigned bytes) { gap_ = bytes; }

  void setup_in(unsigned engine, const Row& row) { setup(true, engine, row); }
  void setup_out(unsigned engine, const Row& row) { setup(false, engine, row); }

  void write(unsigned number, std::uint32_t value);
  std::uint32_t read(unsigned number);

  /// in_open: the bytes offered, or nothing.
  std::optional<unsigned> open(unsigned engine);
  /// One IN data packet.
  Bytes in_packet(unsigned engine, unsigned length, bool ok = true);
  /// One service interval: all that is offered, in packets of at most `max_packet`.
  Bytes in_interval(unsigned engine, unsigned max_packet = 1024);

  enum class After { nothing, commit, commit_with_end, discard };
  void out_packet(unsigned engine, const Bytes& bytes, After after = After::commit, bool good = true);
  void out_commit(unsigned engine);
  void out_discard(unsigned engine);

  void event(const Event& event);
  /// The oldest log entry, taken out.
  std::optional<std::array<std::uint32_t, 3>> pop();

 private:
  void setup(bool in, unsigned engine, const Row& row);

  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<Vfunction> model_;
  std::uint32_t frame_at_ = 0;
  unsigned gap_ = 0;
};

}  // namespace isochio::test
