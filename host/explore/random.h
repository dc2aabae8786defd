// isochio: chance by seed, the same on every machine (splitmix64).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

namespace isochio::explore {

class Random {
 public:
  /// Each run of a campaign has a sequence of its own.
  Random(std::uint64_t seed, std::uint64_t run)
      : state_(seed * 0x9e3779b97f4a7c15U ^ (run + 1) * 0xd1342543de82ef95U) {}

  std::uint64_t operator()() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }
  /// 0 … below − 1.
  std::uint64_t below(std::uint64_t below) { return (*this)() % below; }
  std::uint64_t between(std::uint64_t least, std::uint64_t most) { return least + below(most - least + 1); }
  bool chance(unsigned percent) { return below(100) < percent; }
  template <typename T>
  const T& one_of(const std::vector<T>& values) {
    return values[below(values.size())];
  }
  template <typename T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[below(values.size())];
  }

 private:
  std::uint64_t state_;
};

}  // namespace isochio::explore
