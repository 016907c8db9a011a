#include "setup/pair.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "model/families.hpp"
#include "net/contains.hpp"
#include "net/list_of.hpp"
#include "setup/mail_peer.hpp"

namespace smtpegress::setup {
namespace {

template <class Item>
std::vector<Item> not_among(const std::vector<Item>& items, const std::vector<Item>& others) {
  std::vector<Item> missing;
  std::ranges::copy_if(items, std::back_inserter(missing), [&](const Item& item) { return !contains(others, item); });
  return missing;
}

bool has_peer_with(const Descriptor& end, const std::string& key) {
  return contains(end.peers, key, &DescribedPeer::public_key);
}

class Comparison {
 public:
  Comparison(const Descriptor& home, const Descriptor& vps) : home_(home), vps_(vps) {}

  std::vector<Check> all() && {
    check_sources();
    check_ports();
    check_keys("home-peer", "home's peer is the VPS", home_, vps_);
    check_keys("vps-peer", "the VPS's peer is home", vps_, home_);
    check_allowed_ips();
    check_mtu();
    check_addresses();
    check_public_address();
    return std::move(checks_);
  }

 private:
  void add(const char* id, std::string title, Outcome outcome, std::string detail, std::string mend = {}) {
    checks_.push_back({.id = id,
                       .title = std::move(title),
                       .outcome = outcome,
                       .detail = std::move(detail),
                       .mend = std::move(mend)});
  }
  void judge(const char* id, std::string title, bool good, std::string detail, std::string mend) {
    add(id, std::move(title), good ? Outcome::kPassed : Outcome::kFailed, std::move(detail),
        good ? std::string() : std::move(mend));
  }

  void check_sources() {
    if (home_.mail_from.empty()) {  // with nat: masquerade, while its tunnel is down
      judge("sources", "both ends name the same sources", false,
            fmt::format("home's mail has no address yet: its tunnel {} has none", home_.tunnel),
            fmt::format("at home: bring {0} up (wg-quick up {0}), and let `smtp-egress pair` look anew", home_.tunnel));
      return;
    }
    const auto missing = not_among(home_.mail_from, vps_.sources);
    const auto too_many = not_among(vps_.sources, home_.mail_from);
    std::string detail = list_of(home_.mail_from);
    if (!missing.empty() || !too_many.empty()) {
      detail = fmt::format("home sends from {}, the VPS takes {}", detail.empty() ? "nowhere" : detail,
                           list_of(vps_.sources));
    }
    judge(
        "sources", "both ends name the same sources", missing.empty() && too_many.empty(), std::move(detail),
        fmt::format("at the VPS: \"sources\": [\"{}\"] in {}'s profile, then `smtp-egress enable {}`; or `smtp-egress "
                    "init vps --from-home - --force` with home's descriptor",
                    list_of(home_.mail_from, "\", \""), vps_.instance, vps_.instance));
  }

  void check_ports() {
    judge("ports", "both ends name the same ports", home_.ports == vps_.ports,
          home_.ports == vps_.ports ? "tcp/" + list_of(home_.ports)
                                    : fmt::format("home has {}, the VPS {}", list_of(home_.ports), list_of(vps_.ports)),
          fmt::format("\"ports\" the same in {}'s profile at home and {}'s at the VPS, then enable both anew",
                      home_.instance, vps_.instance));
  }

  void check_keys(const char* id, const char* title, const Descriptor& one, const Descriptor& other) {
    const char* const here = one.side == Side::kHome ? "home" : "the VPS";
    const char* const there = one.side == Side::kHome ? "the VPS" : "home";
    if (one.mtu == 0) {
      add(id, title, Outcome::kSkipped, fmt::format("{} has no interface {}", here, one.tunnel));
      return;
    }
    if (!is_wireguard(one) || other.public_key.empty()) {
      add(id, title, Outcome::kSkipped,
          !is_wireguard(one) ? fmt::format("{} on {} tells of no peers: is it WireGuard?", one.tunnel, here)
                             : fmt::format("{} on {} tells no key: is it WireGuard?", other.tunnel, there));
      return;
    }
    judge(id, title, has_peer_with(one, other.public_key), fmt::format("{}'s key is {}", there, other.public_key),
          fmt::format("in {}.conf at {}: PublicKey = {} in the mail's [Peer]; then wg-quick down and up", one.tunnel,
                      one.side == Side::kHome ? "home" : "the VPS", other.public_key));
  }

