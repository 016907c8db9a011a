// From what was found to a profile, a question, or a refusal.
#include "setup/propose.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <tuple>

#include "setup/look.hpp"
#include "support/hosts.hpp"

namespace smtpegress::setup {
namespace {

using nlohmann::json;
using test::FakeHost;

docker::Network bridge(const std::string& name, std::string_view subnet) {
  return {.name = name, .driver = "bridge", .internal = false, .subnets = {test::prefix(subnet)}};
}
docker::Container container(const std::string& name, const std::string& image, const std::string& network) {
  return {.name = name, .image = image, .project = {}, .service = {}, .networks = {network}};
}
docker::Inventory mailu() {
  return {.networks = {bridge("mailu_default", "192.168.203.0/24"), bridge("web_default", "172.30.0.0/16")},
          .containers = {container("mailu-smtp-1", "ghcr.io/mailu/postfix:1", "mailu_default"),
                         container("web", "nginx", "web_default")}};
}

Finds finds_of(FakeHost host, std::optional<docker::Inventory> inventory = mailu(), bool has_mox = false) {
  test::FakeKernel kernel(std::move(host));
  auto finds = look(kernel, {.docker = [&]() -> Result<std::optional<docker::Inventory>> { return inventory; },
                             .has_user = [&](const char*) { return has_mox; }});
  EXPECT_TRUE(finds);
  return *std::move(finds);
}

Wishes wishes(Side side, ProfileOverrides overrides = {}) {
  Wishes wishes;
  wishes.side = side;
  wishes.overrides = std::move(overrides);
  return wishes;
}

Proposal proposal_of(const Finds& finds, const Wishes& wished) {
  auto step = propose(finds, wished);
  EXPECT_TRUE(step) << (step ? "" : step.error().message());
  const auto* proposal = step ? std::get_if<Proposal>(&*step) : nullptr;
  EXPECT_NE(proposal, nullptr) << (step ? std::get<Question>(*step).asked : "");
  return proposal != nullptr ? *proposal : Proposal{};
}

Question question_of(const Finds& finds, const Wishes& wished) {
  auto step = propose(finds, wished);
  EXPECT_TRUE(step) << (step ? "" : step.error().message());
  const auto* question = step ? std::get_if<Question>(&*step) : nullptr;
  EXPECT_NE(question, nullptr);
  return question != nullptr ? *question : Question{};
}

std::string refusal(const Finds& finds, const Wishes& wished) {
  const auto step = propose(finds, wished);
  EXPECT_FALSE(step);
  if (step) {
    return "";
  }
  EXPECT_EQ(step.error().kind, ErrorKind::kUsage);
  return step.error().message();
}

std::vector<std::string> values(const Question& question) {
  std::vector<std::string> all;
  for (const auto& candidate : question.candidates) {
    all.push_back(candidate.value);
  }
  return all;
}

using Texts = std::vector<std::string>;

TEST(Propose, HomeWithOneOfAll_IsAProfileOfItsStack) {
  const auto proposal = proposal_of(finds_of(test::docker_home()), wishes(Side::kHome));
  EXPECT_EQ(proposal.profile.name, "mailu-home");
  const auto written = json::parse(proposal.text);
  EXPECT_EQ(written["sources"], json::parse(R"([{"docker_network": "mailu_default"}])"));
  EXPECT_EQ(written["tunnel"], "wg0");
  EXPECT_EQ(written["mark"], "auto");
  EXPECT_EQ(written["rp_filter"], "tunnel");
  const auto again = parse_profile("mailu-home", "again", proposal.text);
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, proposal.profile);
}

TEST(Propose, AName_AndSettings_AreTaken) {
  auto wished = wishes(Side::kHome, {{{"nat", "masquerade"}, {"sources", R"(["172.22.1.0/24"])"}, {"table", "200"}}});
  wished.name = "mine";
  const auto proposal = proposal_of(finds_of(test::docker_home(), std::nullopt), wished);
  EXPECT_EQ(proposal.profile.name, "mine");
  const auto written = json::parse(proposal.text);
  EXPECT_EQ(written["nat"], "masquerade");
  EXPECT_EQ(written["table"], 200);
  EXPECT_EQ(written["sources"], json::parse(R"(["172.22.1.0/24"])"));
  EXPECT_EQ(*parse_profile("mine", "again", proposal.text), proposal.profile);
}

TEST(Propose, SettingsThatAProfileDoesNotShow_AreNoMistake) {
  for (const auto& [side, key, value] :
       {std::tuple(Side::kVps, "tenants", "[]"), std::tuple(Side::kHome, "$schema", "x"),
        std::tuple(Side::kVps, "public_ip6", "auto")}) {
    const auto host = side == Side::kHome ? test::docker_home() : test::vps();
    const auto proposal = proposal_of(finds_of(host), wishes(side, {{{key, value}}}));
    const auto again = parse_profile(proposal.profile.name, "again", proposal.text);
    ASSERT_TRUE(again) << key;
    EXPECT_EQ(*again, proposal.profile) << key;
  }
}

TEST(Propose, AMemberOfASetting_IsWrittenWithTheWhole) {
  const auto proposal =
      proposal_of(finds_of(test::docker_home()),
                  wishes(Side::kHome, {{{"inner.remote", "100.64.0.1"}, {"inner.link", "eth0"}, {"tunnel", "wg0"}}}));
  EXPECT_EQ(json::parse(proposal.text)["inner"]["remote"], "100.64.0.1");
  EXPECT_EQ(*parse_profile(proposal.profile.name, "again", proposal.text), proposal.profile);
}

TEST(Propose, OfASettingGivenTwice_TheLastIsLookedAtAndWritten) {
  auto host = test::docker_home();
  test::add_wireguard(host, "wg1", "10.0.2.2/24", "0.0.0.0/0");
  const auto proposal = proposal_of(finds_of(host), wishes(Side::kHome, {{{"tunnel", "wg0"}, {"tunnel", "wg1"}}}));
  EXPECT_EQ(proposal.choices.front().value, "wg1");
  EXPECT_EQ(proposal.profile.tunnel.str(), "wg1");
}

TEST(Propose, SettingsThatAreNone_AreRefusedByTheirKey) {
  EXPECT_NE(
      refusal(finds_of(test::docker_home()), wishes(Side::kHome, {{{"sources", "10.0.0.0/33"}}})).find("'sources'"),
      std::string::npos);
  EXPECT_NE(refusal(finds_of(test::docker_home()), wishes(Side::kHome, {{{"nonsense", "1"}}})).find("'nonsense'"),
            std::string::npos);
}

TEST(Propose, TheNetworksName_IsTheStacks) {
  const auto by_name =
      wishes(Side::kHome, {{{"sources", R"([{"docker_network": "mailcowdockerized_mailcow-network"}])"}}});
  EXPECT_EQ(proposal_of(finds_of(test::docker_home()), by_name).profile.name, "mailcow-home");
}

TEST(Propose, TwoTunnels_IsAQuestion_AndAnAnswerSettlesIt) {
  auto host = test::docker_home();
  test::add_wireguard(host, "wg1", "10.0.2.2/24", "0.0.0.0/0");
  const auto finds = finds_of(host);
  auto wished = wishes(Side::kHome);
  const auto question = question_of(finds, wished);
  EXPECT_EQ(values(question), (Texts{"wg0", "wg1"}));
  EXPECT_EQ(unanswered(question).message(),
            "set up this host: Which tunnel leads to the other end? Give --tunnel wg0 for wg0 (WireGuard, 10.0.1.2, 1 "
            "peer); or --tunnel wg1 for wg1 (WireGuard, 10.0.2.2, 1 peer)");
  take_answer(wished, question, {"wg1"});
  EXPECT_EQ(proposal_of(finds, wished).profile.tunnel.str(), "wg1");
}

TEST(Propose, NoTunnel_SaysWhatToStart) {
  auto host = test::docker_home();
  test::remove_link(host, "wg0");
  EXPECT_NE(refusal(finds_of(host), wishes(Side::kHome)).find("bring it up first (wg-quick up wg0)"),
            std::string::npos);
  EXPECT_NE(refusal(finds_of(host), wishes(Side::kHome, {{{"tunnel", "wg7"}}})).find("wg7: is not there"),
            std::string::npos);
}

TEST(Propose, TwoMailStacks_IsAQuestionOfWhichSeveralMayBeChosen) {
  auto both = mailu();
  both.networks.push_back(bridge("lists", "172.19.0.0/16"));
  both.containers.push_back(container("lists-mta-1", "boky/postfix", "lists"));
  const auto finds = finds_of(test::docker_home(), both);
  auto wished = wishes(Side::kHome);
  const auto question = question_of(finds, wished);
  EXPECT_TRUE(question.several);
  ASSERT_EQ(question.candidates.size(), 2U);
  take_answer(wished, question, values(question));
  EXPECT_EQ(proposal_of(finds, wished).profile.named_sources.size(), 2U);
}

TEST(Propose, NoMailStack_SaysWhatIsThere) {
  const docker::Inventory web{.networks = {bridge("web_default", "172.30.0.0/16")}, .containers = {}};
  const auto said = refusal(finds_of(test::docker_home(), web), wishes(Side::kHome));
  EXPECT_NE(said.find("(there are web_default)"), std::string::npos) << said;
  EXPECT_NE(refusal(finds_of(test::bare_home(), std::nullopt), wishes(Side::kHome)).find("Docker does not run here"),
            std::string::npos);
  const docker::Inventory on_host{.networks = {}, .containers = {container("postfix", "boky/postfix", "host")}};
  const auto user = refusal(finds_of(test::docker_home(), on_host), wishes(Side::kHome));
  EXPECT_NE(user.find("postfix is on the host's own"), std::string::npos) << user;
  EXPECT_NE(user.find("--set 'sources=[{\"user\": "), std::string::npos) << "it runs, and has no network to name";
}

TEST(Propose, AMoxOnTheHost_SendsAsTheTunnelsAddresses) {
  auto host = test::bare_home();
  auto proposal = proposal_of(finds_of(host, std::nullopt, true), wishes(Side::kHome));
  EXPECT_EQ(proposal.profile.name, "mox-home");
  EXPECT_EQ(json::parse(proposal.text)["sources"], json::parse(R"([{"user": "mox", "address": "10.0.1.2"}])"));
  test::add_address(host, "wg0", "fe80::2/64");
  test::add_address(host, "wg0", "fd00:1::2/64");
  proposal = proposal_of(finds_of(host, std::nullopt, true), wishes(Side::kHome));
  EXPECT_EQ(json::parse(proposal.text)["sources"],
            json::parse(R"([{"user": "mox", "address": ["10.0.1.2", "fd00:1::2"]}])"))
      << "else its IPv6 mail would be refused";
}

TEST(Propose, AMoxOnTheHost_NeedsATunnelWithAnAddress) {
  auto host = test::bare_home();
  host.state.addresses.clear();
  const auto said = refusal(finds_of(host, std::nullopt, true), wishes(Side::kHome));
  EXPECT_NE(said.find("a user mox on this host, but wg0 has no address"), std::string::npos) << said;
}

TEST(Propose, IncussBridge_IsASourceWhereDockerHasNone) {
  auto host = test::bare_home();
  test::add_link(host, "incusbr0", "bridge", "10.10.10.1/24");
  test::add_link(host, "incusbr1", "bridge");  // without an address
  const auto proposal = proposal_of(finds_of(host, std::nullopt), wishes(Side::kHome));
  EXPECT_EQ(json::parse(proposal.text)["sources"], json::parse(R"([{"interface": "incusbr0"}])"));
  EXPECT_EQ(proposal.profile.name, "mail-home");
  EXPECT_NE(proposal.notes.front().find("all machines on incusbr0"), std::string::npos);
}

TEST(Propose, IncussBridge_PickedFromAList_IsTakenWithItsNote) {
  auto host = test::bare_home();
  test::add_link(host, "incusbr0", "bridge", "10.10.10.1/24");
  const auto finds = finds_of(host, std::nullopt, true);
  auto wished = wishes(Side::kHome);
  const auto question = question_of(finds, wished);
  ASSERT_EQ(question.candidates.size(), 2U);
  take_answer(wished, question, {question.candidates.front().value});
  const auto bridge = proposal_of(finds, wished);
  EXPECT_NE(bridge.notes.front().find("all machines on incusbr0"), std::string::npos);
  EXPECT_EQ(bridge.profile.name, "mail-home");
  take_answer(wished, question, {question.candidates.back().value});
  EXPECT_EQ(proposal_of(finds, wished).profile.name, "mox-home");
}

TEST(Propose, Vps_TakesWhatIsBehindTheTunnel) {
  const auto proposal = proposal_of(finds_of(test::vps(), std::nullopt), wishes(Side::kVps));
  EXPECT_EQ(proposal.profile.name, "mail-vps");
  const auto written = json::parse(proposal.text);
  EXPECT_EQ(written["sources"], json::parse(R"(["192.168.203.0/24"])"));
  EXPECT_EQ(written["wan"], "eth0");
  EXPECT_EQ(written["public_ip"], "203.0.113.10");
}

FakeHost vps_with_peers(std::string_view own, const std::vector<std::string>& allowed) {
  auto host = test::vps();
  test::remove_link(host, "wg0");
  test::add_wireguard(host, "wg0", own, "10.0.1.2/32");
  auto& peers = host.wireguards.at("wg0").peers;
  peers.clear();
  for (const auto& list : allowed) {
    auto& peer = peers.emplace_back();
    for (std::size_t begin = 0; begin < list.size();) {
      const auto end = std::min(list.find(',', begin), list.size());
      peer.allowed_ips.push_back(test::prefix(list.substr(begin, end - begin)));
      begin = end + 1;
    }
  }
  return host;
}

TEST(Propose, Vps_TheTunnelsOwnAndTheInternetAreNoSources) {
  for (const auto* own : {"10.0.1.1/24", "10.0.1.1/32"}) {
    const auto finds = finds_of(vps_with_peers(own, {"10.0.1.2/32,0.0.0.0/0,::/0,10.10.10.214/32"}), std::nullopt);
    EXPECT_EQ(json::parse(proposal_of(finds, wishes(Side::kVps)).text)["sources"],
              json::parse(R"(["10.10.10.214/32"])"))
        << own;
  }
  const auto none = refusal(finds_of(vps_with_peers("10.0.1.1/32", {"10.0.1.2/32"}), std::nullopt), wishes(Side::kVps));
  EXPECT_NE(none.find("have no network of a mail stack"), std::string::npos) << none;
  EXPECT_NE(none.find("where the mail server is no container but a user there"), std::string::npos) << none;
}

TEST(Propose, Vps_NetworksOfTwoPeersOrOfOneFamily_AreAQuestion) {
  for (const auto& allowed : {Texts{"172.18.0.0/16", "172.19.0.0/16"}, Texts{"172.18.0.0/16,172.19.0.0/16"}}) {
    const auto finds = finds_of(vps_with_peers("10.0.1.1/24", allowed), std::nullopt);
    auto wished = wishes(Side::kVps);
    const auto question = question_of(finds, wished);
    EXPECT_EQ(values(question), (Texts{"\"172.18.0.0/16\"", "\"172.19.0.0/16\""}));
    take_answer(wished, question, {"\"172.19.0.0/16\""});
    EXPECT_EQ(json::parse(proposal_of(finds, wished).text)["sources"], json::parse(R"(["172.19.0.0/16"])"));
  }
  const auto dual = finds_of(vps_with_peers("10.0.1.1/24", {"172.18.0.0/16,fd00:203::/64"}), std::nullopt);
  EXPECT_EQ(proposal_of(dual, wishes(Side::kVps)).profile.sources.size(), 2U);
}

TEST(Propose, Vps_SeveralWaysOut_AreAQuestion_TheLowestMetricFirst) {
  auto host = test::vps();
  test::add_link(host, "eth1", "", "198.18.0.2/24");
  test::add_default_route(host, "198.18.0.1", "eth1", 5);
  auto wished = wishes(Side::kVps);
  const auto question = question_of(finds_of(host, std::nullopt), wished);
  EXPECT_EQ(values(question), (Texts{"eth0", "eth1"}));
  take_answer(wished, question, {"eth0"});
  EXPECT_EQ(json::parse(proposal_of(finds_of(host, std::nullopt), wished).text)["wan"], "eth0");
}

TEST(Propose, Vps_AWanThatIsAuto_IsFound) {
  auto host = test::vps();
  auto wished = wishes(Side::kVps, {{{"wan", "auto"}}});
  const auto one = proposal_of(finds_of(host, std::nullopt), wished);
  EXPECT_EQ(json::parse(one.text)["wan"], "auto") << "as it was given";
  EXPECT_EQ(json::parse(one.text)["public_ip"], "203.0.113.10") << "of the interface that it is now";
  test::add_link(host, "eth1", "", "198.18.0.2/24");
  test::add_default_route(host, "198.18.0.1", "eth1", 5);
  const auto finds = finds_of(host, std::nullopt);
  take_answer(wished, question_of(finds, wished), {"eth1"});
  const auto two = proposal_of(finds, wished);
  EXPECT_EQ(json::parse(two.text)["wan"], "eth1") << "as it was answered";
  EXPECT_EQ(two.profile.wan, test::ifname("eth1"));
}

TEST(Propose, Vps_AWanThatIsNotThere_IsRefused) {
  EXPECT_NE(refusal(finds_of(test::vps(), std::nullopt), wishes(Side::kVps, {{{"wan", "eht0"}}}))
                .find("WAN interface eht0: is not there"),
            std::string::npos);
}

TEST(Propose, Vps_AnAddressThatIsMapped_HasToBeNamed) {
  auto host = test::vps();
  std::erase_if(host.state.addresses, [](const auto& a) { return a.local == test::address("203.0.113.10"); });
  test::add_address(host, "eth0", "10.20.0.2/24");
  const auto finds = finds_of(host, std::nullopt);
  auto wished = wishes(Side::kVps);
  const auto question = question_of(finds, wished);
  EXPECT_TRUE(question.candidates.empty());
  EXPECT_NE(unanswered(question).message().find("Give --public-ip ADDR"), std::string::npos);
  take_answer(wished, question, {"203.0.113.10"});
  EXPECT_EQ(json::parse(proposal_of(finds, wished).text)["public_ip"], "203.0.113.10");
}

TEST(Propose, Vps_FromHome_TakesItsSourcesPortsAndTunnel) {
  auto host = test::vps();
  test::add_wireguard(host, "wg1", "10.0.2.1/24", "10.0.2.2/32");
  host.wireguards.at("wg1").peers.front().public_key = "home's";
  auto wished = wishes(Side::kVps);
  wished.from_home.emplace().instance = "mailu-home";
  wished.from_home->mail_from = {test::prefix("172.18.0.0/16")};
  wished.from_home->ports = {{.first = 25, .last = 25}, {.first = 465, .last = 465}};
  wished.from_home->public_key = "home's";
  const auto proposal = proposal_of(finds_of(host, std::nullopt), wished);
  EXPECT_EQ(proposal.profile.name, "mailu-vps");
  EXPECT_EQ(proposal.profile.tunnel.str(), "wg1");
  EXPECT_EQ(json::parse(proposal.text)["ports"], json::parse("[25, 465]"));
  wished.from_home->mail_from.clear();
  EXPECT_NE(refusal(finds_of(host, std::nullopt), wished).find("names no network"), std::string::npos);
}

TEST(Propose, TheOtherEndsName) {
  EXPECT_EQ(other_end("mailu-home", Side::kHome), "mailu-vps");
  EXPECT_EQ(other_end("home", Side::kHome), "vps");
  EXPECT_EQ(other_end("mine", Side::kHome), "mail-vps");
}

TEST(Look, AWireGuardThatDoesNotAnswer_IsNoEndWithoutPeers) {
  test::FakeKernel kernel(test::docker_home());
  const auto profile = test::home_profile();
  const auto end = look_at_end(kernel, profile);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->peers.size(), 1U);
  for (const int errnum : {ETIMEDOUT, EBADMSG, EPERM}) {
    kernel.wireguard_errnum = errnum;
    const auto silent = look_at_end(kernel, profile);
    ASSERT_FALSE(silent);
    EXPECT_EQ(silent.error().errnum, errnum);
  }
  kernel.host.wireguards.clear();  // the interface is of another kind
  const auto other = look_at_end(kernel, profile);
  ASSERT_TRUE(other);
  EXPECT_FALSE(is_wireguard(*other));
}

TEST(Look, DockersRefusal_IsTold_AndItsAbsenceANote) {
  test::FakeKernel kernel(test::docker_home());
  const auto refused = look(kernel, {.docker = []() -> Result<std::optional<docker::Inventory>> {
                                       return usage_error("ask Docker for", "networks", "garbage");
                                     },
                                     .has_user = {}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(finds_of(test::docker_home(), std::nullopt).notes.size(), 1U);
  const auto unasked = look(kernel, {.docker = {}, .has_user = {}});
  ASSERT_TRUE(unasked);
  EXPECT_TRUE(unasked->notes.empty());
}

}  // namespace
}  // namespace smtpegress::setup
