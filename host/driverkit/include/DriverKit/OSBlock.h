// isochio: OSBlock, what DriverKit writes as a block `void (^)(void)`: anything callable without arguments. A clang
// block is copied off the stack, as the real interfaces do.
#pragma once

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#ifdef __BLOCKS__
extern "C" void* _Block_copy(const void* block);
extern "C" void _Block_release(const void* block);
#endif

class OSBlock {
 public:
  OSBlock() = default;
  OSBlock(std::nullptr_t) {}
  OSBlock(std::function<void()> call) : call_(std::move(call)) {}
#ifdef __BLOCKS__
  OSBlock(void (^block)(void)) {
    if (block == nullptr) return;
    std::shared_ptr<void> copy(_Block_copy(reinterpret_cast<const void*>(block)), [](void* b) { _Block_release(b); });
    call_ = [copy] { reinterpret_cast<void (^)(void)>(copy.get())(); };
  }
#endif
  template <class F, class = std::enable_if_t<std::is_invocable_v<F&> && !std::is_same_v<std::decay_t<F>, OSBlock>
#ifdef __BLOCKS__
                                              && !std::is_convertible_v<F, void (^)(void)>
#endif
                                              >>
  OSBlock(F call) : call_(std::move(call)) {
  }

  explicit operator bool() const { return static_cast<bool>(call_); }
  void operator()() const {
    if (call_) call_();
  }

 private:
  std::function<void()> call_;
};
