// A question that propose() leaves open, answered or refused.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "net/list_of.hpp"
#include "setup/propose.hpp"

namespace smtpegress::setup {

void take_answer(Wishes& wishes, const Question& question, const std::vector<std::string>& values) {
  switch (question.topic) {
    case Topic::kTunnel:
      wishes.tunnel = values.front();
      break;
    case Topic::kSources:
      wishes.sources = values;
      break;
    case Topic::kWan:
      wishes.wan = values.front();
      break;
    case Topic::kPublicIp:
      wishes.public_ip = values.front();
      break;
  }
}

Error unanswered(const Question& question) {
  std::vector<std::string> flags;
  std::ranges::transform(question.candidates, std::back_inserter(flags), [](const Candidate& candidate) {
    return fmt::format("{} for {}", candidate.flag, candidate.shown);
  });
  return usage_error("set up this host", {},
                     flags.empty() ? fmt::format("{} Give {}", question.asked, question.flag)
                                   : fmt::format("{} Give {}", question.asked, list_of(flags, "; or ")))
      .error();
}

}  // namespace smtpegress::setup
