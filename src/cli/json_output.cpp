// The JSON documents, version 1. README.md ("JSON") lists their members; tests hold both against each other.
#include <array>
#include <nlohmann/json.hpp>

#include "cli/output.hpp"
#include "cli/support_report.hpp"

namespace smtpegress::cli {
namespace {

using nlohmann::ordered_json;

constexpr int kJsonVersion = 1;

std::string finished(const ordered_json& document) {
  return document.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

ordered_json head(const Options& options, int exit_code) {
  return {{"version", kJsonVersion}, {"command", options.command_name}, {"ok", exit_code == 0}, {"exit", exit_code}};
}

ordered_json head(const Options& options, int exit_code, const Profile& profile) {
  auto document = head(options, exit_code);
  document["instance"] = profile.name;
  document["side"] = profile.side == Side::kHome ? "home" : "vps";
  return document;
}

ordered_json json_of(const Change& change) {
  return {{"verb", verb_text(change.verb)},
          {"kind", kind_of(change.object)},
          {"object", describe(change.object)},
          {"reason", change.reason}};
}

ordered_json json_of(const RuleCounter& counter) {
  return {{"role", counter.rule.comment},
          {"rule", nft::to_string(counter.rule)},
          {"state", presence_text(counter.presence)},
          {"packets", counter.packets},
          {"bytes", counter.bytes}};
}

ordered_json json_of(const Finding& finding) {
  ordered_json object{{"kind", kind_of(finding.object)},
                      {"object", describe(finding.object)},
                      {"state", presence_text(finding.presence)},
                      {"detail", finding.detail}};
  object["rules"] = ordered_json::array();
  for (const auto& counter : finding.counters) {
    object["rules"].push_back(json_of(counter));
  }
  return object;
}

ordered_json json_of(const Error& error) {
  constexpr std::array<std::string_view, 7> kKinds{"usage",   "not-enabled", "permission", "kernel",
                                                   "damaged", "elsewhere",   "stale"};
  return {{"kind", kKinds.at(static_cast<std::size_t>(error.kind))},
          {"message", error.message()},
          {"operation", error.operation},
          {"object", error.object},
          {"errno", error.errnum},
          {"kernel", error.kernel_text},
          {"hint", error.hint}};
}

ordered_json json_of(const Check& check) {
  constexpr std::array<std::string_view, 3> kOutcomes{"passed", "failed", "skipped"};
  return {{"id", check.id},
          {"title", check.title},
          {"outcome", kOutcomes.at(static_cast<std::size_t>(check.outcome))},
          {"detail", check.detail},
          {"mend", check.mend}};
}

ordered_json json_of(const Hop& hop) {
  constexpr std::array<std::string_view, 3> kOutcomes{"ok", "broken", "unknown"};
  return {{"id", id_of(hop.place)}, {"way", hop.way == MailWay::kOut ? "out" : "back"},
          {"name", hop.name},       {"outcome", kOutcomes.at(static_cast<std::size_t>(hop.outcome))},
          {"seen", hop.seen},       {"checks", hop.checks},
          {"mend", hop.mend}};
}

ordered_json json_of(const setup::Choice& choice) {
  return {{"what", choice.what}, {"value", choice.value}, {"why", choice.why}};
}

ordered_json json_of(const setup::WgConfMistake& mistake) {
  return {{"what", mistake.what}, {"mend", mistake.mend}};
}

ordered_json json_of(const TracedPacket& packet) {
  return {{"source", packet.source.to_string()},
          {"source_port", packet.source_port},
          {"destination", packet.destination.to_string()},
          {"destination_port", packet.destination_port},
          {"tcp_flags", packet.tcp_flags},
          {"length", packet.length}};
}

ordered_json json_of(const TraceStep& step) {
  return {{"chain", nft::to_string(step.chain)},
          {"handle", step.handle},
          {"rule", step.rule},
          {"verdict", step.verdict},
          {"owner", step.owner},
          {"mark", step.mark}};
}

template <class T>
ordered_json list_of(const std::vector<T>& items);

ordered_json json_of(const Journey& journey) {
  constexpr std::array<std::string_view, 6> kEnds{"left", "delivered", "dropped", "queued", "lost", "unfinished"};
  constexpr std::array<std::string_view, 3> kJudgements{"right", "wrong", "aside"};
  ordered_json object{{"direction", journey.direction == Journey::Direction::kMail ? "mail" : "reply"},
                      {"judgement", kJudgements.at(static_cast<std::size_t>(journey.judgement))},
                      {"end", kEnds.at(static_cast<std::size_t>(journey.end))},
                      {"packets", journey.count},
                      {"packet", json_of(journey.packet)},
                      {"in", journey.in.str()},
                      {"out", journey.out.str()},
                      {"left_as", nullptr},
                      {"steps", list_of(journey.steps)},
                      {"reason", journey.reason},
                      {"mend", journey.mend}};
  if (journey.left_as) {
    object["left_as"] = json_of(*journey.left_as);
  }
  return object;
}

template <class T>
ordered_json list_of(const std::vector<T>& items) {
  auto list = ordered_json::array();
  for (const auto& item : items) {
    list.push_back(json_of(item));
  }
  return list;
}

std::string with_report(ordered_json document, const ApplyReport& report) {
  document["changed"] = !report.changes.empty();
  document["was_enabled"] = report.was_enabled;
  document["changes"] = list_of(report.changes);
  document["waiting"] = list_of(report.waiting);
  document["flows_dropped"] = report.flows_dropped;
  document["notes"] = report.notes;
  return finished(document);
}

}  // namespace

std::string apply_json(const Options& options, const ApplyReport& report, int exit_code) {
  return with_report(head(options, exit_code, report.profile), report);
}

std::string nothing_enabled_json(const Options& options) {
  ApplyReport nothing;
  nothing.notes.emplace_back("nothing is enabled on this host");
  return with_report(head(options, 0), nothing);
}

std::string plan_json(const Options& options, const PlanReport& report, int exit_code) {
  auto document = head(options, exit_code, report.profile);
  document["changes"] = list_of(report.plan.changes);
  document["waiting"] = list_of(report.plan.waiting);
  document["foreign"] = list_of(report.plan.foreign);
  document["legacy"] = ordered_json::array();
  for (const auto& object : report.legacy) {
    document["legacy"].push_back(describe(object));
  }
  document["notes"] = report.notes;
  return finished(document);
}

std::string status_json(const Options& options, const StatusReport& report, int exit_code) {
  auto document = head(options, exit_code, report.profile);
  document["objects"] = list_of(report.findings);
  document["problem"] = report.problem;
  document["notes"] = report.notes;
  return finished(document);
}

std::string verify_json(const Options& options, const VerifyReport& report, int exit_code) {
  auto document = head(options, exit_code, report.profile);
  document["path"] = list_of(report.path);
  document["checks"] = list_of(report.checks);
  return finished(document);
}

std::string trace_json(const Options& options, const TraceReport& report, int exit_code) {
  auto document = head(options, exit_code, report.profile);
  document["packets"] = {{"right", report.packets(Journey::Judgement::kRight)},
                         {"wrong", report.packets(Journey::Judgement::kWrong)},
                         {"aside", report.packets(Journey::Judgement::kAside)}};
  document["journeys"] = list_of(report.journeys);
  document["overrun"] = report.overrun;
  document["notes"] = report.notes;
  return finished(document);
}

std::string init_json(const Options& options, const InitReport& report, int exit_code) {
  auto document = head(options, exit_code, report.proposal.profile);
  document["path"] = report.path;
  document["written"] = report.written;
  document["profile"] = ordered_json::parse(report.proposal.text);
  document["found"] = list_of(report.proposal.choices);
  document["notes"] = report.proposal.notes;
  document["wireguard"] = {{"home", report.wireguard.home}, {"vps", report.wireguard.vps}};
  document["conf"] = report.conf;
  document["mistakes"] = list_of(report.mistakes);
  return finished(document);
}

std::string pair_json(const Options& options, const PairReport& report, int exit_code) {
  auto document = head(options, exit_code);
  document["instance"] = report.here.instance;
  document["side"] = report.here.side == Side::kHome ? "home" : "vps";
  document["descriptor"] = ordered_json::parse(setup::descriptor_to_json(report.here));
  document["checks"] = list_of(report.checks);
  return finished(document);
}

std::string profiles_json(const Options& options, const std::vector<ProfileLine>& profiles) {
  auto document = head(options, 0);
  document["profiles"] = ordered_json::array();
  for (const auto& line : profiles) {
    const auto side = !line.profile                       ? ordered_json()
                      : line.profile->side == Side::kHome ? ordered_json("home")
                                                          : ordered_json("vps");
    document["profiles"].push_back({{"name", line.file.name},
                                    {"side", side},
                                    {"description", line.profile ? line.profile->description : ""},
                                    {"path", line.file.path},
                                    {"shipped", line.file.shipped},
                                    {"enabled", line.enabled ? ordered_json(*line.enabled) : ordered_json()},
                                    {"problem", line.problem}});
  }
  return finished(document);
}

std::string check_json(const Options& options, const std::vector<CheckedFile>& files, int exit_code) {
  auto document = head(options, exit_code);
  document["files"] = ordered_json::array();
  for (const auto& file : files) {
    auto errors = ordered_json::array();
    for (const auto& mistake : file.mistakes) {
      ordered_json error{{"key", mistake.key}};
      error.update(json_of(mistake.error));
      errors.push_back(std::move(error));
    }
    document["files"].push_back({{"path", file.path}, {"ok", file.mistakes.empty()}, {"errors", std::move(errors)}});
  }
  return finished(document);
}

std::string report_json(const Options& options, const SupportReport& report, int exit_code) {
  auto document = head(options, exit_code);
  document["instance"] = report.subject.name;
  document["side"] = nullptr;
  if (const auto& known = report.subject.known_as) {
    document["side"] = known->side == Side::kHome ? "home" : "vps";
  }
  document["sections"] = ordered_json::array();
  for (const auto& section : report.sections) {
    document["sections"].push_back(
        {{"id", section.id}, {"title", section.title}, {"lines", section.lines}, {"error", section.error}});
  }
  return finished(document);
}

std::string error_json(const Options& options, const Error& error, int exit_code) {
  auto document = head(options, exit_code);
  document["instance"] = instance_name(options.instance);
  document["side"] = nullptr;
  document["error"] = json_of(error);
  return finished(document);
}

}  // namespace smtpegress::cli
