#include "cli/support_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "cli/output.hpp"
#include "engine/instances.hpp"
#include "net/file.hpp"
#include "net/list_of.hpp"
#include "net/printable.hpp"
#include "report/facts.hpp"
#include "report/familiar.hpp"
#include "report/host.hpp"
#include "report/mask.hpp"
#include "report/profile_text.hpp"

namespace smtpegress::cli {
namespace {

using report::Section;
using report::section_of;
using Lines = std::vector<std::string>;

constexpr std::size_t kMostOfFile = 8 << 20;  // bytes; a record with 10,000 tenants is two million
// Of a section: a report is to be read.
constexpr std::size_t kMostLines = 1000;
constexpr std::size_t kLongestLine = 10'000;  // bytes

std::unexpected<Error> nobody() {
  return usage_error("this host", {}, "no instance is enabled or configured");
}

/// A person's own text, as it stands in the file; what is in it that cannot be shown as it is, escaped.
Result<Lines> lines_of_file(const char* operation, const std::string& path, Symlinks symlinks) {
  const auto text = read_text_file(operation, path, kMostOfFile, symlinks);
  if (!text) {
    return std::unexpected(text.error());
  }
  Lines lines{path + ":"};
  std::ranges::transform(report::lines_of(report::without_descriptions(*text)), std::back_inserter(lines), printable);
  return lines;
}

/// The file, and what is wrong with it.
Section profile_section(const Informants& ask, const Subject& subject) {
  Section section{"profile", "The profile's file"};
  const auto file = ask.files.find(subject.profile);
  if (subject.name.empty() || !file) {
    section.error = subject.name.empty() ? nobody().error().message() : "there is no such profile";
    return section;
  }
  section = section_of(section.id, section.title, lines_of_file("read profile", file->path, Symlinks::kFollow));
  for (const auto& mistake : ask.files.check(subject.profile).mistakes) {
    section.lines.push_back("mistake: " + mistake.error.message());
  }
  return section;
}

std::string state_path(const Informants& ask, const Subject& subject) {
  return fmt::format("{}/{}.json", ask.store.directory(), subject.name);
}

/// The record as it stands, and whether it is believed.
Section state_section(const Informants& ask, const Subject& subject) {
  Section section{"state", "The state file"};
  if (const auto enabled = ask.store.list()) {
    section.lines.push_back("state files: " + (enabled->empty() ? "none" : list_of(*enabled)));
  }
  if (subject.name.empty()) {
    return section;
  }
  if (const auto lines = lines_of_file("read state", state_path(ask, subject), Symlinks::kRefuse)) {
    section.lines.insert(section.lines.end(), lines->begin(), lines->end());
  } else {
    section.error = lines.error().message();
    return section;
  }
  const auto record = ask.store.load(subject.name);
  if (!record) {
    section.error = record.error().message();
  } else if (!*record) {
    section.lines.emplace_back("of an earlier boot: not believed");
  }
  return section;
}

/// What a command prints, or why it cannot.
template <class Report, class Text>
Section command_section(std::string id, std::string title, const Result<Report>& told, Text text) {
  return section_of(std::move(id), std::move(title),
                    told ? Result<Lines>(report::lines_of(text(*told))) : std::unexpected(told.error()));
}

void add_commands(const Informants& ask, const Subject& subject, std::vector<Section>& sections) {
  const auto named = [&](const auto& command) {
    return subject.name.empty() ? decltype(command())(nobody()) : command();
  };
  const auto planned = [&]() -> Result<PlanReport> {
    const auto profile = subject.known_as ? Result<Profile>(*subject.known_as) : ask.files.load(subject.profile, {});
    return profile ? ask.engine.plan(*profile, LegacyScripts::kRefuse) : std::unexpected(profile.error());
  };
  sections.push_back(command_section("plan", "smtp-egress plan, of the profile as it is enabled, else of its file",
                                     named(planned), plan_text));
  sections.push_back(command_section("status", "smtp-egress status",
                                     named([&] { return ask.engine.status(subject.name, subject.known_as); }),
                                     status_text));
  sections.push_back(command_section("verify", "smtp-egress verify, without a probe",
                                     named([&] { return ask.engine.verify(subject.name, subject.known_as); }),
                                     [](const VerifyReport& report) { return verify_text(report, {}); }));
}

/// All that tells what is to be masked.
report::Sources known_to(const Informants& ask, const Subject& subject, const Result<ObservedState>& observed) {
  report::Sources sources{.own_names = ask.own_names};
  if (subject.known_as) {
    sources.profiles.push_back(*subject.known_as);
  }
  if (auto written = ask.files.load(subject.profile, {})) {
    sources.profiles.push_back(*std::move(written));
  }
  if (const auto others = other_instances(ask.store, subject.name)) {
    std::ranges::transform(others->records, std::back_inserter(sources.profiles), &InstanceRecord::profile);
  }
  const auto file = ask.files.find(subject.profile);
  for (const auto& path : {file ? file->path : std::string(), state_path(ask, subject)}) {
    sources.texts.push_back(read_text_file("read", path, kMostOfFile, Symlinks::kRefuse).value_or(""));
  }
  if (observed) {
    sources.own_addresses = observed->addresses;
  }
  return sources;
}

void mask(std::vector<Section>& sections, report::Masker masker) {
  for (auto& section : sections) {
    report::shorten(section.lines, kMostLines);
    for (auto& line : section.lines) {
      line = masker.mask(line);
      report::shorten(line, kLongestLine);
    }
    section.error = masker.mask(section.error);
  }
}

}  // namespace

Result<SupportReport> collect_report(const Informants& ask, Subject subject) {
  const auto observed = ask.kernel.observe();
  if (!observed && observed.error().kind == ErrorKind::kPermission) {
    return std::unexpected(observed.error());
  }
  SupportReport told{std::move(subject), {}};
  auto& sections = told.sections;
  sections.push_back(profile_section(ask, told.subject));
  sections.push_back(state_section(ask, told.subject));
  add_commands(ask, told.subject, sections);
  const auto& known = told.subject.known_as;
  std::ranges::move(report::facts(ask.kernel, observed, {.profile = known ? &*known : nullptr, .now = ask.now}),
                    std::back_inserter(sections));
  mask(sections, report::Masker(report::familiar_with(known_to(ask, told.subject, observed))));
  // Versions, which may look like addresses, tell of nobody.
  sections.insert(sections.begin(),
                  {{"program", "The program", report::program_lines()}, {"host", "The host", report::host_lines()}});
  return told;
}

std::string report_text(const SupportReport& report) {
  auto text = fmt::format(
      "smtp-egress report{}{}\n\n"
      "Keys, Ethernet and public addresses, and names of mail servers, tenants and of this host stand as words in\n"
      "braces here, the same for the same. Read it through before you give it to anybody.\n",
      report.subject.name.empty() ? "" : " of ", report.subject.name);
  for (const auto& section : report.sections) {
    text += fmt::format("\n== {}: {}\n", section.id, section.title);
    for (const auto& line : section.lines) {
      text += line + "\n";
    }
    text += section.error.empty() ? "" : fmt::format("error: {}\n", section.error);
    text += section.lines.empty() && section.error.empty() ? "nothing\n" : "";
  }
  return text;
}

}  // namespace smtpegress::cli
