// SPDX-License-Identifier: Apache-2.0
// UniqueFunction: a move-only std::function (C++23's std::move_only_function is not in g++ 12). Callables up to 48
// bytes live inside it, so that completions on the hot path do not allocate.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "kernel/base/invariant.h"

namespace chronik {

template <class Signature>
class UniqueFunction;

template <class R, class... Args>
class UniqueFunction<R(Args...)> {
 public:
  UniqueFunction() = default;
  UniqueFunction(std::nullptr_t) {}

  template <class F>
    requires(!std::is_same_v<std::decay_t<F>, UniqueFunction> && std::is_invocable_r_v<R, std::decay_t<F>&, Args...>)
  UniqueFunction(F&& f) {
    using Fn = std::decay_t<F>;
    if constexpr (sizeof(Fn) <= kInlineBytes && alignof(Fn) <= alignof(std::max_align_t) &&
                  std::is_nothrow_move_constructible_v<Fn>) {
      ::new (static_cast<void*>(storage_)) Fn(std::forward<F>(f));
      ops_ = &InlineOps<Fn>::kOps;
    } else {
      ::new (static_cast<void*>(storage_)) Fn*(new Fn(std::forward<F>(f)));
      ops_ = &HeapOps<Fn>::kOps;
    }
  }

  UniqueFunction(UniqueFunction&& other) noexcept { MoveFrom(other); }
  UniqueFunction& operator=(UniqueFunction&& other) noexcept {
    if (this != &other) {
      Reset();
      MoveFrom(other);
    }
    return *this;
  }
  UniqueFunction(const UniqueFunction&) = delete;
  UniqueFunction& operator=(const UniqueFunction&) = delete;
  ~UniqueFunction() { Reset(); }

  explicit operator bool() const { return ops_ != nullptr; }

  R operator()(Args... args) {
    CHRONIK_CHECK(ops_ != nullptr) << "call of an empty UniqueFunction";
    return ops_->call(storage_, std::forward<Args>(args)...);
  }

 private:
  static constexpr size_t kInlineBytes = 48;

  struct Ops {
    R (*call)(void*, Args&&...);
    void (*move)(void* from, void* to) noexcept;  // ends `from`
    void (*destroy)(void*) noexcept;
  };

  template <class Fn>
  struct InlineOps {
    static Fn* Get(void* p) { return std::launder(static_cast<Fn*>(p)); }
    static R Call(void* p, Args&&... args) { return (*Get(p))(std::forward<Args>(args)...); }
    static void Move(void* from, void* to) noexcept {
      ::new (to) Fn(std::move(*Get(from)));
      Get(from)->~Fn();
    }
    static void Destroy(void* p) noexcept { Get(p)->~Fn(); }
    static constexpr Ops kOps{&Call, &Move, &Destroy};
  };

  template <class Fn>
  struct HeapOps {
    static Fn*& Get(void* p) { return *std::launder(static_cast<Fn**>(p)); }
    static R Call(void* p, Args&&... args) { return (*Get(p))(std::forward<Args>(args)...); }
    static void Move(void* from, void* to) noexcept { ::new (to) Fn*(Get(from)); }
    static void Destroy(void* p) noexcept { delete Get(p); }
    static constexpr Ops kOps{&Call, &Move, &Destroy};
  };

  void MoveFrom(UniqueFunction& other) noexcept {
    ops_ = std::exchange(other.ops_, nullptr);
    if (ops_ != nullptr) ops_->move(other.storage_, storage_);
  }
  void Reset() noexcept {
    if (const Ops* ops = std::exchange(ops_, nullptr)) ops->destroy(storage_);
  }

  const Ops* ops_ = nullptr;
  alignas(std::max_align_t) std::byte storage_[kInlineBytes];
};

using Task = UniqueFunction<void()>;

}  // namespace chronik
