#include "cli/knock.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "probe/rights.hpp"
#include "probe/source_namespace.hpp"
#include "smtpegress/mail_server.hpp"

namespace smtpegress::cli {
namespace {

constexpr const char* kOperation = "knock";
constexpr std::chrono::seconds kLooking{5};  // for namespaces: there may be hundreds

/// This host itself, as somebody whose mail goes through the tunnel.
struct Sender {
  probe::Sending how{};
  std::optional<std::uint32_t> uid{};
  std::string told;
};

bool is_source(const Profile& profile, const IpAddress& address) {
  return std::ranges::any_of(profile.sources, [&](const Prefix& source) { return source.contains(address); });
}

std::optional<Sender> sender_here(const Profile& profile, IpFamily family) {
  for (const auto& sender : profile.host_senders) {
    const auto address = std::ranges::find(sender.addresses, family, &IpAddress::family);
    if (address == sender.addresses.end()) {
      continue;
    }
    if (sender.who == HostSender::Who::kUser) {
      return Sender{.how = {}, .uid = sender.uid, .told = sender.to_string()};
    }
    return Sender{.how = {.bound = *address}, .uid = {}, .told = sender.to_string()};
  }
  for (const auto& address : probe::addresses_here()) {
    if (address.family == family && is_source(profile, address)) {
      return Sender{
          .how = {.bound = address, .mark = profile.mark.value},
          .uid = {},
          .told = fmt::format("{}, of this host itself, marked {}", address.to_string(), profile.mark.to_string())};
    }
  }
  return std::nullopt;
}

/// A container's, of the family; empty where there is none.
std::optional<probe::SourceNamespace> find_namespace(const Profile& profile, const probe::Endpoint& to) {
  std::vector<Prefix> sources;
  std::ranges::copy_if(profile.sources, std::back_inserter(sources),
                       [&](const Prefix& source) { return source.address.family == to.address.family; });
  auto search = probe::find_namespaces(sources, {}, to.port, probe::Deadline::in(kLooking));
  const auto found = std::ranges::find_if(search.found, [](const auto& place) { return place.has_value(); });
  return found == search.found.end() ? std::nullopt : std::move(*found);
}

std::string whither(const probe::Endpoint& to, const std::string& from) {
  return fmt::format("at {} from {}", to.address.to_string(), from);
}

/// Before the container is entered: something of ours must stand between it and the home line.
Result<probe::Sending> not_exposed(const Profile& profile, const probe::Endpoint& to, const IpAddress& address,
                                   const std::string& told, const KnockQuestions& ask) {
  const auto exposed = ask.is_exposed(address);
  if (!exposed) {
    return std::unexpected(exposed.error());
  }
  if (*exposed) {
    return usage_error(kOperation, whither(to, told),
                       fmt::format("nothing of ours would keep it off the home line: nothing was sent. `smtp-egress "
                                   "status {}` shows what is missing",
                                   profile.name));
  }
  return probe::Sending{.bound = address};
}

/// In the container, which may have its way out by another network than the mail's. Bound to an address of the sources,
/// which is what the guard knows the mail by.
Result<probe::Sending> as_container(const Profile& profile, const probe::Endpoint& to, const IpAddress& address,
                                    const std::string& told) {
  const auto from = probe::source_towards(to.address);
  if (from && !is_source(profile, *from)) {
    return usage_error(
        kOperation, whither(to, told),
        fmt::format("it would leave as {}, which no source names, past the tunnel: nothing was sent. Name "
                    "its network among the sources, at home and on the VPS; or take that network from "
                    "the container",
                    from->to_string()));
  }
  return probe::Sending{.bound = from.value_or(address)};
}

/// As this host itself, by the tunnel or not at all: no guard stands behind the policy rules. Bound to it too, should
/// they go before the last SYN.
Result<probe::Sending> as_this_host(const Profile& profile, const probe::Endpoint& to, const Sender& here,
                                    const probe::RouteLookup& look_up) {
  const auto way = probe::way_out(look_up, to, here.how, here.uid);
  if (!way) {
    return std::unexpected(way.error());
  }
  if (way->errnum != 0) {
    return system_error(kOperation, whither(to, here.told), way->errnum);
  }
  if (way->interface != profile.tunnel) {
    return usage_error(kOperation, whither(to, here.told),
                       fmt::format("it would leave by {}, past the tunnel: nothing was sent. `smtp-egress status {}` "
                                   "shows what is missing",
                                   way->interface.empty() ? "several interfaces" : way->interface.str(), profile.name));
  }
  auto how = here.how;
  how.device = profile.tunnel;
  return how;
}

}  // namespace

Result<probe::Endpoint> parse_knock_target(std::string_view text, const Profile& profile) {
  const auto wrong = [&](std::string hint) {
    return usage_error("read", fmt::format("--to {}", text), std::move(hint));
  };
  const auto server = MailServer::parse(text);
  const auto address = server ? IpAddress::parse(server->host) : Result<IpAddress>(std::unexpected(server.error()));
  if (!address) {
    return wrong("it takes an address, such as 192.0.2.25, 192.0.2.25:25 or [2001:db8::25]:25");
  }
  const probe::Endpoint target{*address, server->port.value_or(profile.ports.front().first)};
  if (std::ranges::none_of(profile.ports, [&](const PortRange& ports) { return ports.contains(target.port); })) {
    return wrong(fmt::format("tcp/{} is none of the profile's ports, and takes no tunnel", target.port));
  }
  return target;
}

Result<Knock> Knock::send(const Profile& profile, const probe::Endpoint& to, const KnockQuestions& ask) {
  if (profile.side == Side::kVps) {
    return usage_error(kOperation, {},
                       "a knock of the VPS's own would not come out of the tunnel: knock at home, with "
                       "`smtp-egress trace --probe` there, while trace runs here");
  }
  const auto place = find_namespace(profile, to);
  const auto here = place ? std::nullopt : sender_here(profile, to.address.family);
  if (!place && !here) {
    return usage_error(kOperation, {},
                       "no process of this host has an address of the sources: start the mail stack; or "
                       "send a mail, and trace without --probe");
  }
  const auto told = place ? fmt::format("{}, in its own network namespace", place->address.to_string()) : here->told;
  std::unique_ptr<probe::Connection> connection;
  auto how = place ? not_exposed(profile, to, place->address, told, ask) : as_this_host(profile, to, *here, ask.way);
  if (!how) {
    return std::unexpected(how.error());
  }
  std::thread([&] {  // which stays in that namespace, or that user's, for as long as it takes to open a socket
    probe::raise_rights();
    if (!(place ? probe::enter(*place) : !here->uid || probe::make_sockets_as(*here->uid))) {
      how = system_error(kOperation, whither(to, told), EPERM);
    } else if (place) {
      how = as_container(profile, to, place->address, told);
    }
    if (how) {
      connection = std::make_unique<probe::Connection>(to, *how);
    }
  })
      .join();
  if (!how) {
    return std::unexpected(how.error());
  }
  const bool failed = connection->state() == probe::Connection::State::kFailed;
  if (failed && !connection->path_error() && connection->errnum() != ECONNREFUSED) {
    return system_error(kOperation, whither(to, told), connection->errnum());
  }
  return Knock(std::move(connection), told);
}

bool Knock::has_ended() {
  connection_->look();
  return connection_->state() != probe::Connection::State::kOpening;
}

}  // namespace smtpegress::cli
