// isochio: from a scenario that fails to the smallest one that fails in the same way: tables and keys are left out,
// numbers and lists made smaller, as long as it still does.
#pragma once

#include <functional>

#include "explore/document.h"

namespace isochio::explore {

struct Shrunk {
  Document document;
  std::size_t tries = 0;
};

/// `still_fails` runs a candidate. Ends when no step helps any more, after `most_tries`, or when `stop` says so.
Shrunk shrink(Document document, std::size_t most_tries, const std::function<bool(const Document&)>& still_fails,
              const std::function<bool()>& stop);

}  // namespace isochio::explore
