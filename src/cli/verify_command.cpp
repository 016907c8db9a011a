#include "cli/verify_command.hpp"

#include "cli/progress_line.hpp"
#include "dns/unbound_resolver.hpp"
#include "probe/linux_prober.hpp"
#include "smtpegress/probe.hpp"

namespace smtpegress::cli {

Result<VerifyReport> run_verify(const Options& options, Engine& engine, const probe::RouteLookup& look_up,
                                const std::string& name, const std::optional<Profile>& fallback) {
  ProgressLine line(options);
  const auto progress = [&](const std::string& text) { line.show(text); };
  const auto prober = probe::make_linux_prober(look_up, progress);
  const auto& dns = options.dns;
  const auto resolver = dns.asked ? dns::make_unbound_resolver({.resolvers = dns.resolvers,
                                                                .trust_anchor = dns.trust_anchor,
                                                                .patience = dns.patience,
                                                                .progress = progress})
                                  : nullptr;
  return engine.verify(name, fallback,
                       {.prober = prober.get(),
                        .asked = options.probe.asked,
                        .servers = options.probe.servers,
                        .patience = options.probe.patience},
                       {.resolver = resolver.get(), .instead = dns.instead, .addresses = dns.addresses});
}

}  // namespace smtpegress::cli
