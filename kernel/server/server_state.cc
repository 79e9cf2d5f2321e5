// SPDX-License-Identifier: Apache-2.0
#include "kernel/server/server_state.h"

#include "kernel/base/log.h"

namespace chronik::server {

using SteadyClock = std::chrono::steady_clock;

bool ServerState::Enter() {
  if (connections_.fetch_add(1) < limits.connections_max) return true;
  Leave();
  return false;
}

void ServerState::Leave() {
  if (connections_.fetch_sub(1) != 1) return;
  // Under the lock, or a waiter that has just looked would miss it.
  const std::scoped_lock lock(mutex_);
  empty_.notify_all();
}

void ServerState::WaitUntilEmpty(SteadyClock::time_point deadline) {
  std::unique_lock lock(mutex_);
  empty_.wait_until(lock, deadline, [this] { return connections_.load() == 0; });
}

void ServerState::Refused(const std::string& peer, const std::string& why) {
  refused->Increment();
  const int64_t now = std::chrono::duration_cast<std::chrono::seconds>(SteadyClock::now().time_since_epoch()).count();
  int64_t last = last_refusal_logged_s_.load();
  if (now == last || !last_refusal_logged_s_.compare_exchange_strong(last, now)) {
    refusals_not_logged_.fetch_add(1);
    return;
  }
  const uint64_t more = refusals_not_logged_.exchange(0);
  CHRONIK_LOG(kWarn) << "connection from " << peer << " closed: " << why
                     << (more > 0 ? " (and " + std::to_string(more) + " others like it)" : "");
}

}  // namespace chronik::server
