#include "model/spf.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "net/contains.hpp"
#include "net/dns_record.hpp"

namespace smtpegress {
namespace {

using Kind = SpfTerm::Kind;

// RFC 7208, section 4.6.4
constexpr int kMostLookups = 10;
constexpr int kMostVoid = 2;
constexpr std::size_t kMostNames = 10;      // of one mx or ptr
constexpr int kDeepest = kMostLookups + 1;  // each level costs a lookup, so that this is never met

SpfResult result_of(char qualifier) {
  switch (qualifier) {
    case '-':
      return SpfResult::kFail;
    case '~':
      return SpfResult::kSoftFail;
    case '?':
      return SpfResult::kNeutral;
    default:
      return SpfResult::kPass;
  }
}

SpfVerdict no_answer(const DnsAnswer& answer, std::string_view about) {
  return {.result = SpfResult::kTempError, .why = fmt::format("no answer for {}", about), .security = answer.security};
}

/// One check_host(), and those it leads to.
class Evaluation {
 public:
  Evaluation(DnsBook& book, DnsName sender, const IpAddress& address, std::string helo)
      : book_(book), sender_(std::move(sender)), address_(address), helo_(std::move(helo)) {}

  SpfVerdict check(const DnsName& domain, int depth = 0) {
    const auto& answer = book_.look({domain, DnsType::kTxt});
    if (!is_clear(answer)) {
      return no_answer(answer, domain.str());
    }
    const auto records = spf_records(answer);
    if (records.empty()) {
      return {SpfResult::kNone, fmt::format("{} has no SPF record", domain.str())};
    }
    if (records.size() > 1) {
      return {SpfResult::kPermError,
              fmt::format("{} has {} SPF records, and may have one", domain.str(), records.size())};
    }
    const auto terms = parse_spf(records.front());
    if (const auto wrong = std::ranges::find(terms, Kind::kWrong, &SpfTerm::kind); wrong != terms.end()) {
      return {SpfResult::kPermError, fmt::format("'{}' of {} is wrong", shown(wrong->text), domain.str())};
    }
    return check_terms(domain, terms, depth);
  }

 private:
  /// A match, none, or an error that ends it all.
  struct Match {
    bool matches = false;
    std::optional<SpfVerdict> error{};
  };

  SpfVerdict check_terms(const DnsName& domain, const std::vector<SpfTerm>& terms, int depth) {
    for (const auto& term : terms) {
      if (term.kind >= Kind::kRedirect) {
        continue;
      }
      auto match = matches(domain, term, depth);
      if (match.error) {
        return *std::move(match.error);
      }
      if (match.matches) {
        const auto of = domain == sender_ ? std::string() : fmt::format(" of {}", domain.str());
        return {result_of(term.qualifier), shown(term.text) + of};
      }
    }
    const auto redirect = std::ranges::find(terms, Kind::kRedirect, &SpfTerm::kind);
    if (redirect == terms.end() || contains(terms, Kind::kAll, &SpfTerm::kind)) {
      return {SpfResult::kNeutral, fmt::format("nothing in {}'s record is about it", domain.str())};
    }
    const auto target = target_of(domain, *redirect);
    if (auto error = count_lookup(); error || !target || depth >= kDeepest) {
      return error.value_or(nowhere(*redirect, domain));
    }
    auto verdict = check(*target, depth + 1);
    return verdict.result == SpfResult::kNone ? nowhere(*redirect, domain) : verdict;
  }

  static SpfVerdict nowhere(const SpfTerm& term, const DnsName& domain) {
    return {SpfResult::kPermError, fmt::format("'{}' of {} leads to no SPF record", shown(term.text), domain.str())};
  }

  std::optional<SpfVerdict> count_lookup() {
    if (++lookups_ <= kMostLookups) {
      return std::nullopt;
    }
    return SpfVerdict{SpfResult::kPermError, fmt::format("it takes more than {} lookups", kMostLookups)};
  }

