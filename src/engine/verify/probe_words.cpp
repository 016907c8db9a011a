#include "engine/verify/probe_words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "engine/verify/lookups.hpp"
#include "model/families.hpp"
#include "model/lower.hpp"
#include "model/private_networks.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

struct PathErrorName {
  std::uint8_t type;
  std::uint8_t code;
  std::string_view name;
};
// RFC 792, RFC 1812 (section 5.2.7.1), RFC 4443
constexpr PathErrorName kOfIcmp[]{{3, 0, "network unreachable"},
                                  {3, 1, "host unreachable"},
                                  {3, 2, "protocol unreachable"},
                                  {3, 3, "port unreachable"},
                                  {3, 4, "packet too big"},
                                  {3, 9, "administratively prohibited"},
                                  {3, 10, "administratively prohibited"},
                                  {3, 13, "administratively prohibited"},
                                  {11, 0, "time to live exceeded"}};
constexpr PathErrorName kOfIcmpv6[]{
    {1, 0, "no route"},         {1, 1, "administratively prohibited"}, {1, 3, "address unreachable"},
    {1, 4, "port unreachable"}, {1, 5, "source address refused"},      {1, 6, "route rejected"},
    {2, 0, "packet too big"},   {3, 0, "hop limit exceeded"}};

template <class Names>
std::string_view name_in(const Names& names, const PathError& error) {
  const auto* found = std::ranges::find_if(
      names, [&](const PathErrorName& name) { return name.type == error.type && name.code == error.code; });
  return found == std::end(names) ? "unreachable" : found->name;
}

/// What a client's own name or address follows: "Hello [203.0.113.10]", "foo.com greets bar.com" (RFC 5321, appendix
/// D), "pleased to meet you, [203.0.113.10]". "at your service, [203.0.113.10]" calls nobody that.
constexpr std::array<std::string_view, 8> kGreetings{"hello",  "hi",        "helo",    "ehlo",
                                                     "greets", "greetings", "welcome", "you"};

/// In lower case; empty: there is none.
std::string last_word(std::string_view text) {
  constexpr std::string_view kBetween = " \t[](<,;:!";
  const auto end = text.find_last_not_of(kBetween) + 1;  // npos + 1 is 0
  const auto begin = text.substr(0, end).find_last_of(kBetween) + 1;
  std::string word(text.substr(begin, end - begin));
  std::ranges::transform(word, word.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return word;
}

}  // namespace

std::string words_for(const PathError& error) {
  const bool v4 = error.from.family == IpFamily::kV4;
  return fmt::format("{} ({} {}/{})", v4 ? name_in(kOfIcmp, error) : name_in(kOfIcmpv6, error), v4 ? "ICMP" : "ICMPv6",
                     error.type, error.code);
}

std::string words_for(const ProbeSender& sender, const ProbeSighting& seen) {
  if (seen.manner == ProbeManner::kNamespace) {
    return fmt::format("{}, from its network namespace", seen.sent_from ? seen.sent_from->to_string() : "a container");
  }
  const auto from = seen.sent_from ? seen.sent_from : sender.bound;
  if (seen.manner == ProbeManner::kNone || !from) {
    return sender.source ? sender.source->to_string() : from ? from->to_string() : "this host";
  }
  const auto user = sender.uid ? fmt::format("user {}", *sender.uid) : std::string("this host");
  return fmt::format("{} as {}{}", user, from->to_string(), seen.text.empty() ? "" : fmt::format(" ({})", seen.text));
}

bool is_spared(const Inquiry& ask, const ProbeSighting& seen) {
  if (ask.view.profile.side != Side::kHome || !seen.address) {
    return false;
  }
  const auto own = local_networks(ask.view.profile, ask.view.seen.host);
  return is_private(*seen.address) ||
         std::ranges::any_of(own, [&](const Prefix& network) { return network.contains(*seen.address); });
}

bool is_unanswered(const ProbeSighting& seen) {
  return seen.step == ProbeStep::kConnect && seen.errnum == ETIMEDOUT && !seen.path_error;
}

