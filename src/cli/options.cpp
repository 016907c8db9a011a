#include "cli/options.hpp"

#include "cli/output.hpp"
#include "dns/resolv_conf.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>

namespace smtpegress::cli {
namespace {

constexpr int kUsage = 2;  // exit code
constexpr std::string_view kDefaultStateDir = "/run/smtp-egress";

/// The options that change a profile, as given.
struct ProfileFlags {
  std::optional<std::string> tunnel;  ///< an empty one was given, and is refused by its key
  std::vector<std::string> subnets;
  std::vector<std::string> docker_networks;
  std::optional<std::string> wan;
  std::optional<std::string> public_ip;
  std::optional<std::string> public_ip6;
  std::vector<std::string> settings;
};

struct Row {
  Command command;
  const char* name;
  const char* help;
};
constexpr const char* kHelpFlag = "-h,--help";
constexpr const char* kHelpText = "Print this help message and exit";
constexpr std::string_view kCommandNames =
    "enable, disable, status, verify, plan, profiles, check, init, pair, trace, report";
constexpr std::array kCommands{
    Row{Command::kEnable, "enable", "Send the mail stack's tcp/25 through the tunnel, and never another way"},
    Row{Command::kDisable, "disable", "Take back exactly what enable made"},
    Row{Command::kStatus, "status", "Show each object as the kernel holds it"},
    Row{Command::kVerify, "verify", "Check the whole path on this host; name the cause and the mend of what fails"},
    Row{Command::kPlan, "plan", "Show what enable would do and why; change nothing"},
    Row{Command::kProfiles, "profiles", "List the profiles there are"},
    Row{Command::kCheck, "check", "Tell all that is wrong with profiles; needs no root and changes nothing"},
    Row{Command::kInit, "init", "Look at this host and write its profile; ask only what cannot be known"},
    Row{Command::kPair, "pair", "Print what the other end has to know, or check this end against it"},
    Row{Command::kTrace, "trace",
        "Follow the mail's packets through nf_tables, live; tell which rule decided, and whose"},
    Row{Command::kReport, "report", "Write one text for a bug report: all of the above, keys and addresses masked"},
};

/// One that may be given several times, with one value each time: the INSTANCE may come behind.
CLI::Option* add_repeatable(CLI::App& command, const char* name, std::vector<std::string>& values, const char* help,
                            const char* type) {
  return command.add_option(name, values, help)->type_name(type)->allow_extra_args(false);
}

void add_profile_flags(CLI::App& command, ProfileFlags& flags) {
  command.add_option("--tunnel", flags.tunnel, "The tunnel's interface")->type_name("IF");
  add_repeatable(command, "--subnet", flags.subnets, "A network of the mail stack; may be given several times", "CIDR");
  add_repeatable(command, "--docker-network", flags.docker_networks,
                 "Home: the same by its name in Docker; may be given several times", "NAME");
  command.add_option("--wan", flags.wan, "VPS: the interface that leads to the internet")->type_name("IF");
  command.add_option("--public-ip", flags.public_ip, "VPS: the address that the mail shall come from")
      ->type_name("ADDR");
  command.add_option("--public-ip6", flags.public_ip6, "VPS: the same for mail over IPv6")->type_name("ADDR");
  add_repeatable(command, "--set", flags.settings, "Any key of the profile; may be given several times", "KEY=VALUE");
}

void add_init_options(CLI::App& command, Options& options) {
  auto& setup = options.setup;
  command.add_option("SIDE", setup.side, "home: where the mail stack runs; vps: whose address the mail gets")
      ->required()
      ->check(CLI::IsMember({"home", "vps"}));
  command.add_option("NAME", options.instance,
                     "The instance's name; default: after the mail stack, such as mailu-home");
  command.add_option("--from-home", setup.from_home, "VPS: what `smtp-egress pair` printed at home; -: standard input")
      ->type_name("FILE");
  command.add_option("--wg-conf", setup.wg_conf, "The tunnel's configuration; default /etc/wireguard/TUNNEL.conf")
      ->type_name("FILE");
  command.add_flag("-y,--yes", setup.yes, "Never ask; refuse where there is a choice");
  command.add_flag("--print", setup.print, "Print the profile instead of writing it");
  command.add_flag("--force", setup.force, "Replace a profile of that name");
}

/// As given: the servers are read when all is known to be there.
struct ProbeFlags {
  std::vector<std::string> servers;
  double seconds = 10;
  CLI::Option* option = nullptr;
};

void add_probe_options(CLI::App& command, ProbeFlags& flags) {
  flags.option = command
                     .add_option("--probe", flags.servers,
                                 "Talk SMTP to mail servers, as the mail stack would; none named: the profile's")
                     ->type_name("HOST[:PORT]")
                     ->expected(0, -1);
  constexpr double kLongest = 600;  // s
  command.add_option("--probe-timeout", flags.seconds, "What the whole probe may take")
      ->type_name("SECONDS")
      ->check(CLI::Range(1.0, kLongest))
      ->capture_default_str();
}

Result<void> read_probe_options(const ProbeFlags& flags, ProbeOptions& probe) {
  probe.asked = flags.option != nullptr && flags.option->count() != 0;
  constexpr double kMilliseconds = 1000;
  probe.patience = std::chrono::milliseconds(static_cast<std::int64_t>(flags.seconds * kMilliseconds));
  for (const auto& text : flags.servers) {
    if (text.empty()) {
      continue;  // --probe alone
    }
    auto server = MailServer::parse(text);
    if (!server) {
      return std::unexpected(server.error());
    }
    probe.servers.push_back(*std::move(server));
  }
  return {};
}

/// As given, likewise.
struct DnsFlags {
  std::vector<std::string> addresses;
  std::string mail_name;
  std::vector<std::string> mail_domains;
  std::vector<std::string> blocklists;
  std::vector<std::string> resolvers;
  std::string trust_anchor;
  double seconds = 10;
};

void add_dns_options(CLI::App& command, DnsOptions& dns, DnsFlags& flags) {
  auto* asked = command.add_flag("--dns", dns.asked, "Look up what the DNS says of the mail's address and domains");
  const auto add = [&](const char* name, auto& value, const char* help, const char* type) {
    return command.add_option(name, value, help)->type_name(type)->needs(asked);
  };
  const auto repeatable = [&](const char* name, auto& values, const char* help, const char* type) {
    add_repeatable(command, name, values, help, type)->needs(asked);
  };
  repeatable("--address", flags.addresses, "A public address that the mail comes from; default: as this host knows it",
             "ADDR");
  add("--mail-name", flags.mail_name, "As what the mail server says EHLO; default: the profile's mail_name", "NAME");
  repeatable("--mail-domain", flags.mail_domains, "Whose mail it is; default: the profile's mail_domains", "DOMAIN");
  repeatable("--blocklist", flags.blocklists, "Lists to look the address up in; default: the profile's blocklists",
             "ZONE");
  repeatable("--resolver", flags.resolvers, "Whom to ask; default: /etc/resolv.conf's", "ADDRESS[@PORT]");
  add("--trust-anchor", flags.trust_anchor, "DS or DNSKEY records to begin at; default: Debian's root.key", "FILE");
  constexpr double kLongest = 600;  // s
  add("--dns-timeout", flags.seconds, "What all lookups may take", "SECONDS")
      ->check(CLI::Range(1.0, kLongest))
      ->capture_default_str();
}

Result<void> read_dns_options(const DnsFlags& flags, DnsOptions& dns) {
  constexpr double kMilliseconds = 1000;
  dns.patience = std::chrono::milliseconds(static_cast<std::int64_t>(flags.seconds * kMilliseconds));
  dns.trust_anchor = flags.trust_anchor;
  if (!flags.mail_name.empty()) {
    auto name = DnsName::parse_full(flags.mail_name);
    if (!name) {
      return usage_error("--mail-name", name.error().object, name.error().hint);
    }
    dns.instead.mail_name = *std::move(name);
  }
  const auto read = [](const char* option, const std::vector<std::string>& texts, auto parse,
                       auto& values) -> Result<void> {
    for (const auto& text : texts) {
      auto value = parse(text);
      if (!value) {
        return usage_error(option, value.error().object, value.error().hint);
      }
      values.push_back(*std::move(value));
    }
    return {};
  };
  auto done = read("--address", flags.addresses, IpAddress::parse, dns.addresses);
  done = done ? read("--mail-domain", flags.mail_domains, DnsName::parse_full, dns.instead.mail_domains) : done;
  done = done ? read("--blocklist", flags.blocklists, DnsName::parse_full, dns.instead.blocklists) : done;
  return done ? read("--resolver", flags.resolvers, dns::parse_resolver, dns.resolvers) : done;
}

void add_trace_options(CLI::App& command, FollowOptions& follow) {
  constexpr unsigned kMostSeconds = 3600;
  auto* probe =
      command.add_flag("--probe", follow.probe, "Home: knock from the mail stack's network, instead of waiting");
  command.add_option("--to", follow.to, "Whom to knock at, with --probe; default port: the profile's first")
      ->type_name("ADDR[:PORT]")
      ->needs(probe);
  command.add_option("--seconds", follow.seconds, "How long, at most")
      ->check(CLI::Range(1U, kMostSeconds))
      ->capture_default_str();
  command.add_option("--packets", follow.packets, "End after so many packets");
}

void add_report_options(CLI::App& command, ReportOptions& report) {
  auto* output = command.add_option("-o,--output", report.output, "A new file; -: standard output, the default");
  output->type_name("FILE")->check(
      [](const std::string& file) { return file.empty() ? std::string("names no file") : std::string(); });
  command
      .add_flag_callback(
          "--force", [&report] { report.existing = Existing::kReplace; }, "Replace a file of that name")
      ->needs(output);
}

/// Empty where a `--set` is not KEY=VALUE.
std::optional<ProfileOverrides> overrides_of(const ProfileFlags& flags) {
  ProfileOverrides overrides;
  const auto add = [&](const char* key, const std::optional<std::string>& value) {
    if (value) {
      overrides.settings.emplace_back(key, *value);
    }
  };
  add("tunnel", flags.tunnel);
  nlohmann::json sources(flags.subnets);
  for (const auto& network : flags.docker_networks) {
    sources.push_back({{"docker_network", network}});
  }
  if (!sources.empty()) {
    overrides.settings.emplace_back("sources", sources.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  add("wan", flags.wan);
  add("public_ip", flags.public_ip);
  add("public_ip6", flags.public_ip6);
  for (const auto& setting : flags.settings) {
    const auto equals = setting.find('=');
    if (equals == std::string::npos || equals == 0) {
      return std::nullopt;
    }
    overrides.settings.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
  }
  return overrides;
}

std::string default_state_dir() {
  const char* from_environment = std::getenv("SMTP_EGRESS_STATE_DIR");
  return from_environment != nullptr && *from_environment != '\0' ? from_environment : std::string(kDefaultStateDir);
}

int usage(const Options& options, const std::string& message, bool as_json) {
  if (as_json) {
    std::fputs(error_json(options, usage_error({}, {}, message).error(), kUsage).c_str(), stdout);
  }
  std::fprintf(stderr, "smtp-egress: %s; `smtp-egress --help` shows the usage\n", message.c_str());
  return kUsage;
}

}  // namespace

std::variant<Options, int> parse_options(int argc, const char* const* argv) {
  Options options;
  options.state_dir = default_state_dir();
  ProfileFlags flags;
  ProbeFlags probe_flags;
  DnsFlags dns_flags;
  bool json = false;
  bool quiet = false;
  bool verbose = false;
  bool take_over = false;

  CLI::App app{"Sends a home mail stack's tcp/25 through a tunnel and out by a VPS's address, and by no other way."};
  app.name("smtp-egress");
  app.set_version_flag("--version", SMTP_EGRESS_VERSION);
  app.require_subcommand(0, 1);  // that there is one is checked below, in plainer words
  app.fallthrough();             // global options may follow the command
  app.add_flag("--json", json, "Print one JSON document on stdout; messages go to stderr");
  auto* quiet_flag = app.add_flag("-q,--quiet", quiet, "Print errors only");
  app.add_flag("-v,--verbose", verbose, "Print every change")->excludes(quiet_flag);
  app.add_option("--state-dir", options.state_dir, "Where what was enabled is kept (also SMTP_EGRESS_STATE_DIR)")
      ->type_name("DIR")
      ->capture_default_str();
  app.footer(
      "INSTANCE is the name of /etc/smtp-egress/NAME.json, else of a shipped profile, or a path to a profile.\n"
      "Exit codes: 0 done, or as it should be; 1 not as it should be; 2 usage or profile wrong, nothing touched;\n"
      "3 not enabled (status, verify, trace); 4 not permitted; 5 the kernel refused, everything rolled back.");
  app.set_help_flag();  // subcommands are made with a copy of what there is, at a cost; see below
  for (const auto& row : kCommands) {
    auto* command = app.add_subcommand(row.name, row.help);
    // Its options are added when the command is met: building those of all costs a fifth of a whole run.
    command->preparse_callback([&, command](std::size_t) {
      options.command = row.command;
      options.command_name = row.name;
      command->set_help_flag(kHelpFlag, kHelpText);
      if (row.command == Command::kCheck) {
        command->add_option("INSTANCE|FILE", options.files, "Profiles by name or path; none: all of /etc/smtp-egress");
      } else if (row.command == Command::kInit) {
        add_init_options(*command, options);
      } else if (row.command != Command::kProfiles) {
        command->add_option("INSTANCE", options.instance,
                            "One side of one mail stack; may be left out where there is only one");
      }
      if (row.command == Command::kVerify) {
        add_probe_options(*command, probe_flags);
        command->add_flag("--ascii", options.ascii, "Draw the mail's path in ASCII, whatever the locale");
        add_dns_options(*command, options.dns, dns_flags);
      }
      if (row.command == Command::kTrace) {
        add_trace_options(*command, options.follow);
      }
      if (row.command == Command::kReport) {
        add_report_options(*command, options.report);
      }
      if (row.command == Command::kPair) {
        command->add_option("--with", options.setup.with, "The other end's descriptor; -: standard input")
            ->type_name("FILE");
      }
      if (row.command == Command::kEnable || row.command == Command::kPlan || row.command == Command::kInit) {
        add_profile_flags(*command, flags);
      }
      if (row.command == Command::kEnable || row.command == Command::kPlan) {
        command->add_flag("--take-over", take_over, "Replace the objects of the old shell scripts, without a gap");
      }
    });
  }

  app.set_help_flag(kHelpFlag, kHelpText);

  // A document is owed also where the words make no sense, so this one is looked for by hand.
  const bool as_json =
      std::any_of(argv, argv + argc, [](const char* arg) { return std::string_view(arg) == "--json"; });
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {  // --help, --version
    return app.exit(done);
  } catch (const CLI::ParseError& error) {
    const auto unknown = app.remaining();
    const auto word = std::ranges::find_if(unknown, [](const auto& text) { return !text.starts_with('-'); });
    const bool is_unknown_command = app.get_subcommands().empty() && word != unknown.end();
    return usage(options,
                 is_unknown_command ? fmt::format("there is no command '{}'; there are {}", *word, kCommandNames)
                                    : std::string(error.what()),
                 as_json);
  }
  if (options.command_name.empty()) {
    return usage(options, fmt::format("name a command: {}", kCommandNames), as_json);
  }
  if (options.follow.probe && options.follow.to.empty()) {
    return usage(options, "--probe takes --to ADDRESS, a mail server's: nobody is knocked at unasked", as_json);
  }
  auto overrides = overrides_of(flags);
  if (!overrides) {
    return usage(options, "--set takes KEY=VALUE, such as --set table=200", as_json);
  }
  if (auto read = read_probe_options(probe_flags, options.probe); !read) {
    return usage(options, "--probe " + read.error().message(), as_json);
  }
  if (auto read = read_dns_options(dns_flags, options.dns); !read) {
    return usage(options, read.error().message(), as_json);
  }
  options.overrides = *std::move(overrides);
  options.legacy = take_over ? LegacyScripts::kTakeOver : LegacyScripts::kRefuse;
  options.format = json ? Format::kJson : Format::kText;
  options.verbosity = quiet ? Verbosity::kQuiet : verbose ? Verbosity::kVerbose : Verbosity::kNormal;
  return options;
}

}  // namespace smtpegress::cli
