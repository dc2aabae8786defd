// isochio: what a child process tells its parent through a pipe.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>

namespace isochio::explore {

/// All of `text`, also if a signal comes between. A parent that has gone away is no error: nobody is left to tell.
inline void write_all(int file, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const auto n = ::write(file, text.data() + done, text.size() - done);
    if (n < 0 && errno != EINTR) return;
    if (n > 0) done += static_cast<std::size_t>(n);
  }
}

}  // namespace isochio::explore
