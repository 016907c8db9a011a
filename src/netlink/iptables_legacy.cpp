// iptables-legacy's tables from the kernel.
#include "netlink/iptables_legacy.hpp"

// libc's structures before linux/*, see nft_layout.hpp.
#include <netinet/in.h>

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <sstream>

#include "net/file.hpp"

namespace smtpegress::netlink {
namespace {

constexpr const char* kOperation = "read iptables-legacy";
constexpr std::size_t kMaxNames = 4096;  // bytes; the kernel has five tables
constexpr int kAttempts = 10;            // a table that changes more often than that is being reloaded in a loop

/// How one family's tables are asked for.
struct Source {
  nft::Family family;
  int domain;
  int level;
  int get_info;  // options
  int get_entries;
  const char* names_file;      // of the calling thread's namespace
  std::size_t entries_offset;  // in the answer to GET_ENTRIES
};
constexpr Source kIp4{nft::Family::kIp,
                      AF_INET,
                      IPPROTO_IP,
                      IPT_SO_GET_INFO,
                      IPT_SO_GET_ENTRIES,
                      "/proc/thread-self/net/ip_tables_names",
                      sizeof(ipt_get_entries)};
constexpr Source kIp6{nft::Family::kIp6,
                      AF_INET6,
                      IPPROTO_IPV6,
                      IP6T_SO_GET_INFO,
                      IP6T_SO_GET_ENTRIES,
                      "/proc/thread-self/net/ip6_tables_names",
                      sizeof(ip6t_get_entries)};
// The answers begin alike.
static_assert(sizeof(ipt_getinfo) == sizeof(ip6t_getinfo) &&
              offsetof(ipt_get_entries, size) == offsetof(ip6t_get_entries, size));

const Source& source_of(IpFamily family) {
  return family == IpFamily::kV4 ? kIp4 : kIp6;
}

/// By getsockopt; `value` says in its first bytes which table.
int ask(int fd, int level, int option, std::vector<std::uint8_t>& value) {
  auto size = static_cast<socklen_t>(value.size());
  return ::getsockopt(fd, level, option, value.data(), &size) == 0 ? 0 : errno;
}

Result<std::vector<nft::ObservedChain>> read_table(int fd, const Source& source, const std::string& table) {
  int error = EAGAIN;  // GET_ENTRIES says so where the table's size has changed since GET_INFO
  for (int attempt = 0; attempt < kAttempts && error == EAGAIN; ++attempt) {
    std::vector<std::uint8_t> answer(sizeof(ipt_getinfo));
    std::ranges::copy(table.substr(0, XT_TABLE_MAXNAMELEN - 1), answer.begin());
    error = ask(fd, source.level, source.get_info, answer);
    if (error != 0) {
      break;
    }
    ipt_getinfo info{};
    std::memcpy(&info, answer.data(), sizeof info);
    LegacyHooks hooks{.valid = info.valid_hooks};
    std::ranges::copy(info.hook_entry, std::begin(hooks.entry));
    std::ranges::copy(info.underflow, std::begin(hooks.underflow));
    std::vector<std::uint8_t> entries(source.entries_offset + info.size);
    std::ranges::copy(table.substr(0, XT_TABLE_MAXNAMELEN - 1), entries.begin());
    std::memcpy(entries.data() + offsetof(ipt_get_entries, size), &info.size, sizeof info.size);
    error = ask(fd, source.level, source.get_entries, entries);
    if (error == 0) {
      return decode_legacy_table({source.family, table}, hooks, Bytes(entries).subspan(source.entries_offset));
    }
  }
  return system_error(kOperation, "table " + to_string(nft::TableKey{source.family, table}), error, {},
                      error == EPERM ? "it takes root, or CAP_NET_ADMIN in this network namespace" : "");
}

Result<void> add_tables(IpFamily family, nft::Ruleset& ruleset) {
  const auto names = iptables_legacy_names(family);
  if (!names) {
    return std::unexpected(names.error());
  }
  if (names->empty()) {
    return {};
  }
  const auto& source = source_of(family);
  const FileDescriptor socket(
      ::socket(source.domain, SOCK_DGRAM | SOCK_CLOEXEC, 0));  // a raw one takes CAP_NET_RAW too
  if (socket.get() < 0) {
    const int error = errno;
    return system_error(kOperation, "socket", error);
  }
  for (const auto& table : *names) {
    auto chains = read_table(socket.get(), source, table);
    if (!chains) {
      return std::unexpected(chains.error());
    }
    ruleset.tables.push_back({source.family, table});
    std::ranges::move(*chains, std::back_inserter(ruleset.chains));
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> iptables_legacy_names(IpFamily family) {
  const auto text = read_text_file(kOperation, source_of(family).names_file, kMaxNames, Symlinks::kFollow);
  if (!text && text.error().errnum == ENOENT) {
    return {};  // no such tables in this kernel, or not loaded
  }
  if (!text) {
    return std::unexpected(text.error());
  }
  std::vector<std::string> names;
  std::istringstream lines(*text);
  for (std::string name; std::getline(lines, name);) {
    names.push_back(std::move(name));
  }
  return names;
}

Result<nft::Ruleset> read_iptables_legacy() {
  nft::Ruleset ruleset;
  for (const auto family : {IpFamily::kV4, IpFamily::kV6}) {
    if (auto read = add_tables(family, ruleset); !read) {
      return std::unexpected(read.error());
    }
  }
  return ruleset;
}

}  // namespace smtpegress::netlink
