// Steps of a batch as messages: the kernel's dumps say the same in the same attributes.
#pragma once

#include <linux/netfilter/nfnetlink.h>

#include <utility>

#include "fuzz/messages.hpp"
#include "netlink/nft_batch.hpp"
#include "netlink/nft_codec.hpp"

namespace smtpegress::fuzz {

/// What stands behind the netlink header.
inline Result<Octets> payload_of_step(const nft::BatchStep& step) {
  auto batch = netlink::encode_batch({step}, 0, 1);
  if (!batch) {
    return std::unexpected(std::move(batch.error()));
  }
  nlmsghdr header{};
  std::memcpy(&header, batch->data(), sizeof header);
  const std::size_t begin = header.nlmsg_len;  // behind the message that begins the batch
  std::memcpy(&header, batch->data() + begin, sizeof header);
  const auto first = batch->begin() + static_cast<std::ptrdiff_t>(begin + sizeof header);
  return Octets(first, first + static_cast<std::ptrdiff_t>(header.nlmsg_len - sizeof header));
}

/// `again` is what `rule` was written to.
inline void must_be_same(const nft::Rule& rule, const nft::Rule& again) {
  if (again != rule) {
    must(false, "a rule that is written reads the same: " + nft::to_string(rule) + " became " + nft::to_string(again));
  }
}

inline bool name_fits(const std::string& name) {
  return !name.empty() && name.size() < 256;  // NFT_NAME_MAXLEN, linux/netfilter/nf_tables.h
}

inline bool name_fits(const nft::ChainKey& chain) {
  return name_fits(chain.table.name) && name_fits(chain.name);
}

}  // namespace smtpegress::fuzz