  /// The name a term speaks of; absent: it is none, and nothing there matches.
  [[nodiscard]] std::optional<DnsName> target_of(const DnsName& domain, const SpfTerm& term) const {
    if (term.domain.empty()) {
      return domain;
    }
    auto text = expand_spf(term.domain, {address_, sender_, domain, helo_}).value_or("");
    constexpr std::size_t kLongestName = 253;  // bytes; section 7.3: labels go from the left
    while (text.size() > kLongestName && text.find('.') != std::string::npos) {
      text.erase(0, text.find('.') + 1);
    }
    auto name = DnsName::parse(text);
    return name ? std::optional(*std::move(name)) : std::nullopt;
  }

  /// The answer to a term's own question; of one that is in vain too often, or fails, `match` has the error.
  const DnsAnswer& ask(const DnsQuestion& question, Match& match) {
    const bool is_there = book_.has(question);
    const auto& answer = book_.look(question);
    if (!is_clear(answer)) {
      match.error = no_answer(answer, question.to_string());
    } else if (is_there && answer.status != DnsStatus::kRecords && ++void_ > kMostVoid) {
      match.error = SpfVerdict{
          SpfResult::kPermError,
          fmt::format("more than {} of its lookups find nothing, {} the last", kMostVoid, question.to_string())};
    }
    return answer;
  }

  [[nodiscard]] bool is_among(const DnsAnswer& addresses, const SpfTerm& term) const {
    return std::ranges::any_of(records_of(addresses, read_address), [&](const IpAddress& address) {
      return address.family == address_.family &&
             Prefix::around(address, term.length[address_.family]).contains(address_);
    });
  }
  [[nodiscard]] DnsQuestion address_of(const DnsName& name) const { return {name, address_type(address_.family)}; }

  Match matches(const DnsName& domain, const SpfTerm& term, int depth) {
    if (term.kind == Kind::kAll) {
      return {.matches = true};
    }
    if (term.kind == Kind::kIp) {
      return {.matches = term.network && term.network->contains(address_)};
    }
    if (auto error = count_lookup(); error) {
      return {.error = std::move(error)};
    }
    const auto target = target_of(domain, term);
    if (!target) {
      return {};
    }
    Match match;
    switch (term.kind) {
      case Kind::kInclude:
        return include(*target, term, domain, depth);
      case Kind::kMx:
        return among_mx(*target, term);
      case Kind::kPtr:
        return by_ptr(*target);
      case Kind::kExists:
        match.matches = ask({*target, DnsType::kA}, match).status == DnsStatus::kRecords;
        return match;
      default:
        match.matches = is_among(ask(address_of(*target), match), term);
        return match;
    }
  }

  Match include(const DnsName& target, const SpfTerm& term, const DnsName& domain, int depth) {
    auto verdict = depth >= kDeepest ? nowhere(term, domain) : check(target, depth + 1);
    switch (verdict.result) {
      case SpfResult::kPass:
        return {.matches = true};
      case SpfResult::kTempError:
      case SpfResult::kPermError:
        return {.error = std::move(verdict)};
      case SpfResult::kNone:
        return book_.has({target, DnsType::kTxt}) ? Match{.error = nowhere(term, domain)} : Match{};
      case SpfResult::kFail:
      case SpfResult::kSoftFail:
      case SpfResult::kNeutral:
        break;
    }
    return {};
  }

  Match among_mx(const DnsName& target, const SpfTerm& term) {
    Match match;
    auto servers = records_of(ask({target, DnsType::kMx}, match), read_mx);
    if (servers.size() > kMostNames) {
      match.error = SpfVerdict{SpfResult::kPermError,
                               fmt::format("'{}' has more than {} mail servers", shown(term.text), kMostNames)};
      return match;
    }
    for (const auto& server : servers) {  // one after the other, as the terms: the first that says something ends it
      if (match.error || match.matches) {
        break;
      }
      if (!DnsName::parse(server.exchange.str())) {
        continue;
      }
      const auto& addresses = book_.look(address_of(server.exchange));
      if (!is_clear(addresses)) {
        match.error = no_answer(addresses, server.exchange.str());
      }
      match.matches = is_among(addresses, term);
    }
    return match;
  }

