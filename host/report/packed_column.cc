// isochio: see packed_column.h.
#include "report/packed_column.h"

#include <zlib.h>

#include <new>

namespace isochio::report {

struct PackedColumn::Stream {
  z_stream z{};
  Stream() {
    if (deflateInit(&z, Z_DEFAULT_COMPRESSION) != Z_OK) throw std::bad_alloc();
  }
  ~Stream() { deflateEnd(&z); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
};

PackedColumn::PackedColumn() : stream_(std::make_unique<Stream>()) {}
PackedColumn::~PackedColumn() = default;
PackedColumn::PackedColumn(PackedColumn&&) noexcept = default;
PackedColumn& PackedColumn::operator=(PackedColumn&&) noexcept = default;

void PackedColumn::add(std::int64_t value) {
  const std::int64_t step = value - last_;
  last_ = value;
  ++count_;
  if (step == 0) {
    ++zeros_;
    return;
  }
  end_zeros();
  put((static_cast<std::uint64_t>(step) << 1U) ^ static_cast<std::uint64_t>(step >> 63));
}

void PackedColumn::end_zeros() {
  if (zeros_ == 0) return;
  put(0);
  put(zeros_ - 1);
  zeros_ = 0;
}

void PackedColumn::put(std::uint64_t number) {
  constexpr std::size_t longest = 10;  // bytes of 64 bits, seven at a time
  if (raw_size_ + longest > raw_.size()) flush(false);
  for (; number >= 0x80U; number >>= 7U) raw_[raw_size_++] = static_cast<std::uint8_t>(number | 0x80U);
  raw_[raw_size_++] = static_cast<std::uint8_t>(number);
}

void PackedColumn::flush(bool last) {
  std::array<char, 4096> out{};
  z_stream& z = stream_->z;
  z.next_in = raw_.data();
  z.avail_in = static_cast<uInt>(raw_size_);
  do {
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    deflate(&z, last ? Z_FINISH : Z_NO_FLUSH);
    packed_.append(out.data(), out.size() - z.avail_out);
  } while (z.avail_out == 0);
  raw_size_ = 0;
}

std::string PackedColumn::finish() {
  end_zeros();
  flush(true);
  std::string text = base64(packed_);
  packed_.clear();
  return text;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto at = [&](std::size_t k) {
      return k < bytes.size() ? std::uint32_t{static_cast<std::uint8_t>(bytes[k])} : 0U;
    };
    const std::uint32_t group = at(i) << 16U | at(i + 1) << 8U | at(i + 2);
    text += digits[group >> 18U & 63U];
    text += digits[group >> 12U & 63U];
    text += i + 1 < bytes.size() ? digits[group >> 6U & 63U] : '=';
    text += i + 2 < bytes.size() ? digits[group & 63U] : '=';
  }
  return text;
}

}  // namespace isochio::report
