#include "netlink/nft_dump.hpp"

// libc's structures before linux/*, see nft_layout.hpp.
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "netlink/attribute_view.hpp"
#include "netlink/exchange.hpp"
#include "netlink/nft_codec.hpp"
#include "netlink/nft_own_sets.hpp"
#include "netlink/nft_state_sets.hpp"

namespace smtpegress::netlink {
namespace {

constexpr int kAttempts = 50;  // a ruleset that changes more often than that is being reloaded in a loop
// Bytes. A dump's datagram has room for 32 KiB (netlink_dump, net/netlink/af_netlink.c): one that is less than half
// full did not end for want of room.
constexpr std::size_t kSurelyUncut = std::size_t{16} * 1024;
constexpr const char* kPermissionHint = "it takes root, or CAP_NET_ADMIN in this network namespace";
constexpr const char* kSupportHint = "this kernel lacks nf_tables or one of its modules";

struct Request {
  nlmsghdr header{};
  nfgenmsg nfnetlink{};
};

Request request(std::uint16_t type, std::uint16_t flags) {
  Request r;
  r.header.nlmsg_len = sizeof r;
  r.header.nlmsg_type = static_cast<std::uint16_t>((NFNL_SUBSYS_NFTABLES << 8) | type);
  r.header.nlmsg_flags = flags;
  r.nfnetlink.nfgen_family = NFPROTO_UNSPEC;  // every family
  r.nfnetlink.version = NFNETLINK_V0;
  return r;
}

std::unexpected<Error> read_error(Refusal refusal) {
  return nft_error("read ruleset", {}, refusal.errnum, std::move(refusal.kernel_text));
}

/// Waits until no transaction is in progress, by an empty one: the kernel takes one at a time. Changes nothing, not
/// even the generation. Where it is refused, so is what follows, with a better error.
void wait_for_transactions(int fd) {
  struct {
    nlmsghdr begin_header{};
    nfgenmsg begin{};
    nlmsghdr end_header{};
    nfgenmsg end{};
  } batch;
  const std::uint16_t subsystem = htons(NFNL_SUBSYS_NFTABLES);
  batch.begin_header = {.nlmsg_len = sizeof(Request),
                        .nlmsg_type = NFNL_MSG_BATCH_BEGIN,
                        .nlmsg_flags = NLM_F_REQUEST,
                        .nlmsg_seq = 0,
                        .nlmsg_pid = 0};
  batch.begin = {.nfgen_family = NFPROTO_UNSPEC, .version = NFNETLINK_V0, .res_id = subsystem};
  batch.end_header = batch.begin_header;
  batch.end_header.nlmsg_type = NFNL_MSG_BATCH_END;
  batch.end = batch.begin;
  ::send(fd, &batch, sizeof batch, 0);
}

/// What to ask for, and which attributes of an answer tell one object from another; NFTA_*_UNSPEC where it has none.
struct Kind {
  std::uint16_t request;
  std::uint16_t table;
  std::uint16_t name;
  std::uint16_t handle;
  std::uint16_t after;  ///< the handle of the object before it, in the same chain
};
constexpr Kind kTables{NFT_MSG_GETTABLE, NFTA_TABLE_NAME, NFTA_TABLE_UNSPEC, NFTA_TABLE_UNSPEC, NFTA_TABLE_UNSPEC};
constexpr Kind kChains{NFT_MSG_GETCHAIN, NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, NFTA_CHAIN_HANDLE, NFTA_CHAIN_UNSPEC};
constexpr Kind kRules{NFT_MSG_GETRULE, NFTA_RULE_TABLE, NFTA_RULE_CHAIN, NFTA_RULE_HANDLE, NFTA_RULE_POSITION};

/// Names are views of the message.
struct Identity {
  std::uint8_t family = 0;
  std::string_view table;
  std::string_view name;
  std::uint64_t handle = 0;
  auto operator<=>(const Identity&) const = default;
};

std::string_view view_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class Dump {
 public:
  Dump(const Kind& kind, Messages messages) : messages_(std::move(messages)) {
    std::size_t bytes = 0;
    for (const auto* message : messages_) {
      bytes += message->nlmsg_len;
    }
    is_whole_ = messages_.parts() <= 1 && bytes < kSurelyUncut;
    if (is_whole_) {
      return;
    }
    for (const auto* message : messages_) {
      add(kind, message);
    }
    auto sorted = objects_;
    std::ranges::sort(sorted);
    in_sequence_ = in_sequence_ && std::ranges::adjacent_find(sorted) == sorted.end();
  }

  /// Read by the kernel in one go, from beginning to end: there is nothing more to ask of it.
  [[nodiscard]] bool is_whole() const { return is_whole_; }
  /// Of one that is not whole: nothing came twice, and no rule is missing between two others.
  [[nodiscard]] bool in_sequence() const { return in_sequence_; }
  [[nodiscard]] const std::vector<Identity>& objects() const { return objects_; }
  [[nodiscard]] Messages take() && { return std::move(messages_); }

 private:
  void add(const Kind& kind, const nlmsghdr* message) {
    const auto header = header_of<nfgenmsg>(payload_of(message)).value_or(nfgenmsg{});
    const Attributes attributes(message_payload(message, sizeof header));
    const Identity object{.family = header.nfgen_family,
                          .table = view_of(attributes.bytes(kind.table)),
                          .name = view_of(attributes.bytes(kind.name)),
                          .handle = attributes.be64(kind.handle).value_or(0)};
    if (const auto before = attributes.be64(kind.after)) {
      auto expected = object;
      expected.handle = *before;
      in_sequence_ = in_sequence_ && !objects_.empty() && objects_.back() == expected;
    }
    objects_.push_back(object);
  }

  Messages messages_;
  std::vector<Identity> objects_;
  bool is_whole_ = false;
  bool in_sequence_ = true;
};

/// A dump without holes or repetitions. The kernel goes on with a dump, from one datagram to the next, by counting
/// objects, and counts those that a transaction in progress has added or is removing: objects then come twice or not at
/// all, while the generation stays and NLM_F_DUMP_INTR is not set (Linux 6.18, __nf_tables_dump_rules). What fits one
/// datagram is read in one go. A longer dump counts only when two in a row agree, because nothing else would tell that
/// its end is missing.
Result<Messages> read_settled(int fd, const Kind& kind) {
  std::optional<Dump> last;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Request r = request(kind.request, NLM_F_DUMP);
    auto answer = dump(fd, &r.header);
    if (!answer) {
      return read_error(std::move(answer.error()));
    }
    Dump read(kind, std::move(*answer));
    if (!read.in_sequence()) {
      wait_for_transactions(fd);
      continue;
    }
    if (read.is_whole() || (last && last->objects() == read.objects())) {
      return std::move(read).take();
    }
    last.emplace(std::move(read));
  }
  return unsettled({});
}

template <class T>
Result<std::vector<T>> read_objects(int fd, const Kind& kind, Result<T> (*decode)(const nlmsghdr*)) {
  const auto messages = read_settled(fd, kind);
  if (!messages) {
    return std::unexpected(messages.error());
  }
  std::vector<T> objects;
  for (const auto* message : *messages) {
    auto object = decode(message);
    if (!object) {
      return std::unexpected(object.error());
    }
    objects.push_back(std::move(*object));
  }
  return objects;
}

void add_rules(nft::Ruleset& ruleset, std::vector<ChainRule> rules) {
  std::size_t chain = 0;
  for (auto& [key, rule] : rules) {
    // The kernel dumps a chain's rules together.
    if (chain >= ruleset.chains.size() || ruleset.chains[chain].key != key) {
      const auto found = std::ranges::find(ruleset.chains, key, &nft::ObservedChain::key);
      chain = static_cast<std::size_t>(found - ruleset.chains.begin());
      if (found == ruleset.chains.end()) {
        ruleset.chains.push_back({.key = std::move(key), .handle = 0, .hook = std::nullopt, .rules = {}});
      }
    }
    ruleset.chains[chain].rules.push_back(std::move(rule));
  }
}

Result<nft::Ruleset> read_once(int fd) {
  auto tables = read_objects<DecodedTable>(fd, kTables, decode_table);
  if (!tables) {
    return std::unexpected(tables.error());
  }
  auto chains = read_objects<nft::ObservedChain>(fd, kChains, decode_chain);
  if (!chains) {
    return std::unexpected(chains.error());
  }
  auto rules = read_objects<ChainRule>(fd, kRules, decode_nft_rule);
  if (!rules) {
    return std::unexpected(rules.error());
  }
  read_state_sets(fd, *rules);
  nft::Ruleset ruleset{.generation = 0, .tables = {}, .chains = std::move(*chains)};
  for (auto& table : *tables) {
    if (table.dormant || table.owned) {
      for (auto& chain : ruleset.chains) {
        if (chain.key.table == table.key) {
          chain.dormant = table.dormant;
          chain.closed = table.owned;
        }
      }
    }
    ruleset.tables.push_back(std::move(table.key));
  }
  add_rules(ruleset, std::move(*rules));
  auto sets = read_own_sets(fd, ruleset.tables);
  if (!sets) {
    return std::unexpected(sets.error());
  }
  ruleset.sets = *std::move(sets);
  return ruleset;
}

}  // namespace

