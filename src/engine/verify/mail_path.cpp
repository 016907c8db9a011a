#include "engine/verify/mail_path.hpp"

#include <algorithm>
#include <array>

#include "model/sysctl_keys.hpp"
#include "model/tenants.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

using enum Place;
constexpr auto kOut = MailWay::kOut;
constexpr auto kBack = MailWay::kBack;

/// The one table of ids. Firewalls, forwarding and reverse-path filtering are one hop at home, as they are one place to
/// look at for a person; on the VPS all of its own doing but SNAT is.
constexpr std::array kPlaces{
    PlaceOfCheck{"tunnel", kTunnel, kTunnel},
    PlaceOfCheck{"handshake", kTunnel, kTunnel},
    PlaceOfCheck{"allowed-ips", kTunnel, kTunnel},
    PlaceOfCheck{"endpoint", kTunnel, kTunnel},
    PlaceOfCheck{"inner", kTunnel, kTunnel},
    PlaceOfCheck{"inner-firewall", kTunnel, kTunnel},
    PlaceOfCheck{"host", kSender, kVps},
    PlaceOfCheck{"objects", kFirewall, kVps},  // each object has its own: where_of()
    PlaceOfCheck{"sources", kSender, kVps, {}, true},
    PlaceOfCheck{"source-names", kSender, kVps, kOut},
    PlaceOfCheck{"unsourced", kSender, kVps, kOut},
    PlaceOfCheck{"route-marked", kTable, kVps, kOut, true},
    PlaceOfCheck{"route-unmarked", kTunnel, kVps, kOut},  // what else is let into the tunnel
    PlaceOfCheck{"route-back", kBridge, kVps, kBack, true},
    PlaceOfCheck{"route-out", kFirewall, kVps, kOut, true},
    PlaceOfCheck{"rp-filter", kFirewall, kVps, kBack},
    PlaceOfCheck{"forwarding", kFirewall, kVps},
    PlaceOfCheck{"docker", kFirewall, kVps, kBack},
    PlaceOfCheck{"ingress", kFirewall, kVps},
    PlaceOfCheck{"enters", kBridge, kVps, kOut},
    PlaceOfCheck{"destination", kFirewall, kVps, kOut},
    PlaceOfCheck{"forwarded", kFirewall, kVps},
    PlaceOfCheck{"sent", kFirewall, kVps, kOut},
    PlaceOfCheck{"received", kFirewall, kVps, kBack},
    PlaceOfCheck{"leaves", kFirewall, kVps},
    PlaceOfCheck{"replies-arrive", kFirewall, kVps, kBack},
    PlaceOfCheck{"address", kFirewall, kSnat, kOut},
    PlaceOfCheck{"legacy-iptables", kFirewall, kVps},
    PlaceOfCheck{"public-address", kSnat, kSnat},
    PlaceOfCheck{"probe", kInternet, kInternet},
    PlaceOfCheck{"probe-name", kInternet, kInternet, kOut},
    PlaceOfCheck{"probe-tunnel", kTunnel, kTunnel},
    PlaceOfCheck{"probe-provider", kInternet, kInternet, kOut},
    PlaceOfCheck{"probe-banner", kInternet, kInternet, kOut},
    PlaceOfCheck{"probe-mtu", kTunnel, kInternet, kOut},
    PlaceOfCheck{"probe-seen-as", kSnat, kSnat, kOut},
    PlaceOfCheck{"probe-leak", kTable, kVps, kOut},
};

bool has_mark(const Profile& profile) {
  return profile.steering == Steering::kMark && !profile.sources.empty();
}

