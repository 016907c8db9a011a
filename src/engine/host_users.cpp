#include "engine/host_users.hpp"

#include <fmt/format.h>
#include <pwd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "model/host_addresses.hpp"
#include "model/host_senders.hpp"

namespace smtpegress {
namespace {

constexpr const char* kOperation = "find sources:";
constexpr std::size_t kMostBytes = 1 << 20;  // of one user's entry; a database that needs more is broken

/// EINTR is asked again, ERANGE with more room (getpwnam(3)).
Result<std::uint32_t> uid_of(const NamedSource& named) {
  std::vector<char> room(1024);
  passwd entry{};
  passwd* found = nullptr;
  for (;;) {
    const int failed = ::getpwnam_r(named.name.c_str(), &entry, room.data(), room.size(), &found);
    if (failed == ERANGE && room.size() < kMostBytes) {
      room.resize(room.size() * 2);
    } else if (failed != EINTR) {
      const bool knows_nothing = failed == 0 || failed == ENOENT || failed == ESRCH;
      if (found != nullptr) {
        return entry.pw_uid;
      }
      return usage_error(kOperation, named.to_string(),
                         knows_nothing
                             ? std::string("there is no such user on this host (`getent passwd` lists them); make it, "
                                           "or name another, or its number. Nothing was touched")
                             : fmt::format("the user database cannot be asked: {}; `getent passwd {}` asks the same, "
                                           "or name its number. Nothing was touched",
                                           ::strerror(failed), named.name));
    }
  }
}

/// As which the mail leaves, where the profile leaves it open.
Result<std::vector<IpAddress>> addresses_on(const NamedSource& named, const Profile& profile,
                                            const ObservedState& observed) {
  const auto& tunnel = profile.tunnel;
  if (profile.inner && !profile.inner->addresses.empty()) {
    return profile.inner->addresses;  // known before the interface is there
  }
  if (profile.inner) {
    return usage_error(kOperation, named.to_string(),
                       fmt::format("its mail's address is the inner tunnel's, which has none; write \"address\": "
                                   "\"10.0.9.2\" in key 'inner', or the same beside \"user\": \"{}\" if another "
                                   "interface has it. Nothing was touched",
                                   named.name));
  }
  const auto refused = [&](std::string_view why) {
    return usage_error(kOperation, named.to_string(),
                       fmt::format("its mail's address is the tunnel's, and {} {}; bring it up first (`wg-quick up "
                                   "{}`), or write the address: {{\"user\": \"{}\", \"address\": \"10.0.1.2\"}}. "
                                   "Nothing was touched",
                                   tunnel.str(), why, tunnel.str(), named.name));
  };
  const auto* link = observed.link(tunnel);
  if (link == nullptr) {
    return refused("is not there");
  }
  std::vector<IpAddress> addresses;
  for (const auto family : kBothFamilies) {
    if (const auto address = lasting_address(observed, *link, family)) {
      addresses.push_back(*address);
    }
  }
  return addresses.empty() ? refused("has none") : Result<std::vector<IpAddress>>(std::move(addresses));
}

}  // namespace

Result<HostSender> find_host_sender(const NamedSource& named, const Profile& profile, const ObservedState& observed) {
  HostSender sender;
  if (named.name == "*") {
    sender.who = HostSender::Who::kEverybody;
  } else if (const auto number = parse_uid(named.name)) {  // need not have a name
    sender.uid = *number;
  } else if (const auto uid = uid_of(named)) {
    sender.uid = *uid;
  } else {
    return std::unexpected(uid.error());
  }
  auto addresses = named.addresses.empty() ? addresses_on(named, profile, observed)
                                           : Result<std::vector<IpAddress>>(named.addresses);
  if (!addresses) {
    return std::unexpected(addresses.error());
  }
  sender.addresses = *std::move(addresses);
  return sender;
}

}  // namespace smtpegress
