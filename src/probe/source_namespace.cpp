#include "probe/source_namespace.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <sched.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <string>
#include <thread>

#include "probe/connection.hpp"
#include "probe/rights.hpp"
#include "probe/sockets.hpp"

namespace smtpegress::probe {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
struct FreeAddresses {
  void operator()(ifaddrs* addresses) const { ::freeifaddrs(addresses); }
};

}  // namespace

std::vector<IpAddress> addresses_here() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) {
    return {};
  }
  const std::unique_ptr<ifaddrs, FreeAddresses> owner(list);
  std::vector<IpAddress> addresses;
  for (const auto* entry = list; entry != nullptr; entry = entry->ifa_next) {
    const bool v4 = entry->ifa_addr != nullptr && entry->ifa_addr->sa_family == AF_INET;
    if (const auto address = address_in(entry->ifa_addr, v4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6))) {
      addresses.push_back(*address);
    }
  }
  return addresses;
}

namespace {

/// Does somebody in the calling thread's namespace listen on that tcp port?
bool listens_on(std::uint16_t port) {
  constexpr std::size_t kLimit = 1U << 20U;  // bytes; a namespace with more connections is not looked through
  const auto wanted = fmt::format(":{:04X} ", port);
  for (const char* path : {"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"}) {
    const auto text = read_text_file("read", path, kLimit, Symlinks::kFollow);
    constexpr std::string_view kListen = " 0A ";  // TCP_LISTEN, include/net/tcp_states.h
    for (std::size_t at = 0; text && (at = text->find(wanted, at)) != std::string::npos; ++at) {
      // "sl: local:port remote:0000 0A": the local port is followed by a remote address of zeros and the state.
      const auto line = text->substr(at, text->find('\n', at) - at);
      if (line.find(kListen) != std::string::npos && line.find(":0000 0A ") != std::string::npos) {
        return true;
      }
    }
  }
  return false;
}

/// Namespaces, each once, by a process that is in it.
class Scan {
 public:
  explicit Scan(const Deadline& deadline) : deadline_(deadline) {}

  /// Calls `look` for each, with its descriptor; the first error that kept one from being looked at, or 0.
  template <class Look>
  int each(Look look) {
    struct stat own {};
    ::stat("/proc/thread-self/ns/net", &own);
    seen_.insert(own.st_ino);
    const std::unique_ptr<DIR, CloseDirectory> processes(::opendir("/proc"));
    int errnum = processes ? 0 : errno;
    for (const dirent* entry = nullptr; processes && (entry = ::readdir(processes.get())) != nullptr;) {
      if (entry->d_name[0] < '0' || entry->d_name[0] > '9') {
        continue;
      }
      if (deadline_.past()) {
        return ETIMEDOUT;
      }
      const auto path = fmt::format("/proc/{}/ns/net", static_cast<const char*>(entry->d_name));
      struct stat found {};
      if (::stat(path.c_str(), &found) != 0) {
        errnum = errno == ENOENT || errno == ESRCH || errnum != 0 ? errnum : errno;  // it ended meanwhile
        continue;
      }
      if (seen_.contains(found.st_ino)) {
        continue;
      }
      const auto descriptor = std::make_shared<FileDescriptor>(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
      if (descriptor->get() < 0 || ::setns(descriptor->get(), CLONE_NEWNET) != 0) {
        errnum = errno == ENOENT || errno == ESRCH || errnum != 0 ? errnum : errno;
        continue;
      }
      seen_.insert(found.st_ino);  // not before: another process that is in it may be there still
      look(descriptor);
    }
    return errnum;
  }

 private:
  const Deadline& deadline_;
  std::set<ino_t> seen_;
};

bool is_better(const SourceNamespace& one, const std::optional<SourceNamespace>& other) {
  return !other || (one.listens && !other->listens) || (one.listens == other->listens && one.address < other->address);
}

NamespaceSearch search(const std::vector<Prefix>& sources, const ByFamily<IpAddress>& somewhere, std::uint16_t port,
                       const Deadline& deadline) {
  NamespaceSearch result{.found = std::vector<std::optional<SourceNamespace>>(sources.size())};
  raise_rights();
  result.errnum = Scan(deadline).each([&](const std::shared_ptr<FileDescriptor>& descriptor) {
    const auto addresses = addresses_here();
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const auto in_source =
          std::ranges::find_if(addresses, [&](const IpAddress& address) { return sources[i].contains(address); });
      if (in_source == addresses.end()) {
        continue;
      }
      SourceNamespace place{.descriptor = descriptor, .address = *in_source, .egress = {}, .listens = listens_on(port)};
      for (const auto family : kBothFamilies) {
        if (const auto from = source_towards(somewhere[family])) {
          place.egress.push_back(*from);
        }
      }
      if (is_better(place, result.found[i])) {
        result.found[i] = std::move(place);
      }
    }
  });
  return result;
}

}  // namespace

NamespaceSearch find_namespaces(const std::vector<Prefix>& sources, const ByFamily<IpAddress>& somewhere,
                                std::uint16_t port, const Deadline& deadline) {
  NamespaceSearch result;
  std::thread([&] { result = search(sources, somewhere, port, deadline); }).join();
  return result;
}

bool enter(const SourceNamespace& place) {
  raise_rights();
  return ::setns(place.descriptor->get(), CLONE_NEWNET) == 0;
}

}  // namespace smtpegress::probe
