#include "model/families.hpp"
#include "model/lower.hpp"
#include "model/ownership.hpp"
#include "model/rules.hpp"
#include "model/sysctl_keys.hpp"
#include "model/tenants.hpp"

namespace smtpegress {
namespace {

using namespace rules;

/// The flow and its replies get the mark that the forward firewall's one tagged rule admits, and nothing else does. The
/// mark is set after routing and steers nothing here.
void add_admission(const Profile& profile, const IfName& wan, const Prefix& source, const PortRange& ports,
                   std::vector<nft::Rule>& rules) {
  const nft::SetMark mark{profile.mark};
  rules.push_back(
      rule({in(profile.tunnel), out(wan), like(source), from(source), tcp(), to_port(ports)}, mark, "admit flow"));
  rules.push_back(rule({in(wan), out(profile.tunnel), like(source), to(source), tcp(), from_port(ports),
                        state(nft::kCtEstablished), reply()},
                       mark, "admit replies"));
}

/// Both ends of the connection learn a segment size that fits the tunnel.
void add_mss_clamp(const Profile& profile, const Prefix& source, const PortRange& ports,
                   std::vector<nft::Rule>& rules) {
  const auto syn = flags(kSyn | kRst, kSyn);
  rules.push_back(
      rule({in(profile.tunnel), like(source), from(source), tcp(), to_port(ports), syn}, nft::ClampMss{}, "mss clamp"));
  rules.push_back(rule({out(profile.tunnel), like(source), to(source), tcp(), from_port(ports), syn}, nft::ClampMss{},
                       "mss clamp"));
}

}  // namespace

void lower_vps(const Profile& profile, const ResolvedHost& host, DesiredState& desired) {
  if (!profile.tenants.empty()) {
    lower_tenants(profile, host, desired);
    return;
  }
  const auto table = own_table_key(profile.name);
  OwnChain forward{
      {table, "forward"}, {nft::ChainType::kFilter, nft::Hook::kForward, kManglePriority, nft::Policy::kAccept}, {}};
  OwnChain snat{{table, "public-address"},
                {nft::ChainType::kNat, nft::Hook::kPostrouting, kBeforeSnatPriority, nft::Policy::kAccept},
                {}};
  for (const auto& source : profile.sources) {
    for (const auto& ports : profile.ports) {
      add_admission(profile, host.wan, source, ports, forward.rules);
      add_mss_clamp(profile, source, ports, forward.rules);
      snat.rules.push_back(rule({out(host.wan), like(source), from(source), tcp(), to_port(ports)},
                                nft::Snat{host.snat_to[source.address.family]}, "snat"));
    }
    forward.rules.push_back(rule({in(host.wan), out(profile.tunnel), like(source), to(source),
                                  protocol(traits_of(source.address.family).path_errors), state(nft::kCtRelated)},
                                 nft::SetMark{profile.mark}, "admit path errors"));
  }
  desired.chains = {std::move(forward), std::move(snat)};
  add_forwarding(profile, host, desired.sysctls);
}

}  // namespace smtpegress
