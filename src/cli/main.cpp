// smtp-egress: parses the command line, runs one command of the engine, prints its report.
#include <malloc.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <ranges>

#include "cli/options.hpp"
#include "cli/output.hpp"
#include "cli/privileges.hpp"
#include "cli/profile_files.hpp"
#include "cli/profiles_command.hpp"
#include "cli/setup_commands.hpp"
#include "cli/support_report.hpp"
#include "cli/trace_command.hpp"
#include "cli/verify_command.hpp"
#include "docker/networks.hpp"
#include "engine/exposed.hpp"
#include "engine/state_store.hpp"
#include "net/contains.hpp"
#include "net/list_of.hpp"
#include "report/host.hpp"

namespace smtpegress::cli {
namespace {

constexpr int kNotAsItShouldBe = 1;  // exit code

std::int64_t seconds_since_epoch() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Result<std::vector<Prefix>> networks_of_docker(const std::string& network) {
  const auto socket = docker::socket_path(std::getenv("DOCKER_HOST"));
  return socket ? docker::subnets_of(*socket, network) : std::unexpected(socket.error());
}

void print(const Options& options, const std::string& text) {
  if (options.format == Format::kJson || options.verbosity != Verbosity::kQuiet) {
    std::fputs(text.c_str(), stdout);
  }
}

/// One run of the program.
class Run {
 public:
  explicit Run(const Options& options)
      : options_(options),
        kernel_(make_linux_kernel()),
        store_(options.state_dir),
        engine_(*kernel_, store_, seconds_since_epoch, networks_of_docker) {}

  Result<int> command() {
    switch (options_.command) {
      case Command::kEnable:
        return enable();
      case Command::kPlan:
        return plan();
      case Command::kDisable:
        return disable();
      case Command::kStatus:
        return status();
      case Command::kVerify:
        return verify();
      case Command::kProfiles:
        return profiles();
      case Command::kCheck:
        return check();
      case Command::kInit:
        return run_init(options_, files_, *kernel_, networks_of_docker);
      case Command::kPair:
        return run_pair(options_, files_, store_, *kernel_, networks_of_docker);
      case Command::kTrace:
        return trace();
      case Command::kReport:
        return report();
    }
    return 0;
  }

 private:
  Result<int> enable() {
    return with_profile([&](const Profile& profile) -> Result<int> {
      const auto report = engine_.enable(profile, options_.legacy);
      if (!report) {
        return std::unexpected(report.error());
      }
      const int code = report->waiting.empty() && !report->needs_a_hand ? 0 : kNotAsItShouldBe;
      print(options_, options_.format == Format::kJson ? apply_json(options_, *report, code)
                                                       : enable_text(*report, options_.verbosity));
      return code;
    });
  }

  Result<int> plan() {
    return with_profile([&](const Profile& profile) -> Result<int> {
      const auto report = engine_.plan(profile, options_.legacy);
      if (!report) {
        return std::unexpected(report.error());
      }
      print(options_, options_.format == Format::kJson ? plan_json(options_, *report, 0) : plan_text(*report));
      return 0;
    });
  }

  Result<int> disable() {
    if (options_.instance.empty()) {
      const auto enabled = store_.list();
      if (!enabled) {
        return std::unexpected(enabled.error());
      }
      if (enabled->empty() && !files_.only_configured()) {
        return nothing_to_disable();
      }
    }
    return with_enabled([&](const std::string& name, const std::optional<Profile>& fallback) -> Result<int> {
      const auto report = engine_.disable(name, fallback);
      if (!report) {
        return std::unexpected(report.error());
      }
      print(options_, options_.format == Format::kJson ? apply_json(options_, *report, 0)
                                                       : disable_text(*report, options_.verbosity));
      return 0;
    });
  }

  /// As it should be already, unless only the state is lost: then the kernel knows the names.
  Result<int> nothing_to_disable() {
    const auto standing = engine_.standing();
    if (!standing) {
      return std::unexpected(standing.error());
    }
    if (!standing->empty()) {
      return usage_error(
          options_.command_name, {},
          "the state file is gone, but the kernel still holds what enable made; name it: " + list_of(*standing));
    }
    print(options_, options_.format == Format::kJson ? nothing_enabled_json(options_) : nothing_enabled_text());
    return 0;
  }

