// What init and pair tell people.
#include <fmt/format.h>

#include <algorithm>

#include "cli/output.hpp"

namespace smtpegress::cli {
namespace {

/// Nothing where there are no lines.
std::string block(std::string_view title, const std::vector<std::string>& lines) {
  if (lines.empty()) {
    return "";
  }
  std::string text = fmt::format("{}\n", title);
  for (const auto& line : lines) {
    text += fmt::format("    {}\n", line);
  }
  return text;
}

/// What was not asked is no agreement.
std::string verdict_of(const std::vector<Check>& checks) {
  const auto number_of = [&](Outcome outcome) {
    const auto number = std::ranges::count(checks, outcome, &Check::outcome);
    return number == 0 ? std::string() : fmt::format("{} check{}", number, number == 1 ? "" : "s");
  };
  const auto failed = number_of(Outcome::kFailed);
  const auto skipped = number_of(Outcome::kSkipped);
  if (failed.empty()) {
    return skipped.empty() ? "the two ends fit" : fmt::format("the two ends fit as far as asked, {} skipped", skipped);
  }
  return failed + " failed" + (skipped.empty() ? "" : fmt::format(", {} skipped", skipped));
}

}  // namespace

std::string init_text(const InitReport& report) {
  const auto& proposal = report.proposal;
  const bool is_home = proposal.profile.side == Side::kHome;
  std::string text;
  for (const auto& choice : proposal.choices) {
    const bool says_all = choice.why.starts_with(choice.value) || choice.value.starts_with('{');
    text += fmt::format("found {}: {}\n", choice.what,
                        says_all ? choice.why : fmt::format("{} ({})", choice.value, choice.why));
  }
  for (const auto& note : proposal.notes) {
    text += fmt::format("note: {}\n", note);
  }
  const auto& [at_home, at_vps] = report.wireguard;
  text += block(fmt::format("{}.conf needs, here at {}:", proposal.profile.tunnel.str(), is_home ? "home" : "the VPS"),
                is_home ? at_home : at_vps);
  text += block(fmt::format("and at {}:", is_home ? "the VPS" : "home"), is_home ? at_vps : at_home);
  for (const auto& [what, mend] : report.mistakes) {
    text += fmt::format("to mend: {}\n         {}\n", what, mend);
  }
  if (!report.conf.empty() && report.mistakes.empty()) {
    text += fmt::format("{} is as it should be\n", report.conf);
  }
  if (report.written) {
    text += fmt::format("wrote {}\nnext: sudo smtp-egress enable {}\n", report.path, proposal.profile.name);
  }
  return text;
}

std::string pair_text(const PairReport& report) {
  if (!report.there) {
    return setup::descriptor_to_json(report.here) + "\n";
  }
  return fmt::format("{} and {}: {}\n{}", report.here.instance, report.there->instance, verdict_of(report.checks),
                     checks_text(report.checks));
}

}  // namespace smtpegress::cli
