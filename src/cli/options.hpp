// The command line, parsed (CLI11). Nothing here touches the host.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/whole_file.hpp"
#include "smtpegress/engine.hpp"
#include "smtpegress/profile.hpp"

namespace smtpegress::cli {

enum class Command : std::uint8_t {
  kEnable,
  kDisable,
  kStatus,
  kVerify,
  kPlan,
  kProfiles,
  kCheck,
  kInit,
  kPair,
  kTrace,
  kReport
};
enum class Format : std::uint8_t { kText, kJson };
enum class Verbosity : std::uint8_t { kQuiet, kNormal, kVerbose };

/// What init and pair take beside an instance.
struct SetupOptions {
  std::string side;                    ///< of init: "home" or "vps"
  std::string from_home;               ///< of init: home's descriptor, a file or "-"; empty: none
  std::string with;                    ///< of pair: the other end's, likewise
  std::optional<std::string> wg_conf;  ///< absent: /etc/wireguard/TUNNEL.conf
  bool yes = false;                    ///< never ask
  bool print = false;                  ///< the profile goes to stdout
  bool force = false;                  ///< a profile that is there is replaced
};

/// What verify takes beside an instance.
struct ProbeOptions {
  bool asked = false;
  std::vector<MailServer> servers;  ///< none: the profile's
  std::chrono::milliseconds patience{10'000};
};

/// The same of what is looked up.
struct DnsOptions {
  bool asked = false;
  DnsExpectations instead;             ///< of the profile's
  std::vector<IpAddress> addresses;    ///< none: those that are known here
  std::vector<std::string> resolvers;  ///< none: the host's own
  std::string trust_anchor;            ///< empty: Debian's
  std::chrono::milliseconds patience{10'000};
};

/// What trace takes beside an instance.
struct FollowOptions {
  unsigned seconds = 10;
  unsigned packets = 0;  ///< 0: no limit
  bool probe = false;    ///< a packet of its own is sent
  std::string to;        ///< and where to: ADDRESS or ADDRESS:PORT
};

/// What report takes beside an instance.
struct ReportOptions {
  std::string output;  ///< a file, or "-"; empty: standard output
  Existing existing = Existing::kRefuse;
};

struct Options {
  Command command = Command::kStatus;
  std::string command_name;
  std::string instance;            ///< empty: not given
  std::vector<std::string> files;  ///< check's names and paths; empty: all that are configured
  ProfileOverrides overrides;
  LegacyScripts legacy = LegacyScripts::kRefuse;
  Format format = Format::kText;
  Verbosity verbosity = Verbosity::kNormal;
  bool ascii = false;  ///< of verify: no other characters
  std::string state_dir;
  SetupOptions setup;
  ProbeOptions probe;
  DnsOptions dns;
  FollowOptions follow;
  ReportOptions report;
};

/// The options, or the exit code where there is nothing to do: 0 after --help and --version, 2 on a usage error (told
/// on stderr).
[[nodiscard]] std::variant<Options, int> parse_options(int argc, const char* const* argv);

}  // namespace smtpegress::cli
