#include "plan/order.hpp"

#include <algorithm>
#include <array>
#include <ranges>

namespace smtpegress {
namespace {

enum class Step : std::uint8_t { kFirewall, kLinks, kRoutes, kSysctls, kRules, kOldRules, kOldRoutes, kOldLinks };

Step step_of(const Change& change) {
  if (is_nftables(change.object)) {
    return Step::kFirewall;
  }
  if (std::holds_alternative<SysctlSpec>(change.object)) {
    return Step::kSysctls;
  }
  const bool removal = change.verb == Verb::kRemove;
  if (std::holds_alternative<LinkSpec>(change.object)) {
    return removal ? Step::kOldLinks : Step::kLinks;
  }
  if (std::holds_alternative<Route>(change.object)) {
    return removal ? Step::kOldRoutes : Step::kRoutes;
  }
  return removal ? Step::kOldRules : Step::kRules;
}

using Order = std::array<Step, 8>;

// Up: the guard stands before forwarding may be switched on and before any packet is steered, so that there is no
// instant in which tcp/25 could leave by the uplink; the policy rule is the switch, and comes last. (DESIGN's draft had
// sysctls first: on a host with ip_forward=0 that opens forwarding before the guard stands.) An interface is there
// before what leads into it.
constexpr Order kUpOrder{Step::kFirewall, Step::kLinks,    Step::kRoutes,    Step::kSysctls,
                         Step::kRules,    Step::kOldRules, Step::kOldRoutes, Step::kOldLinks};
// Take-over: the unreachable route closes the script's hole first of all. Then our route and rule replace the script's,
// which its mark goes on finding, until one transaction swaps the firewall's rules; what else is the script's goes
// last.
constexpr Order kTakeOverOrder{Step::kLinks,    Step::kRoutes,   Step::kSysctls,   Step::kRules,
                               Step::kFirewall, Step::kOldRules, Step::kOldRoutes, Step::kOldLinks};
// Down: the reverse of up. Until the firewall goes, the guard keeps tcp/25 from the uplink.
constexpr Order kDownOrder{Step::kOldRules, Step::kRules,    Step::kSysctls, Step::kOldRoutes,
                           Step::kRoutes,   Step::kOldLinks, Step::kLinks,   Step::kFirewall};

const Order& order_of(Course course) {
  switch (course) {
    case Course::kUp:
      return kUpOrder;
    case Course::kTakeOver:
      return kTakeOverOrder;
    case Course::kDown:
      return kDownOrder;
  }
  return kUpOrder;
}

}  // namespace

bool is_nftables(const Object& object) {
  return std::holds_alternative<OwnTable>(object) || std::holds_alternative<OwnSet>(object) ||
         std::holds_alternative<OwnChain>(object) || std::holds_alternative<ForeignChainRule>(object);
}

void put_in_order(Plan& plan) {
  const auto& order = order_of(plan.course);
  const auto rank = [&](const Change& change) { return std::ranges::find(order, step_of(change)) - order.begin(); };
  std::ranges::stable_sort(plan.changes, {}, rank);
}

std::vector<Change> inverse(const std::vector<Change>& done) {
  std::vector<Change> back;
  for (const auto& change : done | std::views::reverse) {
    switch (change.verb) {
      case Verb::kCreate:
        back.push_back({Verb::kRemove, change.object, {}, "rollback"});
        break;
      case Verb::kRemove:
        back.push_back({Verb::kCreate, change.object, {}, "rollback"});
        break;
      case Verb::kReplace:
        back.push_back({Verb::kReplace, change.previous.value_or(change.object), change.object, "rollback"});
        break;
    }
  }
  return back;
}

}  // namespace smtpegress
