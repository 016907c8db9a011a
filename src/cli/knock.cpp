#include "cli/knock.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "net/file.hpp"

namespace smtpegress::cli {
namespace {

constexpr const char* kOperation = "knock";

/// A socket address of either family.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* get() const { return static_cast<const sockaddr*>(static_cast<const void*>(&storage)); }
};

SocketAddress socket_address(const IpAddress& address, std::uint16_t port) {
  SocketAddress result;
  if (address.family == IpFamily::kV4) {
    sockaddr_in plain{};
    plain.sin_family = AF_INET;
    plain.sin_port = htons(port);
    std::memcpy(&plain.sin_addr, address.bytes.data(), sizeof plain.sin_addr);
    std::memcpy(&result.storage, &plain, sizeof plain);
    result.size = sizeof plain;
  } else {
    sockaddr_in6 plain{};
    plain.sin6_family = AF_INET6;
    plain.sin6_port = htons(port);
    std::memcpy(&plain.sin6_addr, address.bytes.data(), sizeof plain.sin6_addr);
    std::memcpy(&result.storage, &plain, sizeof plain);
    result.size = sizeof plain;
  }
  return result;
}

std::optional<IpAddress> address_of(const sockaddr* from) {
  IpAddress address;
  if (from == nullptr || (from->sa_family != AF_INET && from->sa_family != AF_INET6)) {
    return std::nullopt;
  }
  if (from->sa_family == AF_INET) {
    sockaddr_in plain{};
    std::memcpy(&plain, from, sizeof plain);
    std::memcpy(address.bytes.data(), &plain.sin_addr, sizeof plain.sin_addr);
  } else {
    sockaddr_in6 plain{};
    std::memcpy(&plain, from, sizeof plain);
    address.family = IpFamily::kV6;
    std::memcpy(address.bytes.data(), &plain.sin6_addr, sizeof plain.sin6_addr);
  }
  return address;
}

/// The calling thread's namespace's first address of the family that is in one of `networks`.
std::optional<IpAddress> address_in(const std::vector<Prefix>& networks, IpFamily family) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) {
    return std::nullopt;
  }
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owned(list, ::freeifaddrs);
  for (const auto* entry = list; entry != nullptr; entry = entry->ifa_next) {
    const auto address = address_of(entry->ifa_addr);
    const bool fits = address && address->family == family &&
                      std::ranges::any_of(networks, [&](const Prefix& network) { return network.contains(*address); });
    if (fits) {
      return address;
    }
  }
  return std::nullopt;
}

/// In which namespace, if in another, as whom, from where and with which mark.
struct Sender {
  std::optional<IpAddress> address{};
  std::optional<std::uint32_t> uid{};
  std::uint32_t mark = 0;
  std::string told;
};

/// Opened in the calling thread's namespace, which it stays in.
Result<int> open_socket(const Sender& sender, const KnockTarget& to) {
  const auto refused = [&] {
    const int errnum = errno;
    return system_error(kOperation, fmt::format("at {} from {}", to.address.to_string(), sender.told), errnum);
  };
  FileDescriptor socket(
      ::socket(to.address.family == IpFamily::kV4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.get() < 0) {
    return refused();
  }
  if (sender.mark != 0 && ::setsockopt(socket.get(), SOL_SOCKET, SO_MARK, &sender.mark, sizeof sender.mark) != 0) {
    return refused();
  }
  if (sender.address) {
    const auto from = socket_address(*sender.address, 0);
    if (::bind(socket.get(), from.get(), from.size) != 0) {
      return refused();
    }
  }
  const auto at = socket_address(to.address, to.port);
  if (::connect(socket.get(), at.get(), at.size) != 0 && errno != EINPROGRESS) {
    return refused();
  }
  return socket.release();
}

/// Network namespaces of other processes, each once, with one of its processes.
std::vector<std::string> other_namespaces() {
  struct ::stat own {};
  std::set<ino_t> seen;
  if (::stat("/proc/self/ns/net", &own) == 0) {
    seen.insert(own.st_ino);
  }
  std::vector<std::string> processes;
  std::error_code ended;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ended)) {
    const auto name = entry.path().filename().string();
    struct ::stat found {};
    const bool is_process = std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
    if (is_process && ::stat((entry.path() / "ns/net").c_str(), &found) == 0 && seen.insert(found.st_ino).second) {
      processes.push_back(name);
    }
  }
  return processes;
}

struct Opened {
  Result<int> socket;
  std::string from;
};

