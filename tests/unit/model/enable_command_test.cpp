#include <gtest/gtest.h>

#include "support/hosts.hpp"

namespace smtpegress {
namespace {

Profile asked(const std::string& instance, std::vector<std::pair<std::string, std::string>> settings = {}) {
  auto profile = test::home_profile();
  profile.asked_for = {instance, {std::move(settings)}};
  return profile;
}

TEST(EnableCommand, OfAProfileThatNoCommandGave_IsByItsName) {
  EXPECT_EQ(enable_command(test::home_profile()), "smtp-egress enable " + test::home_profile().name);
}

TEST(EnableCommand, SaysWhatWasSaidBesideTheProfile_ByTheOptionsThereAre) {
  EXPECT_EQ(enable_command(asked("mailu-home", {{"tunnel", "wg1"},
                                                {"sources", R"(["172.18.0.0/16", {"docker_network": "my mail"}])"},
                                                {"rp_filter", "tunnel"}})),
            "smtp-egress enable mailu-home --tunnel wg1 --subnet 172.18.0.0/16 --docker-network 'my mail' "
            "--set rp_filter=tunnel");
}

TEST(EnableCommand, AShellTakesEachValueAsItWas) {
  EXPECT_EQ(enable_command(asked("/srv/it's/mail.json", {{"inner", R"({"remote": "10.0.1.2"})"}})),
            R"(smtp-egress enable '/srv/it'\''s/mail.json' --set 'inner={"remote": "10.0.1.2"}')");
}

TEST(EnableCommand, SourcesThatNoOptionPuts_AreSet) {
  EXPECT_EQ(enable_command(asked("mox-home", {{"sources", R"([{"user": "mox"}])"}})),
            R"(smtp-egress enable mox-home --set 'sources=[{"user": "mox"}]')");
  EXPECT_EQ(enable_command(asked("home", {{"sources", "172.18.0.0/16"}})),
            "smtp-egress enable home --set sources=172.18.0.0/16");
}

TEST(EnableCommand, LeavesOutAPersonsOwnWords) {
  EXPECT_EQ(enable_command(asked("mailu-home", {{"description", "Alice Miller's mail"}, {"tunnel", "wg1"}})),
            "smtp-egress enable mailu-home --tunnel wg1");
}

TEST(EnableCommand, LeavesOutWhatTheReaderIsAboutToSet) {
  EXPECT_EQ(enable_command(asked("vps", {{"public_ip", "203.0.113.9"}, {"wan", "eth0"}}), {"public_ip"}),
            "smtp-egress enable vps --wan eth0");
}

}  // namespace
}  // namespace smtpegress
