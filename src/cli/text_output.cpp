#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/output.hpp"
#include "net/list_of.hpp"

namespace smtpegress::cli {
namespace {

std::string sources_of(const Profile& profile) {
  auto networks = list_of(profile.sources);
  if (!profile.host_senders.empty()) {
    networks += (networks.empty() ? "" : ", ") + list_of(profile.host_senders);
  }
  const auto names = list_of(profile.named_sources);
  return networks.empty() || names.empty() ? networks + names : fmt::format("{} ({})", networks, names);
}

std::string ports_of(const Profile& profile) {
  return "tcp/" + list_of(profile.ports, ", tcp/");
}

std::string mail_of(const Profile& profile) {
  if (!profile.tenants.empty()) {
    return fmt::format("{} of {} tenant{} ({} networks)", ports_of(profile), profile.tenants.size(),
                       profile.tenants.size() == 1 ? "" : "s", profile.sources.size());
  }
  return fmt::format("{} from {}", ports_of(profile), sources_of(profile));
}

std::string notes_text(const std::vector<std::string>& notes) {
  std::string text;
  for (const auto& note : notes) {
    text += fmt::format("  note: {}\n", note);
  }
  return text;
}

std::string change_line(const Change& change) {
  return fmt::format("  {:<8} {:<14} {}\n", verb_text(change.verb), kind_of(change.object), describe(change.object));
}

std::string changes_text(const ApplyReport& report, Verbosity verbosity) {
  std::string text;
  if (verbosity == Verbosity::kVerbose) {
    for (const auto& change : report.changes) {
      text += change_line(change);
    }
  }
  if (report.flows_dropped != 0) {
    text += fmt::format("  {} open mail connection{} of the former path dropped from connection tracking\n",
                        report.flows_dropped, report.flows_dropped == 1 ? "" : "s");
  }
  return text + notes_text(report.notes);
}

std::string path_of(const ApplyReport& report) {
  const auto& profile = report.profile;
  if (profile.side == Side::kHome) {
    return fmt::format("{} leaves by {}, and by no other way", mail_of(profile), profile.tunnel.str());
  }
  if (!profile.tenants.empty()) {
    return fmt::format("{} leaves by {}, each tenant's as its own address", mail_of(profile), report.host.wan.str());
  }
  std::string as;
  for (const auto family : kBothFamilies) {
    const auto& snat = report.host.snat_to[family];
    const auto& seen_as = report.host.public_ip[family];
    if (snat) {
      as += (as.empty() ? "" : " and ") + snat->to_string();
      as += seen_as && seen_as != snat ? fmt::format(" (which the provider maps to {})", seen_as->to_string()) : "";
    }
  }
  return fmt::format("{} out of {} leaves by {} as {}", mail_of(profile), profile.tunnel.str(), report.host.wan.str(),
                     as.empty() ? "its own address" : as);
}

/// Ahead of the rule's words, whose length varies.
std::string seen_text(const RuleCounter& counter) {
  return counter.presence == Presence::kPresent
             ? fmt::format("{:>7} packets {:>11} bytes   ", counter.packets, counter.bytes)
             : std::string();
}

std::string status_line(Presence presence, std::string_view kind, std::string_view text) {
  return fmt::format("  {:<8} {:<17} {}", presence_text(presence), kind, text);
}

/// A chain of ours is shown by its rules; as a chain only where it is not as it should be.
std::string finding_text(const Finding& finding) {
  const bool is_chain = std::holds_alternative<OwnChain>(finding.object);
  std::string text;
  if (!is_chain || finding.presence != Presence::kPresent) {
    const auto seen = finding.counters.empty() || is_chain ? std::string() : seen_text(finding.counters.front());
    const auto detail = finding.detail.empty() ? std::string() : " — " + finding.detail;
    text = status_line(finding.presence, kind_of(finding.object), seen + describe(finding.object)) + detail + "\n";
  }
  if (is_chain) {
    for (const auto& counter : finding.counters) {
      const auto words = seen_text(counter) + nft::to_string(counter.rule);
      text += status_line(counter.presence, counter.rule.comment, words) + "\n";
    }
  }
  return text;
}

/// What enable would say, in a line that begins with the file.
std::string mistake_line(const CheckedFile& file, Error error) {
  if (error.operation == "read profile") {  // and its object begins with the file
    error.operation.clear();
  } else if (!file.path.empty()) {
    error.operation.insert(0, file.path + ": ");
  }
  return error.message() + "\n";
}

}  // namespace

std::string_view presence_text(Presence presence) {
  constexpr std::array<std::string_view, 5> kNames{"present", "missing", "changed", "foreign", "waiting"};
  return kNames.at(static_cast<std::size_t>(presence));
}

std::string_view verb_text(Verb verb) {
  constexpr std::array<std::string_view, 3> kNames{"create", "replace", "remove"};
  return kNames.at(static_cast<std::size_t>(verb));
}

std::string enable_text(const ApplyReport& report, Verbosity verbosity) {
  const auto& name = report.profile.name;
  std::string text;
  if (!report.waiting.empty()) {
    text = fmt::format("{}: closed. {} is refused until the tunnel is there; nothing can leave another way.\n", name,
                       mail_of(report.profile));
    for (const auto& finding : report.waiting) {
      text +=
          fmt::format("  waiting  {:<14} {}: {}\n", kind_of(finding.object), describe(finding.object), finding.detail);
    }
    text += fmt::format("  When {} is up: `{}` (wg-quick's PostUp does it).\n", report.profile.tunnel.str(),
                        enable_command(report.profile));
  } else if (report.changes.empty()) {
    text = fmt::format("{} is enabled already, and as it should be: nothing changed.\n", name);
  } else if (report.was_enabled) {
    text = fmt::format("{} mended ({} change{}): {}.\n", name, report.changes.size(),
                       report.changes.size() == 1 ? "" : "s", path_of(report));
  } else {
    text = fmt::format("{} enabled: {}.\n", name, path_of(report));
  }
  return text + changes_text(report, verbosity);
}

std::string disable_text(const ApplyReport& report, Verbosity verbosity) {
  const auto& name = report.profile.name;
  if (report.was_enabled && report.profile.ports.empty()) {  // no state and no profile told of them
    return fmt::format("{} disabled: what carries its name is removed.\n", name) + changes_text(report, verbosity);
  }
  const auto now = report.profile.side == Side::kHome ? "takes the host's ordinary way again"
                                                      : "is no longer let out and translated here";
  const auto text = report.was_enabled ? fmt::format("{} disabled: {} {}.\n", name, mail_of(report.profile), now)
                                       : fmt::format("{} is not enabled: nothing to take back.\n", name);
  return text + changes_text(report, verbosity);
}

std::string nothing_enabled_text() {
  return "Nothing is enabled on this host: nothing to take back.\n";
}

std::string plan_text(const PlanReport& report) {
  const auto& name = report.profile.name;
  std::string text;
  for (const auto& finding : report.plan.foreign) {
    text += fmt::format("  in the way {} {}: {}\n", kind_of(finding.object),
                        describe(finding.current.value_or(finding.object)), finding.detail);
  }
  if (!report.plan.foreign.empty()) {
    return fmt::format("{}: enable would refuse, and change nothing:\n{}", name, text);
  }
  if (!report.legacy.empty()) {
    text += fmt::format(
        "The old shell script's set-up is active here; this is what `{} --take-over` would do,\n"
        "and without --take-over enable refuses.\n",
        enable_command(report.profile));
  }
  if (report.plan.empty() && report.plan.waiting.empty()) {
    return text + fmt::format("{}: nothing to do, everything is as it should be.\n", name);
  }
  text += fmt::format("{}: {} change{} to make, in this order:\n", name, report.plan.changes.size(),
                      report.plan.changes.size() == 1 ? "" : "s");
  for (const auto& note : report.notes) {
    text += fmt::format("  {}\n", note);
  }
  for (const auto& change : report.plan.changes) {
    text += change_line(change);
    if (const auto* chain = std::get_if<OwnChain>(&change.object); chain != nullptr && change.verb != Verb::kRemove) {
      for (const auto& rule : chain->rules) {
        text += fmt::format("{:>28}{}\n", "", nft::to_string(rule));
      }
    }
    text += fmt::format("{:>26}why: {}\n", "", change.reason);
  }
  for (const auto& finding : report.plan.waiting) {
    text += fmt::format("  later    {:<14} {}\n{:>26}why: {}\n", kind_of(finding.object), describe(finding.object), "",
                        finding.detail);
  }
  return text;
}

std::string status_text(const StatusReport& report) {
  const auto& profile = report.profile;
  auto text = fmt::format("{} ({}): {}\n", profile.name, profile.side == Side::kHome ? "home" : "VPS",
                          report.as_it_should_be() ? "as it should be" : "NOT as it should be");
  for (const auto& finding : report.findings) {
    text += finding_text(finding);
  }
  if (!report.problem.empty()) {
    text += fmt::format("  problem  {}\n", report.problem);
  }
  if (!report.as_it_should_be()) {
    text += fmt::format("  `{}` mends what is missing or changed; `smtp-egress verify {}` checks the path.\n",
                        enable_command(profile), profile.name);
  }
  return text + notes_text(report.notes);
}

std::string checks_text(const std::vector<Check>& checks) {
  std::string text;
  for (const auto& check : checks) {
    constexpr std::array<std::string_view, 3> kWords{"ok", "FAILED", "skipped"};
    text += fmt::format("  {:<8} {}", kWords.at(static_cast<std::size_t>(check.outcome)), check.title);
    text += check.detail.empty() ? "\n" : fmt::format(": {}\n", check.detail);
    if (!check.mend.empty()) {
      text += fmt::format("           mend: {}\n", check.mend);
    }
  }
  return text;
}

std::string verify_text(const VerifyReport& report, const Drawing& drawing) {
  const auto failed = std::ranges::count(report.checks, Outcome::kFailed, &Check::outcome);
  const auto verdict = failed == 0 ? std::string("mail can take its way through this host")
                                   : fmt::format("{} check{} failed", failed, failed == 1 ? "" : "s");
  const auto text =
      fmt::format("{} ({}): {}\n\n{}\n{}", report.profile.name, report.profile.side == Side::kHome ? "home" : "VPS",
                  verdict, picture_text(report.path, drawing), checks_text(report.checks));
  return drawing.charset == Drawing::Charset::kAscii ? in_ascii(text) : text;
}

std::string profiles_text(const std::vector<ProfileLine>& profiles) {
  std::size_t width = 0;
  for (const auto& line : profiles) {
    width = std::max(width, line.file.name.size());
  }
  std::string text;
  for (const auto& line : profiles) {
    text += fmt::format("{:<{}} {:<8} {}\n", line.file.name, width, line.enabled.value_or(false) ? "enabled" : "",
                        line.profile ? line.profile->description : "");
    for (const auto& further : {line.file.path, line.problem}) {
      text += further.empty() ? "" : fmt::format("{:<{}} {}\n", "", width + 9, further);
    }
  }
  return text.empty() ? "There are no profiles.\n" : text;
}

std::string check_text(const std::vector<CheckedFile>& files, Verbosity verbosity) {
  std::string text;
  for (const auto& file : files) {
    if (file.mistakes.empty() && verbosity != Verbosity::kQuiet) {
      text += usage_error({}, file.path, "as it should be").error().message() + "\n";  // no error, but as printable
    }
    for (const auto& mistake : file.mistakes) {
      text += mistake_line(file, mistake.error);
    }
  }
  return text;
}

}  // namespace smtpegress::cli
