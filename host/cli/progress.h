// isochio: a progress bar on a terminal; nothing at all elsewhere.
#pragma once

#include <chrono>
#include <string>

namespace isochio::cli {

class Progress {
 public:
  explicit Progress(std::string label);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `share` of the work that is done, 0 … 1. Draws at most ten times a second.
  void show(double share);
  void clear();

 private:
  std::string label_;
  bool terminal_, drawn_ = false;
  std::chrono::steady_clock::time_point began_, last_;
};

}  // namespace isochio::cli
