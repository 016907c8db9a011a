// A kernel in memory: it keeps what the real one keeps, refuses what the real one refuses, records every mutating call,
// and can be told to fail any of them. Tests change `host` directly to play another program.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "smtpegress/kernel.hpp"

namespace smtpegress::test {

/// Everything a command could look at or change.
struct FakeHost {
  ObservedState state;
  nft::Ruleset legacy{};                       ///< iptables-legacy's tables
  std::map<std::string, std::string> sysctls;  ///< by path below /proc/sys
  std::vector<Flow> flows;
  std::map<std::string, WireGuardDevice> wireguards;  ///< by interface
};

/// All that must be the same again after an undo, one line per object. No handles, no generation, no counters.
[[nodiscard]] std::string snapshot(const FakeHost& host);

class FakeKernel final : public Kernel {
 public:
  explicit FakeKernel(FakeHost initial) : host(std::move(initial)) {}

  struct Fault {
    std::size_t call = 0;  ///< which mutating call fails, counted from 1 since construction or forget_calls()
    int errnum = 0;
    bool carried_out = false;  ///< the kernel does it all the same: its answer is what fails
  };

  FakeHost host;
  std::vector<std::string> calls;   ///< every mutating call, a refused one as well: "add route default dev wg0 …"
  std::vector<RouteQuery> queries;  ///< every route lookup that came as far as the policy rules
  std::optional<Fault> fault;
  int wireguard_errnum = 0;                             ///< of each question to a WireGuard; 0: they answer
  int stale_commits = 0;                                ///< so many commits from now on are answered kStale
  int lost_answers = 0;                                 ///< so many from now on are carried out, and the answer is lost
  std::function<void(const std::string&)> before_call;  ///< asked at each mutating call, before it has any effect

  // Of traces: the tables that were made for them, and what the kernel tells, one read after another; then nothing.
  // Time is what was waited for.
  std::vector<nft::Batch> traces;
  std::deque<TraceRead> traced;
  std::chrono::milliseconds clock{0};
  int trace_refusal = 0;  ///< errno

  void forget_calls() { calls.clear(); }

  Result<ObservedState> observe() override;
  Result<std::uint32_t> generation() override { return host.state.ruleset.generation; }
  Result<nft::Ruleset> legacy_tables() override;
  std::vector<std::string> legacy_table_names() override;
  Result<std::string> read_sysctl(const std::string& key) override;
  Result<void> write_sysctl(const std::string& key, const std::string& value) override;
  Result<void> put_link(const LinkSpec& link, const std::optional<LinkSpec>& former) override;
  Result<void> delete_link(const LinkSpec& link) override;
  Result<void> add_route(const Route& route) override;
  Result<void> delete_route(const Route& route) override;
  Result<void> add_rule(const PolicyRule& rule, Duplicates duplicates) override;
  Result<void> delete_rule(const PolicyRule& rule) override;
  Result<void> commit(const nft::Batch& batch, std::uint32_t generation) override;
  Result<std::vector<Flow>> tcp_flows_to(IpFamily family, const std::vector<PortRange>& ports) override;
  Result<void> delete_flow(const Flow& flow) override;
  Result<RouteAnswer> look_up_route(const RouteQuery& query) override;
  Result<WireGuardDevice> wireguard(const IfName& name) override;
  Result<std::unique_ptr<PacketTrace>> trace(const nft::Batch& table) override;

 private:
  /// Records the call; an error where it is the one that shall fail.
  Result<void> begin(const std::string& operation, const std::string& object);
  /// Once it is done; an error where the answer is what shall fail.
  Result<void> answer(const std::string& operation, const std::string& object);
};

}  // namespace smtpegress::test
