// SPDX-License-Identifier: Apache-2.0
// Hands the requests of connections to the Kafka API handlers.
#pragma once

#include <utility>

#include "kernel/api/table.h"
#include "kernel/server/dispatcher.h"

namespace chronik::server {

class ApiDispatcher final : public Dispatcher {
 public:
  explicit ApiDispatcher(api::Services& services) : services_(services) {}

  bool AnswerMayBeLarge(ByteView frame) const override { return api::AnswerMayBeLarge(frame); }
  void Dispatch(Request request, Responder responder) override {
    api::Dispatch(
        services_, request.shard, std::move(request.frame),
        [responder = std::move(responder)](api::Answer answer) mutable {
          switch (answer.kind) {
            case api::Answer::Kind::kReply: return responder.Reply(std::move(answer.frame));
            case api::Answer::Kind::kNothing: return responder.NoReply();
            case api::Answer::Kind::kClose: return responder.Close(std::move(answer.why));
          }
        },
        std::move(request.peer));
  }

 private:
  api::Services& services_;
};

}  // namespace chronik::server
