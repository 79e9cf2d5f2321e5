// SPDX-License-Identifier: Apache-2.0
// How shard 0 answers what another shard asked: one outcome an element, gathered, on the thread that asked.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "kernel/base/clock.h"
#include "kernel/broker/broker.h"

namespace chronik::broker {

// `done`, run on `executor` by a task of its own.
template <class T>
Callback<T> AnswerOn(Executor& executor, Callback<T> done) {
  auto shared = std::make_shared<Callback<T>>(std::move(done));
  return [&executor, shared](T value) {
    executor.Post([shared, value = std::move(value)]() mutable { (*shared)(std::move(value)); });
  };
}

// Calls back once, when every outcome is there.
template <class Outcome>
class Gather {
 public:
  Gather(size_t count, Callback<std::vector<Outcome>> done)
      : outcomes_(count), missing_(count), done_(std::move(done)) {}
  void Put(size_t i, Outcome outcome) {
    outcomes_[i] = std::move(outcome);
    if (--missing_ == 0) done_(std::move(outcomes_));
  }

 private:
  std::vector<Outcome> outcomes_;
  size_t missing_;
  Callback<std::vector<Outcome>> done_;
};

}  // namespace chronik::broker
