#include "engine/transaction.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "model/sysctl_keys.hpp"

namespace smtpegress {
namespace {

bool is_gone(const Error& error) {
  return error.errnum == ESRCH || error.errnum == ENOENT || error.errnum == ENODEV;
}

/// The request went out, and whether the kernel carried it out is not known.
bool answer_was_lost(const Error& error) {
  return error.errnum == ENOBUFS || error.errnum == ETIMEDOUT || error.errnum == EMSGSIZE || error.errnum == EBADMSG;
}

/// What is to go and has gone already is as it should be.
Result<void> or_gone(Result<void> result) {
  return !result && is_gone(result.error()) ? Result<void>{} : std::move(result);
}

/// One change to an object that the kernel changes singly.
struct MakeSingle {
  Kernel& kernel;
  const Change& change;
  Duplicates duplicates;

  Result<void> operator()(const LinkSpec& link) const {
    if (change.verb == Verb::kRemove) {
      return or_gone(kernel.delete_link(link));
    }
    const auto former =
        change.verb == Verb::kReplace ? std::optional(std::get<LinkSpec>(*change.previous)) : std::nullopt;
    const auto filter_key = rp_filter_key(link.name.str());  // goes with an interface that has to make way
    const auto filter = kernel.read_sysctl(filter_key);
    auto put = kernel.put_link(link, former);
    if (!put && former && filter && kernel.read_sysctl(filter_key).value_or(*filter) != *filter) {
      if (const auto written = kernel.write_sysctl(filter_key, *filter); !written) {
        put.error().hint += "; and its former rp_filter could not be put back: " + written.error().message();
      }
    }
    return put;
  }
  Result<void> operator()(const Route& route) const {
    switch (change.verb) {
      case Verb::kCreate:
        return kernel.add_route(route);
      case Verb::kRemove:
        return or_gone(kernel.delete_route(route));
      case Verb::kReplace:
        return replace(route, std::get<Route>(*change.previous));
    }
    return {};
  }
  Result<void> operator()(const PolicyRule& rule) const {
    switch (change.verb) {
      case Verb::kCreate:
        return kernel.add_rule(rule, duplicates);
      case Verb::kRemove:
        return or_gone(kernel.delete_rule(rule));
      case Verb::kReplace:
        return replace(rule, std::get<PolicyRule>(*change.previous));
    }
    return {};
  }

