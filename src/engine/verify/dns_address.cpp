// The public address: its name, whether that leads back, whether it is the one said in EHLO, and who lists it.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "engine/verify/deliverability.hpp"
#include "net/contains.hpp"
#include "net/list_of.hpp"

namespace smtpegress {
namespace {

constexpr std::size_t kMostNames = 10;  // of one address; as RFC 7208, section 4.6.4, has it

/// The numbers in a name: 203, 0, 113, 10 of "host-203-0-113-10.example.net".
std::vector<unsigned> numbers_in(std::string_view text) {
  std::vector<unsigned> numbers;
  while (!text.empty()) {
    unsigned number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    if (read.ec == std::errc{}) {
      numbers.push_back(number);
    }
    text.remove_prefix(std::max<std::size_t>(1, static_cast<std::size_t>(read.ptr - text.data())));
  }
  return numbers;
}

/// Made of the address, as providers name those that nobody has named.
bool is_generic(const DnsName& name, const IpAddress& address) {
  const auto numbers = numbers_in(name.str());
  return address.family == IpFamily::kV4 &&
         std::all_of(address.bytes.begin(), address.bytes.begin() + static_cast<std::ptrdiff_t>(address.size()),
                     [&](std::uint8_t byte) { return contains(numbers, unsigned{byte}); });
}

constexpr std::string_view kNameSaid = "<the name that the mail server says in EHLO>.";
constexpr std::string_view kWhoNames = "where the VPS's provider lets you name its address (\"reverse DNS\")";

std::string text_of(const DnsName& name) {
  return name.is_root() ? name.to_string() : name.str();
}

std::string texts_of(const std::vector<IpAddress>& addresses) {
  return addresses.empty() ? "no address" : list_of(addresses);
}

/// One address, its names and what is wrong with them.
class AddressJudge {
 public:
  AddressJudge(const DnsInquiry& ask, const IpAddress& address)
      : ask_(ask), address_(address), answer_(ask.book.look({reverse_name(address), DnsType::kPtr})) {
    names_ = records_of(answer_, DnsName::from_wire);
    names_.resize(std::min(names_.size(), kMostNames));
  }

  void judge() {
    if (judge_ptr()) {
      judge_forward();
    }
    if (ask_.mail_name()) {
      judge_ehlo(*ask_.mail_name());
    }
  }

 private:
  [[nodiscard]] std::string shown_address() const { return address_.to_string(); }
  [[nodiscard]] std::string names() const {
    std::vector<std::string> texts;
    std::ranges::transform(names_, std::back_inserter(texts), text_of);
    return list_of(texts);
  }
  /// A provider may have handed a few addresses' names on to another zone (RFC 2317): there the record belongs.
  [[nodiscard]] std::string ptr_record(std::string_view name) const {
    const auto place = reverse_name(address_);
    return record_text(ask_.alias_of(place).value_or(place), DnsType::kPtr, name);
  }
  /// The wanted name's record, in place of those that are there.
  [[nodiscard]] std::string other_ptr(std::string_view wanted) const {
    auto text = fmt::format("publish {}", ptr_record(wanted));
    for (const auto& name : names_) {
      text += fmt::format("{} {}", &name == &names_.front() ? " in place of" : " and", ptr_record(name.to_string()));
    }
    return fmt::format("{}, {}", text, kWhoNames);
  }
  /// The address among a name's, and what becomes of those who look the name up for another reason.
  [[nodiscard]] std::string publish_address(const DnsName& name) const {
    auto others = ask_.addresses_of(name);
    std::erase_if(others, [&](const IpAddress& other) { return contains(ask_.addresses, other); });
    auto mend = ask_.publish(name, address_type(address_.family), shown_address());
    if (others.empty()) {
      return mend;
    }
    return fmt::format(
        "{}. But {} leads to {} now: mail programs, and mail that comes in by that name, would come to "
        "{} {}. Where they are not to, give {} a name of its own: its address record, the PTR, and "
        "EHLO (mail_name)",
        mend, name.str(), list_of(others), shown_address(), ask_.alias_of(name) ? "instead" : "too", shown_address());
  }
  [[nodiscard]] bool leads_back(const DnsName& name) const { return contains(ask_.addresses_of(name), address_); }
  /// Of a name's addresses of this one's family.
  [[nodiscard]] bool is_obstructed(const DnsName& name, std::string_view id, std::string_view title) const {
    return DnsName::parse(name.str()) &&
           ask_.is_obstructed(ask_.book.look({name, address_type(address_.family)}), id, title);
  }

