// The prober as this host itself, over the loopback interface in the tunnel's place: what it asks before it sends, and
// what it makes of a server that ends too early.
#include "probe/linux_prober.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <optional>
#include <thread>

#include "probe/sockets.hpp"

namespace smtpegress::probe {
namespace {

const auto kHere = IpAddress::parse("127.0.0.1").value();
const auto kTunnel = IfName::parse("lo").value();

RouteAnswer by(std::string_view interface) {
  RouteAnswer answer;
  answer.interface = IfName::parse(interface).value();
  return answer;
}

/// A mail server on a port of its own.
class Server {
 public:
  Server() : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP)) {
    auto any = socket_address(kHere, 0);
    EXPECT_EQ(::bind(listening_.get(), any.get(), any.length), 0);
    EXPECT_EQ(::listen(listening_.get(), 8), 0);
    EXPECT_EQ(::getsockname(listening_.get(), any.get(), &any.length), 0);
    port = ntohs(any.storage.v4.sin_port);
  }
  [[nodiscard]] bool was_knocked_at() const {
    pollfd watched{.fd = listening_.get(), .events = POLLIN, .revents = 0};
    return ::poll(&watched, 1, 0) != 0;
  }
  [[nodiscard]] FileDescriptor accept() const {
    return FileDescriptor(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  std::uint16_t port = 0;

 private:
  FileDescriptor listening_;
};

void say(const FileDescriptor& to, std::string_view text) {
  EXPECT_EQ(::send(to.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}
void hear(const FileDescriptor& from) {
  std::array<char, 4096> bytes{};
  EXPECT_GT(::recv(from.get(), bytes.data(), bytes.size(), 0), 0);
}
/// Up to the large write.
FileDescriptor greet(const Server& server) {
  auto client = server.accept();
  say(client, "220 mx\r\n");
  hear(client);
  say(client, "250-mx\r\n250 PIPELINING\r\n");
  return client;
}

ProbeSighting probed(const Server& server, const RouteLookup& look_up) {
  ProbeRequest request{.senders = {{.bound = kHere}},
                       .servers = {{"127.0.0.1", server.port}},
                       .patience = std::chrono::milliseconds(600),
                       .tunnel = kTunnel};
  return make_linux_prober(look_up, {})->probe(request).sightings.at(0);
}

TEST(LinuxProber, ThisHostsOwnPacketPastTheTunnel_IsNotSent) {
  const Server server;
  const auto seen = probed(server, [](const RouteQuery&) { return by("eth0"); });
  EXPECT_EQ(seen.step, ProbeStep::kAstray);
  EXPECT_EQ(seen.leaves_by.str(), "eth0");
  EXPECT_FALSE(server.was_knocked_at());
}

TEST(LinuxProber, NoWay_OrNoAnswer_AndNothingIsSent) {
  const Server server;
  RouteAnswer none;
  none.errnum = EHOSTUNREACH;
  const auto refused = probed(server, [&](const RouteQuery&) { return none; });
  EXPECT_EQ(refused.step, ProbeStep::kConnect);
  EXPECT_EQ(refused.errnum, EHOSTUNREACH);
  const auto unknown = probed(
      server, [&](const RouteQuery&) -> Result<RouteAnswer> { return system_error("look up", "route", ENOBUFS); });
  EXPECT_EQ(unknown.step, ProbeStep::kSender);
  EXPECT_EQ(unknown.errnum, ENOBUFS);
  EXPECT_FALSE(server.was_knocked_at());
}

TEST(LinuxProber, TheWayIsAskedFor_OfThePacketThatIsSent) {
  const Server server;
  RouteQuery asked;
  (void)probed(server, [&](const RouteQuery& query) {
    asked = query;
    return by("lo");
  });
  EXPECT_TRUE(server.was_knocked_at());
  EXPECT_EQ(asked.destination, kHere);
  EXPECT_EQ(asked.source, kHere);
  EXPECT_EQ(asked.ip_protocol, IPPROTO_TCP);
  EXPECT_EQ(asked.destination_port, server.port);
  EXPECT_TRUE(asked.incoming.empty());
}

TEST(LinuxProber, AResetOnTheLargeWrite_IsNoProofThatItArrived) {
  const Server server;
  std::thread reset([&] {
    const auto client = greet(server);
    const linger abrupt{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &abrupt, sizeof abrupt);
  });
  const auto seen = probed(server, [](const RouteQuery&) { return by("lo"); });
  reset.join();
  EXPECT_EQ(seen.step, ProbeStep::kDone);
  EXPECT_NE(seen.large_write, 0U);
  EXPECT_FALSE(seen.large_arrived);
}

TEST(LinuxProber, TheLargeWriteAcknowledged_HasArrived) {
  const Server server;
  std::optional<FileDescriptor> client;
  std::thread keep([&] { client.emplace(greet(server)); });
  const auto seen = probed(server, [](const RouteQuery&) { return by("lo"); });
  keep.join();
  EXPECT_EQ(seen.step, ProbeStep::kDone);
  EXPECT_TRUE(seen.large_arrived);
}

}  // namespace
}  // namespace smtpegress::probe
