#include "engine/remains.hpp"

#include <algorithm>
#include <iterator>

#include "engine/instances.hpp"
#include "model/marks.hpp"
#include "model/ownership.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

/// What a home profile with one source in this table would make, on a host where a link is to be guarded: the shape of
/// all rules and routes of this program.
DesiredState shape(Profile profile, TableId table, const Prefix& source, const ResolvedHost& host) {
  profile.side = Side::kHome;
  profile.table = table;
  profile.sources = {source};
  return lower(profile, host, {});
}

bool is_made_by_us(const PolicyRule& rule) {
  const auto selectors = selectors_of(rule);
  const auto any = Prefix::everything(rule.family);
  Profile profile;
  profile.priority = rule.priority;
  profile.mark = rule.mark.value_or(Mark{});
  if (selectors.destination_ports) {
    profile.ports = {*selectors.destination_ports};
  }
  ResolvedHost host;
  auto source = selectors.source.value_or(any);
  if (selectors.users) {
    profile.host_senders = {{HostSender::Who::kUser, selectors.users->first, {any.address}}};
  } else if (const auto link = IfName::parse(selectors.incoming)) {
    source = Prefix::everything(IpFamily::kV6);  // with which links are guarded in both families
    host.source_links = {*link};
    host.other_networks = {any};
  }
  return rule.protocol == kOurProtocol && contains(shape(profile, rule.table, source, host).rules, rule);
}

bool is_made_by_us(const Route& route) {
  Profile profile;
  profile.tunnel = route.interface;
  return route.protocol == kOurProtocol && contains(shape(profile, route.table, route.destination, {}).routes, route);
}

/// Of the instances without a state file beside `name`; their marks say which policy rule is theirs.
std::vector<Mark> marks_of_forgotten(const std::string& name, const std::vector<InstanceRecord>& others,
                                     const nft::Ruleset& ruleset) {
  std::vector<Mark> marks;
  for (const auto& forgotten : forgotten_instances(name, others, ruleset)) {
    const auto set = marks_set_in(own_table_key(forgotten), ruleset);
    marks.insert(marks.end(), set.begin(), set.end());
  }
  return marks;
}

/// Tells whose a rule or route is that this program has made.
class Attribution {
 public:
  Attribution(const std::string& name, bool known, const std::optional<Profile>& profile,
              const std::vector<InstanceRecord>& others, const ObservedState& observed)
      : of_file_(profile ? lower(*profile, {}, {}) : DesiredState{}),
        own_marks_(marks_set_in(own_table_key(name), observed.ruleset)),
        forgotten_(marks_of_forgotten(name, others, observed.ruleset)),
        by_elimination_(forgotten_.empty() && (known || observed.ruleset.has(own_table_key(name)))) {
    for (const auto& other : others) {
      const auto owned = owned_by(other);
      for (const auto& route : owned.routes) {
        if (route.table != kMainTable) {
          others_tables_.push_back(route.table);
        }
      }
    }
  }

  /// Those with a mark first: by what table they look up the rest is told.
  bool takes(const PolicyRule& rule) {
    if (!is_made_by_us(rule) || contains(others_tables_, rule.table)) {
      return false;
    }
    const bool is_ours = rule.mark ? has_our_mark(rule) : leads_to_ours(rule.table) || contains(of_file_.rules, rule);
    (is_ours ? tables_ : others_tables_).push_back(rule.table);
    return is_ours;
  }
  [[nodiscard]] bool takes(const Route& route) const {
    return is_made_by_us(route) && !contains(others_tables_, route.table) &&
           (leads_to_ours(route.table) || contains(of_file_.routes, route));
  }

 private:
  [[nodiscard]] bool has_our_mark(const PolicyRule& rule) const {
    // A VPS's table sets a mark too, only for its firewall, and it may be a home's that was forgotten with it.
    if (contains(forgotten_, *rule.mark)) {
      return contains(own_marks_, *rule.mark) && contains(of_file_.rules, rule);
    }
    const bool nobody_elses = own_marks_.empty() && by_elimination_;
    return contains(own_marks_, *rule.mark) || nobody_elses || contains(of_file_.rules, rule);
  }
  [[nodiscard]] bool leads_to_ours(TableId table) const {
    return tables_.empty() ? by_elimination_ : contains(tables_, table);
  }

  DesiredState of_file_;
  std::vector<Mark> own_marks_;
  std::vector<Mark> forgotten_;  ///< marks of other instances without a state file
  bool by_elimination_;          ///< there is, or was, such an instance, and nobody else can have made it
  std::vector<TableId> others_tables_;
  std::vector<TableId> tables_;
};

}  // namespace

DesiredState remains_of(const std::string& name, bool known, const std::optional<Profile>& profile,
                        const std::vector<InstanceRecord>& others, const ObservedState& observed) {
  DesiredState remains;
  remains.instance = name;
  remains.table = own_table_key(name);
  Attribution whose(name, known, profile, others, observed);
  for (const bool marked : {true, false}) {
    for (const auto& rule : observed.rules) {
      if (rule.mark.has_value() == marked && whose.takes(rule)) {
        remains.rules.push_back(rule);
      }
    }
  }
  const auto on_own_link = [&](const Route& route) {
    const auto* link = route.interface.empty() ? nullptr : observed.link(route.interface);
    return link != nullptr && link->alias == alias_for(name) && route.protocol == kOurProtocol;
  };
  std::ranges::copy_if(observed.routes, std::back_inserter(remains.routes),
                       [&](const Route& route) { return on_own_link(route) || whose.takes(route); });
  if (profile) {
    remains.links = lower(*profile, {}, {}).links;  // for one that is half made, which has but a name
  }
  return remains;
}

}  // namespace smtpegress