bool said_its_address(const ProbeSighting& seen) {
  return seen.said.starts_with('[');
}

bool may_repeat_us(const ProbeSighting& seen) {
  if (!said_its_address(seen) || !seen.sent_from || seen.ehlo.lines.empty()) {
    return false;
  }
  constexpr std::string_view kTag = "IPv6:";
  std::string_view line = seen.ehlo.lines.front();
  const auto address = seen.sent_from->to_string();
  const auto at = line.find(address);
  if (at == std::string_view::npos || line.find(address, at + address.size()) != std::string_view::npos) {
    return false;  // written otherwise than we did; or twice, and once that is what it sees
  }
  line = line.substr(0, at);
  if (line.ends_with(kTag)) {
    line.remove_suffix(kTag.size());
  }
  return contains(kGreetings, last_word(line));
}

std::string words_for(const HopTrace& trace) {
  if (trace.server_answered) {
    return "the server";
  }
  return trace.hops.empty() ? "nowhere"
                            : fmt::format("{}, hop {}", trace.hops.back().from.to_string(), trace.hops.back().ttl);
}

std::string command_to_leave_as(const Profile& profile, const IpAddress& address) {
  const auto& traits = traits_of(address.family);
  if (!profile.tenants.empty()) {
    return fmt::format(R"("{}": "{}" for that tenant in its profile)", traits.public_key, address.to_string());
  }
  return fmt::format("`{} {} {}`", enable_command(profile, {traits.public_key}), traits.public_option,
                     address.to_string());
}

Reach reach_of(const Inquiry& ask, const ProbeSighting& seen) {
  if (!seen.trace) {
    return {Reach::Place::kUnsought, {}};
  }
  if (seen.trace->server_answered) {
    return {Reach::Place::kServer, {}};
  }
  if (seen.trace->hops.empty()) {
    return {};
  }
  const auto& last = seen.trace->hops.back();
  if (is_own_address(ask, last.from)) {
    return {Reach::Place::kHere, last};
  }
  // From home the first router behind this host is the VPS: there is no other way into the tunnel.
  const std::uint8_t far_end = seen.manner == ProbeManner::kNamespace ? 2 : 1;
  const bool is_far_end = ask.view.profile.side == Side::kHome && last.ttl <= far_end;
  return {is_far_end ? Reach::Place::kFarEnd : Reach::Place::kBeyond, last};
}

BesideControl beside_control(const ProbeSighting& seen) {
  if (!seen.trace || !seen.control || seen.trace->server_answered) {
    return BesideControl::kNothing;
  }
  // Routers tell of few packets each second. Where the server answers, the way is open up to it, and one that tells
  // more is enough; else that one may be an answer lost.
  const int farther = seen.control->last_hop() - seen.trace->last_hop();
  const int enough = seen.control->server_answered ? 1 : 2;
  return farther >= enough               ? BesideControl::kFarther
         : seen.control->server_answered ? BesideControl::kServer
                                         : BesideControl::kNothing;
}

std::string words_for(const Reach& reach) {
  switch (reach.place) {
    case Reach::Place::kUnsought:
      return "where they end was not looked for: too few file descriptors (`ulimit -n`), or the kernel gave up too "
             "soon "
             "(net.ipv4.tcp_syn_retries)";
    case Reach::Place::kUnknown:
      return "no router tells where they end";
    case Reach::Place::kHere:
      return "this host passes them on, and nobody behind it tells of them";
    case Reach::Place::kFarEnd:
      return fmt::format("they come as far as the VPS ({}), and nobody behind it tells of them",
                         reach.hop->from.to_string());
    case Reach::Place::kBeyond:
      return fmt::format("they come as far as {}, {} hop{} away, and nobody behind it tells of them",
                         reach.hop->from.to_string(), reach.hop->ttl, reach.hop->ttl == 1 ? "" : "s");
    case Reach::Place::kServer:
      return "others like them were answered: packets are lost on the way";
  }
  return {};
}

}  // namespace smtpegress