  Result<int> status() {
    return with_enabled([&](const std::string& name, const std::optional<Profile>& fallback) -> Result<int> {
      const auto report = engine_.status(name, fallback);
      if (!report) {
        return std::unexpected(report.error());
      }
      const int code = report->as_it_should_be() ? 0 : kNotAsItShouldBe;
      print(options_, options_.format == Format::kJson ? status_json(options_, *report, code) : status_text(*report));
      return code;
    });
  }

  Result<int> verify() {
    return with_enabled([&](const std::string& name, const std::optional<Profile>& fallback) -> Result<int> {
      const auto report = run_verify(options_, engine_, route_lookup(), name, fallback);
      if (!report) {
        return std::unexpected(report.error());
      }
      const int code = report->passed() ? 0 : kNotAsItShouldBe;
      print(options_, options_.format == Format::kJson ? verify_json(options_, *report, code)
                                                       : verify_text(*report, drawing_here(options_.ascii)));
      return code;
    });
  }

  probe::RouteLookup route_lookup() {
    return [this](const RouteQuery& query) { return kernel_->look_up_route(query); };
  }

  Result<int> trace() {
    return with_enabled([&](const std::string& name, const std::optional<Profile>& fallback) {
      return run_trace(options_, engine_, name, fallback,
                       {.way = route_lookup(), .is_exposed = [&](const IpAddress& from) {
                          return is_exposed(*kernel_, store_, networks_of_docker, name, fallback, from);
                        }});
    });
  }

  /// Also where nothing is enabled or configured, or where that cannot be found out: it may be what is asked about.
  Result<int> report() {
    const Informants ask{engine_, *kernel_, store_, files_, observe_parts, seconds_since_epoch(), report::own_names()};
    const auto here = options_.instance.empty() ? instances_here() : std::vector{options_.instance};
    if (!here || here->empty()) {
      return run_report(options_, ask, {.problem = here ? std::nullopt : std::optional(here.error())});
    }
    auto asked = named_instance();
    if (!asked && options_.instance.empty() && here->size() == 1) {
      asked = Named{.name = here->front(), .fallback = {}};  // a state file of an earlier boot, and nothing else
    }
    if (!asked) {
      return std::unexpected(asked.error());
    }
    const auto& profile = options_.instance.empty() ? asked->name : options_.instance;
    return run_report(options_, ask, {asked->name, profile, asked->fallback, {}});
  }

  /// Of files as well, but for what is enabled: who may not look at that is told the rest all the same.
  Result<int> profiles() {
    const auto enabled = store_.list();
    if (!enabled && enabled.error().kind != ErrorKind::kPermission) {
      return std::unexpected(enabled.error());
    }
    const auto lines = profile_lines(files_, enabled);
    print(options_, options_.format == Format::kJson ? profiles_json(options_, lines) : profiles_text(lines));
    if (!enabled) {
      std::fprintf(stderr, "smtp-egress: which of them are enabled is not known: %s\n",
                   enabled.error().message().c_str());
    }
    return 0;
  }

  /// Of files alone: neither the kernel nor the state is asked.
  Result<int> check() {
    auto names = options_.files;
    if (names.empty()) {
      auto configured = files_.configured();
      if (!configured) {
        return std::unexpected(configured.error());
      }
      names = *std::move(configured);
    }
    std::vector<CheckedFile> files;
    std::ranges::transform(names, std::back_inserter(files), [&](const auto& name) { return files_.check(name); });
    const bool all_good = std::ranges::all_of(files, [](const auto& file) { return file.mistakes.empty(); });
    const int code = all_good ? 0 : exit_code_of(ErrorKind::kUsage);
    const auto text =
        options_.format == Format::kJson ? check_json(options_, files, code) : check_text(files, options_.verbosity);
    std::fputs(text.c_str(), stdout);
    return code;
  }

  template <class Use>
  Result<int> with_profile(Use use) {
    auto instance = options_.instance;
    if (instance.empty()) {
      const auto only = files_.only_configured();
      if (!only) {
        return usage_error(options_.command_name, {}, "name an INSTANCE; `smtp-egress profiles` lists those there are");
      }
      instance = *only;
    }
    const auto profile = files_.load(instance, options_.overrides);
    if (!profile) {
      return std::unexpected(profile.error());
    }
    return use(*profile);
  }

  struct Named {
    std::string name;
    std::optional<Profile> fallback;  ///< as it is enabled, else as its file says, should its state be lost
  };

  template <class Use>
  Result<int> with_enabled(Use use) {
    const auto named = named_instance();
    return named ? use(named->name, named->fallback) : Result<int>(std::unexpected(named.error()));
  }

