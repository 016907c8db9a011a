#include "setup/propose.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "model/profile_document.hpp"
#include "net/contains.hpp"
#include "net/list_of.hpp"
#include "setup/candidates.hpp"
#include "setup/mail_stacks.hpp"

namespace smtpegress::setup {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kOperation = "set up this host:";
constexpr const char* kSchema = "file:///usr/share/smtp-egress/profile.schema.json";
constexpr std::string_view kAuto = "auto";
constexpr std::string_view kAnyStack = "mail";  // of a mail stack that has no name here

/// A step without a next one; nothing where the proposal can go on.
using Stop = std::optional<Result<Step>>;

template <class Parsed>
std::string text_of(const Parsed& value) {
  return value.dump(-1, ' ', false, Parsed::error_handler_t::replace);
}

class Proposing {
 public:
  Proposing(const Finds& finds, const Wishes& wishes) : finds_(finds), wishes_(wishes) {}

  Result<Step> step() && {
    for (const auto choose : {&Proposing::choose_tunnel, &Proposing::choose_sources, &Proposing::choose_wan,
                              &Proposing::choose_public_ip}) {
      if (auto stop = (this->*choose)()) {
        return *std::move(stop);
      }
    }
    return finish();
  }

 private:
  [[nodiscard]] bool is_home() const { return wishes_.side == Side::kHome; }

  /// Of one that is given twice the last, as parse_profile has it.
  [[nodiscard]] std::optional<std::string> setting(std::string_view key) const {
    std::optional<std::string> last;
    for (const auto& [name, value] : wishes_.overrides.settings) {
      last = name == key ? value : last;
    }
    return last;
  }

  void chosen(std::string what, std::string value, std::string why) {
    proposal_.choices.push_back({.what = std::move(what), .value = std::move(value), .why = std::move(why)});
  }

  static Stop refuse(std::string object, std::string hint) {
    return usage_error(kOperation, std::move(object), std::move(hint));
  }

  Stop choose_tunnel() {
    const auto wished = setting("tunnel") ? setting("tunnel") : wishes_.tunnel;
    if (wished) {
      const auto name = IfName::parse(*wished);
      if (!name) {
        return Result<Step>(std::unexpected(name.error()));
      }
      if (finds_.observed.link(*name) == nullptr) {
        return refuse(
            fmt::format("tunnel {}", *wished),
            fmt::format("is not there; bring it up first (wg-quick up {}), `ip link` lists what there is", *wished));
      }
      tunnel_ = *name;
      chosen("tunnel", *wished, finds_.wireguard(tunnel_) != nullptr ? "WireGuard" : "not a WireGuard interface");
      return std::nullopt;
    }
    const auto candidates = tunnel_candidates(finds_, wishes_);
    if (candidates.empty()) {
      return refuse("tunnel",
                    "there is no WireGuard interface; bring it up first (wg-quick up wg0), or name a tunnel "
                    "of another kind with --tunnel IF");
    }
    if (candidates.size() > 1) {
      return Result<Step>(Question{.topic = Topic::kTunnel,
                                   .asked = "Which tunnel leads to the other end?",
                                   .candidates = candidates,
                                   .several = false,
                                   .flag = "--tunnel IF"});
    }
    tunnel_ = *IfName::parse(candidates.front().value);
    chosen("tunnel", candidates.front().value, candidates.front().shown);
    return std::nullopt;
  }

  Stop choose_sources() {
    if (const auto given = setting("sources")) {
      return sources_given(*given);
    }
    if (!wishes_.sources.empty()) {
      take_chosen();
      return std::nullopt;
    }
    if (wishes_.from_home) {
      return sources_of_home(*wishes_.from_home);
    }
    return is_home() ? sources_at_home() : sources_behind_tunnel();
  }

  /// Read as the profile will be, which refuses what cannot be.
  Stop sources_given(const std::string& text) {
    const auto* const bare = is_home() ? R"({"side": "home"})" : R"({"side": "vps"})";
    const auto read = parse_profile("init", "command line", bare, {{{"sources", text}}});
    if (!read) {
      return Result<Step>(std::unexpected(read.error()));
    }
    const auto document = profile_document(*read);
    for (const auto& item : document.at("sources")) {
      stack_ = stack_.empty() ? stack_named_in(text_of(item)) : stack_;
      add_source(text_of(item), text_of(item) + ", as given");
    }
    return std::nullopt;
  }

  void add_source(const std::string& item, std::string why) {
    json value = json::parse(item, nullptr, false);
    chosen("source", value.is_string() ? value.get<std::string>() : item, std::move(why));
    sources_.push_back(std::move(value));
  }

