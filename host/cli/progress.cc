#include "cli/progress.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

namespace isochio::cli {

Progress::Progress(std::string label)
    : label_(std::move(label)), terminal_(isatty(STDERR_FILENO) == 1), began_(std::chrono::steady_clock::now()) {}

void Progress::show(double share) {
  const auto now = std::chrono::steady_clock::now();
  if (!terminal_ || now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  drawn_ = true;
  constexpr int width = 30;
  const auto full = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * width);
  const double seconds = std::chrono::duration<double>(now - began_).count();
  const auto left = share > 0.02 ? fmt::format("{:.0f} s left", seconds / share - seconds) : std::string();
  fmt::print(stderr, "\r\033[K{:<20} [{}{}] {:3.0f} %  {}", label_, std::string(full, '#'),
             std::string(width - full, '.'), share * 100, left);
  std::fflush(stderr);
}

void Progress::clear() {
  if (drawn_) fmt::print(stderr, "\r\033[K");
  drawn_ = false;
}

}  // namespace isochio::cli