/// Which hops there are on that way. Replies need no mark and no table of ours: they are for a network of this host's.
std::vector<Place> places_on(const Profile& profile, MailWay way) {
  std::vector<Place> places{kTunnel, kVps, kSnat, kInternet};
  if (profile.side == Side::kVps) {
    places.insert(places.begin(), kHome);
  } else {
    std::vector<Place> at_home{kSender, kBridge, kMark, kTable, kFirewall};
    std::erase_if(at_home, [&](Place place) {
      return (place == kBridge && profile.sources.empty()) || (place == kMark && !has_mark(profile)) ||
             (way == kBack && (place == kMark || place == kTable));
    });
    places.insert(places.begin(), at_home.begin(), at_home.end());
  }
  if (way == kBack) {
    std::ranges::reverse(places);
  }
  return places;
}

struct PlaceOfObject {
  const Profile& profile;
  [[nodiscard]] bool home() const { return profile.side == Side::kHome; }
  [[nodiscard]] Place of_this_host() const { return home() ? kFirewall : kVps; }

  Place operator()(const OwnTable& /*unused*/) const { return has_mark(profile) && home() ? kMark : of_this_host(); }
  Place operator()(const OwnSet& object) const {
    return object.key.name.starts_with("addresses") ? kSnat : of_this_host();  // what a tenant's mail leaves as
  }
  Place operator()(const OwnChain& object) const {
    if (object.key.name.starts_with("outer-")) {
      return kTunnel;  // they keep the inner tunnel's packets to their link
    }
    if (!home()) {
      return object.hook.type == nft::ChainType::kNat ? kSnat : kVps;
    }
    return contains(object.rules, std::string_view("mark"), &nft::Rule::comment) ? kMark : kFirewall;
  }
  Place operator()(const ForeignChainRule& /*unused*/) const { return of_this_host(); }
  Place operator()(const LinkSpec& /*unused*/) const { return kTunnel; }
  Place operator()(const Route& /*unused*/) const { return home() ? kTable : kVps; }
  Place operator()(const SysctlSpec& /*unused*/) const { return of_this_host(); }
  Place operator()(const PolicyRule& /*unused*/) const { return home() ? kTable : kVps; }
};

bool is_for_replies(const Object& object) {
  const auto* rule = std::get_if<ForeignChainRule>(&object);
  return rule != nullptr && rule->chain.name == "PREROUTING";  // the raw exceptions
}

/// Where a check looked.
struct Spot {
  Place place = kSender;
  std::optional<MailWay> way{};  ///< absent: on both
};

/// All that was said of one hop on one way.
struct Told {
  std::vector<std::string> passed;
  std::vector<std::string> failed;
  const Check* first_failed = nullptr;
  const Check* skipped = nullptr;
};

void add_id(std::vector<std::string>& ids, const std::string& id) {
  if (!contains(ids, id)) {
    ids.push_back(id);
  }
}

class Layout {
 public:
  explicit Layout(const Inquiry& ask) : ask_(ask) {
    for (const auto& finding : ask.view.findings) {
      if (finding.presence == Presence::kPresent) {
        const auto where = where_of(finding, ask.view.profile);
        each(*where.place, where.way, [](Told& told) { add_id(told.passed, "objects"); });
      }
    }
    for (const auto& check : ask.checks) {
      tell(check);
    }
  }

  [[nodiscard]] std::vector<Hop> hops() const {
    std::vector<Hop> hops;
    for (const auto way : {kOut, kBack}) {
      for (const auto place : places_on(ask_.view.profile, way)) {
        hops.push_back(hop_at(place, way));
      }
    }
    return hops;
  }

 private:
  [[nodiscard]] bool home() const { return ask_.view.profile.side == Side::kHome; }
  [[nodiscard]] const Told& told(Place place, MailWay way) const {
    return told_.at(static_cast<std::size_t>(way)).at(static_cast<std::size_t>(place));
  }
  template <class Add>
  void each(Place place, std::optional<MailWay> only, Add add) {
    for (const auto way : {kOut, kBack}) {
      if (only.value_or(way) == way) {
        add(told_.at(static_cast<std::size_t>(way)).at(static_cast<std::size_t>(place)));
      }
    }
  }

