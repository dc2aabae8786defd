// isochio: which endpoint engine of the core an endpoint gets. Engines are few: endpoints that can't be open at the
// same time share one; an IN and an OUT endpoint that belong together get the same number, because loopback joins OUT
// engine n to IN engine n (docs/registers.md).
#include <algorithm>

#include "description/detail.h"

namespace isochio::description::detail {

bool active_together(const AlternateSetting& a, const Endpoint& endpoint_a, const AlternateSetting& b,
                     const Endpoint& endpoint_b) {
  if (a.interface == b.interface && a.alternate != b.alternate) return false;
  return endpoint_a.speeds().overlap(endpoint_b.speeds());
}

namespace {

struct Place {
  const AlternateSetting* setting;
  Endpoint* endpoint;
  bool given;
};

class Assignment {
 public:
  Assignment(Description& description, const GivenEngines& given, const Limits& limits) : limits_(limits) {
    for (std::size_t s = 0; s < description.settings.size(); ++s) {
      AlternateSetting& setting = description.settings[s];
      for (std::size_t e = 0; e < setting.endpoints.size(); ++e)
        places_.push_back({&setting, &setting.endpoints[e], given[s][e]});
    }
  }

  /// `neat`: in the order of the file, and the same address keeps its engine across alternate settings. That can cost
  /// an engine, or leave a loopback pair none in common.
  bool run(bool neat) {
    for (Place& place : places_)
      if (!place.given) place.endpoint->engine = no_engine;
    bool all = true;
    if (!neat) {
      for (Place& place : places_)
        if (open(place)) assign_pair(place);
    }
    for (Place& place : places_) {
      if (open(place) && neat) all = assign_pair(place) && all;
      if (open(place)) all = assign(place, neat) && all;
    }
    return all;
  }

 private:
  static bool open(const Place& place) { return place.endpoint->engine == no_engine; }

  unsigned limit(const Place& place) const {
    return place.endpoint->address.is_in() ? limits_.in_engines : limits_.out_engines;
  }

  bool free(const Place& place, std::uint8_t engine) const {
    if (engine >= limit(place)) return false;
    return std::none_of(places_.begin(), places_.end(), [&](const Place& other) {
      return other.endpoint != place.endpoint && other.endpoint->engine == engine &&
             other.endpoint->address.is_in() == place.endpoint->address.is_in() &&
             active_together(*place.setting, *place.endpoint, *other.setting, *other.endpoint);
    });
  }

  /// The endpoint of the other direction in the same setting: same number, else the first of the same type that loops
  /// back too.
  Place* partner(const Place& place) {
    Place* found = nullptr;
    for (Place& other : places_) {
      if (other.setting != place.setting || other.endpoint->address.is_in() == place.endpoint->address.is_in())
        continue;
      if (other.endpoint->function != place.endpoint->function) continue;
      if (other.endpoint->address.number() == place.endpoint->address.number()) return &other;
      const bool same_loop =
          place.endpoint->function == Function::loopback && other.endpoint->type == place.endpoint->type;
      if (found == nullptr && same_loop) found = &other;
    }
    return found;
  }

  /// False if a loopback pair finds no engine number that is free in both directions.
  bool assign_pair(Place& place) {
    if (place.endpoint->function != Function::loopback) return true;
    Place* other = partner(place);
    if (other == nullptr) return true;
    if (!open(*other)) return take(place, other->endpoint->engine);
    for (std::uint8_t engine = 0; engine < std::min(limit(place), limit(*other)); ++engine) {
      if (!free(place, engine) || !free(*other, engine)) continue;
      place.endpoint->engine = other->endpoint->engine = engine;
      return true;
    }
    return false;
  }

  bool assign(Place& place, bool neat) {
    if (neat) {
      if (const Place* other = partner(place); other != nullptr && take(place, other->endpoint->engine)) return true;
      for (const Place& other : places_) {
        const bool same_address =
            other.setting->interface == place.setting->interface && other.endpoint->address == place.endpoint->address;
        if (same_address && take(place, other.endpoint->engine)) return true;
      }
      for (const Place& other : places_) {
        const bool loop = place.endpoint->function == Function::loopback &&
                          other.endpoint->function == Function::loopback &&
                          other.endpoint->address.is_in() != place.endpoint->address.is_in() &&
                          other.setting->interface != place.setting->interface;
        if (loop && take(place, other.endpoint->engine)) return true;
      }
    }
    for (unsigned engine = 0; engine < limit(place); ++engine)
      if (take(place, static_cast<std::uint8_t>(engine))) return true;
    return false;
  }

  bool take(Place& place, std::uint8_t engine) {
    if (engine == no_engine || !free(place, engine)) return false;
    place.endpoint->engine = engine;
    return true;
  }

  Limits limits_;
  std::vector<Place> places_;
};

}  // namespace

void assign_engines(Description& description, const GivenEngines& given, const Limits& limits) {
  Assignment assignment(description, given, limits);
  if (!assignment.run(true)) assignment.run(false);
}

}  // namespace isochio::description::detail
