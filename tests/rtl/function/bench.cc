// isochio: see bench.h.
#include "bench.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include <doctest/doctest.h>

#include "Vfunction___024root.h"

namespace isochio::test {

Bench::Bench() : context_(std::make_unique<VerilatedContext>()), model_(std::make_unique<Vfunction>(context_.get())) {
  model_->rst_i = 1;
  for (int i = 0; i < 4; ++i) clock();
  model_->rst_i = 0;
  settle();
}

Bench::~Bench() { model_->final(); }

void Bench::clock() {
  Vfunction& m = *model_;
  m.clk_i = 1;
  m.clk_source_i = 1;
  m.eval();
  m.frame_tick_i = m.setup_en_i = m.in_open_i = m.in_start_i = m.in_next_i = m.in_done_i = 0;
  m.out_start_i = m.out_valid_i = m.out_end_i = m.out_commit_i = m.out_discard_i = 0;
  m.event_i = m.reg_we_i = m.reg_re_i = m.log_pop_i = 0;
  ++m.stamp_i;
  m.clk_i = 0;
  m.clk_source_i = 0;
  m.eval();
}

void Bench::settle() {
  for (int i = 0; i < 5000; ++i) {
    if (!model_->busy_o) return;
    clock();
  }
  FAIL("busy_o stays high");
}

void Bench::idle(unsigned clocks) {
  settle();
  Vfunction& m = *model_;
  // All of the model's state, time held still.
  using Root = std::remove_pointer_t<decltype(m.rootp)>;
  const auto* begin = reinterpret_cast<const std::uint8_t*>(m.rootp);
  const std::uint32_t now = m.stamp_i;
  m.eval();
  const Bytes before(begin, begin + sizeof(Root));
  for (unsigned i = 0; i < clocks; ++i) {
    m.clk_i = 1;
    m.clk_source_i = 1;
    m.eval();
    m.clk_i = 0;
    m.clk_source_i = 0;
    m.eval();
  }
  const bool quiet = std::equal(before.begin(), before.end(), begin);
  CHECK(quiet);
  CHECK(!m.busy_o);
  m.stamp_i = now + clocks;
}

void Bench::high_speed(bool on) {
  model_->high_speed_i = on;
  model_->eval();
  settle();
}

void Bench::frame(unsigned clocks) {
  Vfunction& m = *model_;
  settle();
  // Time passes without evaluation: the function does not look at the stamp but at a tick.
  static_assert(sizeof(m.stamp_i) == 4);
  frame_at_ += clocks;
  m.stamp_i = frame_at_;
  m.frame_i = static_cast<std::uint16_t>((m.frame_i + (m.high_speed_i ? 1 : 8)) & 0x3FFF);
  if (!m.high_speed_i) m.frame_i &= 0x3FF8;
  m.frame_tick_i = 1;
  clock();
  settle();
}

std::uint16_t Bench::stamp() const { return model_->frame_i; }

void Bench::setup(bool in, unsigned engine, const Row& row) {
  Vfunction& m = *model_;
  settle();
  const unsigned packet = row.max_packet | row.more_packets << 11U;
  const std::array<unsigned, 9> bytes = {0x0DU | engine << 4U,
                                         packet & 0xFFU,
                                         packet >> 8U,
                                         row.interval,
                                         row.function | row.size_mode << 4U,
                                         row.size & 0xFFU,
                                         row.size >> 8U,
                                         row.sample_bytes,
                                         row.feedback_period | row.feedback_format << 4U};
  for (unsigned word = 0; word < 3; ++word) m.setup_row_i[word] = 0;
  for (unsigned i = 0; i < bytes.size(); ++i) m.setup_row_i[i / 4] |= bytes[i] << (8 * (i % 4));
  m.setup_en_i = 1;
  m.setup_in_i = in;
  m.setup_engine_i = static_cast<std::uint8_t>(engine);
  clock();
  settle();
}

void Bench::write(unsigned number, std::uint32_t value) {
  Vfunction& m = *model_;
  settle();
  m.reg_addr_i = static_cast<std::uint16_t>(number);
  m.reg_wdata_i = value;
  m.reg_we_i = 1;
  clock();
  settle();
}

std::uint32_t Bench::read(unsigned number) {
  Vfunction& m = *model_;
  settle();  // counters that are still being brought up to date
  m.reg_addr_i = static_cast<std::uint16_t>(number);
  m.reg_re_i = 1;
  clock();
  clock();
  return m.reg_rdata_o;
}

std::optional<unsigned> Bench::open(unsigned engine) {
  Vfunction& m = *model_;
  m.in_engine_i = static_cast<std::uint8_t>(engine);
  clock();
  m.in_open_i = 1;
  clock();
  if (!m.in_has_o) return std::nullopt;
  return m.in_bytes_o;
}

Bytes Bench::in_packet(unsigned engine, unsigned length, bool ok) {
  Vfunction& m = *model_;
  Bytes bytes;
  m.in_engine_i = static_cast<std::uint8_t>(engine);
  m.in_length_i = static_cast<std::uint16_t>(length);
  m.in_start_i = 1;
  clock();
  clock();
  for (unsigned i = 0; i < length; ++i) {
    bytes.push_back(m.in_data_o);
    m.in_next_i = 1;
    clock();
    if (gap_ != 0 && i % gap_ == 0) idle(3);
  }
  m.in_done_i = 1;
  m.in_ok_i = ok;
  clock();
  return bytes;
}

Bytes Bench::in_interval(unsigned engine, unsigned max_packet) {
  Bytes bytes;
  unsigned left = open(engine).value_or(0);
  do {
    const unsigned length = std::min(left, max_packet);
    const Bytes packet = in_packet(engine, length);
    bytes.insert(bytes.end(), packet.begin(), packet.end());
    left -= length;
  } while (left != 0);
  return bytes;
}

void Bench::out_packet(unsigned engine, const Bytes& bytes, After after, bool good) {
  Vfunction& m = *model_;
  m.out_engine_i = static_cast<std::uint8_t>(engine);
  clock();
  m.out_start_i = 1;
  clock();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    m.out_valid_i = 1;
    m.out_data_i = bytes[i];
    clock();
    if (gap_ != 0 && i % gap_ == 0) idle(3);
  }
  if (good) {
    m.out_end_i = 1;
    if (after == After::commit_with_end) m.out_commit_i = 1;
    clock();
  }
  if (after == After::commit) out_commit(engine);
  if (after == After::discard) out_discard(engine);
}