  [[nodiscard]] Spot spot_of(const Check& check, const PlaceOfCheck& row) const {
    const bool failed = check.outcome == Outcome::kFailed;
    const auto way = check.where.way ? check.where.way : row.way;
    if (check.where.place) {
      return {*check.where.place, way};
    }
    // What failed without a packet is why a probe fails, and a probe's own causes come in order: no second hop breaks.
    if (failed && first_broken_ && check.id.starts_with("probe")) {
      return *first_broken_;
    }
    return {failed && row.hangs_on_the_tunnel && tunnel_failed_ ? kTunnel : home() ? row.home : row.vps, way};
  }

  void tell(const Check& check) {
    const auto* row = place_of_check(check.id);
    if (row == nullptr) {
      return;
    }
    const auto spot = spot_of(check, *row);
    each(spot.place, spot.way, [&](Told& told) {
      if (check.outcome == Outcome::kSkipped) {
        told.skipped = told.skipped == nullptr ? &check : told.skipped;
        return;
      }
      const bool failed = check.outcome == Outcome::kFailed;
      add_id(failed ? told.failed : told.passed, check.id);
      told.first_failed = failed && told.first_failed == nullptr ? &check : told.first_failed;
    });
    for (const auto shown : check.where.shown) {
      each(shown, {}, [&](Told& told) { add_id(told.passed, check.id); });
    }
    if (check.outcome == Outcome::kFailed) {
      first_broken_ = first_broken_ ? first_broken_ : spot;
      tunnel_failed_ = tunnel_failed_ || check.id == "tunnel";
    }
  }

  [[nodiscard]] Hop hop_at(Place place, MailWay way) const {
    const auto& told = this->told(place, way);
    Hop hop{.place = place, .way = way, .name = name_of(ask_, place), .seen = {}, .checks = {}, .mend = {}};
    if (told.first_failed != nullptr) {
      const auto& check = *told.first_failed;
      hop.outcome = HopOutcome::kBroken;
      hop.seen = check.detail.empty() ? check.title : check.detail;
      hop.checks = told.failed;
      hop.mend = check.mend;
      return hop;
    }
    hop.outcome = told.passed.empty() ? HopOutcome::kUnknown : HopOutcome::kOk;
    hop.checks = told.passed;
    const bool was_skipped = hop.outcome == HopOutcome::kUnknown && told.skipped != nullptr;
    hop.seen = was_skipped ? told.skipped->detail : sight_of(ask_, place, hop.outcome);
    return hop;
  }

  const Inquiry& ask_;
  std::array<std::array<Told, static_cast<std::size_t>(kInternet) + 1>, 2> told_{};  // by way, then place
  std::optional<Spot> first_broken_;
  bool tunnel_failed_ = false;
};

}  // namespace

std::string_view id_of(Place place) {
  constexpr std::array<std::string_view, static_cast<std::size_t>(kInternet) + 1> kIds{
      "home", "sender", "bridge", "mark", "table", "firewall", "tunnel", "vps", "snat", "internet"};
  return kIds.at(static_cast<std::size_t>(place));
}

const PlaceOfCheck* place_of_check(std::string_view id) {
  const auto* row = std::ranges::find(kPlaces, id, &PlaceOfCheck::id);
  return row == kPlaces.end() ? nullptr : row;
}

PathScope where_of(const Finding& finding, const Profile& profile) {
  const auto* sysctl = std::get_if<SysctlSpec>(&finding.object);
  const auto is_the_tunnels = [&](const IfName& tunnel) { return is_of_interface(sysctl->key, tunnel.str()); };
  const bool waits = finding.presence == Presence::kWaiting &&  // for its interface
                     (sysctl == nullptr || std::ranges::any_of(tunnels_of(profile), is_the_tunnels));
  return {.place = waits ? kTunnel : std::visit(PlaceOfObject{profile}, finding.object),
          .way = !waits && is_for_replies(finding.object) ? std::optional(kBack) : std::nullopt,
          .shown = {}};
}

std::vector<Hop> mail_path(const Inquiry& ask) {
  return Layout(ask).hops();
}

}  // namespace smtpegress
