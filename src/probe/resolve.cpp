#include "probe/resolve.hpp"

#include <netdb.h>

#include <thread>

#include "net/contains.hpp"
#include "probe/sockets.hpp"

namespace smtpegress::probe {
namespace {

struct FreeAnswers {
  void operator()(addrinfo* answers) const { ::freeaddrinfo(answers); }
};

Resolved ask(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list); error != 0) {
    return {.addresses = {}, .problem = ::gai_strerror(error)};
  }
  const std::unique_ptr<addrinfo, FreeAnswers> owner(list);
  Resolved resolved;
  for (const auto* entry = list; entry != nullptr; entry = entry->ai_next) {
    if (const auto address = address_in(entry->ai_addr, entry->ai_addrlen);
        address && !contains(resolved.addresses, *address)) {
      resolved.addresses.push_back(*address);
    }
  }
  if (resolved.addresses.empty()) {
    resolved.problem = "it has no address";
  }
  return resolved;
}

}  // namespace

Resolution::Resolution(const std::string& host) {
  if (const auto address = IpAddress::parse(host)) {
    place_->resolved.addresses = {*address};
    place_->done = true;
    return;
  }
  std::thread([place = place_, host] {
    auto resolved = ask(host);
    const std::lock_guard lock(place->mutex);
    place->resolved = std::move(resolved);
    place->done = true;
    place->changed.notify_all();
  }).detach();
}

Resolved Resolution::answer(const Deadline& deadline) const {
  std::unique_lock lock(place_->mutex);
  place_->changed.wait_for(lock, std::chrono::milliseconds(deadline.left()), [&] { return place_->done; });
  return place_->done ? place_->resolved : Resolved{};
}

}  // namespace smtpegress::probe
