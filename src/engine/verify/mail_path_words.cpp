// What the hops are called, and what was seen of them. All of it was observed already for the checks.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "engine/verify/mail_path.hpp"
#include "model/docker.hpp"
#include "model/inner.hpp"
#include "model/tenants.hpp"

namespace smtpegress {
namespace {

/// "172.22.1.0/24 and 2 more"
std::string some_of(const std::vector<std::string>& items) {
  constexpr std::size_t kNamed = 2;
  std::string text;
  for (std::size_t i = 0; i < std::min(items.size(), kNamed); ++i) {
    text += (i == 0 ? "" : ", ") + items[i];
  }
  return items.size() <= kNamed ? text : fmt::format("{} and {} more", text, items.size() - kNamed);
}

template <class Items>
void add_names(const Items& items, std::vector<std::string>& names) {
  for (const auto& item : items) {
    names.push_back(item.to_string());
  }
}

std::string senders(const Profile& profile) {
  if (!profile.tenants.empty()) {
    return fmt::format("{} tenant{}", profile.tenants.size(), profile.tenants.size() == 1 ? "" : "s");
  }
  std::vector<std::string> names;
  add_names(profile.sources, names);
  const auto is_user = [](const HostSender& sender) { return sender.who != HostSender::Who::kAddress; };
  auto users = profile.named_sources;
  std::erase_if(users, [](const NamedSource& named) { return named.kind != NamedSource::Kind::kUser; });
  const bool all_named = std::cmp_equal(std::ranges::count_if(profile.host_senders, is_user), users.size());
  if (all_named) {
    add_names(users, names);  // "user mox" tells more than "user 997 as 10.0.1.2"
  }
  for (const auto& sender : profile.host_senders) {
    if (!all_named || !is_user(sender)) {
      names.push_back(sender.to_string());
    }
  }
  return some_of(names);
}

/// The interfaces that a source's network is on.
std::string bridges(const Inquiry& ask) {
  const auto& observed = ask.view.seen.observed;
  std::vector<std::string> names;
  for (const auto& link : observed.links) {
    const auto is_on_it = [&](const Prefix& source) {
      return std::ranges::any_of(observed.networks_on(link), [&](const Prefix& n) { return n.overlaps(source); });
    };
    if (link.name != ask.view.profile.tunnel && std::ranges::any_of(ask.view.profile.sources, is_on_it)) {
      names.push_back(link.name.str());
    }
  }
  return some_of(names);
}

std::string tunnels(const Profile& profile) {
  std::vector<std::string> names;
  for (const auto& tunnel : tunnels_of(profile)) {
    names.push_back(tunnel.str());
  }
  return profile.inner ? fmt::format("{} in {}", profile.tunnel.str(), profile.inner->link.str()) : some_of(names);
}

/// VPS: as what the mail leaves.
std::string addresses(const Inquiry& ask) {
  auto by_family = ask.view.seen.host.tenants_snat_to;
  by_family.push_back(ask.view.seen.host.snat_to);
  std::set<IpAddress> all;  // of thousands of tenants, maybe
  for (const auto& of_one : by_family) {
    for (const auto family : kBothFamilies) {
      if (of_one[family]) {
        all.insert(*of_one[family]);
      }
    }
  }
  std::vector<std::string> names;
  add_names(all, names);
  return some_of(names);
}

std::string counted(const Inquiry& ask, std::string_view role, std::string_view one) {
  std::uint64_t packets = 0;
  for (const auto& finding : ask.view.findings) {
    for (const auto& counter : finding.counters) {
      packets += counter.rule.comment == role ? counter.packets : 0;
    }
  }
  return fmt::format("{} {}{} so far", packets, one, packets == 1 ? "" : "s");
}

/// What the first such check saw, if it passed.
std::string detail_of(const Inquiry& ask, std::string_view id) {
  const auto check = std::ranges::find(ask.checks, id, &Check::id);
  return check == ask.checks.end() || check->outcome != Outcome::kPassed ? std::string() : check->detail;
}

std::string of_firewall(const Inquiry& ask) {
  const auto& profile = ask.view.profile;
  if (profile.sources.empty()) {
    return "lets the mail out and its replies in";
  }
  const auto bypass = bypass_for(profile, ask.view.seen.host);
  std::string past;
  if (bypass && ask.view.seen.host.docker != DockerBackend::kNone) {
    past = *bypass == DockerBypass::kSidestep ? "; past Docker by sidestep" : "; past Docker by exception";
  }
  return "forwards, drops nothing" + past;
}

std::string of_tunnel(const Inquiry& ask) {
  auto text = ask.view.profile.tenants.empty() ? detail_of(ask, "tunnel") : std::string("up");
  const auto handshake = detail_of(ask, "handshake");
  return text + (handshake.empty() ? "" : ", last handshake " + handshake);
}

std::string of_working(const Inquiry& ask, Place place) {
  const auto& profile = ask.view.profile;
  const bool home = profile.side == Side::kHome;
  switch (place) {
    case Place::kMark:
      return counted(ask, "mark", "packet");
    case Place::kTable:
      return fmt::format("policy rules {} lead into {}", profile.priority.value, profile.tunnel.str());
    case Place::kFirewall:
      return of_firewall(ask);
    case Place::kTunnel:
      return of_tunnel(ask);
    case Place::kVps:
      return home ? "passes it on" : fmt::format("forwards by {}, drops nothing", ask.view.seen.host.wan.str());
    case Place::kSnat:
      return home ? "" : counted(ask, "snat", "connection");
    case Place::kInternet:
      return ask.sightings.spoke_with;
    case Place::kHome:
    case Place::kSender:
    case Place::kBridge:
      return "";
  }
  return "";
}

std::string of_unseen(const Inquiry& ask, Place place) {
  if (place == Place::kHome || (place == Place::kVps && ask.view.profile.side == Side::kHome)) {
    return "not seen from here: `verify` there";
  }
  const bool asked = std::ranges::any_of(ask.checks, [](const Check& check) { return check.id.starts_with("probe"); });
  return place != Place::kInternet ? "" : asked ? "not reached" : "not asked: `verify --probe HOST` does";
}

}  // namespace

std::string name_of(const Inquiry& ask, Place place) {
  const auto& profile = ask.view.profile;
  const bool home = profile.side == Side::kHome;
  switch (place) {
    case Place::kHome:
    case Place::kSender:
      return senders(profile);
    case Place::kBridge:
      return bridges(ask);
    case Place::kMark:
      return profile.mark.to_string();
    case Place::kTable:
      return to_string(profile.table);
    case Place::kTunnel:
      return tunnels(profile);
    case Place::kVps:
      return home ? ask.sightings.far_end : "";
    case Place::kSnat:
      return home ? ask.sightings.seen_as : addresses(ask);
    case Place::kFirewall:
    case Place::kInternet:
      return "";
  }
  return "";
}

std::string sight_of(const Inquiry& ask, Place place, HopOutcome outcome) {
  return outcome == HopOutcome::kUnknown ? of_unseen(ask, place) : of_working(ask, place);
}

}  // namespace smtpegress
