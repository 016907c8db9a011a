// Docker's lists of networks and containers: values, or what is wrong in words.
#include "docker/inventory.hpp"

#include <gtest/gtest.h>

namespace smtpegress::docker {
namespace {

constexpr std::string_view kNetworks = R"([
  {"Name": "web_default", "Driver": "bridge", "IPAM": {"Config": null}},
  {"Name": "mailu_default", "Driver": "bridge", "Internal": true, "Labels": {},
   "IPAM": {"Config": [{"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}, {"Subnet": "fd00:203::/64"}]}},
  {"Name": "host", "Driver": "host", "IPAM": {"Config": []}}])";

constexpr std::string_view kContainers = R"([
  {"Id": "1", "Names": ["/web"], "Image": "nginx", "Labels": null, "NetworkSettings": {"Networks": {"host": {}}}},
  {"Id": "2", "Names": ["/mailu-smtp-1", "/alias"], "Image": "ghcr.io/mailu/postfix:2024.06",
   "Labels": {"com.docker.compose.project": "mailu", "com.docker.compose.service": "smtp"},
   "NetworkSettings": {"Networks": {"mailu_default": {"IPAddress": "172.18.0.9"}, "other": null}}},
  {"Id": "3", "Names": ["/bare"], "Image": "x"}])";

template <class List>
std::string refused(const List& list) {
  EXPECT_FALSE(list);
  EXPECT_EQ(list.error().kind, ErrorKind::kUsage);
  return list ? "" : list.error().message();
}

TEST(DockerInventory, Networks_ByName) {
  const auto networks = networks_in_answer(200, kNetworks);
  ASSERT_TRUE(networks) << networks.error().message();
  ASSERT_EQ(networks->size(), 3U);
  EXPECT_EQ(networks->at(0).name, "host");
  EXPECT_EQ(networks->at(0).driver, "host");
  const auto& mailu = networks->at(1);
  EXPECT_EQ(mailu.name, "mailu_default");
  EXPECT_TRUE(mailu.internal);
  ASSERT_EQ(mailu.subnets.size(), 2U);
  EXPECT_EQ(mailu.subnets.at(1).to_string(), "fd00:203::/64");
  EXPECT_FALSE(networks->at(2).internal);
  EXPECT_TRUE(networks->at(2).subnets.empty());
}

TEST(DockerInventory, ANetworkWhoseSubnetIsNone_HasNone_AndTheOthersAreTold) {
  for (const auto* config : {R"([{"Subnet": "1.2.3.4/99"}])", R"([{"Subnet": "172.18.0.1/16"}])", "[{}]", "[7]", "{}",
                             "7", R"([{"Subnet": "172.19.0.0/16"}, {"Gateway": "172.20.0.1"}])"}) {
    const auto networks = networks_in_answer(
        200, R"([{"Name": "odd", "Driver": "macvlan", "IPAM": {"Config": )" + std::string(config) +
                 R"(}}, {"Name": "good", "Driver": "bridge", "IPAM": {"Config": [{"Subnet": "172.18.0.0/16"}]}}])");
    ASSERT_TRUE(networks) << config << networks.error().message();
    ASSERT_EQ(networks->size(), 2U);
    EXPECT_EQ(networks->at(0).subnets.size(), 1U);
    EXPECT_TRUE(networks->at(1).subnets.empty()) << config;
  }
}

TEST(DockerInventory, TheDaemonsOwnWords_DoNothingToATerminal) {
  const auto said = refused(networks_in_answer(500, R"({"message": "out\u001b[2J of\norder"})"));
  EXPECT_NE(said.find("out\\x1b[2J of\\x0aorder"), std::string::npos) << said;
}

TEST(DockerInventory, Containers_ByName) {
  const auto containers = containers_in_answer(200, kContainers);
  ASSERT_TRUE(containers) << containers.error().message();
  ASSERT_EQ(containers->size(), 3U);
  EXPECT_EQ(containers->at(0).name, "bare");
  EXPECT_TRUE(containers->at(0).networks.empty());
  const auto& smtp = containers->at(1);
  EXPECT_EQ(smtp.name, "mailu-smtp-1");
  EXPECT_EQ(smtp.image, "ghcr.io/mailu/postfix:2024.06");
  EXPECT_EQ(smtp.project, "mailu");
  EXPECT_EQ(smtp.service, "smtp");
  EXPECT_EQ(smtp.networks, (std::vector<std::string>{"mailu_default", "other"}));
  EXPECT_EQ(containers->at(2).networks, std::vector<std::string>{"host"});
}

TEST(DockerInventory, WhatIsNone_IsRefusedWhole) {
  for (const auto* body : {"", "nonsense", "{}", "null", "[{\"Name\": \"a\"", "7"}) {
    EXPECT_NE(refused(networks_in_answer(200, body)).find("is no JSON list"), std::string::npos) << body;
    EXPECT_NE(refused(containers_in_answer(200, body)).find("is no JSON list"), std::string::npos) << body;
  }
  EXPECT_NE(refused(networks_in_answer(500, R"({"message": "out of order"})")).find("500: out of order"),
            std::string::npos);
  EXPECT_NE(refused(networks_in_answer(500, "[]")).find("answered 500"), std::string::npos);
  for (const auto* entry : {"7", "null", "{}", R"({"Name": "a"})", R"({"Name": "", "Driver": "bridge"})",
                            R"({"Name": "\u001b[2J", "Driver": "bridge"})"}) {
    const auto text = refused(networks_in_answer(200, "[" + std::string(entry) + "]"));
    EXPECT_NE(text.find("number 1 in the daemon's answer is none"), std::string::npos) << entry << text;
  }
  for (const auto* entry : {"7", "{}", R"({"Names": [], "Image": "a"})", R"({"Names": [7], "Image": "a"})",
                            R"({"Names": ["/a"]})", R"({"Names": ["/a\n"], "Image": "a"})"}) {
    const auto text = refused(containers_in_answer(200, "[" + std::string(entry) + "]"));
    EXPECT_NE(text.find("number 1 in the daemon's answer is none"), std::string::npos) << entry << text;
  }
}

TEST(DockerInventory, NobodyListening_IsNoDocker) {
  const auto none = inventory("/nowhere/docker.sock");
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
}

}  // namespace
}  // namespace smtpegress::docker