  Result<Named> named_instance() {
    auto instance = options_.instance;
    if (instance.empty()) {
      auto only = only_enabled();
      if (!only) {
        return std::unexpected(only.error());
      }
      instance = *std::move(only);
    }
    const auto name = check_instance_name(instance_name(instance));
    if (!name) {
      return std::unexpected(name.error());
    }
    const auto record = store_.load(*name);
    if (record && *record) {
      return Named{.name = *name, .fallback = (*record)->profile};  // another run may take the record away meanwhile
    }
    auto profile = files_.load(instance, {});
    if (!profile && !files_.find(instance) && record && !stands(*name)) {
      return std::unexpected(profile.error());
    }
    return Named{.name = *name, .fallback = profile ? std::optional(*std::move(profile)) : std::nullopt};
  }

  /// In the kernel, whether a state file tells of it or not.
  bool stands(const std::string& name) {
    const auto names = engine_.standing();
    return names && contains(*names, name);
  }

  /// By the state files; where there are none, the only one configured, or those that stand in the kernel.
  Result<std::vector<std::string>> instances_here() {
    auto enabled = store_.list();
    if (enabled && enabled->empty()) {
      const auto configured = files_.only_configured();
      return configured ? std::vector{*configured} : engine_.standing();
    }
    return enabled;
  }

  Result<std::string> only_enabled() {
    const auto enabled = instances_here();
    if (!enabled) {
      return std::unexpected(enabled.error());
    }
    if (enabled->empty()) {
      return std::unexpected(Error{.kind = ErrorKind::kNotEnabled,
                                   .operation = options_.command_name,
                                   .object = "",
                                   .errnum = 0,
                                   .kernel_text = {},
                                   .hint = "nothing is enabled on this host"});
    }
    if (enabled->size() > 1) {
      return usage_error(options_.command_name, {}, "several instances are enabled, name one: " + list_of(*enabled));
    }
    return enabled->front();
  }

  const Options& options_;
  std::unique_ptr<Kernel> kernel_;
  StateStore store_;
  Engine engine_;
  ProfileFiles files_;
};

/// What a command whose report is lost has done all the same; empty: it changes nothing.
std::string done_all_the_same(const Options& options) {
  if (options.command == Command::kEnable || options.command == Command::kDisable) {
    return "the command itself was done; `smtp-egress status` shows it";
  }
  const bool writes = options.command == Command::kInit && !options.setup.print;
  return writes ? "the profile itself was written; `smtp-egress profiles` lists it" : "";
}

/// What was to be read could not be written: a full disk, say.
int told(const Options& options, int code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) {
    return code;
  }
  const int errnum = errno;
  const auto done = done_all_the_same(options);
  const auto error = system_error("write to", "standard output", errnum, {}, done);
  std::fprintf(stderr, "smtp-egress: %s\n", error.error().message().c_str());
  return done.empty() ? exit_code_of(ErrorKind::kUsage) : code;
}

int run(const Options& options) {
  const auto result = [&]() -> Result<int> {
    if (auto kept = keep_only_net_admin(rights_for(options)); !kept) {
      return std::unexpected(kept.error());
    }
    return Run(options).command();
  }();
  if (result) {
    return told(options, *result);
  }
  const auto& error = result.error();
  const int code = exit_code_of(error.kind);
  std::fprintf(stderr, "smtp-egress: %s\n", error.message().c_str());
  if (options.format == Format::kJson) {
    std::fputs(error_json(options, error, code).c_str(), stdout);
  }
  return code;
}

}  // namespace
}  // namespace smtpegress::cli

int main(int argc, char** argv) {
  // A run lasts two milliseconds and needs a few hundred KiB: one growth of the heap, and none of it given back before
  // the end. Each exchange's buffer would else be unmapped and faulted in again.
  constexpr int kHeap = 1 << 20;  // bytes
  ::mallopt(M_TOP_PAD, kHeap);
  ::mallopt(M_TRIM_THRESHOLD, 2 * kHeap);
  try {
    const auto options = smtpegress::cli::parse_options(argc, argv);
    if (const auto* code = std::get_if<int>(&options)) {
      return *code;
    }
    return smtpegress::cli::run(std::get<smtpegress::cli::Options>(options));
  } catch (const std::exception& bug) {
    std::fprintf(stderr, "smtp-egress: internal error: %s; please report it\n", bug.what());
    return smtpegress::exit_code_of(smtpegress::ErrorKind::kKernel);
  }
}
