// A probe that sees what it is told to see.
#pragma once

#include <functional>
#include <vector>

#include "smtpegress/engine.hpp"
#include "smtpegress/probe.hpp"
#include "support/hosts.hpp"

namespace smtpegress::test {

inline constexpr std::string_view kContainer = "192.168.203.10";
inline constexpr std::string_view kServer = "192.0.2.25";
inline constexpr std::string_view kFarEnd = "198.51.100.1";  // the tunnel's far end, as the fake home's peer has it

/// Sees what it is told to see, and keeps what it was asked.
class FakeProber final : public Prober {
 public:
  explicit FakeProber(std::function<void(ProbeReport&)> fault = [](ProbeReport&) {}) : fault_(std::move(fault)) {}

  std::vector<ProbeRequest> requests;

  ProbeReport probe(const ProbeRequest& request) override {
    requests.push_back(request);
    ProbeReport report;
    for (std::size_t i = 0; i < request.senders.size(); ++i) {
      for (std::size_t server = 0; server < request.servers.size(); ++server) {
        report.sightings.push_back(all_well(request, i, server));
      }
    }
    report.before = {10, 20};
    report.after = {30, 50};
    fault_(report);
    return report;
  }

 private:
  static ProbeSighting all_well(const ProbeRequest& request, std::size_t sender, std::size_t server) {
    const bool contained = request.senders[sender].source.has_value();
    ProbeSighting seen;
    seen.sender = sender;
    seen.server = server;
    seen.step = ProbeStep::kDone;
    seen.manner = contained ? ProbeManner::kNamespace : ProbeManner::kHost;
    seen.address = address(kServer);
    seen.sent_from = contained ? address(kContainer) : request.senders[sender].bound;
    seen.banner = {220, {"mx.example.org ESMTP"}};
    seen.ehlo = {250, {"mx.example.org"}};
    seen.told = {};
    seen.segment = 1380;
    seen.path_mtu = 1420;
    seen.large_write = 1632;
    seen.large_arrived = true;
    return seen;
  }

  std::function<void(ProbeReport&)> fault_;
};

inline ProbeWish wish(Prober& prober, std::vector<MailServer> servers = {{std::string(kServer), {}}}) {
  return {.prober = &prober, .asked = true, .servers = std::move(servers), .patience = std::chrono::seconds(3)};
}

}  // namespace smtpegress::test
