// isochio: a column of whole numbers for the HTML report, packed as it comes: the difference to the number before,
// zig-zag (0, -1, 1, -2, … as 0, 1, 2, 3, …), a 0 followed by how many more there are, each number with seven bits a
// byte, the lowest first and bit 7 for "more follows"; then zlib. Regular traffic takes next to nothing, a column that
// does not change is unpacked at once, and memory holds the compressed bytes only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace isochio::report {

class PackedColumn {
 public:
  PackedColumn();
  ~PackedColumn();
  PackedColumn(PackedColumn&&) noexcept;
  PackedColumn& operator=(PackedColumn&&) noexcept;

  void add(std::int64_t value);
  std::uint64_t size() const { return count_; }
  /// Ends the column: the compressed bytes in base64. Nothing can be added afterwards.
  std::string finish();

 private:
  struct Stream;
  void put(std::uint64_t number);
  void end_zeros();
  void flush(bool last);

  std::unique_ptr<Stream> stream_;
  std::int64_t last_ = 0;
  std::uint64_t count_ = 0, zeros_ = 0;
  std::array<std::uint8_t, 4096> raw_{};
  std::size_t raw_size_ = 0;
  std::string packed_;
};

/// RFC 4648, section 4.
std::string base64(std::string_view bytes);

}  // namespace isochio::report
