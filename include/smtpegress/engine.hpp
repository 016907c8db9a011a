// The commands, as a library: each is a view of desired state, observed state and the plan between them.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "smtpegress/kernel.hpp"
#include "smtpegress/mail_path.hpp"
#include "smtpegress/mail_server.hpp"
#include "smtpegress/plan.hpp"
#include "smtpegress/profile.hpp"
#include "smtpegress/state.hpp"
#include "smtpegress/trace.hpp"

namespace smtpegress {

class DnsResolver;  // dns.hpp
class Prober;       // probe.hpp
class StateStore;

enum class LegacyScripts : std::uint8_t {
  kRefuse,    ///< where the shell scripts' objects stand, say so and change nothing
  kTakeOver,  ///< replace them
};

/// What enable and disable did.
struct ApplyReport {
  Profile profile;
  ResolvedHost host;
  bool was_enabled = false;
  std::vector<Change> changes;   ///< made, in this order
  std::vector<Finding> waiting;  ///< objects that cannot be made yet: mail waits (enable)
  bool needs_a_hand = false;     ///< mail does not flow until a person does what a note says (enable)
  std::vector<std::string> notes;
  std::size_t flows_dropped = 0;
};

struct PlanReport {
  Profile profile;
  Plan plan;
  std::vector<Object> legacy;  ///< the shell scripts' objects; enable refuses because of them unless told to take over
  std::vector<std::string> notes{};  ///< what was found on this host, and what was chosen because of it
};

struct StatusReport {
  Profile profile;
  std::vector<Finding> findings;
  std::vector<std::string> notes;
  std::string problem;  ///< why the profile can no longer be applied to this host; empty: it can
  [[nodiscard]] bool as_it_should_be() const;
};

enum class Outcome : std::uint8_t { kPassed, kFailed, kSkipped };

struct Check {
  std::string id;     ///< stable, for scripts: "handshake", "allowed-ips"
  std::string title;  ///< what was asked
  Outcome outcome = Outcome::kPassed;
  std::string detail;  ///< what was seen
  std::string mend;    ///< of a failed one: what to do
  PathScope where{};   ///< as far as the id does not say it
};

struct VerifyReport {
  Profile profile;
  std::vector<Check> checks;
  std::vector<Hop> path{};  ///< the way out, then the way back, each in the order of travel
  [[nodiscard]] bool passed() const;
};

/// What a trace is to follow, and whom it tells.
struct TraceOptions {
  std::chrono::milliseconds bound{10'000};
  std::size_t packets = 0;  ///< it ends after so many; 0: no limit
  /// Once the kernel traces: from here on no packet is missed. An error ends the trace.
  std::function<Result<void>(const Profile&)> begun;
  /// Where packets are sent for it: whether the last has been. The trace ends when all of them are told of, or when one
  /// went wrong. Empty: it waits for what comes by itself.
  std::function<bool()> sent;
  std::function<bool()> stopped;                     ///< by a person
  std::function<void(const Journey&)> told;          ///< the first packet of each way, as soon as it has ended
  std::function<std::chrono::milliseconds()> clock;  ///< of any beginning
};

struct TraceReport {
  Profile profile;
  std::string table;              ///< that did it, gone by now
  std::vector<Journey> journeys;  ///< one for each way, in the order in which their first packets ended
  bool overrun = false;           ///< packets came faster than they could be followed: some are not told of
  std::vector<std::string> notes;

  [[nodiscard]] std::size_t packets(Journey::Judgement judgement) const;
  /// There was mail, or replies to it, and all of it went the right way.
  [[nodiscard]] bool as_it_should_be() const;
};

/// The subnets of a network of Docker's; asked only for a profile that names one.
using DockerNetworks = std::function<Result<std::vector<Prefix>>(const std::string& network)>;

/// What verify is to try beyond looking at this host.
struct ProbeWish {
  Prober* prober = nullptr;         ///< null: no probe, whatever the profile says
  bool asked = false;               ///< for a probe even where the profile names no server
  std::vector<MailServer> servers;  ///< in place of the profile's; none: those
  std::chrono::milliseconds patience{10'000};
};

/// What verify is to look up of the mail.
struct DnsWish {
  DnsResolver* resolver = nullptr;     ///< null: nothing is looked up, whatever the profile says
  DnsExpectations instead{};           ///< what is named here is in place of the profile's
  std::vector<IpAddress> addresses{};  ///< that the mail comes from; none: those that are known on this host
};

class Engine {
 public:
  /// `now` gives seconds since the epoch, for the age of a handshake.
  Engine(Kernel& kernel, StateStore& store, std::function<std::int64_t()> now, DockerNetworks docker)
      : kernel_(kernel), store_(store), now_(std::move(now)), docker_(std::move(docker)) {}

  /// The whole desired state, or the host as it was: after an error everything made has been taken back (kKernel names
  /// what could not be). kUsage: nothing was touched. Objects whose tunnel is not there yet are in `waiting`.
  Result<ApplyReport> enable(const Profile& profile, LegacyScripts legacy);
  /// What `name`'s enable made goes; sysctls go back where they still hold our value. `fallback` is the profile to go
  /// by where the state file is lost. On an instance that is not enabled: success, no changes.
  Result<ApplyReport> disable(const std::string& name, const std::optional<Profile>& fallback);
  Result<PlanReport> plan(const Profile& profile, LegacyScripts legacy);
  /// Names of the instances whose table stands in the kernel, with or without a state file.
  Result<std::vector<std::string>> standing();
  /// kNotEnabled where neither the state nor the kernel knows the instance.
  Result<StatusReport> status(const std::string& name, const std::optional<Profile>& fallback);
  /// Sends nothing, unless a probe is wished for and a server named: then kUsage where it cannot be held.
  /// The same of what is named for lookups, where they are wished for; that nobody can be asked is a check that fails.
  Result<VerifyReport> verify(const std::string& name, const std::optional<Profile>& fallback,
                              const ProbeWish& wish = {}, const DnsWish& dns = {});
  /// Follows the instance's packets through nf_tables, and changes nothing but for a table of the trace's own, which
  /// goes with it. kNotEnabled as status.
  Result<TraceReport> trace(const std::string& name, const std::optional<Profile>& fallback,
                            const TraceOptions& options);

 private:
  Kernel& kernel_;
  StateStore& store_;
  std::function<std::int64_t()> now_;
  DockerNetworks docker_;
};

}  // namespace smtpegress