void Bench::out_commit(unsigned engine) {
  model_->out_engine_i = static_cast<std::uint8_t>(engine);
  model_->out_commit_i = 1;
  clock();
}

void Bench::out_discard(unsigned engine) {
  model_->out_engine_i = static_cast<std::uint8_t>(engine);
  model_->out_discard_i = 1;
  clock();
}

void Bench::event(const Event& event) {
  Vfunction& m = *model_;
  m.event_kind_i = static_cast<std::uint8_t>(event.kind);
  m.event_endpoint_i = static_cast<std::uint8_t>(event.endpoint);
  m.event_engine_i = static_cast<std::uint8_t>(event.engine);
  m.event_length_i = static_cast<std::uint16_t>(event.length);
  m.event_pid_i = static_cast<std::uint8_t>(event.pid);
  m.event_status_i = static_cast<std::uint8_t>(event.status);
  m.event_i = 1;
  clock();
}

std::optional<std::array<std::uint32_t, 3>> Bench::pop() {
  Vfunction& m = *model_;
  settle();
  if (m.log_empty_o) return std::nullopt;
  const std::array<std::uint32_t, 3> entry = {m.log_data_o[0], m.log_data_o[1], m.log_data_o[2]};
  m.log_pop_i = 1;
  clock();
  clock();
  return entry;
}

}  // namespace isochio::test
