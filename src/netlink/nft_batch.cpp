#include "netlink/nft_batch.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <cstring>

#include "netlink/nft_codec.hpp"
#include "netlink/nft_set_codec.hpp"

namespace smtpegress::netlink {
namespace {

// Room for one message while it is written, in bytes. libnftnl does not check: the kernel takes 128 expressions in a
// rule (NFT_RULE_MAXEXPRS, net/netfilter/nf_tables_api.c), of at most some 130 bytes each as they are written here, and
// names and user data of 256 bytes each.
constexpr std::size_t kMessageRoom = std::size_t{32} * 1024;
// Matches and statements in a rule: three expressions each stay below the kernel's limit.
constexpr std::size_t kMaxParts = 40;
constexpr std::size_t kMaxName = NFT_NAME_MAXLEN - 1;  // bytes, less the NUL

const char* chain_type_text(nft::ChainType type) {
  switch (type) {
    case nft::ChainType::kFilter:
      return "filter";
    case nft::ChainType::kNat:
      return "nat";
    case nft::ChainType::kRoute:
      return "route";
  }
  return "filter";
}

std::unexpected<Error> refused(const nft::BatchStep& step, std::string hint) {
  auto [operation, object] = describe(step);
  return usage_error(std::move(operation), std::move(object), std::move(hint));
}

bool name_fits(const std::string& name) {
  return !name.empty() && name.size() <= kMaxName;
}
bool name_fits(const nft::SetKey& set) {
  return name_fits(set.table.name) && name_fits(set.name);
}
bool name_fits(const nft::ChainKey& chain) {
  return name_fits(chain.table.name) && name_fits(chain.name);
}

/// Appends messages, one after another, to one buffer.
class BatchWriter {
 public:
  explicit BatchWriter(std::uint32_t sequence) : sequence_(sequence) {}

  void begin(std::uint32_t generation) {
    auto* message = start();
    nftnl_batch_begin(at_, sequence_);
    mnl_attr_put_u32(message, NFNL_BATCH_GENID, htonl(generation));
    finish(message);
  }
  void end() {
    auto* message = start();
    nftnl_batch_end(at_, sequence_);
    finish(message);
  }
  Result<void> step(const nft::BatchStep& step) { return std::visit(*this, step); }
  std::vector<std::uint8_t> take() && { return std::move(bytes_); }

  Result<void> operator()(const nft::AddTable& s) {
    const std::uint32_t flags =
        (s.dormant ? std::uint32_t{NFT_TABLE_F_DORMANT} : 0) | (s.owned ? std::uint32_t{NFT_TABLE_F_OWNER} : 0);
    return table(NFT_MSG_NEWTABLE, NLM_F_CREATE, s.table, s, flags);
  }
  Result<void> operator()(const nft::DeleteTable& s) { return table(NFT_MSG_DELTABLE, 0, s.table, s, {}); }
  Result<void> operator()(const nft::AddChain& s);
  Result<void> operator()(const nft::DeleteChain& s);
  Result<void> operator()(const nft::FlushChain& s);
  Result<void> operator()(const nft::DeleteRule& s);
  Result<void> operator()(const nft::AppendRule& s) {
    return rule(NLM_F_CREATE | NLM_F_APPEND, s.chain, s.rule, s, s.after);
  }
  Result<void> operator()(const nft::InsertRule& s) { return rule(NLM_F_CREATE, s.chain, s.rule, s, 0); }
  Result<void> operator()(const nft::AddSet& s);
  Result<void> operator()(const nft::DeleteSet& s);
  Result<void> operator()(const nft::AddElements& s) {
    return elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE, s.set, s.type, s.elements, s, Values::kWith);
  }
  Result<void> operator()(const nft::DeleteElements& s) {
    return elements(NFT_MSG_DELSETELEM, 0, s.set, s.type, s.elements, s, Values::kWithout);
  }

 private:
  nlmsghdr* start(std::size_t room = kMessageRoom) {
    used_ = bytes_.size();
    bytes_.resize(used_ + room);
    at_ = reinterpret_cast<char*>(bytes_.data() + used_);
    return reinterpret_cast<nlmsghdr*>(at_);
  }
  nlmsghdr* start(std::uint16_t type, std::uint16_t flags, nft::Family family, std::size_t room = kMessageRoom) {
    auto* message = start(room);
    nftnl_nlmsg_build_hdr(at_, type, static_cast<std::uint16_t>(family), static_cast<std::uint16_t>(flags | NLM_F_ACK),
                          sequence_);
    return message;
  }
  void finish(const nlmsghdr* message) {
    bytes_.resize(used_ + message->nlmsg_len);  // always a multiple of 4, NLMSG_ALIGNTO
    ++sequence_;
  }
  Result<void> table(std::uint16_t type, std::uint16_t flags, const nft::TableKey& key, const nft::BatchStep& step,
                     std::optional<std::uint32_t> table_flags);
  Result<void> rule(std::uint16_t flags, const nft::ChainKey& chain, const nft::Rule& rule, const nft::BatchStep& step,
                    std::uint64_t position);
  Result<void> elements(std::uint16_t type, std::uint16_t flags, const nft::SetKey& set, const nft::SetType& set_type,
                        const std::vector<nft::SetElement>& elements, const nft::BatchStep& step, Values values);

