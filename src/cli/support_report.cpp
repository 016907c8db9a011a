#include "cli/support_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "cli/output.hpp"
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

std::unexpected<Error> nobody(const Subject& subject) {
  return subject.problem ? std::unexpected(*subject.problem)
                         : usage_error("this host", {}, "no instance is enabled or configured");
}

/// A file that is shown. It is read once: what is shown is what is searched for names.
struct ShownFile {
  std::string path;
  Result<std::string> text;
};

ShownFile shown(const char* operation, const std::string& path, Symlinks symlinks) {
  return {path, read_text_file(operation, path, kMostOfFile, symlinks)};
}

/// The profile's is where a person says, by a link as well; the state's is written by this program, and never one.
struct ShownFiles {
  std::optional<ShownFile> profile;  ///< absent: there is no such profile
  ShownFile state;
};

ShownFiles read_files(const Informants& ask, const Subject& subject) {
  const auto profile = ask.files.find(subject.profile);
  return {profile ? std::optional(shown("read profile", profile->path, Symlinks::kFollow)) : std::nullopt,
          shown("read state", fmt::format("{}/{}.json", ask.store.directory(), subject.name), Symlinks::kRefuse)};
}

/// A person's own text, as it stands in the file.
Result<Lines> lines_of_file(const ShownFile& file) {
  if (!file.text) {
    return std::unexpected(file.text.error());
  }
  Lines lines{file.path + ":"};
  const auto plain = report::with_plain_letters(*file.text);  // a key may be written as escapes, too
  std::ranges::move(report::lines_of(report::without_descriptions(plain)), std::back_inserter(lines));
  return lines;
}

/// The file, and what is wrong with it.
Section profile_section(const Informants& ask, const Subject& subject, const ShownFiles& files) {
  Section section{"profile", "The profile's file"};
  if (subject.name.empty() || !files.profile) {
    section.error = subject.name.empty() ? nobody(subject).error().message() : "there is no such profile";
    return section;
  }
  section = section_of(section.id, section.title, lines_of_file(*files.profile));
  for (const auto& mistake : ask.files.check(subject.profile).mistakes) {
    section.lines.push_back("mistake: " + mistake.error.message());
  }
  return section;
}

/// The record as it stands, and whether it is believed.
Section state_section(const Informants& ask, const Subject& subject, const ShownFiles& files) {
  Section section{"state", "The state file"};
  if (const auto enabled = ask.store.list()) {
    section.lines.push_back("state files: " + (enabled->empty() ? "none" : list_of(*enabled)));
  } else {
    section.lines.push_back("state files: " + enabled.error().message());
  }
  if (subject.name.empty()) {
    section.error = subject.problem ? subject.problem->message() : "";
    return section;
  }
  if (const auto lines = lines_of_file(files.state)) {
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

/// The profile as the plan has it, which knows the networks of sources that are named; absent: there is no plan.
std::optional<Profile> add_commands(const Informants& ask, const Subject& subject, std::vector<Section>& sections) {
  const auto named = [&](const auto& command) {
    return subject.name.empty() ? decltype(command())(nobody(subject)) : command();
  };
  const auto planned = [&]() -> Result<PlanReport> {
    const auto profile = subject.known_as ? Result<Profile>(*subject.known_as) : ask.files.load(subject.profile, {});
    return profile ? ask.engine.plan(*profile, LegacyScripts::kRefuse) : std::unexpected(profile.error());
  };
  const auto plan = named(planned);
  sections.push_back(
      command_section("plan", "smtp-egress plan, of the profile as it is enabled, else of its file", plan, plan_text));
  sections.push_back(command_section("status", "smtp-egress status",
                                     named([&] { return ask.engine.status(subject.name, subject.known_as); }),
                                     status_text));
  sections.push_back(command_section("verify", "smtp-egress verify, without a probe",
                                     named([&] { return ask.engine.verify(subject.name, subject.known_as); }),
                                     [](const VerifyReport& report) { return verify_text(report, {}); }));
  return plan ? std::optional(plan->profile) : std::nullopt;
}

/// All that tells what is to be masked.
report::Sources known_to(const Informants& ask, const Subject& subject, const ShownFiles& files,
                         const ObservedState& observed) {
  report::Sources sources{.own_names = ask.own_names, .own_addresses = observed.addresses, .kept = {subject.name}};
  if (subject.known_as) {
    sources.profiles.push_back(*subject.known_as);
  }
  if (auto written = ask.files.load(subject.profile, {})) {
    sources.profiles.push_back(*std::move(written));
  }
  for (const auto& name : ask.store.list().value_or(std::vector<std::string>{})) {
    if (const auto record = ask.store.load(name); record && *record) {
      sources.profiles.push_back((*record)->profile);
      std::ranges::copy((*record)->former, std::back_inserter(sources.profiles));
    }
    sources.kept.push_back(name);
  }
  for (const auto& file : ask.files.list()) {
    sources.kept.push_back(file.name);
  }
  for (const auto& link : observed.links) {
    sources.kept.push_back(link.name.str());
  }
  if (files.profile) {
    sources.texts.push_back(files.profile->text.value_or(""));
  }
  sources.texts.push_back(files.state.text.value_or(""));
  return sources;
}

/// Texts of others cannot act on a terminal, nor make a line two. A command that is told may have escapes as well:
/// --set 'tenants=[{"name": "\u0061lice"}]'.
void mask(std::vector<Section>& sections, report::Masker masker) {
  const auto masked = [&](const std::string& text) { return masker.mask(report::with_plain_letters(printable(text))); };
  for (auto& section : sections) {
    report::shorten(section.lines, kMostLines);
    for (auto& line : section.lines) {
      line = masked(line);
      report::shorten(line, kLongestLine);
    }
    section.error = masked(section.error);
  }
}

}  // namespace

Result<SupportReport> collect_report(const Informants& ask, Subject subject) {
  const auto observed = ask.observe();
  if (const auto* error = observed.first_error(); error != nullptr && error->kind == ErrorKind::kPermission) {
    return std::unexpected(*error);
  }
  SupportReport told{std::move(subject), {}};
  const auto files = read_files(ask, told.subject);
  auto& sections = told.sections;
  sections.push_back(profile_section(ask, told.subject, files));
  sections.push_back(state_section(ask, told.subject, files));
  const auto planned = add_commands(ask, told.subject, sections);
  const auto& known = told.subject.known_as;
  std::ranges::move(report::facts(ask.kernel, observed, {.profile = known ? &*known : nullptr, .now = ask.now}),
                    std::back_inserter(sections));
  auto sources = known_to(ask, told.subject, files, observed.state);
  if (planned) {
    sources.profiles.push_back(*planned);
  }
  mask(sections, report::Masker(report::familiar_with(sources)));
  // Versions, which may look like addresses, tell of nobody.
  sections.insert(sections.begin(),
                  {{"program", "The program", report::program_lines()}, {"host", "The host", report::host_lines()}});
  return told;
}

std::string report_text(const SupportReport& report) {
  auto text = fmt::format(
      "smtp-egress report{}{}\n\n"
      "Keys, Ethernet and public addresses, and names of mail servers, domains, blocklists, tenants and of this host\n"
      "stand as words in braces here, the same for the same. Read it through before you give it to anybody.\n",
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