  /// Has it a name?
  bool judge_ptr() {
    const auto title = fmt::format("{} has a name (PTR)", shown_address());
    if (ask_.is_obstructed(answer_, "dns-ptr", title)) {
      return false;
    }
    if (names_.empty()) {
      ask_.ask.failed("dns-ptr", title, "it has none, and many receivers refuse mail from such an address",
                      fmt::format("publish {}, {}",
                                  ptr_record(ask_.mail_name() ? ask_.mail_name()->to_string() : std::string(kNameSaid)),
                                  kWhoNames));
      return false;
    }
    auto detail = names();
    if (std::ranges::any_of(names_, [&](const DnsName& name) { return is_generic(name, address_); })) {
      detail += "; made of the address, as of a home line: some receivers take it for one";
    }
    ask_.ask.passed("dns-ptr", title, detail);
    return true;
  }

  void judge_forward() {
    const auto title = fmt::format("a name of {} leads back to it", shown_address());
    std::vector<std::string> told;
    for (const auto& name : names_) {
      if (leads_back(name)) {
        ask_.ask.passed("dns-forward", title, name.str());
        return;
      }
      told.push_back(fmt::format("{} has {}", text_of(name), texts_of(ask_.addresses_of(name))));
    }
    for (const auto& name : names_) {
      if (is_obstructed(name, "dns-forward", title)) {
        return;
      }
    }
    forward_failed_ = true;
    ask_.ask.failed("dns-forward", title, list_of(told), mend_forward());
  }

  /// The PTR's own name is to get the address, if it is the one that is wanted.
  [[nodiscard]] std::string mend_forward() const {
    const auto& wanted = ask_.mail_name();
    if (!wanted) {
      return mend_forward_of_any();
    }
    if (contains(names_, *wanted)) {
      return publish_address(*wanted);
    }
    const auto text = other_ptr(wanted->to_string());
    return leads_back(*wanted) ? text : fmt::format("{}; and {}", text, publish_address(*wanted));
  }
  /// Where none is known to be wanted, one of the mail's domains gets it. To a provider's the reader can give none, and
  /// to "localhost" nobody.
  [[nodiscard]] std::string mend_forward_of_any() const {
    const auto own = std::ranges::find_if(names_, [&](const DnsName& name) { return ask_.is_own(name); });
    if (own != names_.end()) {
      return publish_address(*own);
    }
    const auto theirs =
        std::ranges::find_if(names_, [](const DnsName& name) { return DnsName::parse_full(name.str()).has_value(); });
    return other_ptr(kNameSaid) + (theirs == names_.end()
                                       ? std::string()
                                       : fmt::format("; or have the provider give {} the address", theirs->str()));
  }

  void judge_ehlo(const DnsName& wanted) {
    const auto title = fmt::format("{}, said in EHLO, is {}'s name", wanted.str(), shown_address());
    if (is_obstructed(wanted, "dns-ehlo", title)) {
      return;
    }
    const bool is_named = contains(names_, wanted);
    if (!leads_back(wanted) && is_named && forward_failed_) {
      ask_.ask.skipped("dns-ehlo", title, "first what failed above (`dns-forward`)");
    } else if (!leads_back(wanted)) {
      ask_.ask.failed("dns-ehlo", title, fmt::format("{} has {}", wanted.str(), texts_of(ask_.addresses_of(wanted))),
                      publish_address(wanted));
    } else if (names_.empty()) {
      ask_.ask.skipped("dns-ehlo", title,
                       fmt::format("it has that address; first what failed above (`{}`)",
                                   is_clear(answer_) ? "dns-ptr" : fault_of(answer_)));
    } else if (!is_named) {
      ask_.ask.failed("dns-ehlo", title, fmt::format("the address's name is {}", names()),
                      other_ptr(wanted.to_string()) + or_its_own_name());
    } else {
      const auto target = ask_.alias_of(wanted);  // RFC 5321, section 2.3.5, wants a name that has addresses itself
      ask_.ask.passed("dns-ehlo", title,
                      target ? fmt::format("by both; but it is an alias of {}: EHLO is to say a name with addresses of "
                                           "its own, and some receivers insist on it",
                                           target->str())
                             : "by both");
    }
  }

  [[nodiscard]] std::string or_its_own_name() const {
    const auto name = std::ranges::find_if(names_, [&](const DnsName& own) { return leads_back(own); });
    return name == names_.end()
               ? std::string()
               : fmt::format("; or have the mail server say {} in EHLO, and name that in mail_name", name->str());
  }

  const DnsInquiry& ask_;
  const IpAddress& address_;
  const DnsAnswer& answer_;
  std::vector<DnsName> names_;
  bool forward_failed_ = false;
};

// RFC 5782, section 2.1: an address of 127.0.0.0/8 lists; 127.255.255.0/24 is how lists say that they do not answer.
constexpr Prefix kListed{{IpFamily::kV4, {127}}, 8};
constexpr Prefix kRefused{{IpFamily::kV4, {127, 255, 255}}, 24};

// Section 5: every list has the one, and none the other. Of IPv6 they are these, mapped.
constexpr ByFamily<IpAddress> kOnEveryList{
    .v4 = {IpFamily::kV4, {127, 0, 0, 2}},
    .v6 = {IpFamily::kV6, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 2}},
};
constexpr ByFamily<IpAddress> kOnNoList{
    .v4 = {IpFamily::kV4, {127, 0, 0, 1}},
    .v6 = {IpFamily::kV6, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}},
};

