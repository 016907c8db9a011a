// Rules to and from nf_tables expressions. Encoding is by libnftnl; decoding reads the raw attributes, because libnftnl
// silently drops those it does not know, and what is dropped could make a foreign rule look like ours.
#pragma once

#include <libmnl/libmnl.h>

#include "netlink/handles.hpp"
#include "smtpegress/nft.hpp"

namespace smtpegress::netlink {

/// A libnftnl rule ready for nftnl_rule_nlmsg_build_payload. Precondition: the rule has no opaque part.
Result<NftnlRule> encode_rule(const nft::ChainKey& chain, const nft::Rule& rule);

/// From an NFT_MSG_NEWRULE message. Never fails on content: what it does not know becomes opaque.
Result<std::pair<nft::ChainKey, nft::ObservedRule>> decode_nft_rule(const nlmsghdr* message);
Result<nft::ObservedChain> decode_chain(const nlmsghdr* message);
struct DecodedTable {
  nft::TableKey key;
  bool dormant = false;
  bool owned = false;
};
Result<DecodedTable> decode_table(const nlmsghdr* message);

}  // namespace smtpegress::netlink