  void check_allowed_ips_of(const char* id, const Descriptor& end, const Descriptor& other,
                            const std::vector<Prefix>& through) {
    const char* const where = end.side == Side::kHome ? "home" : "the VPS";
    const auto title =
        fmt::format("AllowedIPs at {} let {} through", where, through.empty() ? "the mail" : list_of(through));
    if (!is_wireguard(end)) {
      add(id, title, Outcome::kSkipped, fmt::format("{} there is no WireGuard interface", end.tunnel));
      return;
    }
    if (through.empty()) {
      add(id, title, Outcome::kSkipped, "home's mail has no address yet");
      return;
    }
    const auto [peer, missing, line] = judge_peer(end, other.public_key, through);
    judge(id, title, missing.empty(),
          peer == nullptr ? std::string("no peer is known to be the other end, by its key or by what it may send")
                          : fmt::format("it has {}", peer->allowed_ips.empty() ? "none" : list_of(peer->allowed_ips)),
          fmt::format("in {}.conf at {}: {}{}; then wg-quick down and up", end.tunnel, where, line,
                      end.side == Side::kHome ? ", and Table = off" : ""));
  }

  void check_allowed_ips() {
    check_allowed_ips_of("home-allowed-ips", home_, vps_, everything_for(home_.mail_from));
    check_allowed_ips_of("vps-allowed-ips", vps_, home_, home_.mail_from);
  }

  void check_mtu() {
    const auto title = "the tunnel's MTU fits at both ends";
    if (home_.mtu == 0 || vps_.mtu == 0) {
      add("mtu", title, Outcome::kSkipped, "the tunnel is not there at one end");
      return;
    }
    auto detail = home_.mtu == vps_.mtu ? fmt::format("{}", home_.mtu)
                                        : fmt::format("home has {}, the VPS {}", home_.mtu, vps_.mtu);
    if (home_.mtu > vps_.mtu) {
      detail += ": the VPS clamps the mail's segments to the smaller";
    }
    judge(
        "mtu", title, home_.mtu >= vps_.mtu, std::move(detail),
        fmt::format("in {}.conf at the VPS: [Interface] MTU = {}; then wg-quick down and up", vps_.tunnel, home_.mtu));
  }

  void check_addresses() {
    std::vector<IpAddress> both;
    std::ranges::copy_if(home_.tunnel_addresses, std::back_inserter(both),
                         [&](const IpAddress& address) { return contains(vps_.tunnel_addresses, address); });
    judge("tunnel-addresses", "each end has an address of its own in the tunnel", both.empty(),
          both.empty()
              ? fmt::format("home {}, the VPS {}", list_of(home_.tunnel_addresses), list_of(vps_.tunnel_addresses))
              : fmt::format("both have {}", list_of(both)),
          "another Address = … in [Interface] at one end; then wg-quick down and up");
  }

  void check_public_address() {
    for (const auto family : families_in(home_.mail_from)) {
      const auto& traits = traits_of(family);
      const auto& address = vps_.public_ip[family];
      judge(family == IpFamily::kV4 ? "public-address" : "public-address6",
            fmt::format("the mail's public {} address is known", traits.name), address.has_value(),
            address ? address->to_string() : "the VPS has only a private one, which its provider maps to a public one",
            fmt::format("at the VPS: \"{}\": \"ADDRESS\" in {}'s profile, then `smtp-egress enable {}`",
                        traits.public_key, vps_.instance, vps_.instance));
    }
  }

  const Descriptor& home_;
  const Descriptor& vps_;
  std::vector<Check> checks_;
};

}  // namespace

std::vector<Check> compare_ends(const Descriptor& home, const Descriptor& vps) {
  return Comparison(home, vps).all();
}

}  // namespace smtpegress::setup
