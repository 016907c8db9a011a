// Was it the right way? Where not, why, and what to do about it.
#pragma once

#include "engine/trace/told.hpp"

namespace smtpegress {

/// Sets the journey's judgement, reason and mend.
void judge(const Inquiry& ask, const Trail& trail, RuleTexts& texts, Journey& journey);

/// For a packet that nf_tables does not say the end of: by what the kernel answers to the packet's own route lookup,
/// its sysctls and iptables-legacy's tables.
struct Loss {
  std::string reason;
  std::string mend;
};
[[nodiscard]] Loss explain_loss(const Inquiry& ask, const Trail& trail, RuleTexts& texts);

}  // namespace smtpegress
