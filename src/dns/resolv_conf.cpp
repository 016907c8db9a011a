#include "dns/resolv_conf.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "smtpegress/net_types.hpp"

namespace smtpegress::dns {
namespace {

constexpr std::size_t kMost = 3;  // MAXNS, resolv.h
constexpr std::string_view kSpace = " \t\r";

bool is_address(std::string_view text) {
  const auto percent = text.find('%');
  const auto address = IpAddress::parse(text.substr(0, percent));
  return address && (percent == std::string_view::npos ||
                     (address->family == IpFamily::kV6 && IfName::parse(text.substr(percent + 1))));
}

}  // namespace

std::vector<std::string> nameservers_in(std::string_view resolv_conf) {
  constexpr std::string_view kKeyword = "nameserver";
  std::vector<std::string> servers;
  for (std::size_t begin = 0; begin < resolv_conf.size();) {
    const auto end = std::min(resolv_conf.find('\n', begin), resolv_conf.size());
    auto line = resolv_conf.substr(begin, end - begin);
    begin = end + 1;
    if (!line.starts_with(kKeyword)) {
      continue;
    }
    line.remove_prefix(kKeyword.size());
    const auto first = line.find_first_not_of(kSpace);
    if (first == 0 || first == std::string_view::npos) {
      continue;
    }
    line = line.substr(first, line.find_first_of(kSpace, first) - first);
    if (is_address(line) && servers.size() < kMost) {
      servers.emplace_back(line);
    }
  }
  return servers;
}

Result<std::string> parse_resolver(std::string_view text) {
  const auto at = text.find('@');
  const auto port = at == std::string_view::npos ? PortRange{} : PortRange::parse(text.substr(at + 1));
  if (!is_address(text.substr(0, at)) || !port || port->first != port->last) {
    return usage_error({}, fmt::format("'{}'", text),
                       "is no resolver; write 192.0.2.53, 192.0.2.53@5353 or 2001:db8::53");
  }
  return std::string(text);
}

}  // namespace smtpegress::dns
