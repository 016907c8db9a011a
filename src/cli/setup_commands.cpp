#include "cli/setup_commands.hpp"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "cli/output.hpp"
#include "cli/questions.hpp"
#include "docker/inventory.hpp"
#include "engine/named_sources.hpp"
#include "net/contains.hpp"
#include "net/file.hpp"
#include "setup/advice.hpp"
#include "setup/look.hpp"
#include "setup/mail_peer.hpp"
#include "setup/pair.hpp"

namespace smtpegress::cli {
namespace {

constexpr const char* kStandardInput = "-";
constexpr std::size_t kLongestConf = 1 << 20;  // bytes; a wg0.conf is some thousand

/// Up to its end, or to more than a descriptor has. Not by /dev/stdin, which cannot be opened where it is a socket, as
/// ssh has it.
Result<std::string> read_standard_input() {
  std::string text;
  std::array<char, 4096> part{};
  while (text.size() <= setup::kLongestDescriptor) {
    const ssize_t size = ::read(STDIN_FILENO, part.data(), part.size());
    if (size < 0) {
      const int error = errno;
      return system_error("read descriptor", "standard input", error);
    }
    if (size == 0) {
      break;
    }
    text.append(part.data(), static_cast<std::size_t>(size));
  }
  return text;
}

/// Of a file that was named: that it cannot be read is no fault of the kernel's.
Error unreadable(Error error) {
  error.kind = error.kind == ErrorKind::kKernel ? ErrorKind::kUsage : error.kind;
  return error;
}

/// A descriptor out of a file, or of standard input up to its end.
Result<setup::Descriptor> descriptor_from(const std::string& file) {
  const bool is_input = file == kStandardInput;
  auto text = is_input ? read_standard_input()
                       : read_text_file("read descriptor", file, setup::kLongestDescriptor, Symlinks::kFollow);
  if (!text) {
    return std::unexpected(unreadable(text.error()));
  }
  return setup::parse_descriptor(is_input ? "standard input" : file, *text);
}

/// Tells everything but what the command is for.
void tell(const Options& options, std::FILE* stream, const std::string& text) {
  if (options.verbosity != Verbosity::kQuiet) {
    std::fputs(text.c_str(), stream);
  }
}

class Init {
 public:
  Init(const Options& options, const ProfileFiles& files, Kernel& kernel, const DockerNetworks& docker)
      : options_(options), files_(files), kernel_(kernel), docker_(docker) {}

  Result<int> run() {
    if (auto wished = read_wishes(); !wished) {
      return std::unexpected(wished.error());
    }
    auto finds = setup::look(kernel_, neighbours());
    if (!finds) {
      return std::unexpected(finds.error());
    }
    auto proposal = settle(*finds);
    if (!proposal) {
      return std::unexpected(proposal.error());
    }
    report_.proposal = *std::move(proposal);
    report_.path = files_.path_of(report_.proposal.profile.name);
    for (const auto part : {&Init::refuse_existing, &Init::advise, &Init::write}) {
      if (auto done = (this->*part)(*finds); !done) {
        return std::unexpected(done.error());
      }
    }
    tell_all();
    return 0;
  }

 private:
  Result<void> read_wishes() {
    const auto& given = options_.setup;
    wishes_.side = given.side == "vps" ? Side::kVps : Side::kHome;
    wishes_.overrides = options_.overrides;
    if (!options_.instance.empty()) {
      auto name = check_instance_name(options_.instance);
      if (!name) {
        return std::unexpected(name.error());
      }
      wishes_.name = *std::move(name);
    }
    if (given.from_home.empty()) {
      return {};
    }
    if (wishes_.side == Side::kHome) {
      return usage_error("init home", "--from-home", "is for the VPS: `smtp-egress init vps --from-home FILE`");
    }
    auto home = descriptor_from(given.from_home);
    if (!home) {
      return std::unexpected(home.error());
    }
    if (home->side != Side::kHome) {
      return usage_error("init vps", given.from_home, "is a VPS's descriptor; let `smtp-egress pair` print home's");
    }
    wishes_.from_home = *std::move(home);
    return {};
  }

  /// Docker is asked only at home, and not where the sources are given.
  [[nodiscard]] setup::Neighbours neighbours() const {
    setup::Neighbours neighbours;
    neighbours.has_user = [](const char* name) { return ::getpwnam(name) != nullptr; };
    const auto& settings = options_.overrides.settings;
    if (wishes_.side == Side::kHome && !contains(settings, "sources", &std::pair<std::string, std::string>::first)) {
      neighbours.docker = []() -> Result<std::optional<docker::Inventory>> {
        const auto socket = docker::socket_path(std::getenv("DOCKER_HOST"));
        return socket ? docker::inventory(*socket) : std::unexpected(socket.error());
      };
    }
    return neighbours;
  }

