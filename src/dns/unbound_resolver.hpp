// The real resolver: libunbound, by way of the host's own resolvers.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "smtpegress/dns.hpp"

namespace smtpegress::dns {

struct ResolverOptions {
  std::vector<std::string> resolvers{};  ///< addresses, each with @PORT where it is not 53; none: /etc/resolv.conf's
  std::string trust_anchor{};            ///< a file of DS or DNSKEY records; empty: Debian's, where it is there
  std::chrono::milliseconds patience{10'000};          ///< for all calls of ask() together, from the first one on
  std::function<void(const std::string&)> progress{};  ///< told what is being waited for; empty: nobody
};

/// Loads the library, and sends the first packet, with the first ask(). It starts a thread, which goes with it.
[[nodiscard]] std::unique_ptr<DnsResolver> make_unbound_resolver(ResolverOptions options);

}  // namespace smtpegress::dns
