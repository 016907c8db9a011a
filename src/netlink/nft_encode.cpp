#include "netlink/nft_codec.hpp"

#include <fmt/format.h>

#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <algorithm>

#include <cerrno>
#include <vector>

#include "netlink/nft_rule_writer.hpp"

namespace smtpegress::netlink {
namespace {

// A comment's longest text in bytes, its NUL not counted: the length of a user data TLV is one byte, and nft stops
// here.
constexpr std::size_t kMaxComment = NFTNL_UDATA_COMMENT_MAXLEN - 1;  // libnftnl/udata.h

/// A TLV of type NFTNL_UDATA_RULE_COMMENT with its NUL, where `nft list` looks for a comment.
Result<void> put_comment(nftnl_rule* rule, const nft::ChainKey& chain, const std::string& comment) {
  if (comment.size() > kMaxComment || comment.find('\0') != std::string::npos) {
    return usage_error("encode rule", fmt::format("{}: comment \"{}\"", nft::to_string(chain), comment),
                       fmt::format("a comment has at most {} bytes", kMaxComment));
  }
  constexpr std::size_t kHeader = 2;  // bytes: type, length
  std::vector<std::uint8_t> userdata(kHeader + comment.size() + 1);
  userdata[0] = NFTNL_UDATA_RULE_COMMENT;
  userdata[1] = static_cast<std::uint8_t>(comment.size() + 1);
  std::ranges::copy(comment, userdata.begin() + kHeader);
  if (nftnl_rule_set_data(rule, NFTNL_RULE_USERDATA, userdata.data(), static_cast<std::uint32_t>(userdata.size())) !=
      0) {
    return system_error("encode rule", nft::to_string(chain), ENOMEM);
  }
  return {};
}

}  // namespace

Result<NftnlRule> encode_rule(const nft::ChainKey& chain, const nft::Rule& rule) {
  NftnlRule encoded(nftnl_rule_alloc());
  if (encoded == nullptr) {
    return system_error("encode rule", nft::to_string(chain), ENOMEM);
  }
  nftnl_rule_set_u32(encoded.get(), NFTNL_RULE_FAMILY, static_cast<std::uint32_t>(chain.table.family));
  const bool named = nftnl_rule_set_str(encoded.get(), NFTNL_RULE_TABLE, chain.table.name.c_str()) == 0 &&
                     nftnl_rule_set_str(encoded.get(), NFTNL_RULE_CHAIN, chain.name.c_str()) == 0;
  RuleWriter writer(chain, encoded.get());
  for (const auto& match : rule.matches) {
    if (auto written = std::visit(writer, match); !written) {
      return std::unexpected(written.error());
    }
  }
  for (const auto& statement : rule.statements) {
    if (auto written = std::visit(writer, statement); !written) {
      return std::unexpected(written.error());
    }
  }
  if (!rule.comment.empty()) {
    if (auto put = put_comment(encoded.get(), chain, rule.comment); !put) {
      return std::unexpected(put.error());
    }
  }
  if (!named || !writer.complete()) {
    return system_error("encode rule", nft::to_string(chain), ENOMEM);
  }
  return encoded;
}

}  // namespace smtpegress::netlink
