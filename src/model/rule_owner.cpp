#include "model/rule_owner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "model/docker.hpp"
#include "model/ownership.hpp"

namespace smtpegress {
namespace {

struct Named {
  std::string_view prefix;
  std::string_view owner;
};

// How tables begin. firewalld 0.9 to 2, netavark (Podman), Incus, LXD, libvirt 10, wg-quick(8), systemd-nspawn and
// -networkd, Mullvad, CrowdSec, fail2ban, OpenWrt, kube-proxy, Tailscale, NixOS.
constexpr std::array kTables{
    Named{"firewalld", "firewalld"},
    Named{"netavark", "Podman"},
    Named{"incus", "Incus"},
    Named{"lxd", "LXD"},
    Named{"libvirt", "libvirt"},
    Named{"wg-quick", "wg-quick"},
    Named{"io.systemd.nat", "systemd"},
    Named{"mullvad", "Mullvad"},
    Named{"crowdsec", "CrowdSec"},
    Named{"f2b-", "fail2ban"},
    Named{"fw4", "OpenWrt"},
    Named{"kube-proxy", "Kubernetes"},
    Named{"tailscale", "Tailscale"},
    Named{"nixos-fw", "NixOS"},
    Named{"ts-", "Tailscale"},
    Named{kDockerBridges, "Docker (nftables backend)"},
};
// How chains in iptables' tables begin.
constexpr std::array kChains{
    Named{"DOCKER-USER", "the administrator's, in Docker's chain for others"},
    Named{"DOCKER", "Docker"},
    Named{"ufw-user", "the administrator's, by ufw"},
    Named{"ufw6-user", "the administrator's, by ufw"},
    Named{"ufw", "ufw"},
    Named{"NETAVARK", "Podman"},
    Named{"CNI-", "a container network (CNI)"},
    Named{"LIBVIRT", "libvirt"},
    Named{"ts-", "Tailscale"},
    Named{"f2b-", "fail2ban"},
    Named{"KUBE-", "Kubernetes"},
    Named{"cali-", "Calico"},
    Named{"CROWDSEC", "CrowdSec"},
    Named{"nixos-fw", "NixOS"},
    Named{"FWD", "firewalld"},
    Named{"IN_", "firewalld"},
    Named{"FORWARD_", "firewalld"},
    Named{"INPUT_", "firewalld"},
};

template <std::size_t N>
std::string_view known(const std::array<Named, N>& names, std::string_view name) {
  const auto found = std::ranges::find_if(names, [&](const Named& named) { return name.starts_with(named.prefix); });
  return found == names.end() ? std::string_view() : found->owner;
}

/// `-d CONTAINER ! -i BRIDGE -j DROP` in raw: FACTS 23.
bool is_docker_raw_drop(const nft::ChainKey& chain, const nft::Rule& rule) {
  const bool elsewhere = std::ranges::any_of(rule.matches, [](const nft::Match& match) {
    const auto* interface = std::get_if<nft::MatchInterface>(&match);
    return interface != nullptr && interface->way == nft::Way::kIn && interface->sense == nft::Sense::kIsNot;
  });
  const bool to_one = std::ranges::any_of(rule.matches, [](const nft::Match& match) {
    const auto* address = std::get_if<nft::MatchAddress>(&match);
    return address != nullptr && address->side == nft::Side::kDestination &&
           address->prefix == Prefix::of(address->prefix.address);
  });
  const bool drops =
      !rule.statements.empty() && rule.statements.back() == nft::Statement(nft::Verdict{nft::VerdictCode::kDrop, {}});
  return chain.table.name == "raw" && chain.name == "PREROUTING" && elsewhere && to_one && drops;
}

/// Of iptables' own chains anybody may set the policy. Who has chains in that table is the likeliest.
std::string policy_owner(const nft::Ruleset& ruleset, const nft::ChainKey& chain) {
  std::string_view owner;
  for (const auto& other : ruleset.chains) {
    if (other.key.table != chain.table) {
      continue;
    }
    if (other.key.name.starts_with("ufw")) {
      return "ufw, it seems: its chains are in that table";
    }
    if (owner.empty() && other.key.name.starts_with("DOCKER")) {
      owner = "Docker, it seems: its chains are in that table";
    }
  }
  return owner.empty() ? "others'" : std::string(owner);
}

std::string ours(const nft::Rule* rule) {
  if (rule == nullptr || rule->comment.empty()) {
    return "ours";
  }
  return fmt::format("ours ({})",
                     is_tagged(*rule) ? rule->comment.substr(rule->comment.rfind(':') + 1) : rule->comment);
}

}  // namespace

std::string owner_of(const nft::Ruleset& ruleset, const nft::ChainKey& chain, const nft::Rule* rule) {
  if (is_own_table(chain.table) || (rule != nullptr && is_tagged(*rule))) {
    return ours(rule);
  }
  if (const auto program = known(kTables, chain.table.name); !program.empty()) {
    return std::string(program);
  }
  if (rule != nullptr && is_docker_raw_drop(chain, *rule)) {
    return "Docker's drop of strangers";
  }
  if (const auto program = known(kChains, chain.name); !program.empty()) {
    return std::string(program);
  }
  return rule == nullptr ? policy_owner(ruleset, chain) : "others'";
}

}  // namespace smtpegress
