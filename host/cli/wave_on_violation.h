// isochio: the device's signals around a violation, at no cost when there is none. A run is a pure function of scenario
// and seed, so the signals need not be kept in advance: after a run that failed the scenario runs again, up to a little
// after the first violation, on the build of the device that can trace, which writes only that stretch of time.
#pragma once

#include <string>

#include <tl/expected.hpp>

#include "scenario/run.h"

namespace isochio::cli {

struct WaveRequest {
  std::string path;      ///< FST; the save file for GTKWave stands beside it, with the ending .gtkw
  bus::Duration margin;  ///< before and after the violation
};

/// `first`: what the run with these options came to. Returns a sentence about what was written; the error names the
/// file and the reason. The other files of the options are left alone.
tl::expected<std::string, std::string> write_waves(const scenario::Scenario& scenario, scenario::RunOptions options,
                                                   const scenario::RunOutcome& first, const WaveRequest& request);

/// A save file for GTKWave: the device's pins and main signals, a marker at `at`, and one at each (micro)frame around
/// it named as the reports name it. Times in the wave file are picoseconds of bus time.
std::string gtkwave_save_file(const std::string& wave, const scenario::Scenario& scenario, bus::BusTime at,
                              const std::string& what);

}  // namespace isochio::cli