/// A thread that goes into each namespace, and ends there.
std::optional<Opened> knock_in_a_namespace(const Profile& profile, const KnockTarget& to) {
  std::optional<Opened> opened;
  for (const auto& process : other_namespaces()) {
    std::thread([&] {
      const FileDescriptor space(::open(fmt::format("/proc/{}/ns/net", process).c_str(), O_RDONLY | O_CLOEXEC));
      if (space.get() < 0 || ::setns(space.get(), CLONE_NEWNET) != 0) {
        return;  // it has ended meanwhile, or this process may not
      }
      if (const auto address = address_in(profile.sources, to.address.family)) {
        const Sender sender{
            .address = address,
            .told = fmt::format("{}, in the network namespace of process {}", address->to_string(), process)};
        opened.emplace(open_socket(sender, to), sender.told);
      }
    }).join();
    if (opened) {
      break;
    }
  }
  return opened;
}

/// This host itself, as somebody whose mail goes through the tunnel.
std::optional<Sender> sender_here(const Profile& profile, IpFamily family) {
  for (const auto& sender : profile.host_senders) {
    for (const auto& address : sender.addresses) {
      if (address.family == family) {
        const bool is_user = sender.who == HostSender::Who::kUser;
        return Sender{.address = is_user ? std::nullopt : std::optional(address),
                      .uid = is_user ? std::optional(sender.uid) : std::nullopt,
                      .mark = 0,
                      .told = sender.to_string()};
      }
    }
  }
  if (const auto address = address_in(profile.sources, family)) {
    return Sender{
        .address = address,
        .uid = {},
        .mark = profile.mark.value,
        .told = fmt::format("{}, of this host itself, marked {}", address->to_string(), profile.mark.to_string())};
  }
  return std::nullopt;
}

}  // namespace

Result<KnockTarget> KnockTarget::parse(std::string_view text, const Profile& profile) {
  const auto wrong = [&](std::string hint) {
    return usage_error("read", fmt::format("--to {}", text), std::move(hint));
  };
  auto host = text;
  std::string_view port;
  if (text.starts_with('[') && text.find(']') != std::string_view::npos) {
    host = text.substr(1, text.find(']') - 1);
    const auto rest = text.substr(text.find(']') + 1);
    port = rest.starts_with(':') ? rest.substr(1) : rest;
  } else if (std::ranges::count(text, ':') == 1) {
    host = text.substr(0, text.find(':'));
    port = text.substr(text.find(':') + 1);
  }
  const auto address = IpAddress::parse(host);
  if (!address) {
    return wrong("it takes an address, such as 192.0.2.25, 192.0.2.25:25 or [2001:db8::25]:25");
  }
  KnockTarget target{*address, profile.ports.front().first};
  if (port.data() != nullptr && port.data() != text.data() && text.size() != host.size()) {
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), target.port);
    const bool is_number =
        port.empty() ? text.ends_with(']') : error == std::errc() && end == port.data() + port.size();
    if (!is_number) {
      return wrong("behind the address stands a port, such as 192.0.2.25:25");
    }
  }
  if (std::ranges::none_of(profile.ports, [&](const PortRange& ports) { return ports.contains(target.port); })) {
    return wrong(fmt::format("tcp/{} is none of the profile's ports, and takes no tunnel", target.port));
  }
  return target;
}

Knock::~Knock() {
  if (socket_ >= 0) {
    ::close(socket_);
  }
}

Result<std::unique_ptr<Knock>> Knock::send(const Profile& profile, const KnockTarget& to) {
  if (profile.side == Side::kVps) {
    return usage_error(kOperation, {},
                       "a knock of the VPS's own would not come out of the tunnel: knock at home, with "
                       "`smtp-egress trace --probe` there, while trace runs here");
  }
  auto opened = knock_in_a_namespace(profile, to);
  if (!opened) {
    const auto here = sender_here(profile, to.address.family);
    if (!here) {
      return usage_error(kOperation, {},
                         "no process of this host has an address of the sources: start the mail stack; or "
                         "send a mail, and trace without --probe");
    }
    std::thread([&] {  // whose user is another for as long as it takes to open a socket
      if (here->uid) {
        ::setfsuid(*here->uid);
      }
      opened.emplace(open_socket(*here, to), here->told);
    })
        .join();
  }
  if (!opened->socket) {
    return std::unexpected(opened->socket.error());
  }
  return std::unique_ptr<Knock>(new Knock(*opened->socket, std::move(opened->from)));
}

bool Knock::has_ended() {
  if (socket_ < 0) {
    return true;
  }
  pollfd poll{.fd = socket_, .events = POLLOUT, .revents = 0};
  if (::poll(&poll, 1, 0) > 0) {  // open, or refused
    ::close(socket_);
    socket_ = -1;
  }
  return socket_ < 0;
}

}  // namespace smtpegress::cli