  Stop sources_of_home(const Descriptor& home) {
    if (home.mail_from.empty()) {
      return refuse("home's descriptor",
                    "names no network that the mail comes from; bring its tunnel up, and let "
                    "`smtp-egress pair` print it anew");
    }
    for (const auto& network : home.mail_from) {
      add_source(text_of(json(network.to_string())), fmt::format("{}'s descriptor", home.instance));
    }
    ports_ = home.ports;
    return std::nullopt;
  }

  Stop sources_at_home() {
    const auto found = home_sources(finds_, tunnel_);
    if (found.empty()) {
      return refuse("sources", why_no_home_source(finds_, tunnel_));
    }
    if (found.size() > 1) {
      Question question{.topic = Topic::kSources,
                        .asked = "What does the mail stack send from?",
                        .candidates = {},
                        .several = true,
                        .flag = "--docker-network NAME or --subnet CIDR"};
      for (const auto& source : found) {
        question.candidates.push_back(source.candidate);
      }
      return Result<Step>(std::move(question));
    }
    take(found.front());
    return std::nullopt;
  }

  void take(const SourceCandidate& source) {
    add_source(source.candidate.value, source.candidate.shown);
    stack_ = stack_.empty() || stack_ == kAnyStack ? source.stack : stack_;
    if (!source.note.empty()) {
      proposal_.notes.push_back(source.note);
    }
  }

  /// Answers: what a candidate says of itself holds for them, too.
  void take_chosen() {
    const auto offered = is_home() ? home_sources(finds_, tunnel_) : std::vector<SourceCandidate>();
    for (const auto& item : wishes_.sources) {
      const auto value_of = [](const SourceCandidate& source) { return source.candidate.value; };
      const auto source = std::ranges::find(offered, item, value_of);
      if (source != offered.end()) {
        take(*source);
      } else {
        add_source(item, item + ", as chosen");
      }
    }
  }

  Stop sources_behind_tunnel() {
    const auto behind = networks_behind(finds_, tunnel_);
    std::vector<Prefix> all;
    for (const auto& networks : behind) {
      all.insert(all.end(), networks.begin(), networks.end());
    }
    if (all.empty()) {
      return refuse(
          fmt::format("AllowedIPs of {}", tunnel_.str()),
          "have no network of a mail stack at home; add it there, or name it with --subnet CIDR, or take it "
          "from home: `smtp-egress pair` there, --from-home - here (with nat: masquerade at home, and where the "
          "mail server is no container but a user there, the source is the tunnel's address at home: --subnet "
          "ADDRESS/32)");
    }
    const auto of_family = [&](IpFamily family) {
      return std::ranges::count(all, family, [](const Prefix& network) { return network.address.family; });
    };
    if (behind.size() == 1 && of_family(IpFamily::kV4) <= 1 && of_family(IpFamily::kV6) <= 1) {
      for (const auto& network : all) {
        add_source(text_of(json(network.to_string())), fmt::format("AllowedIPs of {}'s peer", tunnel_.str()));
      }
      return std::nullopt;
    }
    Question question{.topic = Topic::kSources,
                      .asked = "Which networks are the mail stack's at home?",
                      .candidates = {},
                      .several = true,
                      .flag = "--subnet CIDR"};
    for (const auto& network : all) {
      const auto text = network.to_string();
      question.candidates.push_back({.value = text_of(json(text)), .shown = text, .flag = "--subnet " + text});
    }
    return Result<Step>(std::move(question));
  }

  Stop choose_wan() {
    if (is_home()) {
      return std::nullopt;
    }
    auto wished = setting("wan");
    if (!wished || wished == kAuto) {
      wished = wishes_.wan;
    }
    const auto candidates = wan_candidates(finds_, tunnel_);
    if (!wished && candidates.empty()) {
      return refuse("WAN interface", "there is no default route to find it by; name it with --wan IF");
    }
    if (!wished && candidates.size() > 1) {
      return Result<Step>(Question{.topic = Topic::kWan,
                                   .asked = "Which interface leads to the internet?",
                                   .candidates = candidates,
                                   .several = false,
                                   .flag = "--wan IF"});
    }
    const auto name = IfName::parse(wished ? *wished : candidates.front().value);
    if (!name) {
      return Result<Step>(std::unexpected(name.error()));
    }
    if (finds_.observed.link(*name) == nullptr) {
      return refuse(fmt::format("WAN interface {}", name->str()), "is not there; `ip link` lists what there is");
    }
    wan_ = *name;
    chosen("wan", wan_.str(), wished ? "as given" : candidates.front().shown);
    return std::nullopt;
  }

