// wg0.conf: what is read of it, and what is wrong with it.
#include "setup/wg_conf.hpp"

#include <gtest/gtest.h>

#include "net/list_of.hpp"
#include "support/hosts.hpp"

namespace smtpegress::setup {
namespace {

constexpr std::string_view kKey = "jeSW0frBOUKFd2mwkpdqhqCQdMVfw0VYfdOCnCqo1TA=";
constexpr std::string_view kGoodHome = R"(
# home
[Interface]
Address = 10.0.1.2/32
PrivateKey = aaaa
Table = off   # not the default route
PostUp = ip route add 10.0.1.0/24 dev %i
PostUp = smtp-egress enable mailu-home --tunnel %i
[Peer]
PublicKey = jeSW0frBOUKFd2mwkpdqhqCQdMVfw0VYfdOCnCqo1TA=
Endpoint = vps.example.net:51820
AllowedIPs = 0.0.0.0/0
PersistentKeepalive = 25
)";

WgConfWants home_wants() {
  return {.side = Side::kHome,
          .tunnel = "wg0",
          .instance = "mailu-home",
          .peer_key = {},
          .through = {test::prefix("0.0.0.0/0")}};
}
WgConfWants vps_wants() {
  return {.side = Side::kVps,
          .tunnel = "wg0",
          .instance = "mailu-vps",
          .peer_key = {},
          .through = {test::prefix("192.168.203.0/24")}};
}

std::string mistakes(std::string_view text, const WgConfWants& wants) {
  std::string said;
  for (const auto& [what, mend] : check_wg_conf(parse_wg_conf(text), wants)) {
    said += what + " -> " + mend + "\n";
  }
  return said;
}

std::string without(std::string_view line, std::string_view with = "") {
  std::string text(kGoodHome);
  const auto at = text.find(line);
  EXPECT_NE(at, std::string::npos) << line;
  return text.replace(at, line.size(), with);
}

TEST(WgConf, Parse_TakesWhatWgQuickTakes) {
  const auto conf = parse_wg_conf(
      "[interface]\r\nTABLE=off\r\nListenPort = 51820\nSaveConfig = true\nPreDown = a = b\n\t[PEER] # one\n"
      "allowedips = 10.0.1.2/24 ,fd00::1,nonsense, 10.0.0.0/99,\nAllowedIPs = 10.9.0.0/16\nPublicKey = short\n[Peer]\n"
      "PersistentKeepalive = off");
  EXPECT_EQ(conf.table, "off");
  EXPECT_EQ(conf.listen_port, "51820");
  EXPECT_TRUE(conf.save_config);
  EXPECT_EQ(conf.hooks, std::vector<std::string>{"a = b"});
  ASSERT_EQ(conf.peers.size(), 2U);
  EXPECT_EQ(list_of(conf.peers[0].allowed_ips), "10.0.1.0/24, fd00::1/128, 10.9.0.0/16");
  EXPECT_EQ(conf.peers[0].line, 6U);
  EXPECT_EQ(conf.peers[0].public_key, "");
  EXPECT_EQ(conf.peers[1].keepalive, "off");
  EXPECT_TRUE(conf.odd_lines.empty());
}

TEST(WgConf, Parse_NothingOfItIsFatal) {
  EXPECT_TRUE(parse_wg_conf("").peers.empty());
  const auto conf = parse_wg_conf(std::string("a = b\n[Peer\n[Interface]\nx\n= 1\n\0=\n", 33));
  EXPECT_EQ(conf.odd_lines, (std::vector<std::size_t>{1, 2, 4, 5, 6}));
}

TEST(WgConf, Check_AGoodFileHasNoMistake) {
  EXPECT_EQ(mistakes(kGoodHome, home_wants()), "");
  EXPECT_EQ(mistakes("[Interface]\nListenPort = 1\n[Peer]\nAllowedIPs = 10.0.1.2/32, 192.168.0.0/16\n", vps_wants()),
            "");
}

TEST(WgConf, Check_EachMistakeOfHomesIsOneLineWithItsMend) {
  const struct {
    std::string text;
    const char* wanted;
  } kCases[] = {
      {without("Table = off", "#"),
       "Table = off is missing: wg-quick would make the tunnel this host's default route -> [Interface] Table = off\n"},
      {without("Table = off", "Table = 1234"),
       "Table names a routing table: wg-quick would put a default route there, and none is needed -> [Interface] Table "
       "= off\n"},
      {without("AllowedIPs = 0.0.0.0/0", "AllowedIPs = 10.0.1.0/24"),
       "the AllowedIPs of the [Peer] in line 9 have no 0.0.0.0/0 -> AllowedIPs = 10.0.1.0/24, 0.0.0.0/0\n"},
      {without("Endpoint = vps.example.net:51820"),
       "the [Peer] in line 9 has no Endpoint: home has to begin, the VPS cannot -> Endpoint = "
       "ADDRESS-OF-THE-VPS:51820\n"},
      {without("PersistentKeepalive = 25", "PersistentKeepalive = off"),
       "the [Peer] in line 9 has no PersistentKeepalive: the router at home forgets an idle tunnel -> "
       "PersistentKeepalive = 25\n"},
      {without("enable mailu-home", "enable mailu-home2"),
       "PostUp enables another instance than mailu-home -> PostUp = smtp-egress enable mailu-home --tunnel %i\n"},
      {without("# home", "home"), "line 2 is no setting -> KEY = VALUE below [Interface] or [Peer]; `man wg-quick`\n"},
      {without("Table = off", "Table = off\nSaveConfig = true"),
       "SaveConfig = true: what you change here is overwritten when the tunnel goes down -> [Interface] SaveConfig = "
       "false, or wg-quick down before you change the file\n"},
  };
  for (const auto& [text, wanted] : kCases) {
    EXPECT_EQ(mistakes(text, home_wants()), wanted) << text;
  }
}

TEST(WgConf, Check_AHookEnablesThisInstance_HoweverItNamesIt) {
  for (const auto* hook :
       {"smtp-egress enable /etc/smtp-egress/mailu-home.json --tunnel %i", "smtp-egress enable ./mailu-home.json",
        "smtp-egress enable --tunnel %i", "smtp-egress enable --tunnel=%i mailu-home",
        "smtp-egress enable \"mailu-home\"", "/usr/sbin/smtp-egress --quiet enable --tunnel %i 'mailu-home' || true",
        "smtp-egress enable other; smtp-egress enable mailu-home; true",
        "smtp-egress enable mailu\\-home && (smtp-egress enable)", "echo mine; ip link show %i",
        "smtp-egress disable other", "smtp-egress", "smtp-egress-watch enable other"}) {
    EXPECT_EQ(mistakes(without("smtp-egress enable mailu-home --tunnel %i", hook), home_wants()), "") << hook;
  }
  auto by_interface = home_wants();
  by_interface.instance = "wg0";
  EXPECT_EQ(mistakes(without("enable mailu-home", "enable %i"), by_interface), "");
}

TEST(WgConf, Check_AHookEnablesAnotherInstance) {
  for (const auto* hook :
       {"smtp-egress enable my-mailu-home", "smtp-egress enable mailu-home2", "smtp-egress enable other mailu-home",
        "smtp-egress enable other --tunnel mailu-home", "smtp-egress --state-dir mailu-home enable other",
        "smtp-egress enable other; echo mailu-home", "smtp-egress enable x/mailu-home/y"}) {
    const auto said = mistakes(without("smtp-egress enable mailu-home --tunnel %i", hook), home_wants());
    EXPECT_TRUE(said.starts_with("PostUp enables another instance than mailu-home -> ")) << hook << said;
  }
}

TEST(WgConf, Check_HalvesOfTheInternetAreAllOfIt) {
  EXPECT_EQ(mistakes(without("AllowedIPs = 0.0.0.0/0", "AllowedIPs = 0.0.0.0/1, 128.0.0.0/1"), home_wants()), "");
}

TEST(WgConf, Check_OfTheVps) {
  EXPECT_EQ(mistakes("[Interface]\n", vps_wants()).substr(0, 14), "has no [Peer]:");
  EXPECT_EQ(mistakes("[Interface]\nListenPort = 1\n[Peer]\nAllowedIPs = 10.0.1.2/32\n", vps_wants()),
            "the AllowedIPs of the [Peer] in line 3 have no 192.168.203.0/24 -> AllowedIPs = 10.0.1.2/32, "
            "192.168.203.0/24\n");
  EXPECT_EQ(mistakes("[Interface]\nListenPort = 1\n[Peer]\nAllowedIPs = 1.1.1.1\n[Peer]\nAllowedIPs = 1.1.1.2\n",
                     vps_wants()),
            "no peer's AllowedIPs have 192.168.203.0/24 -> AllowedIPs = …, 192.168.203.0/24 in the [Peer] that is the "
            "mail's other end\n");
  EXPECT_EQ(mistakes("[Interface]\n[Peer]\nAllowedIPs = 0.0.0.0/0\n", vps_wants()),
            "Table = off is missing: wg-quick would make the tunnel this host's default route -> AllowedIPs without "
            "0.0.0.0/0 and ::/0, or [Interface] Table = off\nListenPort is missing: the port would be another each "
            "time, and home could not find it -> [Interface] ListenPort = 51820\n");
}

TEST(WgConf, Check_TheOtherEndsKey) {
  auto wants = home_wants();
  wants.peer_key = kKey;
  EXPECT_EQ(mistakes(kGoodHome, wants), "");
  wants.peer_key = "A" + std::string(kKey.substr(1));
  EXPECT_EQ(mistakes(kGoodHome, wants), "no [Peer] has the other end's key -> PublicKey = " + wants.peer_key + "\n");
}

}  // namespace
}  // namespace smtpegress::setup
