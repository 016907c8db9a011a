// Was it the right way? Where not, why, and what to do about it.
#pragma once

#include "engine/trace/told.hpp"

namespace smtpegress {

/// Of a reply to the address that the mail is seen as, which ended before its destination was translated: does no
/// connection of the mail's wait for it? Then it only looks like one: a scan from a port of the mail's, or an answer to
/// this host itself.
[[nodiscard]] bool is_stray(const Inquiry& ask, const Trail& trail);

/// Sets the journey's judgement, reason and mend. `stray`: as is_stray() has it.
void judge(const Inquiry& ask, const Trail& trail, bool stray, RuleTexts& texts, Journey& journey);

/// For a packet that nf_tables does not say the end of: by what the kernel answers to the packet's own route lookup,
/// its sysctls and iptables-legacy's tables.
struct Loss {
  std::string reason;
  std::string mend;
};
[[nodiscard]] Loss explain_loss(const Inquiry& ask, const Trail& trail, RuleTexts& texts);

}  // namespace smtpegress
