#include "model/profile_tenants.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "model/families.hpp"
#include "model/profile_values.hpp"
#include "model/tenants.hpp"

namespace smtpegress {
namespace {

using nlohmann::json;

// The kernel's sets take more; a state record of this many is still read in a fraction of a second.
constexpr std::size_t kMaxNetworks = 65'536;
constexpr std::string_view kRightTenants =
    R"(a list like [{"name": "alice", "sources": ["192.168.203.0/24"], "tunnel": "wg0", "public_ip": "203.0.113.10"}])";
constexpr std::string_view kTenantKeys = "name, sources, tunnel, public_ip, public_ip6";

/// Reads one tenant, and goes on behind what is wrong.
class TenantReader {
 public:
  TenantReader(std::size_t place, Refusals& refusals) : place_(place), refusals_(refusals) {}

  Tenant read(const json& item) {
    Tenant tenant;
    if (!item.is_object()) {
      refuse(wrong_type(item, R"({"name": "alice", "sources": ["192.168.203.0/24"]})"));
      return tenant;
    }
    if (const auto name = item.find("name"); name == item.end()) {
      refuse(usage_error({}, {}, "has no name; give it one, such as \"name\": \"alice\"").error());
    } else {
      read_name(*name, tenant);
    }
    for (const auto& [key, value] : item.items()) {
      if (key == "sources") {
        read_networks(value, tenant);
      } else if (key == "tunnel") {
        read_value(value, IfName::parse, "an interface name like \"wg0\"", tenant.tunnel);
      } else if (key == "public_ip") {
        read_value(value, parse_public_ip, "an IPv4 address like \"203.0.113.10\", or leave it out", tenant.public_ip);
      } else if (key == "public_ip6") {
        read_value(value, parse_public_ip6, "an IPv6 address like \"2001:db8::10\", or leave it out",
                   tenant.public_ip6);
      } else if (key != "name") {
        refuse(usage_error({}, fmt::format("key '{}'", key), fmt::format("is not known; a tenant has {}", kTenantKeys))
                   .error());
      }
    }
    if (!item.contains("sources")) {
      refuse(usage_error({}, {}, "has no sources; give its networks, such as [\"192.168.203.0/24\"]").error());
    }
    return tenant;
  }

 private:
  void refuse(Error error) {
    const auto who = name_.empty() ? fmt::format("tenant {}", place_) : fmt::format("tenant '{}'", name_);
    error.object = error.object.empty() ? who : fmt::format("{}: {}", who, error.object);
    refusals_.push_back(std::move(error));
  }
  void read_name(const json& value, Tenant& tenant) {
    if (!value.is_string()) {
      refuse(wrong_type(value, "a name like \"alice\""));
    } else if (auto name = check_instance_name(value.get<std::string>()); !name) {
      refuse(name.error());
    } else {
      tenant.name = name_ = *std::move(name);
    }
  }
  void read_networks(const json& value, Tenant& tenant) {
    if (!value.is_array()) {
      refuse(wrong_type(value, "a list like [\"192.168.203.0/24\"]"));
      return;
    }
    if (value.empty()) {
      refuse(usage_error({}, "sources []", "is empty; give its networks, such as [\"192.168.203.0/24\"]").error());
    }
    for (const auto& item : value) {
      if (!item.is_string()) {
        refuse(wrong_type(item, "a network like \"192.168.203.0/24\""));
      } else if (auto network = parse_source(item.get<std::string>()); !network) {
        refuse(network.error());
      } else {
        tenant.sources.push_back(*network);
      }
    }
  }
  template <class T>
  void read_value(const json& value, Result<T> (*parse)(std::string_view), std::string_view right,
                  std::optional<T>& target) {
    if (value == "auto") {  // of a tenant: the WAN's own, or the profile's?
      refuse(usage_error({}, "'auto'", fmt::format("is what the profile's own can be; write {}", right)).error());
    } else if (!value.is_string()) {
      refuse(wrong_type(value, right));
    } else if (auto parsed = parse(value.get<std::string>()); !parsed) {
      refuse(parsed.error());
    } else {
      target = *std::move(parsed);
    }
  }