  /// Section 5.5: errors are no match, and nobody's fault. It is not to be used, and some have it.
  Match by_ptr(const DnsName& target) {
    constexpr auto kAside = DnsBook::Matter::kAside;
    auto names = records_of(book_.look({reverse_name(address_), DnsType::kPtr}, kAside), DnsName::from_wire);
    names.resize(std::min(names.size(), kMostNames));
    return {.matches = std::ranges::any_of(names, [&](const DnsName& name) {
              return name.is_within(target) && DnsName::parse(name.str()) &&
                     contains(records_of(book_.look(address_of(name), kAside), read_address), address_);
            })};
  }

  DnsBook& book_;
  DnsName sender_;
  IpAddress address_;
  std::string helo_;
  int lookups_ = 0;
  int void_ = 0;
};

SpfTerm term_of(std::string_view text) {
  return parse_spf(fmt::format("v=spf1 {}", text)).front();
}

/// "ipv4:203.0.113.10" is no term, and there is no doubt what it means: ip4.
SpfTerm repaired(SpfTerm term) {
  auto text = term.text;
  const auto v = text.find_first_of("vV");
  if (term.kind != Kind::kWrong || v == std::string::npos || v == 0 || (text[v - 1] != 'p' && text[v - 1] != 'P')) {
    return term;
  }
  auto mended = term_of(text.erase(v, 1));
  return mended.kind == Kind::kIp ? mended : term;
}

}  // namespace

std::string_view word_for(SpfResult result) noexcept {
  switch (result) {
    case SpfResult::kNone:
      return "none";
    case SpfResult::kPass:
      return "pass";
    case SpfResult::kFail:
      return "fail";
    case SpfResult::kSoftFail:
      return "softfail";
    case SpfResult::kNeutral:
      return "neutral";
    case SpfResult::kTempError:
      return "temperror";
    case SpfResult::kPermError:
      return "permerror";
  }
  return "";
}

SpfVerdict check_spf(DnsBook& book, const DnsName& domain, const IpAddress& address, std::string helo) {
  return Evaluation(book, domain, address, std::move(helo)).check(domain);
}

std::vector<std::string> spf_records(const DnsAnswer& texts) {
  auto records = records_of(texts, read_text);
  std::erase_if(records, [](const std::string& text) { return !is_spf(text); });
  return records;
}

SpfCovering spf_covering(const std::vector<std::string>& records, const std::vector<IpAddress>& addresses) {
  SpfCovering covering;
  std::vector<SpfTerm> terms;
  terms.reserve(addresses.size());
  for (const auto& address : addresses) {
    terms.push_back(
        term_of(fmt::format("{}:{}", address.family == IpFamily::kV4 ? "ip4" : "ip6", address.to_string())));
  }
  std::vector<SpfTerm> last;  // all, exp, a single record's redirect: behind everything that may match
  for (const auto& record : records) {
    for (const auto& written : parse_spf(record)) {
      auto term = repaired(written);
      if (term.kind == Kind::kRedirect && records.size() > 1) {
        term = term_of(fmt::format("include:{}", term.domain));
      }
      const bool is_last = term.kind == Kind::kAll || term.kind == Kind::kRedirect || term.kind == Kind::kExplanation;
      auto& place = is_last ? last : terms;
      if (contains(place, term.text, &SpfTerm::text)) {
        continue;
      }
      if (term.kind == Kind::kWrong || (is_last && contains(last, term.kind, &SpfTerm::kind))) {
        covering.left_out.push_back(written.text);
      } else {
        place.push_back(term);
      }
    }
  }
  // Records that end without "all" or "redirect" say nothing of the domain's other senders, and go on doing so. A new
  // one says something: "?all" would tell receivers no more than no record does, and "-all" would have refused whom
  // whoever publishes it forgot.
  if (records.empty()) {
    last.push_back(term_of("~all"));
  }
  terms.insert(terms.end(), last.begin(), last.end());
  covering.record = spf_text(terms);
  return covering;
}

}  // namespace smtpegress
