// isochio: what a run has to come to, as [expect] of a scenario file says it (docs/expectations.md): the outcome of
// each entry, each call and each request that is not simply good, the violations, the diagnoses, the error. All that
// is not named has to be good: calls accepted, entries success with all their bytes, no violation, no diagnosis.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <DriverKit/IOReturn.h>

#include "check/violation.h"
#include "description/toml_table.h"
#include "scenario/index_set.h"

namespace isochio::scenario {

struct Expectation {
  /// What the executable reference promises (docs/reference.md), whatever that is; nothing below is given then.
  bool promised = false;
  /// Entries of a stream, counted over its accepted requests in the order of submission, or within one request. Later
  /// rules go before earlier ones.
  struct Entry {
    std::string stream;
    std::optional<std::uint64_t> request;
    IndexSet entries = IndexSet::all();
    bool placed = false;  ///< `entries` or `request` was given; else `count` entries anywhere
    std::optional<IOReturn> status;
    std::vector<std::uint32_t> bytes;  ///< completeCount of the set's entries in turn, again and again; empty: default
    std::uint64_t count = 0;           ///< if not `placed`
    int line = 0;
  };
  /// Calls of IsochIO on a stream's pipe, counted from 0, that are refused.
  struct Refusal {
    std::string stream;
    IndexSet calls = IndexSet::all();
    bool placed = false;
    IOReturn code{};
    std::uint64_t count = 0;  ///< if not `placed`
    int line = 0;
  };
  /// Accepted requests of a stream.
  struct Request {
    std::string stream;
    IndexSet requests = IndexSet::all();
    std::optional<IOReturn> overall;
    std::optional<std::int64_t> lead;  ///< frames from the running one to the first of the request
    std::optional<std::int64_t> gap;   ///< frames between the end of the request before and this one
    int line = 0;
  };
  /// Sums of a stream.
  struct Totals {
    std::string stream;
    std::optional<std::uint64_t> requests, entries, bytes;
    int line = 0;
  };

  /// What a bulk stream moved in the whole run.
  struct Bulk {
    std::string stream;
    std::uint64_t bytes = 0;
  };

  std::vector<Entry> entries;
  std::vector<Refusal> refusals;
  std::vector<Request> requests;
  std::vector<Totals> totals;
  std::vector<Bulk> bulk;
  std::map<check::Rule, std::uint64_t> violations;
  std::map<std::string, std::uint64_t> faults;  ///< by name: how often made; others as their `count` says, or at all
  std::vector<std::string> diagnoses;
  std::string error;  ///< part of the message with which the run ends; empty: it must not
};

/// The rules of the diagnosis (docs/driver-patterns.md).
std::vector<check::Rule> driver_rules();

/// What a scenario has that an expectation may name; of isochronous or bulk streams, one need not be named.
struct Names {
  std::vector<std::string> streams, bulk, faults;
};
/// Reads a table [expect].
Expectation read_expectation(config::Table& table, const Names& names);

}  // namespace isochio::scenario