  std::vector<std::uint8_t> bytes_;
  std::size_t used_ = 0;  // bytes, without the message being written
  char* at_ = nullptr;    // where it is written; libnftnl wants characters
  std::uint32_t sequence_;
};

constexpr const char* kLongName = "a name has 1 to 255 bytes";

Result<void> BatchWriter::table(std::uint16_t type, std::uint16_t flags, const nft::TableKey& key,
                                const nft::BatchStep& step, std::optional<std::uint32_t> table_flags) {
  if (!name_fits(key.name)) {
    return refused(step, kLongName);
  }
  auto* message = start(type, flags, key.family);
  mnl_attr_put_strz(message, NFTA_TABLE_NAME, key.name.c_str());
  if (table_flags) {
    mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, htonl(*table_flags));
  }
  finish(message);
  return {};
}

Result<void> BatchWriter::operator()(const nft::AddChain& s) {
  if (!name_fits(s.chain)) {
    return refused(s, kLongName);
  }
  auto* message = start(NFT_MSG_NEWCHAIN, NLM_F_CREATE, s.chain.table.family);
  mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, s.chain.table.name.c_str());
  mnl_attr_put_strz(message, NFTA_CHAIN_NAME, s.chain.name.c_str());
  auto* hook = mnl_attr_nest_start(message, NFTA_CHAIN_HOOK);
  mnl_attr_put_u32(message, NFTA_HOOK_HOOKNUM, htonl(static_cast<std::uint32_t>(s.hook.hook)));
  mnl_attr_put_u32(message, NFTA_HOOK_PRIORITY, htonl(static_cast<std::uint32_t>(s.hook.priority)));
  mnl_attr_nest_end(message, hook);
  mnl_attr_put_u32(message, NFTA_CHAIN_POLICY, htonl(static_cast<std::uint32_t>(s.hook.policy)));
  mnl_attr_put_strz(message, NFTA_CHAIN_TYPE, chain_type_text(s.hook.type));
  finish(message);
  return {};
}

Result<void> BatchWriter::operator()(const nft::DeleteChain& s) {
  if (!name_fits(s.chain)) {
    return refused(s, kLongName);
  }
  auto* message = start(NFT_MSG_DELCHAIN, 0, s.chain.table.family);
  mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, s.chain.table.name.c_str());
  mnl_attr_put_strz(message, NFTA_CHAIN_NAME, s.chain.name.c_str());
  finish(message);
  return {};
}

Result<void> BatchWriter::operator()(const nft::FlushChain& s) {
  // Without a chain the kernel would delete the rules of the whole table.
  if (!name_fits(s.chain)) {
    return refused(s, kLongName);
  }
  auto* message = start(NFT_MSG_DELRULE, 0, s.chain.table.family);
  mnl_attr_put_strz(message, NFTA_RULE_TABLE, s.chain.table.name.c_str());
  mnl_attr_put_strz(message, NFTA_RULE_CHAIN, s.chain.name.c_str());
  finish(message);
  return {};
}

Result<void> BatchWriter::operator()(const nft::DeleteRule& s) {
  // Handles begin at 1. The kernel takes a rule without one to mean every rule of the chain.
  if (!name_fits(s.chain) || s.handle == 0) {
    return refused(s, "a rule to delete has a chain and a handle");
  }
  auto* message = start(NFT_MSG_DELRULE, 0, s.chain.table.family);
  mnl_attr_put_strz(message, NFTA_RULE_TABLE, s.chain.table.name.c_str());
  mnl_attr_put_strz(message, NFTA_RULE_CHAIN, s.chain.name.c_str());
  mnl_attr_put_u64(message, NFTA_RULE_HANDLE, htobe64(s.handle));
  finish(message);
  return {};
}

