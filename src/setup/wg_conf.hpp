// A wg-quick configuration (wg-quick(8), wg(8)) as far as mail depends on it. Keys are passed over: none is kept but
// the peers' public ones.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "smtpegress/net_types.hpp"
#include "smtpegress/profile.hpp"

namespace smtpegress::setup {

struct WgConfPeer {
  std::string public_key;
  std::vector<Prefix> allowed_ips;  ///< host bits cleared, as the kernel does; what is no network is left out
  bool has_endpoint = false;
  std::string keepalive;  ///< as written; empty: absent
  std::size_t line = 0;   ///< of its [Peer], from 1
};

struct WgConf {
  std::string table;        ///< as written; empty: absent
  std::string listen_port;  ///< as written; empty: absent
  bool save_config = false;
  std::vector<std::string> hooks;  ///< PreUp, PostUp, PreDown and PostDown: their commands, in order
  std::vector<WgConfPeer> peers;
  std::vector<std::size_t> odd_lines;  ///< numbers of those that are no setting, from 1
};

/// Never fails: what cannot be read is passed over, a setting that stands twice counts by its last, and of lists the
/// items add up, as wg-quick has it.
[[nodiscard]] WgConf parse_wg_conf(std::string_view text);

/// What the mail needs of a tunnel's configuration at one end.
struct WgConfWants {
  Side side = Side::kHome;
  std::string tunnel;           ///< the interface
  std::string instance;         ///< that hooks should name
  std::string peer_key;         ///< public, of the other end; empty: not known
  std::vector<Prefix> through;  ///< what a peer's AllowedIPs have to cover: all of a family (home), the sources (VPS)
};

struct WgConfMistake {
  std::string what;
  std::string mend;
};

/// Each mistake in the file, with its mend; none: the mail passes as far as this file goes.
[[nodiscard]] std::vector<WgConfMistake> check_wg_conf(const WgConf& conf, const WgConfWants& wants);

}  // namespace smtpegress::setup
