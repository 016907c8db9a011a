// Docker's answer about a network: its subnets, or what is wrong in words.
#include <gtest/gtest.h>

#include "docker/networks.hpp"

namespace smtpegress::docker {
namespace {

std::string answered(unsigned status, std::string_view body, const std::string& network = "mailu_default") {
  const auto subnets = subnets_in_answer(network, status, body);
  if (!subnets) {
    EXPECT_EQ(subnets.error().kind, ErrorKind::kUsage);
    const auto text = subnets.error().message();
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    return text;
  }
  std::string text;
  for (const auto& subnet : *subnets) {
    text += (text.empty() ? "" : " ") + subnet.to_string();
  }
  return text;
}

/// A bridge network with these entries of IPAM.Config.
std::string network_with(const std::string& config) {
  return R"({"Name": "mailu_default", "Id": "5c1e", "Driver": "bridge", "EnableIPv6": true, "IPAM": {"Driver": )"
         R"("default", "Config": )" +
         config + R"(}, "Containers": {"a": {"IPv4Address": "172.18.0.2/16"}}})";
}

TEST(DockerAnswer, ItsSubnets_OfBothFamiliesInItsOrder) {
  EXPECT_EQ(answered(200, network_with(R"([{"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}])")), "172.18.0.0/16");
  EXPECT_EQ(answered(200, network_with(R"([{"Subnet": "10.1.2.0/27"}, {"Subnet": "fd00:203::/64"}])")),
            "10.1.2.0/27 fd00:203::/64");
}

TEST(DockerAnswer, NoSuchNetwork_SaysHowToListThem) {
  EXPECT_EQ(
      answered(404, R"({"message": "network mailu_default not found"})"),
      "ask Docker for network 'mailu_default': there is none of that name; `docker network ls` lists them. One of "
      "a compose project begins with the project's name, such as mailu_default");
}

TEST(DockerAnswer, AnotherStatus_IsToldInTheDaemonsWords) {
  EXPECT_NE(answered(500, R"({"message": "it is\ntired"})").find("the daemon answered 500: it is\\x0atired; try"),
            std::string::npos);
  EXPECT_NE(answered(301, "moved").find("answered 301: ; try"), std::string::npos);
}

TEST(DockerAnswer, ABeginningOfAnId_IsNotTheName) {
  EXPECT_NE(answered(200, network_with(R"([{"Subnet": "172.18.0.0/16"}])"), "5c1e").find("knows it as 'mailu_default'"),
            std::string::npos);
}

TEST(DockerAnswer, OfAnotherDriverOrWithoutSubnets_IsRefused) {
  EXPECT_NE(answered(200, R"({"Name": "mailu_default", "Driver": "macvlan"})").find("its driver is 'macvlan'"),
            std::string::npos);
  for (const auto* config : {"[]", "null", "{}", "7"}) {
    EXPECT_NE(answered(200, network_with(config)).find("it has no subnet"), std::string::npos) << config;
  }
  EXPECT_NE(answered(200, R"({"Name": "mailu_default", "Driver": "bridge", "IPAM": []})").find("it has no subnet"),
            std::string::npos);
}

TEST(DockerAnswer, ASubnetThatIsNone_IsRefused) {
  for (const auto* config : {R"([{"Subnet": "172.18.0.1/16"}])", R"([{"Subnet": 7}])", R"([{}])", R"([7])", R"([null])",
                             R"([{"Subnet": "172.18.0.0/16"}, {"Subnet": "x"}])"}) {
    EXPECT_NE(answered(200, network_with(config)).find("one of its subnets is none"), std::string::npos) << config;
  }
}

TEST(DockerAnswer, Garbage_IsNoAnswer) {
  for (const auto* body : {"", "x", "[]", "7", "null", "\xff\xfe", "{\"Name\": \"mailu_default\"", "{"}) {
    EXPECT_NE(answered(200, body).find("is no JSON object"), std::string::npos) << body;
  }
  EXPECT_NE(answered(200, "{}").find("knows it as ''"), std::string::npos);
  EXPECT_NE(answered(200, std::string(100'000, '[')).find("is no JSON object"), std::string::npos);
}

TEST(DockerSocket, IsDockersOwnOrThatOfItsEnvironment) {
  EXPECT_EQ(socket_path(nullptr), std::string("/run/docker.sock"));
  EXPECT_EQ(socket_path(""), std::string("/run/docker.sock"));
  EXPECT_EQ(socket_path("unix:///run/podman/podman.sock"), std::string("/run/podman/podman.sock"));
  for (const auto& host : {std::string("tcp://192.0.2.1:2375"), std::string("ssh://host"), std::string("unix://run"),
                           std::string("/run/docker.sock"), "unix:///" + std::string(200, 'x')}) {
    const auto path = socket_path(host.c_str());
    ASSERT_FALSE(path) << host;
    EXPECT_NE(path.error().message().find("is no socket of this host"), std::string::npos);
  }
}

}  // namespace
}  // namespace smtpegress::docker
