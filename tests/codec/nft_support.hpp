// For the nf_tables codec tests: messages as bytes, goldens one can read, foreign rules made with libnftnl.
#pragma once

#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "netlink/attributes.hpp"
#include "netlink/nft_codec.hpp"
#include "netlink/nft_layout.hpp"

namespace smtpegress::test {

using Octets = std::vector<std::uint8_t>;

/// From hexadecimal digits; white space and anything from '#' to the end of a line do not count.
inline Octets octets(std::string_view golden) {
  std::string digits;
  bool comment = false;
  for (const char c : golden) {
    comment = c == '#' || (comment && c != '\n');
    if (!comment && std::isxdigit(static_cast<unsigned char>(c)) != 0) {
      digits += c;
    }
  }
  Octets bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoul(digits.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

/// Bytes `at` to `at` + 16 in hexadecimal and as text.
inline std::string dump_line(std::span<const std::uint8_t> bytes, std::size_t at) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  std::string text;
  for (std::size_t i = at; i < at + 16; ++i) {
    const bool there = i < bytes.size();
    const std::uint8_t byte = there ? bytes[i] : std::uint8_t{0};
    hex += there ? std::string{kDigits[byte >> 4U], kDigits[byte & 0xfU]} : "  ";
    hex += i % 4 == 3 ? "  " : " ";
    text += !there ? ' ' : std::isprint(byte) != 0 ? static_cast<char>(byte) : '.';
  }
  return hex + text;
}

/// Says where two byte strings differ: a hexdump, with '-' and '+' where expected and actual part.
inline testing::AssertionResult same_bytes(const Octets& expected, const Octets& actual) {
  if (expected == actual) {
    return testing::AssertionSuccess();
  }
  auto failure = testing::AssertionFailure();
  failure << expected.size() << " bytes expected, " << actual.size() << " found\n";
  for (std::size_t at = 0; at < std::max(expected.size(), actual.size()); at += 16) {
    const auto wanted = dump_line(expected, at);
    const auto found = dump_line(actual, at);
    const std::string offset = std::to_string(at) + "\t";
    if (wanted == found) {
      failure << "  " << offset << wanted << "\n";
    } else {
      failure << "- " << offset << wanted << "\n+ " << offset << found << "\n";
    }
  }
  return failure;
}

/// The message's bytes, in a buffer of exactly that size, so that a sanitizer sees any overrun.
inline Octets exact(const nlmsghdr* message) {
  const auto* begin = reinterpret_cast<const std::uint8_t*>(message);
  return {begin, begin + message->nlmsg_len};
}

inline const nlmsghdr* as_message(const Octets& bytes) {
  return reinterpret_cast<const nlmsghdr*>(bytes.data());
}

/// An NFT_MSG_NEWRULE message, as the kernel would send it, but for the handle.
inline Octets rule_message(nftnl_rule* rule, nft::Family family) {
  std::vector<char> buffer(std::size_t{1} << 16U);
  auto* message = nftnl_nlmsg_build_hdr(buffer.data(), NFT_MSG_NEWRULE, static_cast<std::uint16_t>(family), 0, 0);
  nftnl_rule_nlmsg_build_payload(message, rule);
  return exact(message);
}

inline Octets rule_message(const nft::ChainKey& chain, const nft::Rule& rule) {
  auto encoded = netlink::encode_rule(chain, rule);
  EXPECT_TRUE(encoded) << (encoded ? "" : encoded.error().message());
  return encoded ? rule_message(encoded->get(), chain.table.family) : Octets{};
}

inline nft::ObservedRule decoded(const Octets& message) {
  auto rule = netlink::decode_nft_rule(as_message(message));
  EXPECT_TRUE(rule) << (rule ? "" : rule.error().message());
  return rule ? std::move(rule->second) : nft::ObservedRule{};
}

inline Octets host32(std::uint32_t value) {
  Octets bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

inline const nft::ChainKey kInetChain{{nft::Family::kInet, "smtp-egress"}, "forward"};
inline const nft::ChainKey kIpChain{{nft::Family::kIp, "filter"}, "DOCKER-USER"};

/// A rule of another program, expression by expression.
class ForeignRule {
 public:
  struct Value {
    Value(std::uint16_t a, std::uint32_t n) : attribute(a), number(n) {}  // NOLINT: meant to be written as a pair
    Value(std::uint16_t a, Octets o) : attribute(a), data(std::move(o)), is_data(true) {}
    std::uint16_t attribute;
    std::uint32_t number = 0;
    Octets data{};
    bool is_data = false;
  };

  explicit ForeignRule(nft::Family family = nft::Family::kIp) : family_(family), rule_(nftnl_rule_alloc()) {
    nftnl_rule_set_u32(rule_.get(), NFTNL_RULE_FAMILY, static_cast<std::uint32_t>(family));
    nftnl_rule_set_str(rule_.get(), NFTNL_RULE_TABLE, "filter");
    nftnl_rule_set_str(rule_.get(), NFTNL_RULE_CHAIN, "FORWARD");
  }

  ForeignRule& add(const char* name, std::initializer_list<Value> values = {}) {
    auto* e = nftnl_expr_alloc(name);
    for (const auto& value : values) {
      if (value.is_data) {
        nftnl_expr_set(e, value.attribute, value.data.data(), static_cast<std::uint32_t>(value.data.size()));
      } else {
        nftnl_expr_set_u32(e, value.attribute, value.number);
      }
    }
    nftnl_rule_add_expr(rule_.get(), e);
    return *this;
  }
  ForeignRule& meta(std::uint32_t key, std::uint32_t reg = NFT_REG_1) {
    return add("meta", {{NFTNL_EXPR_META_KEY, key}, {NFTNL_EXPR_META_DREG, reg}});
  }
  ForeignRule& payload(std::uint32_t base, std::uint32_t offset, std::uint32_t length, std::uint32_t reg = NFT_REG_1) {
    return add("payload", {{NFTNL_EXPR_PAYLOAD_DREG, reg},
                           {NFTNL_EXPR_PAYLOAD_BASE, base},
                           {NFTNL_EXPR_PAYLOAD_OFFSET, offset},
                           {NFTNL_EXPR_PAYLOAD_LEN, length}});
  }
  ForeignRule& bitwise(const Octets& mask, const Octets& flip, std::uint32_t from = NFT_REG_1,
                       std::uint32_t to = NFT_REG_1) {
    return add("bitwise", {{NFTNL_EXPR_BITWISE_SREG, from},
                           {NFTNL_EXPR_BITWISE_DREG, to},
                           {NFTNL_EXPR_BITWISE_LEN, static_cast<std::uint32_t>(mask.size())},
                           {NFTNL_EXPR_BITWISE_MASK, mask},
                           {NFTNL_EXPR_BITWISE_XOR, flip}});
  }
  ForeignRule& cmp(std::uint32_t op, const Octets& data, std::uint32_t reg = NFT_REG_1) {
    return add("cmp", {{NFTNL_EXPR_CMP_SREG, reg}, {NFTNL_EXPR_CMP_OP, op}, {NFTNL_EXPR_CMP_DATA, data}});
  }
  ForeignRule& immediate(const Octets& data, std::uint32_t reg = NFT_REG_1) {
    return add("immediate", {{NFTNL_EXPR_IMM_DREG, reg}, {NFTNL_EXPR_IMM_DATA, data}});
  }
  ForeignRule& verdict(int code) {
    return add("immediate",
               {{NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT}, {NFTNL_EXPR_IMM_VERDICT, static_cast<std::uint32_t>(code)}});
  }
  ForeignRule& counter(std::uint64_t packets = 0, std::uint64_t bytes = 0) {
    auto* e = nftnl_expr_alloc("counter");
    nftnl_expr_set_u64(e, NFTNL_EXPR_CTR_PACKETS, packets);
    nftnl_expr_set_u64(e, NFTNL_EXPR_CTR_BYTES, bytes);
    nftnl_rule_add_expr(rule_.get(), e);
    return *this;
  }
  /// libnftnl takes ownership of the structure's copy.
  ForeignRule& xt_match(const char* name, std::uint32_t revision, const Octets& info) {
    return xt("match", NFTNL_EXPR_MT_NAME, NFTNL_EXPR_MT_REV, NFTNL_EXPR_MT_INFO, name, revision, info);
  }
  ForeignRule& xt_target(const char* name, std::uint32_t revision, const Octets& info) {
    return xt("target", NFTNL_EXPR_TG_NAME, NFTNL_EXPR_TG_REV, NFTNL_EXPR_TG_INFO, name, revision, info);
  }
  ForeignRule& userdata(const Octets& data) {
    nftnl_rule_set_data(rule_.get(), NFTNL_RULE_USERDATA, data.data(), static_cast<std::uint32_t>(data.size()));
    return *this;
  }

  [[nodiscard]] Octets message() const { return rule_message(rule_.get(), family_); }
  [[nodiscard]] nft::ObservedRule observed() const { return decoded(message()); }
  [[nodiscard]] nft::Rule rule() const { return observed().rule; }

 private:
  ForeignRule& xt(const char* kind, std::uint16_t name_attribute, std::uint16_t revision_attribute,
                  std::uint16_t info_attribute, const char* name, std::uint32_t revision, const Octets& info) {
    auto* e = nftnl_expr_alloc(kind);
    nftnl_expr_set_str(e, name_attribute, name);
    nftnl_expr_set_u32(e, revision_attribute, revision);
    void* copy = std::calloc(1, info.size() + 1);  // NOLINT: libnftnl frees it
    std::ranges::copy(info, static_cast<std::uint8_t*>(copy));
    nftnl_expr_set(e, info_attribute, copy, static_cast<std::uint32_t>(info.size()));
    nftnl_rule_add_expr(rule_.get(), e);
    return *this;
  }

  nft::Family family_;
  netlink::NftnlRule rule_;
};

/// The structure of an xt match or target, padded as the kernel has it (XT_ALIGN).
template <class T>
Octets xt_info(const T& value) {
  Octets bytes((sizeof value + 7) / 8 * 8);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

/// What the decoder did not understand, by name; matches first.
inline std::vector<std::string> opaque_parts(const nft::Rule& rule) {
  std::vector<std::string> names;
  for (const auto& match : rule.matches) {
    if (const auto* opaque = std::get_if<nft::MatchOpaque>(&match)) {
      names.push_back(opaque->what);
    }
  }
  for (const auto& statement : rule.statements) {
    if (const auto* opaque = std::get_if<nft::StatementOpaque>(&statement)) {
      names.push_back(opaque->what);
    }
  }
  return names;
}

}  // namespace smtpegress::test

namespace smtpegress::nft {

/// For GoogleTest's messages.
inline void PrintTo(const Rule& rule, std::ostream* out) {
  *out << to_string(rule) << (rule.comment.empty() ? "" : " comment \"" + rule.comment + "\"");
}

}  // namespace smtpegress::nft