bool is_any_in(const std::vector<IpAddress>& codes, const Prefix& network) {
  return std::ranges::any_of(codes, [&](const IpAddress& code) { return network.contains(code); });
}

/// Absent: it does not tell.
std::optional<bool> has_on_it(const DnsInquiry& ask, const DnsName& list, const IpAddress& address) {
  const auto name = list.with_prefix(reversed_labels(address));
  if (!name) {
    return std::nullopt;
  }
  const auto& answer = ask.book.look({*name, DnsType::kA}, DnsBook::Matter::kAside);
  const auto codes = records_of(answer, read_address);
  return is_clear(answer) && !is_any_in(codes, kRefused) ? std::optional(is_any_in(codes, kListed)) : std::nullopt;
}

/// Has it an entry to test it by? Lists of both families have IPv4's, and not all of them the other. One that does not
/// tell of it may have it.
bool may_be_a_list(const DnsInquiry& ask, const DnsName& list, IpFamily family) {
  return has_on_it(ask, list, kOnEveryList.v4).value_or(true) ||
         has_on_it(ask, list, kOnEveryList[family]).value_or(true);
}

void judge_blocklist(const DnsInquiry& ask, const IpAddress& address, const DnsName& list) {
  constexpr auto kAside = DnsBook::Matter::kAside;
  const auto title = fmt::format("{} is not listed by {}", address.to_string(), list.str());
  const auto name = list.with_prefix(reversed_labels(address));
  if (!name) {
    ask.ask.skipped("dns-blocklist", title, "its name is too long to be asked");
    return;
  }
  const auto& answer = ask.book.look({*name, DnsType::kA}, kAside);
  if (!is_clear(answer)) {
    ask.ask.skipped("dns-blocklist", title, "it does not answer");
    return;
  }
  const auto codes = records_of(answer, read_address);
  const bool is_kept = has_on_it(ask, list, kOnEveryList[address.family]).value_or(false);
  const bool has_all = has_on_it(ask, list, kOnNoList[address.family]).value_or(false);
  if (codes.empty() && is_kept) {
    ask.ask.passed("dns-blocklist", title, "");
  } else if (codes.empty()) {
    ask.ask.skipped("dns-blocklist", title,
                    fmt::format("nor is {}, which every list has so that it can be tested: it is mistyped, a list no "
                                "longer, none of such addresses, or it does not answer this resolver",
                                kOnEveryList[address.family].to_string()));
  } else if (is_any_in(codes, kRefused)) {
    ask.ask.skipped("dns-blocklist", title,
                    fmt::format("it answers {}: it does not serve this resolver (a public one, or too many questions); "
                                "ask another, `--resolver ADDRESS`",
                                list_of(codes)));
  } else if (!is_any_in(codes, kListed)) {
    ask.ask.skipped("dns-blocklist", title,
                    fmt::format("it answers {}, which is no list's answer: it is one no longer", list_of(codes)));
  } else if (!may_be_a_list(ask, list, address.family)) {
    ask.ask.skipped("dns-blocklist", title,
                    fmt::format("it answers {}, but does not list {}, which every list has so that it can be tested: "
                                "it is mistyped, or a list no longer",
                                list_of(codes), kOnEveryList.v4.to_string()));
  } else if (has_all) {
    ask.ask.skipped("dns-blocklist", title,
                    fmt::format("it lists {} too, which no list does: it lists everything, and is one no longer",
                                kOnNoList[address.family].to_string()));
  } else {
    const auto reasons = records_of(ask.book.look({*name, DnsType::kTxt}, kAside), read_text);
    const auto reason = reasons.empty() ? std::string() : fmt::format(": {}", shown(reasons.front()));
    ask.ask.failed(
        "dns-blocklist", title, fmt::format("it is, as {}{}", list_of(codes), reason),
        fmt::format("look up why at {}'s own site, mend that (a sender that is misused, a former owner of the "
                    "address), and ask there to have {} taken off the list",
                    list.str(), address.to_string()));
  }
}

}  // namespace

void judge_ptr(const DnsInquiry& ask, const IpAddress& address) {
  AddressJudge(ask, address).judge();
}

void judge_blocklists(const DnsInquiry& ask, const IpAddress& address) {
  for (const auto& list : ask.expected.blocklists) {
    judge_blocklist(ask, address, list);
  }
}

}  // namespace smtpegress