  std::size_t place_;  // from 1
  Refusals& refusals_;
  std::string name_;
};

void check_names(const std::vector<Tenant>& tenants, Mistakes& mistakes) {
  std::vector<std::string_view> names;
  names.reserve(tenants.size());
  for (const auto& tenant : tenants) {
    names.push_back(tenant.name);
  }
  std::ranges::sort(names);
  for (auto name = names.begin(); name != names.end() && (name = std::adjacent_find(name, names.end())) != names.end();
       name = std::upper_bound(name, names.end(), *name)) {
    mistakes.add("tenants", fmt::format("tenant '{}'", *name), "is there twice; give each a name of its own");
  }
}

/// Sorted, a network that overlaps another stands behind it or behind one that overlaps it too.
void check_networks(const std::vector<Tenant>& tenants, Mistakes& mistakes) {
  struct Owned {
    Prefix network;
    const Tenant* tenant = nullptr;
  };
  std::vector<Owned> all;
  for (const auto& tenant : tenants) {
    for (const auto& network : tenant.sources) {
      all.push_back({network, &tenant});
    }
  }
  if (all.size() > kMaxNetworks) {
    mistakes.add("tenants", {}, fmt::format("have more than {} networks; join adjacent ones", kMaxNetworks));
  }
  std::ranges::sort(all, {}, [](const Owned& owned) { return std::pair(owned.network, owned.tenant); });
  const Owned* widest = nullptr;
  for (const auto& owned : all) {
    if (widest != nullptr && widest->network.overlaps(owned.network)) {
      mistakes.add("tenants", fmt::format("tenant '{}': {}", owned.tenant->name, owned.network.to_string()),
                   fmt::format("overlaps {} of tenant '{}'; a network is one tenant's, and named once",
                               widest->network.to_string(), widest->tenant->name));
    } else {
      widest = &owned;
    }
  }
}

}  // namespace

Refusals read_tenants(const json& value, Profile& profile) {
  if (!value.is_array()) {
    return {wrong_type(value, kRightTenants)};
  }
  Refusals refusals;
  profile.tenants.clear();
  profile.tenants.reserve(value.size());
  for (const auto& item : value) {
    profile.tenants.push_back(TenantReader(profile.tenants.size() + 1, refusals).read(item));
  }
  return refusals;
}

void check_tenants(const Profile& profile, Mistakes& mistakes) {
  if (profile.tenants.empty() || mistakes.concern("tenants")) {
    return;
  }
  if (!profile.sources.empty() || !profile.named_sources.empty()) {
    mistakes.add("tenants", {}, "stand beside sources; a profile has one or the other: leave out sources");
  }
  check_names(profile.tenants, mistakes);
  check_networks(profile.tenants, mistakes);
  for (const auto& tenant : profile.tenants) {
    const auto& tunnel = tunnel_of(profile, tenant);
    if (tunnel.str() == "lo" || profile.wan == tunnel) {
      mistakes.add("tenants", fmt::format("tenant '{}': tunnel {}", tenant.name, tunnel.str()),
                   "is no tunnel, but this host's own or the WAN; name the WireGuard interface");
    }
  }
}

void gather_sources(Profile& profile) {
  for (const auto& tenant : profile.tenants) {
    profile.sources.insert(profile.sources.end(), tenant.sources.begin(), tenant.sources.end());
  }
  if (!profile.tenants.empty()) {
    std::ranges::sort(profile.sources);
  }
}

json tenants_document(const std::vector<Tenant>& tenants) {
  json list = json::array();
  for (const auto& tenant : tenants) {
    json item{{"name", tenant.name}, {"sources", json::array()}};
    for (const auto& source : tenant.sources) {
      item["sources"].push_back(source.to_string());
    }
    if (tenant.tunnel) {
      item["tunnel"] = tenant.tunnel->str();
    }
    if (tenant.public_ip) {
      item["public_ip"] = tenant.public_ip->to_string();
    }
    if (tenant.public_ip6) {
      item["public_ip6"] = tenant.public_ip6->to_string();
    }
    list.push_back(std::move(item));
  }
  return list;
}

}  // namespace smtpegress