  /// Somebody has to read the question, too: it goes to standard error.
  [[nodiscard]] bool may_ask() const {
    return !options_.setup.yes && options_.format == Format::kText && options_.setup.from_home != kStandardInput &&
           ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1;
  }

  Result<setup::Proposal> settle(const setup::Finds& finds) {
    for (;;) {
      auto step = setup::propose(finds, wishes_);
      if (!step) {
        return std::unexpected(step.error());
      }
      if (auto* proposal = std::get_if<setup::Proposal>(&*step)) {
        return std::move(*proposal);
      }
      const auto& question = std::get<setup::Question>(*step);
      if (!may_ask()) {
        return std::unexpected(setup::unanswered(question));
      }
      const auto answer = ask(question, stdin, stderr);
      if (!answer) {
        return std::unexpected(answer.error());
      }
      setup::take_answer(wishes_, question, *answer);
    }
  }

  Result<void> refuse_existing(const setup::Finds& /*unused*/) {
    std::error_code error;
    const bool stands = std::filesystem::exists(std::filesystem::symlink_status(report_.path, error));
    return stands && !options_.setup.force && !options_.setup.print
               ? usage_error("write profile", report_.path,
                             "is there already; --force replaces it, or give another NAME")
               : Result<void>();
  }

  /// Holds the profile against the host as enable would, and looks at the tunnel.
  Result<void> advise(const setup::Finds& finds) {
    auto resolved = resolve_named_sources(kernel_, docker_, report_.proposal.profile);
    if (!resolved) {
      return std::unexpected(resolved.error());
    }
    auto host = resolve_host(*resolved, finds.observed);
    if (!host) {
      return std::unexpected(host.error());
    }
    host->docker = finds.backend;
    const auto notes = setup::firewall_notes(*resolved, *host, finds.observed);
    auto& told = report_.proposal.notes;
    told.insert(told.end(), notes.begin(), notes.end());
    const auto* const device = finds.wireguard(resolved->tunnel);
    const auto end = setup::describe_end(*resolved, *host, finds.observed,
                                         device != nullptr ? std::optional(*device) : std::nullopt);
    report_.wireguard = setup::advise(end, home_addresses(end));
    const auto wants = setup::wants_of(end, home_key());
    report_.mistakes = setup::check_running(end, wants);
    return check_conf(end, wants);
  }

  /// Public; empty: not known.
  [[nodiscard]] std::string home_key() const { return wishes_.from_home ? wishes_.from_home->public_key : ""; }

  [[nodiscard]] std::vector<Prefix> home_addresses(const setup::Descriptor& end) const {
    std::vector<Prefix> addresses;
    const auto& known = end.side == Side::kHome ? end.tunnel_addresses
                        : wishes_.from_home     ? wishes_.from_home->tunnel_addresses
                                                : std::vector<IpAddress>();
    std::ranges::transform(known, std::back_inserter(addresses), Prefix::of);
    const auto* peer = setup::mail_peer(end.peers, home_key(), end.mail_from);
    if (known.empty() && peer != nullptr) {  // what the peer may send from beside the sources
      std::ranges::copy_if(peer->allowed_ips, std::back_inserter(addresses), [&](const Prefix& network) {
        return !network.is_internet() && !contains(end.mail_from, network);
      });
    }
    return addresses;
  }

  Result<void> check_conf(const setup::Descriptor& end, const setup::WgConfWants& wants) {
    const auto& given = options_.setup.wg_conf;
    const auto path = given.value_or(fmt::format("/etc/wireguard/{}.conf", end.tunnel));
    const auto text = read_text_file("read tunnel's configuration", path, kLongestConf, Symlinks::kFollow);
    if (!text && given) {
      auto error = unreadable(text.error());
      error.hint = "name the file that wg-quick reads with --wg-conf, or leave that out";
      return std::unexpected(std::move(error));
    }
    if (!text) {
      if (text.error().errnum != ENOENT) {
        report_.proposal.notes.push_back(fmt::format("{} was not looked at: {}", path, text.error().message()));
      }
      return {};
    }
    report_.conf = path;
    const auto mistakes = setup::check_wg_conf(setup::parse_wg_conf(*text), wants);
    for (const auto& [what, mend] : mistakes) {
      report_.mistakes.push_back({.what = fmt::format("{}: {}", path, what), .mend = mend});
    }
    return {};
  }

