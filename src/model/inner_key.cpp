#include "model/inner_key.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "model/families.hpp"
#include "model/private_networks.hpp"
#include "model/profile_values.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

using nlohmann::json;

constexpr const char* kExample = R"({"remote": "100.64.0.1", "link": "tailscale0"})";
constexpr std::array<std::pair<std::string_view, InnerTunnel::Kind>, 2> kKinds{
    {{"vxlan", InnerTunnel::Kind::kVxlan}, {"ipip", InnerTunnel::Kind::kIpip}}};
constexpr std::uint16_t kLastPort = 65534;  // the kernel's range of source ports needs one behind it

/// One that two hosts of a private link can have.
Result<IpAddress> parse_end(const std::string& text) {
  auto address = IpAddress::parse(text);
  if (!address) {
    return address;
  }
  const bool unfit = !can_be_of_a_host(*address) || (address->family == IpFamily::kV6 && is_link_local(*address));
  return unfit ? usage_error({}, fmt::format("'{}'", text), "is no address that an end of a link can have") : address;
}

/// Reads one member after the other, and goes on behind those that are wrong.
class InnerReader {
 public:
  explicit InnerReader(const json& document) : document_(document) {}

  InnerTunnel read() {
    refuse_unknown();
    InnerTunnel inner;
    read_kind(inner);
    if (const auto remote = address("remote", true)) {
      inner.remote = *remote;
    }
    if (document_.value("local", json("auto")) != "auto") {
      inner.local = address("local", false);
    }
    read_link(inner);
    read_port(inner);
    read_addresses(inner);
    if (inner.local && refusals_.empty() && inner.local->family != inner.remote.family) {
      refuse("local", "is of another family than remote");
    } else if (inner.local == inner.remote && refusals_.empty()) {
      refuse("local", "is remote too; they are the link's two ends");
    }
    return inner;
  }
  Refusals take() && { return std::move(refusals_); }

 private:
  void refuse(std::string_view member, std::string hint) {
    const auto found = document_.find(member);
    const auto value = found == document_.end() ? std::string() : " " + text_of(*found);
    refusals_.push_back(usage_error({}, fmt::format("\"{}\"{}", member, value), std::move(hint)).error());
  }
  void refuse_unknown() {
    constexpr std::array<std::string_view, 6> kMembers{"kind", "local", "remote", "link", "port", "address"};
    for (const auto& [name, value] : document_.items()) {
      if (!contains(kMembers, std::string_view(name))) {
        refuse(name, "is not known; known are kind, local, remote, link, port, address");
      }
    }
  }
  std::optional<std::string> text(std::string_view member, std::string_view right) {
    const auto found = document_.find(member);
    if (found == document_.end() || !found->is_string()) {
      refuse(member, found == document_.end() ? fmt::format("is missing; write {}", right)
                                              : fmt::format("is {}; write {}", found->type_name(), right));
      return std::nullopt;
    }
    return found->get<std::string>();
  }
  std::optional<IpAddress> address(std::string_view member, bool is_far) {
    const auto written = text(member, is_far ? "the far end's address on the link, such as \"100.64.0.1\""
                                             : "this end's address on the link, or \"auto\"");
    auto parsed = written ? parse_end(*written) : Result<IpAddress>(IpAddress{});
    if (!parsed) {
      refuse(member, parsed.error().hint);
    }
    return written && parsed ? std::optional(*parsed) : std::nullopt;
  }
  void read_kind(InnerTunnel& inner) {
    if (!document_.contains("kind")) {
      return;
    }
    const auto written = text("kind", "\"vxlan\" or \"ipip\"");
    const auto kind =
        std::ranges::find(kKinds, std::string_view(written.value_or("")), &decltype(kKinds)::value_type::first);
    if (kind != kKinds.end()) {
      inner.kind = kind->second;
    } else if (written) {
      refuse("kind", "is not a choice; write \"vxlan\" or \"ipip\"");
    }
  }
  void read_link(InnerTunnel& inner) {
    const auto written = text("link", "the private link's interface, such as \"tailscale0\"");
    auto parsed = written ? IfName::parse(*written) : Result<IfName>(IfName{});
    if (!parsed) {
      refuse("link", parsed.error().hint);
    } else if (parsed->str() == "lo") {
      refuse("link", "leads nowhere; write the private link's interface, such as \"tailscale0\"");
    } else {
      inner.link = *std::move(parsed);
    }
  }
  void read_port(InnerTunnel& inner) {
    const auto found = document_.find("port");
    if (found == document_.end()) {
      return;
    }
    const auto port = PortRange::parse(found->is_string()            ? found->get<std::string>()
                                       : found->is_number_unsigned() ? found->dump()
                                                                     : "");
    if (!port || port->first != port->last || port->first > kLastPort) {
      refuse("port", fmt::format("is no udp port; write one from 1 to {}, such as {}", kLastPort, InnerTunnel{}.port));
    } else {
      inner.port = port->first;
    }
  }
  void read_addresses(InnerTunnel& inner) {
    const auto found = document_.find("address");
    if (found == document_.end()) {
      return;
    }
    for (const auto& item : found->is_array() ? *found : json::array({*found})) {
      const auto parsed = item.is_string() ? parse_end(item.get<std::string>())
                                           : usage_error({}, item.dump(), "is none; write one like \"10.0.9.2\"");
      if (!parsed) {
        refuse("address", parsed.error().hint);
      } else if (contains(inner.addresses, parsed->family, &IpAddress::family)) {
        refuse("address", "has two of one family; one of each is enough");
      } else {
        inner.addresses.push_back(*parsed);
      }
    }
  }

