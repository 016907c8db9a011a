#include "model/host_senders.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "model/families.hpp"
#include "net/contains.hpp"

namespace smtpegress {

std::string HostSender::to_string() const {
  std::string text;
  for (const auto& address : addresses) {
    text += (text.empty() ? "" : ", ") + address.to_string();
  }
  switch (who) {
    case Who::kUser:
      return fmt::format("user {} as {}", uid, text);
    case Who::kEverybody:
      return fmt::format("this host as {}", text);
    case Who::kAddress:
      return fmt::format("this host's {}", text);
  }
  return text;
}

std::vector<IpAddress> own_addresses(const Profile& profile) {
  std::vector<IpAddress> addresses;
  for (const auto& sender : profile.host_senders) {
    for (const auto& address : sender.addresses) {
      if (!contains(addresses, address)) {
        addresses.push_back(address);
      }
    }
  }
  return addresses;
}

bool has_own_address(const Profile& profile, IpFamily family) {
  return contains(own_addresses(profile), family, &IpAddress::family);
}

bool names_users(const Profile& profile) {
  return std::ranges::any_of(profile.host_senders,
                             [](const HostSender& sender) { return sender.who != HostSender::Who::kAddress; });
}

std::optional<std::uint32_t> parse_uid(std::string_view text) {
  constexpr auto kNobody = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t uid = kNobody;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), uid);
  const bool is_whole = failed == std::errc() && end == text.data() + text.size();
  return is_whole && uid < kNobody ? std::optional(uid) : std::nullopt;
}

std::vector<IpFamily> mail_families(const Profile& profile) {
  std::vector<IpFamily> families;
  for (const auto family : kBothFamilies) {
    if (has_sources(profile, family) || has_own_address(profile, family)) {
      families.push_back(family);
    }
  }
  return families;
}

}  // namespace smtpegress
