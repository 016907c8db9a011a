#include "netlink/nft_own_sets.hpp"

// libc's structures before linux/*, see nft_layout.hpp.
#include <libmnl/libmnl.h>
#include <netinet/in.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <utility>

#include "netlink/exchange.hpp"
#include "netlink/nft_dump.hpp"
#include "netlink/nft_set_codec.hpp"

namespace smtpegress::netlink {
namespace {

constexpr int kAttempts = 20;  // a hash grows to its size within a few milliseconds of what was put into it

/// The dump of a table's sets (NFTA_SET_TABLE), or of one set's elements.
std::expected<Messages, Refusal> ask_for(int fd, std::uint16_t type, const nft::SetKey& set) {
  alignas(nlmsghdr) std::array<char, 1024> buffer{};  // bytes; the two names have at most 256 each
  auto* header = mnl_nlmsg_put_header(buffer.data());
  header->nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8U | type);
  header->nlmsg_flags = NLM_F_DUMP;
  auto* nfnetlink = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
  nfnetlink->nfgen_family = static_cast<std::uint8_t>(set.table.family);
  nfnetlink->version = NFNETLINK_V0;
  static_assert(int{NFTA_SET_TABLE} == int{NFTA_SET_ELEM_LIST_TABLE} &&
                int{NFTA_SET_NAME} == int{NFTA_SET_ELEM_LIST_SET});
  const bool fits =
      mnl_attr_put_strz_check(header, buffer.size(), NFTA_SET_TABLE, set.table.name.c_str()) &&
      (set.name.empty() || mnl_attr_put_strz_check(header, buffer.size(), NFTA_SET_NAME, set.name.c_str()));
  if (!fits) {
    return std::unexpected(Refusal{.errnum = ENAMETOOLONG, .kernel_text = {}});
  }
  return dump(fd, header);
}

std::unexpected<Error> read_error(const nft::SetKey& set, Refusal refusal) {
  return nft_error("read ruleset", to_string(set), refusal.errnum, std::move(refusal.kernel_text));
}

bool is_named(const nft::ObservedSet& set) {
  return !set.key.name.starts_with("__set") && !set.key.name.starts_with("__map");
}

/// The kernel goes on with a dump, from one datagram to the next, by counting elements; a hash that has just been
/// filled grows by and by, and moves them meanwhile. So a dump of several datagrams counts only when two in a row
/// agree; nor does one in which an element stands twice.
///
/// An element that no set of ours can have (a catch-all, which nobody's address is in) makes it a set of another type.
Result<void> read_elements(int fd, nft::ObservedSet& set) {
  std::optional<std::vector<nft::SetElement>> last;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto answer = ask_for(fd, NFT_MSG_GETSETELEM, set.key);
    if (!answer) {
      return read_error(set.key, std::move(answer.error()));
    }
    std::vector<nft::SetElement> elements;
    for (const auto* message : *answer) {
      auto some = decode_elements(message, *set.type);
      if (!some) {
        set.type.reset();
        return {};
      }
      elements.insert(elements.end(), std::make_move_iterator(some->begin()), std::make_move_iterator(some->end()));
    }
    std::ranges::sort(elements);
    const bool repeats = std::ranges::adjacent_find(elements) != elements.end();
    if (!repeats && (answer->parts() <= 1 || last == elements)) {
      set.elements = std::move(elements);
      return {};
    }
    last = std::move(elements);
  }
  return unsettled(to_string(set.key));
}

}  // namespace

Result<std::vector<nft::ObservedSet>> read_own_sets(int fd, const std::vector<nft::TableKey>& tables) {
  std::vector<nft::ObservedSet> sets;
  for (const auto& table : tables) {
    if (!table.name.starts_with(nft::kOwnTablePrefix)) {
      continue;
    }
    const auto answer = ask_for(fd, NFT_MSG_GETSET, {table, {}});
    if (!answer) {
      return read_error({table, {}}, answer.error());
    }
    for (const auto* message : *answer) {
      auto set = decode_set(message);
      if (!set) {
        return std::unexpected(set.error());
      }
      if (!is_named(*set)) {
        continue;
      }
      if (set->type) {
        if (auto read = read_elements(fd, *set); !read) {
          return std::unexpected(read.error());
        }
      }
      sets.push_back(*std::move(set));
    }
  }
  return sets;
}

}  // namespace smtpegress::netlink