std::unexpected<Error> unsettled(std::string object) {
  return system_error("read ruleset", std::move(object), EINTR, {},
                      "another program keeps changing it; try again when that has ended");
}

std::unexpected<Error> nft_error(std::string operation, std::string object, int errnum, std::string text) {
  const char* hint = "";
  if (errnum == EPERM) {
    hint = kPermissionHint;
  } else if (errnum == EOPNOTSUPP || errnum == EPROTONOSUPPORT) {
    hint = kSupportHint;
  }
  return system_error(std::move(operation), std::move(object), errnum, std::move(text), hint);
}

Result<std::uint32_t> read_generation(int fd) {
  Request r = request(NFT_MSG_GETGEN, 0);
  auto answer = ask(fd, &r.header);
  if (!answer) {
    return read_error(std::move(answer.error()));
  }
  for (const auto* message : *answer) {
    if (const auto id = Attributes(message_payload(message, sizeof(nfgenmsg))).be32(NFTA_GEN_ID)) {
      return *id;
    }
  }
  return read_error({.errnum = EBADMSG, .kernel_text = {}});
}

Result<nft::Ruleset> read_ruleset(int fd) {
  // A transaction under way would spoil the dumps, one that has just been committed too, while the kernel clears away
  // what it removed. So there is to be none before, and whatever was begun meanwhile has to show in the generation.
  wait_for_transactions(fd);
  auto before = read_generation(fd);
  for (int attempt = 0; attempt < kAttempts && before; ++attempt) {
    auto ruleset = read_once(fd);
    wait_for_transactions(fd);
    const auto after = read_generation(fd);
    if (!after) {
      return std::unexpected(after.error());
    }
    if (*after == *before) {
      if (ruleset) {
        ruleset->generation = *after;
      }
      return ruleset;
    }
    before = after;  // what was read belongs to two rulesets
  }
  return before ? unsettled({}) : std::unexpected(before.error());
}

}  // namespace smtpegress::netlink
