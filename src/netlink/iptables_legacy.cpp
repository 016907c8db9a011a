// iptables-legacy's tables from the kernel.
#include "netlink/iptables_legacy.hpp"

// libc's structures before linux/*, see nft_layout.hpp.
#include <netinet/in.h>

#include <linux/netfilter_ipv4/ip_tables.h>
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
constexpr const char* kNamesFile = "/proc/thread-self/net/ip_tables_names";  // of the calling thread's namespace
constexpr std::size_t kMaxNames = 4096;                                      // bytes; the kernel has five tables
constexpr int kAttempts = 10;  // a table that changes more often than that is being reloaded in a loop

/// By getsockopt; `value` says in its first bytes which table.
int ask(int fd, int option, std::vector<std::uint8_t>& value) {
  auto size = static_cast<socklen_t>(value.size());
  return ::getsockopt(fd, IPPROTO_IP, option, value.data(), &size) == 0 ? 0 : errno;
}

Result<std::vector<nft::ObservedChain>> read_table(int fd, const std::string& table) {
  int error = EAGAIN;  // GET_ENTRIES says so where the table's size has changed since GET_INFO
  for (int attempt = 0; attempt < kAttempts && error == EAGAIN; ++attempt) {
    std::vector<std::uint8_t> answer(sizeof(ipt_getinfo));
    std::ranges::copy(table.substr(0, XT_TABLE_MAXNAMELEN - 1), answer.begin());
    error = ask(fd, IPT_SO_GET_INFO, answer);
    if (error != 0) {
      break;
    }
    ipt_getinfo info{};
    std::memcpy(&info, answer.data(), sizeof info);
    LegacyHooks hooks{.valid = info.valid_hooks};
    std::ranges::copy(info.hook_entry, std::begin(hooks.entry));
    std::ranges::copy(info.underflow, std::begin(hooks.underflow));
    std::vector<std::uint8_t> entries(sizeof(ipt_get_entries) + info.size);
    std::ranges::copy(table.substr(0, XT_TABLE_MAXNAMELEN - 1), entries.begin());
    std::memcpy(entries.data() + offsetof(ipt_get_entries, size), &info.size, sizeof info.size);
    error = ask(fd, IPT_SO_GET_ENTRIES, entries);
    if (error == 0) {
      return decode_legacy_table(table, hooks, Bytes(entries).subspan(sizeof(ipt_get_entries)));
    }
  }
  return system_error(kOperation, "table " + table, error, {},
                      error == EPERM ? "it takes root, or CAP_NET_ADMIN in this network namespace" : "");
}

}  // namespace

Result<std::vector<std::string>> iptables_legacy_names() {
  const auto text = read_text_file(kOperation, kNamesFile, kMaxNames, Symlinks::kFollow);
  if (!text && text.error().errnum == ENOENT) {
    return {};  // no ip_tables in this kernel, or not loaded
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
  const auto names = iptables_legacy_names();
  if (!names) {
    return std::unexpected(names.error());
  }
  if (names->empty()) {
    return ruleset;
  }
  const FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));  // a raw one would take CAP_NET_RAW too
  if (socket.get() < 0) {
    const int error = errno;
    return system_error(kOperation, "socket", error);
  }
  for (const auto& table : *names) {
    auto chains = read_table(socket.get(), table);
    if (!chains) {
      return std::unexpected(chains.error());
    }
    ruleset.tables.push_back({nft::Family::kIp, table});
    std::ranges::move(*chains, std::back_inserter(ruleset.chains));
  }
  return ruleset;
}

}  // namespace smtpegress::netlink