  /// Two routes of one destination and metric cannot stand side by side, so the old one goes first, and comes back if
  /// the new one is refused. Meanwhile the unreachable route answers.
  Result<void> replace(const Route& route, const Route& previous) const {
    if (auto removed = or_gone(kernel.delete_route(previous)); !removed) {
      return removed;
    }
    auto added = kernel.add_route(route);
    if (!added && !answer_was_lost(added.error())) {
      if (auto restored = kernel.add_route(previous); !restored) {
        added.error().hint += "; and the former route could not be put back: " + restored.error().message();
      }
    }
    return added;
  }
  /// Rules can, so the new one stands before the old one goes.
  Result<void> replace(const PolicyRule& rule, const PolicyRule& previous) const {
    if (auto added = kernel.add_rule(rule, Duplicates::kAllow); !added) {
      return added;
    }
    auto removed = or_gone(kernel.delete_rule(previous));
    if (!removed && !answer_was_lost(removed.error())) {
      if (auto undone = kernel.delete_rule(rule); !undone) {
        removed.error().hint += "; and the new rule could not be taken back: " + undone.error().message();
      }
    }
    return removed;
  }
  /// One that came with an interface goes with it.
  Result<void> operator()(const SysctlSpec& sysctl) const {
    return change.verb == Verb::kRemove ? Result<void>{} : kernel.write_sysctl(sysctl.key, sysctl.value);
  }
  Result<void> operator()(const OwnTable&) const { return {}; }
  Result<void> operator()(const OwnSet&) const { return {}; }
  Result<void> operator()(const OwnChain&) const { return {}; }
  Result<void> operator()(const ForeignChainRule&) const { return {}; }
};

}  // namespace

Error kept_changing(std::string operation, std::string object) {
  return {.kind = ErrorKind::kKernel,
          .operation = std::move(operation),
          .object = std::move(object),
          .errnum = 0,
          .kernel_text = {},
          .hint = fmt::format("another program kept changing the same objects, {} times over", kMostRounds)};
}

Result<void> Transaction::make_all(const std::vector<Change>& changes, const nft::Ruleset& ruleset, Course course,
                                   std::vector<Change>& made) {
  for (auto change = changes.begin(); change != changes.end();) {
    if (is_nftables(change->object)) {
      const auto end = std::find_if_not(change, changes.end(), [](const Change& c) { return is_nftables(c.object); });
      std::vector<Change> firewall;
      std::transform(change, end, std::back_inserter(firewall),
                     [&](const Change& c) { return with_place(c, ruleset); });
      if (const auto batch = make_batch(firewall, ruleset); !batch.empty()) {
        if (auto committed = kernel_.commit(batch, ruleset.generation); !committed) {
          if (committed.error().kind == ErrorKind::kStale || answer_was_lost(committed.error())) {
            unanswered_ = firewall;
          }
          return committed;
        }
      }
      made.insert(made.end(), firewall.begin(), firewall.end());
      change = end;
      continue;
    }
    const auto duplicates = course == Course::kTakeOver ? Duplicates::kAllow : Duplicates::kRefuse;
    if (auto single = std::visit(MakeSingle{kernel_, *change, duplicates}, change->object); !single) {
      if (answer_was_lost(single.error())) {
        unanswered_ = {*change};
      }
      return single;
    }
    made.push_back(*change);
    ++change;
  }
  return {};
}

Result<void> Transaction::run(const Plan& plan, const nft::Ruleset& ruleset) {
  return make_all(plan.changes, ruleset, plan.course, done_);
}

void Transaction::settle(const ObservedState& observed) {
  // None of these changes stood before.
  const auto made = made_of(std::exchange(unanswered_, {}), observed);
  done_.insert(done_.end(), made.begin(), made.end());
}

Result<bool> Transaction::rollback() {
  if (!unanswered_.empty()) {
    const auto observed = kernel_.observe();
    if (!observed) {
      return std::unexpected(observed.error());
    }
    settle(*observed);
  }
  std::optional<Error> first;
  auto left = inverse(done_);
  const bool touched = !left.empty();
  done_.clear();
  for (int unanswered_rounds = 0; !left.empty();) {
    auto observed = kernel_.observe();
    if (!observed) {
      return std::unexpected(observed.error());
    }
    if (const auto asked = std::exchange(unanswered_, {}); !asked.empty()) {
      auto rest = left_of(asked, *observed);
      left.erase(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(asked.size()));
      left.insert(left.begin(), std::make_move_iterator(rest.begin()), std::make_move_iterator(rest.end()));
    }
    std::vector<Change> made;
    auto result = make_all(left, observed->ruleset, Course::kDown, made);
    left.erase(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(made.size()));
    if (result) {
      break;
    }
    if (!unanswered_.empty() && ++unanswered_rounds < kMostRounds) {
      continue;
    }
    unanswered_.clear();
    if (!first) {
      first = std::move(result).error();
    }
    left.erase(left.begin());  // this one cannot be taken back; the others still can
  }
  if (first) {
    return std::unexpected(*std::move(first));
  }
  return touched;
}

bool Transaction::roll_back_after(Error& error) {
  const auto back = rollback();
  const auto add = [&](std::string_view what) {
    error.hint += fmt::format("{}{}", error.hint.empty() ? "" : "; ", what);
  };
  if (!back) {
    error.kind = ErrorKind::kKernel;
    add("not everything could be rolled back: " + back.error().message());
    return false;
  }
  if (*back) {
    add("everything was rolled back");
  }
  return true;
}

}  // namespace smtpegress
