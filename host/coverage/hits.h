// isochio: what runs have covered: how often each bin was hit. Merged over runs; a JSON file holds it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "coverage/model.h"

namespace isochio::coverage {

/// One stream of a run: a value of each dimension, several of faults and statuses.
struct Sample {
  Bin values;  ///< all dimensions but "fault" and "status"
  std::vector<std::string> faults, statuses;
};

class Hits {
 public:
  void add(const Sample& sample);
  void merge(const Hits& other);

  std::uint64_t of(const Bin& bin) const;
  /// Whether any bin with this value was hit.
  bool has(const std::string& dimension, const std::string& value) const;
  std::uint64_t runs() const { return runs_; }
  /// A run is over whose samples were added.
  void count_run() { ++runs_; }

  std::string to_json() const;
  /// The error says what is wrong with the text.
  static tl::expected<Hits, std::string> parse(const std::string& json);
  /// No such file: nothing covered yet. Errors name the file.
  static tl::expected<Hits, std::string> load(const std::string& file);

 private:
  std::uint64_t runs_ = 0;
  std::map<std::string, std::uint64_t, std::less<>> bins_;  ///< by name_of()
};

/// Of one cross, or of all of them.
struct Share {
  std::size_t bins = 0, hit = 0;
  double percent() const { return bins == 0 ? 100.0 : 100.0 * static_cast<double>(hit) / static_cast<double>(bins); }
};
struct Summary {
  Share all;
  std::vector<std::pair<Cross, Share>> crosses;
  std::vector<Bin> holes;
};
Summary summarize(const Hits& hits);

}  // namespace isochio::coverage
