#include <fmt/format.h>

#include "cli/output.hpp"

namespace smtpegress::cli {
namespace {

using Judgement = Journey::Judgement;

std::string packets_text(std::size_t packets) {
  return fmt::format("{} packet{}", packets, packets == 1 ? "" : "s");
}

std::string_view word_of(Judgement judgement) {
  switch (judgement) {
    case Judgement::kRight:
      return "ok";
    case Judgement::kWrong:
      return "WRONG";
    case Judgement::kAside:
      return "aside";
  }
  return "";
}

/// A rule that let the packet go on as it was says nothing that a person asked for.
bool decides(const Journey& journey, const TraceStep& step) {
  const bool is_last = &step == &journey.steps.back();
  return step.owner.starts_with("ours") || !step.verdict.empty() || (is_last && journey.end == JourneyEnd::kDropped);
}

std::string steps_text(const Journey& journey, Verbosity verbosity) {
  std::string text;
  std::uint32_t mark = 0;
  for (const auto& step : journey.steps) {
    const bool marks = step.mark != mark;
    mark = step.mark;
    if (verbosity != Verbosity::kVerbose && !marks && !decides(journey, step)) {
      continue;
    }
    text += fmt::format(
        "           {}: {}{}\n             {}{}\n", nft::to_string(step.chain), step.rule,
        step.handle != 0 && !step.rule.starts_with("handle") ? fmt::format(" # handle {}", step.handle) : "",
        step.owner, marks ? fmt::format("; the mark is now {:#x}", step.mark) : "");
  }
  return text;
}

std::string end_text(const Journey& journey) {
  switch (journey.end) {
    case JourneyEnd::kLeft: {
      const bool as_another = journey.left_as && (journey.left_as->source != journey.packet.source ||
                                                  journey.left_as->destination != journey.packet.destination);
      return fmt::format("left by {}{}", journey.out.str(), as_another ? " as " + to_string(*journey.left_as) : "");
    }
    case JourneyEnd::kDelivered:
      return "for this host itself";
    case JourneyEnd::kDropped:
    case JourneyEnd::kQueued:
    case JourneyEnd::kLost:
    case JourneyEnd::kUnfinished:
      return "";
  }
  return "";
}

}  // namespace

std::string trace_begin_text(const Profile& profile, unsigned seconds) {
  std::string ports;
  for (const auto& range : profile.ports) {
    ports += (ports.empty() ? "tcp/" : ", tcp/") + range.to_string();
  }
  return fmt::format("{} ({}): following {} for {} s\n", profile.name, profile.side == Side::kHome ? "home" : "VPS",
                     ports, seconds);
}

std::string journey_text(const Journey& journey, Verbosity verbosity) {
  if (journey.judgement == Judgement::kAside && verbosity != Verbosity::kVerbose) {
    return {};
  }
  auto text = fmt::format("  {:<8} {} {}, {}\n", word_of(journey.judgement),
                          journey.direction == Journey::Direction::kMail ? "mail" : "reply", to_string(journey.packet),
                          journey.in.empty() ? "sent by this host itself" : "in by " + journey.in.str());
  text += steps_text(journey, verbosity);
  if (const auto end = end_text(journey); !end.empty()) {
    text += fmt::format("           {}\n", end);
  }
  if (!journey.reason.empty()) {
    text += fmt::format("           {}\n", journey.reason);
  }
  if (!journey.mend.empty()) {
    text += fmt::format("           mend: {}\n", journey.mend);
  }
  return text;
}

std::string trace_end_text(const TraceReport& report) {
  const auto right = report.packets(Judgement::kRight);
  const auto wrong = report.packets(Judgement::kWrong);
  const auto aside = report.packets(Judgement::kAside);
  auto verdict = right + wrong == 0 ? std::string("no packet of the mail stack's was seen")
                 : wrong == 0       ? fmt::format("{} went the right way", packets_text(right))
                                    : fmt::format("{} of {} went wrong", wrong, packets_text(right + wrong));
  if (aside != 0) {
    verdict += fmt::format("; {} not the mail's (--verbose tells of them)", packets_text(aside));
  }
  auto text =
      fmt::format("{} ({}): {}\n", report.profile.name, report.profile.side == Side::kHome ? "home" : "VPS", verdict);
  for (const auto& note : report.notes) {
    text += fmt::format("  note: {}\n", note);
  }
  return text;
}

}  // namespace smtpegress::cli