  Stop choose_public_ip() {
    if (is_home()) {
      return std::nullopt;
    }
    public_ip_ = setting("public_ip") ? setting("public_ip") : wishes_.public_ip;
    if (public_ip_ || !sends_by_ipv4()) {
      if (public_ip_) {
        chosen("public address", *public_ip_, "as given");
      }
      return std::nullopt;
    }
    const auto candidates = public_addresses(finds_, wan_);
    if (candidates.size() != 1) {
      return Result<Step>(Question{
          .topic = Topic::kPublicIp,
          .asked = candidates.empty()
                       ? fmt::format("{} has no public IPv4 address; its provider maps one to it. Which?", wan_.str())
                       : "Which address shall the mail come from?",
          .candidates = candidates,
          .several = false,
          .flag = "--public-ip ADDR"});
    }
    public_ip_ = candidates.front().value;
    chosen("public address", *public_ip_, candidates.front().shown);
    return std::nullopt;
  }

  [[nodiscard]] bool sends_by_ipv4() const {
    return std::ranges::any_of(sources_, [](const json& source) {
      return !source.is_string() || source.get<std::string>().find(':') == std::string::npos;
    });
  }

  [[nodiscard]] std::string instance() const {
    if (!wishes_.name.empty()) {
      return wishes_.name;
    }
    if (wishes_.from_home) {
      return other_end(wishes_.from_home->instance, Side::kHome);
    }
    return fmt::format("{}-{}", stack_.empty() ? kAnyStack : stack_, is_home() ? "home" : "vps");
  }

  [[nodiscard]] ordered_json document() const {
    ordered_json document{{"$schema", kSchema},
                          {"description", is_home() ? "Home: the mail stack's tcp/25 leaves by the tunnel"
                                                    : "VPS: the mail stack's tcp/25 leaves by this host's address"},
                          {"side", is_home() ? "home" : "vps"},
                          {"tunnel", tunnel_.str()},
                          {"sources", ordered_json::array()},
                          {"ports", ordered_json::array()},
                          {"mark", "auto"}};
    for (const auto& source : sources_) {
      document["sources"].push_back(ordered_json::parse(text_of(source)));
    }
    for (const auto& range : ports_) {
      document["ports"].push_back(range.first == range.last ? ordered_json(range.first)
                                                            : ordered_json(range.to_string()));
    }
    if (is_home()) {
      document["table"] = "auto";
      document["priority"] = "auto";
      document["rp_filter"] = "tunnel";
    } else {
      document["wan"] = wan_.str();
      document["public_ip"] = public_ip_.value_or("auto");
      document["public_ip6"] = "auto";
    }
    return document;
  }

  Result<Step> finish() {
    auto written = document();
    auto overrides = wishes_.overrides;
    if (wishes_.wan) {  // "auto" left it open, and was answered
      std::erase_if(overrides.settings, [](const auto& setting) { return setting.first == "wan"; });
    }
    auto profile = parse_profile(instance(), "what init found", text_of(written), overrides);
    if (!profile) {
      return std::unexpected(profile.error());
    }
    const auto read = profile_document(*profile);
    for (const auto& [key, value] : overrides.settings) {
      const auto outer = key.substr(0, key.find('.'));
      if (const auto found = read.find(outer); found != read.end()) {  // "tenants": [] is the same as none
        written[outer] = ordered_json::parse(text_of(*found));
      }
    }
    proposal_.profile = *std::move(profile);
    proposal_.text = written.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
    proposal_.notes.insert(proposal_.notes.end(), finds_.notes.begin(), finds_.notes.end());
    return Step(std::move(proposal_));
  }

  const Finds& finds_;
  const Wishes& wishes_;
  Proposal proposal_;
  IfName tunnel_;
  std::vector<json> sources_;
  std::vector<PortRange> ports_{{.first = 25, .last = 25}};  // smtp
  std::string stack_;
  IfName wan_;
  std::optional<std::string> public_ip_;
};

}  // namespace

Result<Step> propose(const Finds& finds, const Wishes& wishes) {
  return Proposing(finds, wishes).step();
}

std::string other_end(const std::string& instance, Side side) {
  const std::string_view own = side == Side::kHome ? "home" : "vps";
  const std::string_view other = side == Side::kHome ? "vps" : "home";
  if (instance.ends_with(own)) {
    return instance.substr(0, instance.size() - own.size()) + std::string(other);
  }
  return fmt::format("mail-{}", other);
}

}  // namespace smtpegress::setup