Result<void> BatchWriter::rule(std::uint16_t flags, const nft::ChainKey& chain, const nft::Rule& rule,
                               const nft::BatchStep& step, std::uint64_t position) {
  if (!name_fits(chain)) {
    return refused(step, kLongName);
  }
  if (rule.matches.size() + rule.statements.size() > kMaxParts) {
    return refused(step, fmt::format("a rule has at most {} matches and statements", kMaxParts));
  }
  auto encoded = encode_rule(chain, rule);
  if (!encoded) {
    return std::unexpected(encoded.error());
  }
  auto* message = start(NFT_MSG_NEWRULE, flags, chain.table.family);
  nftnl_rule_nlmsg_build_payload(message, encoded->get());
  if (position != 0) {
    mnl_attr_put_u64(message, NFTA_RULE_POSITION, htobe64(position));
  }
  finish(message);
  return {};
}

Result<void> BatchWriter::operator()(const nft::AddSet& s) {
  if (!name_fits(s.set)) {
    return refused(s, kLongName);
  }
  auto* message = start(NFT_MSG_NEWSET, NLM_F_CREATE, s.set.table.family);
  put_new_set(message, s.set, s.type, sequence_);
  finish(message);
  return {};
}

Result<void> BatchWriter::operator()(const nft::DeleteSet& s) {
  if (!name_fits(s.set)) {
    return refused(s, kLongName);
  }
  auto* message = start(NFT_MSG_DELSET, 0, s.set.table.family);
  put_set(message, s.set);
  finish(message);
  return {};
}

Result<void> BatchWriter::elements(std::uint16_t type, std::uint16_t flags, const nft::SetKey& set,
                                   const nft::SetType& set_type, const std::vector<nft::SetElement>& elements,
                                   const nft::BatchStep& step, Values values) {
  // Without elements the kernel would delete all there are.
  if (!name_fits(set) || elements.empty() || elements.size() > nft::kElementsInStep) {
    return refused(step, fmt::format("a step has 1 to {} elements, of a set with a name", nft::kElementsInStep));
  }
  for (const auto& element : elements) {
    if (const std::string wrong = wrong_with(element, set_type); !wrong.empty()) {
      return refused(step, fmt::format("{}: {}", to_string(element, set_type), wrong));
    }
  }
  auto* message = start(type, flags, set.table.family, kElementRoom);
  put_elements(message, set, set_type, elements, values);
  finish(message);
  return {};
}

struct Describe {
  StepText operator()(const nft::AddTable& s) const { return {"add table", nft::to_string(s.table)}; }
  StepText operator()(const nft::DeleteTable& s) const { return {"delete table", nft::to_string(s.table)}; }
  StepText operator()(const nft::AddChain& s) const { return {"add chain", nft::to_string(s.chain)}; }
  StepText operator()(const nft::FlushChain& s) const { return {"flush chain", nft::to_string(s.chain)}; }
  StepText operator()(const nft::DeleteChain& s) const { return {"delete chain", nft::to_string(s.chain)}; }
  StepText operator()(const nft::AppendRule& s) const { return with_rule("add rule", s.chain, s.rule); }
  StepText operator()(const nft::InsertRule& s) const { return with_rule("insert rule", s.chain, s.rule); }
  StepText operator()(const nft::DeleteRule& s) const {
    return {"delete rule", fmt::format("{} handle {}", nft::to_string(s.chain), s.handle)};
  }
  StepText operator()(const nft::AddSet& s) const { return {"add set", nft::to_string(s.set)}; }
  StepText operator()(const nft::DeleteSet& s) const { return {"delete set", nft::to_string(s.set)}; }
  StepText operator()(const nft::AddElements& s) const {
    return {"add elements", fmt::format("{}: {} of them", nft::to_string(s.set), s.elements.size())};
  }
  StepText operator()(const nft::DeleteElements& s) const {
    return {"delete elements", fmt::format("{}: {} of them", nft::to_string(s.set), s.elements.size())};
  }

 private:
  static StepText with_rule(const char* operation, const nft::ChainKey& chain, const nft::Rule& rule) {
    return {operation, fmt::format("{}: {}", nft::to_string(chain), nft::to_string(rule))};
  }
};

}  // namespace

StepText describe(const nft::BatchStep& step) {
  return std::visit(Describe{}, step);
}

Result<std::vector<std::uint8_t>> encode_batch(const nft::Batch& batch, std::uint32_t generation, std::uint32_t first) {
  BatchWriter writer(first);
  writer.begin(generation);
  for (const auto& step : batch) {
    if (auto written = writer.step(step); !written) {
      return std::unexpected(written.error());
    }
  }
  writer.end();
  return std::move(writer).take();
}

}  // namespace smtpegress::netlink