  const json& document_;
  Refusals refusals_;
};

}  // namespace

Refusals read_inner(const json& value, Profile& profile) {
  profile.inner.reset();
  if (value.is_null()) {
    return {};
  }
  if (!value.is_object()) {
    return {
        usage_error({}, text_of(value), fmt::format("is {}; write {}, or leave it out", value.type_name(), kExample))
            .error()};
  }
  InnerReader reader(value);
  auto inner = reader.read();
  auto refusals = std::move(reader).take();
  if (refusals.empty()) {
    profile.inner = std::move(inner);
  }
  return refusals;
}

json inner_document(const InnerTunnel& inner) {
  const auto kind = std::ranges::find(kKinds, inner.kind, &decltype(kKinds)::value_type::second);
  json document{{"kind", kind->first},
                {"local", inner.local ? inner.local->to_string() : "auto"},
                {"remote", inner.remote.to_string()},
                {"link", inner.link.str()},
                {"port", inner.port}};
  for (const auto& address : inner.addresses) {
    document["address"].push_back(address.to_string());
  }
  return document;
}

void check_inner(const Profile& profile, Mistakes& mistakes) {
  if (!profile.inner || mistakes.concern("inner")) {
    return;
  }
  const auto& inner = *profile.inner;
  if (!profile.tenants.empty()) {
    mistakes.add("inner", {},
                 "does not go with 'tenants', of whom each has a link of its own; give a home that needs one an "
                 "instance of its own");
  }
  if (inner.link == profile.tunnel && !mistakes.concern("tunnel")) {
    mistakes.add("inner", fmt::format("\"link\" \"{}\"", inner.link.str()),
                 "is key 'tunnel' too, which names the interface that is made; write \"tunnel\": \"mail0\"");
  }
  if (profile.side == Side::kVps && profile.wan == inner.link && !mistakes.concern("wan")) {
    mistakes.add("inner", fmt::format("\"link\" \"{}\"", inner.link.str()),
                 "is key 'wan' too: the mail would cross the internet for anybody to read");
  }
  for (const auto& source : profile.sources) {
    if (source.contains(inner.remote)) {
      mistakes.add("inner", fmt::format("\"remote\" \"{}\"", inner.remote.to_string()),
                   fmt::format("is in the source {}; it is the link's far end", source.to_string()));
    }
  }
  for (const auto family : families_of(profile)) {
    if (profile.side == Side::kHome && profile.nat == HomeNat::kMasquerade &&
        !contains(inner.addresses, family, &IpAddress::family)) {
      mistakes.add("inner", {},
                   fmt::format("has no {} \"address\", which the mail leaves as with \"nat\": \"masquerade\"",
                               traits_of(family).name));
    }
  }
}

}  // namespace smtpegress
