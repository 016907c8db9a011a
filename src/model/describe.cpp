#include <fmt/format.h>

#include "model/ownership.hpp"
#include "smtpegress/state.hpp"

namespace smtpegress {
namespace {

struct KindText {
  std::string operator()(const OwnTable&) const { return "table"; }
  std::string operator()(const OwnSet& object) const { return object.type.to ? "map" : "set"; }
  std::string operator()(const OwnChain&) const { return "chain"; }
  std::string operator()(const ForeignChainRule& object) const {
    if (!is_tagged(object.rule)) {
      return "others' rule";
    }
    return object.rule.comment.ends_with(":admission") ? "admission" : "raw exception";
  }
  std::string operator()(const LinkSpec&) const { return "interface"; }
  std::string operator()(const Route& object) const { return object.table == kMainTable ? "route" : "egress route"; }
  std::string operator()(const SysctlSpec&) const { return "sysctl"; }
  std::string operator()(const PolicyRule&) const { return "policy rule"; }
};

struct DescribeText {
  std::string operator()(const OwnTable& object) const { return nft::to_string(object.key); }
  std::string operator()(const OwnSet& object) const {
    return fmt::format("{}: {} element{}", nft::to_string(object.key), object.elements.size(),
                       object.elements.size() == 1 ? "" : "s");
  }
  std::string operator()(const OwnChain& object) const { return nft::to_string(object.key); }
  std::string operator()(const ForeignChainRule& object) const {
    return fmt::format("{}: {}", nft::to_string(object.chain), nft::to_string(object.rule));
  }
  std::string operator()(const LinkSpec& object) const { return to_string(object); }
  std::string operator()(const Route& object) const { return to_string(object); }
  std::string operator()(const SysctlSpec& object) const {
    return fmt::format("{} = {}", sysctl_name(object.key), object.value);
  }
  std::string operator()(const PolicyRule& object) const { return to_string(object); }
};

}  // namespace

std::string sysctl_name(std::string key) {
  for (char& c : key) {
    c = c == '/' ? '.' : c == '.' ? '/' : c;
  }
  return key;
}

std::string kind_of(const Object& object) {
  return std::visit(KindText{}, object);
}
std::string describe(const Object& object) {
  return std::visit(DescribeText{}, object);
}

}  // namespace smtpegress
