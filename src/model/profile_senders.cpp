#include "model/profile_senders.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "model/families.hpp"
#include "model/host_senders.hpp"
#include "model/private_networks.hpp"
#include "model/profile_values.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

using nlohmann::json;
using Who = HostSender::Who;

constexpr const char* kUser = "user";
constexpr const char* kAddress = "address";
constexpr std::string_view kEverybody = "*";
constexpr std::size_t kLongestName = 256;  // bytes; LOGIN_NAME_MAX, limits.h

/// One that a host can send mail from, to the internet.
Result<IpAddress> parse_address(const json& value) {
  auto address = value.is_string() ? IpAddress::parse(value.get<std::string>()) : Result<IpAddress>(IpAddress{});
  if (!value.is_string() || !address) {
    return usage_error({}, text_of(value), "is not an address; write it like \"10.0.1.2\" or \"fd00:1::2\"");
  }
  if (!can_be_of_a_host(*address) || is_link_local(*address)) {
    return usage_error({}, text_of(value), "is no address that mail can be sent to the internet from");
  }
  return address;
}

/// One, or a list; none where the key is left out.
Result<std::vector<IpAddress>> read_addresses(const json& item) {
  std::vector<IpAddress> addresses;
  const auto found = item.find(kAddress);
  if (found == item.end()) {
    return addresses;
  }
  if (found->is_array() && found->empty()) {
    return usage_error({}, text_of(item), "names no address; write one, or leave \"address\" out");
  }
  for (const auto& value : found->is_array() ? *found : json::array({*found})) {
    const auto address = parse_address(value);
    if (!address) {
      return std::unexpected(address.error());
    }
    if (contains(addresses, *address)) {
      return usage_error({}, text_of(value), "is there twice; name each only once");
    }
    addresses.push_back(*address);
  }
  return addresses;
}

/// What passwd(5) can hold; whether there is such a user is asked at enable.
Result<std::string> read_user(const json& value) {
  const auto refused = [&](std::string_view why) -> Result<std::string> {
    return usage_error({}, text_of(value), fmt::format("{}; write a user's name, its number, or \"*\"", why));
  };
  auto text = value.is_string()            ? value.get<std::string>()
              : value.is_number_unsigned() ? fmt::format("{}", value.get<std::uint64_t>())
                                           : std::string();
  const bool has_digits_only = !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  if (has_digits_only && !parse_uid(text)) {
    return refused("is no user's number");
  }
  const bool is_name = !text.empty() && text.size() <= kLongestName && std::ranges::none_of(text, [](char c) {
    return c == ':' || c == '/' || static_cast<unsigned char>(c) <= ' ' || c == '\x7f';
  });
  return is_name ? Result<std::string>(std::move(text)) : refused("is no user's name");
}

Result<void> refuse_twice(std::string text) {
  return usage_error({}, std::move(text), "is there twice; name each only once");
}

/// Mail of the same user would have to be from two addresses; the same address alone says nothing new.
bool is_same(const HostSender& a, const HostSender& b) {
  return a.who == b.who && (a.who == Who::kAddress ? a.addresses == b.addresses : a.uid == b.uid);
}

}  // namespace

bool is_host_sender(const json& item) {
  return item.contains(kUser) || item.contains(kAddress);
}

Result<void> add_host_sender(Profile& profile, const json& item) {
  for (const auto& [key, value] : item.items()) {
    if (key != kUser && key != kAddress) {
      return usage_error({}, text_of(item),
                         fmt::format("has '{}', which is none of \"user\" and \"address\"; write it like "
                                     "{{\"user\": \"mox\", \"address\": \"10.0.1.2\"}}",
                                     key));
    }
  }
  auto addresses = read_addresses(item);
  if (!addresses) {
    return std::unexpected(addresses.error());
  }
  HostSender sender{Who::kAddress, 0, *std::move(addresses)};
  if (item.contains(kUser)) {
    const auto user = read_user(item.at(kUser));
    if (!user) {
      return std::unexpected(user.error());
    }
    const auto uid = parse_uid(*user);
    const bool by_number = uid || *user == kEverybody;
    if (!by_number || sender.addresses.empty()) {
      NamedSource named{NamedSource::Kind::kUser, *user, std::move(sender.addresses)};
      const bool is_there = std::ranges::any_of(profile.named_sources, [&](const NamedSource& other) {
        return other.kind == named.kind && other.name == named.name;
      });
      if (is_there) {
        return refuse_twice(named.to_string());
      }
      profile.named_sources.push_back(std::move(named));
      return {};
    }
    sender.who = uid ? Who::kUser : Who::kEverybody;
    sender.uid = uid.value_or(0);
  }
  if (std::ranges::any_of(profile.host_senders, [&](const HostSender& other) { return is_same(other, sender); })) {
    return refuse_twice(sender.to_string());
  }
  profile.host_senders.push_back(std::move(sender));
  return {};
}

namespace {

json addresses_document(const std::vector<IpAddress>& addresses) {
  json list = json::array();
  for (const auto& address : addresses) {
    list.push_back(address.to_string());
  }
  return list.size() == 1 ? list.front() : list;
}

}  // namespace

json document_of(const HostSender& sender) {
  json document{{kAddress, addresses_document(sender.addresses)}};
  if (sender.who == Who::kUser) {
    document[kUser] = sender.uid;
  } else if (sender.who == Who::kEverybody) {
    document[kUser] = kEverybody;
  }
  return document;
}

void add_addresses(const NamedSource& named, json& document) {
  if (!named.addresses.empty()) {
    document[kAddress] = addresses_document(named.addresses);
  }
}

}  // namespace smtpegress
