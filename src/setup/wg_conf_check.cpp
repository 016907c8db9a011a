#include <fmt/format.h>

#include <algorithm>

#include "model/covered.hpp"
#include "net/contains.hpp"
#include "net/list_of.hpp"
#include "setup/mail_peer.hpp"
#include "setup/wg_conf.hpp"
#include "setup/wg_hooks.hpp"

namespace smtpegress::setup {
namespace {

const WgConfPeer* peer_of(const WgConf& conf, const WgConfWants& wants) {
  return mail_peer(conf.peers, wants.peer_key, wants.through);
}

bool lets_everything_through(const WgConf& conf) {
  return std::ranges::any_of(conf.peers, [](const WgConfPeer& peer) {
    return std::ranges::any_of(kBothFamilies,
                               [&](IpFamily family) { return covered(Prefix::everything(family), peer.allowed_ips); });
  });
}

bool is_on(const std::string& keepalive) {
  return !keepalive.empty() && keepalive != "off" && keepalive != "0";
}

class Checking {
 public:
  Checking(const WgConf& conf, const WgConfWants& wants) : conf_(conf), wants_(wants) {}

  std::vector<WgConfMistake> all() && {
    if (conf_.peers.empty()) {
      add("has no [Peer]: there is nobody at the other end", "[Peer] with the other end's PublicKey and AllowedIPs");
    }
    if (!wants_.peer_key.empty() && !conf_.peers.empty() &&
        !contains(conf_.peers, wants_.peer_key, &WgConfPeer::public_key)) {
      add("no [Peer] has the other end's key", "PublicKey = " + wants_.peer_key);
    }
    check_table();
    check_allowed_ips();
    if (wants_.side == Side::kHome) {
      check_way_to_vps();
    } else if (conf_.listen_port.empty()) {
      add("ListenPort is missing: the port would be another each time, and home could not find it",
          "[Interface] ListenPort = 51820");
    }
    check_hooks();
    if (conf_.save_config) {
      add("SaveConfig = true: what you change here is overwritten when the tunnel goes down",
          "[Interface] SaveConfig = false, or wg-quick down before you change the file");
    }
    for (const auto line : conf_.odd_lines) {
      add(fmt::format("line {} is no setting", line), "KEY = VALUE below [Interface] or [Peer]; `man wg-quick`");
    }
    return std::move(mistakes_);
  }

 private:
  void add(std::string what, std::string mend) {
    mistakes_.push_back({.what = std::move(what), .mend = std::move(mend)});
  }

  void check_table() {
    if (conf_.table == "off" || (wants_.side == Side::kVps && !lets_everything_through(conf_))) {
      return;
    }
    add(conf_.table.empty() || conf_.table == "auto"
            ? "Table = off is missing: wg-quick would make the tunnel this host's default route"
            : "Table names a routing table: wg-quick would put a default route there, and none is needed",
        wants_.side == Side::kHome ? "[Interface] Table = off"
                                   : "AllowedIPs without 0.0.0.0/0 and ::/0, or [Interface] Table = off");
  }

  void check_allowed_ips() {
    const auto* peer = peer_of(conf_, wants_);
    if (peer == nullptr) {
      if (!conf_.peers.empty()) {
        add(fmt::format("no peer's AllowedIPs have {}", list_of(wants_.through)),
            fmt::format("AllowedIPs = …, {} in the [Peer] that is the mail's other end", list_of(wants_.through)));
      }
      return;
    }
    const auto [missing, whole] = allowed_ips_for(wants_.through, peer->allowed_ips);
    if (!missing.empty()) {
      add(fmt::format("the AllowedIPs of the [Peer] in line {} have no {}", peer->line, list_of(missing)),
          fmt::format("AllowedIPs = {}", list_of(whole)));
    }
  }

  void check_way_to_vps() {
    const auto* peer = peer_of(conf_, wants_);
    if (peer == nullptr) {
      return;
    }
    if (!peer->has_endpoint) {
      add(fmt::format("the [Peer] in line {} has no Endpoint: home has to begin, the VPS cannot", peer->line),
          "Endpoint = ADDRESS-OF-THE-VPS:51820");
    }
    if (!is_on(peer->keepalive)) {
      add(fmt::format("the [Peer] in line {} has no PersistentKeepalive: the router at home forgets an idle tunnel",
                      peer->line),
          "PersistentKeepalive = 25");
    }
  }

  /// Hooks may be of other programs and other instances; of those that enable one, one has to enable this one. Without
  /// a name it is the only one there is.
  void check_hooks() {
    std::vector<std::string> enabled;
    for (const auto& hook : conf_.hooks) {
      const auto more = enabled_by(hook, wants_.tunnel);
      enabled.insert(enabled.end(), more.begin(), more.end());
    }
    const auto is_this = [&](const std::string& word) {
      return word.empty() || instance_name(word) == wants_.instance;
    };
    if (!enabled.empty() && std::ranges::none_of(enabled, is_this)) {
      add(fmt::format("PostUp enables another instance than {}", wants_.instance),
          fmt::format("PostUp = smtp-egress enable {} --tunnel %i", wants_.instance));
    }
  }

  const WgConf& conf_;
  const WgConfWants& wants_;
  std::vector<WgConfMistake> mistakes_;
};

}  // namespace

std::vector<WgConfMistake> check_wg_conf(const WgConf& conf, const WgConfWants& wants) {
  return Checking(conf, wants).all();
}

}  // namespace smtpegress::setup
