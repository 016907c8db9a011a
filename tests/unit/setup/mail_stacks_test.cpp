// Which of Docker's networks are a mail stack's.
#include "setup/mail_stacks.hpp"

#include <gtest/gtest.h>

#include "support/hosts.hpp"

namespace smtpegress::setup {
namespace {

using docker::Container;
using docker::Inventory;
using docker::Network;

Network bridge(const std::string& name, std::string_view subnet = "172.18.0.0/16") {
  return {.name = name, .driver = "bridge", .internal = false, .subnets = {test::prefix(subnet)}};
}

Container container(const std::string& image, std::vector<std::string> networks, const std::string& project = "",
                    const std::string& service = "") {
  return {.name = "c-" + image.substr(0, 4),
          .image = image,
          .project = project,
          .service = service,
          .networks = std::move(networks)};
}

std::string found(const Inventory& inventory) {
  std::string text;
  for (const auto& network : mail_networks(inventory)) {
    text += (text.empty() ? "" : " ") + network.network.name + ":" + network.stack;
  }
  return text;
}

TEST(MailStacks, AreKnownByTheirServersImageOrService) {
  const struct {
    Container server;
    const char* wanted;
  } kCases[] = {
      {container("ghcr.io/mailu/postfix:2024.06", {"net"}, "mailu", "smtp"), "net:mailu"},
      {container("ghcr.io/mailcow/postfix:1.80", {"net"}, "mailcowdockerized", "postfix-mailcow"), "net:mailcow"},
      {container("ghcr.io/docker-mailserver/docker-mailserver:14", {"net"}), "net:docker-mailserver"},
      {container("r.xmox.nl/mox:v0.0.11@sha256:00", {"net"}), "net:mox"},
      {container("boky/postfix", {"net"}), "net:mail"},
      {container("example/own:1", {"net"}, "own", "haraka"), "net:mail"},
      {container("registry:5000/a/POSTFIX", {"net"}), "net:mail"},
      {container("nginx", {"net"}, "web", "front"), ""},
      {container("example/inboxes", {"net"}), ""},  // "mox" is a word of its own
      {container("registry.postfix.example/app", {"net"}), ""},
  };
  for (const auto& [server, wanted] : kCases) {
    EXPECT_EQ(found({.networks = {bridge("net")}, .containers = {server}}), wanted) << server.image;
  }
}

TEST(MailStacks, NetworksOfTheServer_NotOfTheRestOfItsStack) {
  const Inventory mailu{
      .networks = {bridge("mailu_default"), bridge("mailu_webmail", "172.19.0.0/16")},
      .containers = {container("ghcr.io/mailu/postfix:1", {"mailu_default"}, "mailu", "smtp"),
                     container("ghcr.io/mailu/webmail:1", {"mailu_default", "mailu_webmail"}, "mailu", "webmail")}};
  EXPECT_EQ(found(mailu), "mailu_default:mailu");
}

TEST(MailStacks, AllOfAStack_WhereNoServerOfItIsKnown) {
  EXPECT_EQ(found({.networks = {bridge("a"), bridge("b", "172.19.0.0/16")},
                   .containers = {container("ghcr.io/mailu/admin:1", {"a"}, "mailu", "admin")}}),
            "a:mailu");
}

TEST(MailStacks, ByTheNetworksName_WhereNothingRuns) {
  EXPECT_EQ(found({.networks = {bridge("mailu_default"), bridge("web", "172.19.0.0/16"),
                                bridge("my-mail", "172.20.0.0/16"), bridge("gmailer", "172.21.0.0/16")},
                   .containers = {}}),
            "mailu_default:mailu my-mail:mail");
}

TEST(MailStacks, NetworksThatMailCannotLeaveBy_AreNone) {
  auto internal = bridge("internal");
  internal.internal = true;
  auto macvlan = bridge("macvlan");
  macvlan.driver = "macvlan";
  auto bare = bridge("bare");
  bare.subnets.clear();
  const Inventory inventory{.networks = {internal, macvlan, bare},
                            .containers = {container("boky/postfix", {"internal", "macvlan", "bare", "host"})}};
  EXPECT_EQ(found(inventory), "");
  EXPECT_EQ(mail_servers_on_host(inventory), std::vector<std::string>{"c-boky"});
}

}  // namespace
}  // namespace smtpegress::setup