  Result<void> write(const setup::Finds& /*unused*/) {
    if (options_.setup.print) {
      return {};
    }
    report_.written = true;
    return files_.write(report_.proposal.profile.name, report_.proposal.text,
                        options_.setup.force ? Existing::kReplace : Existing::kRefuse);
  }

  void tell_all() const {
    if (options_.format == Format::kJson) {
      std::fputs(init_json(options_, report_, 0).c_str(), stdout);
      return;
    }
    tell(options_, options_.setup.print ? stderr : stdout, init_text(report_));
    if (options_.setup.print) {
      std::fputs(report_.proposal.text.c_str(), stdout);
    }
  }

  const Options& options_;
  const ProfileFiles& files_;
  Kernel& kernel_;
  const DockerNetworks& docker_;
  setup::Wishes wishes_;
  InitReport report_;
};

/// The one enabled, else the one configured.
Result<std::string> only_instance(const ProfileFiles& files, const StateStore& store) {
  const auto enabled = store.list();
  if (!enabled) {
    return std::unexpected(enabled.error());
  }
  if (enabled->size() == 1) {
    return enabled->front();
  }
  const auto configured = files.only_configured();
  if (enabled->empty() && configured) {
    return *configured;
  }
  return usage_error("pair", {}, "name an INSTANCE; `smtp-egress profiles` lists those there are");
}

/// As it is enabled; else as it is written, the sources' names asked now.
Result<Profile> profile_of(const std::string& instance, const ProfileFiles& files, const StateStore& store,
                           Kernel& kernel, const DockerNetworks& docker) {
  auto name = check_instance_name(instance_name(instance));
  if (!name) {
    return std::unexpected(name.error());
  }
  auto record = store.load(*name);
  if (!record) {
    return std::unexpected(record.error());
  }
  if (*record) {
    return (*record)->profile;
  }
  const auto profile = files.load(instance, {});
  return profile ? resolve_named_sources(kernel, docker, *profile) : std::unexpected(profile.error());
}

/// Precondition: `report.there`.
Result<void> compare(const std::string& file, PairReport& report) {
  if (report.there->side == report.here.side) {
    return usage_error("pair", file,
                       fmt::format("is a descriptor of this side too ({}); let `smtp-egress pair` print it at the "
                                   "other end",
                                   report.there->instance));
  }
  const bool is_home = report.here.side == Side::kHome;
  report.checks = setup::compare_ends(is_home ? report.here : *report.there, is_home ? *report.there : report.here);
  return {};
}

}  // namespace

Result<int> run_init(const Options& options, const ProfileFiles& files, Kernel& kernel, const DockerNetworks& docker) {
  return Init(options, files, kernel, docker).run();
}

Result<int> run_pair(const Options& options, const ProfileFiles& files, const StateStore& store, Kernel& kernel,
                     const DockerNetworks& docker) {
  PairReport report{.here = {}, .there = {}, .checks = {}};
  if (const auto& file = options.setup.with; !file.empty()) {
    auto there = descriptor_from(file);
    if (!there) {
      return std::unexpected(there.error());
    }
    report.there = *std::move(there);
  }
  const auto instance = options.instance.empty() ? only_instance(files, store) : Result<std::string>(options.instance);
  if (!instance) {
    return std::unexpected(instance.error());
  }
  const auto profile = profile_of(*instance, files, store, kernel, docker);
  if (!profile) {
    return std::unexpected(profile.error());
  }
  if (!profile->tenants.empty()) {
    return usage_error("pair", *instance,
                       "has tenants, and a descriptor tells of one home; `smtp-egress verify` here names each tenant "
                       "whose tunnel, AllowedIPs or way back do not fit");
  }
  auto here = setup::look_at_end(kernel, *profile);
  if (!here) {
    return std::unexpected(here.error());
  }
  report.here = *std::move(here);
  if (auto compared = report.there ? compare(options.setup.with, report) : Result<void>(); !compared) {
    return std::unexpected(compared.error());
  }
  const int code = contains(report.checks, Outcome::kFailed, &Check::outcome) ? 1 : 0;
  if (options.format == Format::kJson) {
    std::fputs(pair_json(options, report, code).c_str(), stdout);
  } else if (!report.there || options.verbosity != Verbosity::kQuiet) {
    std::fputs(pair_text(report).c_str(), stdout);
  }
  return code;
}

}  // namespace smtpegress::cli
