// read_wireguard against the real wireguard-go, its control socket in a /run of its own (FACTS 30), and against sockets
// that misbehave.
#include "netlink/wireguard.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "netns/fresh_namespace.hpp"

namespace smtpegress::netlink {
namespace {

using test::in_fresh_namespace;
using test::output_of;
using test::Run;
using test::shell;

constexpr auto kStartLimit = std::chrono::seconds(10);
const std::string kSocket = "/run/wireguard/wg0.sock";

IfName wg0() {
  return IfName::parse("wg0").value();
}

/// wireguard-go in the foreground, ended with this object.
class Daemon {
 public:
  explicit Daemon(const char* interface) : child_(::fork()) {
    if (child_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::setenv("WG_PROCESS_FOREGROUND", "1", 1);
      ::execlp("wireguard-go", "wireguard-go", "-f", interface, nullptr);
      ::_exit(127);
    }
    const std::string socket = std::string("/run/wireguard/") + interface + ".sock";
    const auto deadline = std::chrono::steady_clock::now() + kStartLimit;
    while (::access(socket.c_str(), F_OK) != 0 && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_EQ(::access(socket.c_str(), F_OK), 0) << "wireguard-go did not start";
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  ~Daemon() { end(SIGTERM); }
  void end(int signal) {
    if (child_ > 0) {
      ::kill(child_, signal);
      ::waitpid(child_, nullptr, 0);
      child_ = -1;
    }
  }

 private:
  pid_t child_;
};

/// A key pair made now; only the public half is kept.
std::string new_public_key() {
  auto text = output_of("wg genkey | wg pubkey").text;
  text.erase(text.find('\n'));
  return text;
}

/// Listens at the control socket's place and hands each connection to `serve`, in a child.
template <class Serve>
pid_t fake_daemon(Serve serve) {
  ::mkdir("/run/wireguard", 0700);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  kSocket.copy(address.sun_path, kSocket.size());
  EXPECT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::listen(listener, 1), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const int connection = ::accept(listener, nullptr, nullptr);
    std::array<char, 64> question{};
    (void)!::read(connection, question.data(), question.size());
    serve(connection);
    ::_exit(0);
  }
  ::close(listener);
  return child;
}

template <class Serve>
Error error_from(Serve serve) {
  const pid_t child = fake_daemon(serve);
  const auto start = std::chrono::steady_clock::now();
  const auto device = read_wireguard(wg0());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(6)) << "the wait is bounded";
  EXPECT_FALSE(device);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::unlink(kSocket.c_str());
  return device ? Error{} : device.error();
}

TEST(ReadWireGuard, WireGuardGo_HasThePeersThatWgShows) {
  in_fresh_namespace(
      [] {
        Daemon daemon("wg0");
        const auto one = new_public_key();
        const auto two = new_public_key();
        shell("wg genkey > /run/key && wg set wg0 private-key /run/key listen-port 51820 fwmark 0x20 peer " + one +
              " endpoint 203.0.113.10:51820 persistent-keepalive 25 allowed-ips 0.0.0.0/0,fd00::/64 peer " + two +
              " endpoint '[2001:db8::1]:51821' allowed-ips 10.0.0.2/32");
        const auto device = read_wireguard(wg0());
        ASSERT_TRUE(device) << device.error().message();
        EXPECT_EQ(device->name, wg0());
        ASSERT_EQ(device->peers.size(), 2U);
        const bool in_order = device->peers[0].public_key == one;
        const auto& first = device->peers[in_order ? 0 : 1];
        const auto& second = device->peers[in_order ? 1 : 0];
        EXPECT_EQ(first.public_key, one);
        EXPECT_EQ(first.endpoint, "203.0.113.10:51820");
        EXPECT_EQ(first.keepalive, 25);
        EXPECT_EQ(first.last_handshake, 0);
        EXPECT_EQ(first.allowed_ips.size(), 2U);
        EXPECT_NE(std::find(first.allowed_ips.begin(), first.allowed_ips.end(), Prefix::parse("fd00::/64").value()),
                  first.allowed_ips.end());
        EXPECT_EQ(second.public_key, two);
        EXPECT_EQ(second.endpoint, "[2001:db8::1]:51821");
        EXPECT_EQ(second.keepalive, 0);
        EXPECT_EQ(second.allowed_ips, std::vector{Prefix::parse("10.0.0.2/32").value()});
      },
      Run::kOwn);
}

TEST(ReadWireGuard, TwoEnds_AfterAHandshake_HaveItsTime) {
  in_fresh_namespace(
      [] {
        Daemon one("wg0");
        Daemon two("wg1");
        shell(
            "ip link set lo up && ip link set wg0 up && ip link set wg1 up && wg genkey > /run/a && wg genkey > "
            "/run/b");
        shell("wg set wg1 private-key /run/b listen-port 51821 peer $(wg pubkey < /run/a) allowed-ips 0.0.0.0/0");
        // The end that starts comes last: a message that nobody hears is repeated only after five seconds.
        shell(
            "wg set wg0 private-key /run/a listen-port 51820 peer $(wg pubkey < /run/b) allowed-ips 0.0.0.0/0 "
            "endpoint 127.0.0.1:51821 persistent-keepalive 1");
        std::int64_t handshake = 0;
        for (int i = 0; i < 200 && handshake == 0; ++i) {
          std::this_thread::sleep_for(std::chrono::milliseconds(50));
          const auto device = read_wireguard(wg0());
          ASSERT_TRUE(device) << device.error().message();
          handshake = device->peers.at(0).last_handshake;
        }
        const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
        EXPECT_GE(handshake, now - 60);
        EXPECT_LE(handshake, now);
        EXPECT_EQ(read_wireguard(IfName::parse("wg1").value()).value().peers.at(0).endpoint, "127.0.0.1:51820");
      },
      Run::kOwn);
}

TEST(ReadWireGuard, ManyAllowedIps_AreAllRead) {
  in_fresh_namespace(
      [] {
        Daemon daemon("wg0");
        shell("wg set wg0 peer " + new_public_key() +
              " allowed-ips $(for i in $(seq 0 19); do for j in $(seq 0 99); do printf 10.$i.$j.0/24,; done; done | "
              "sed 's/,$//')");
        EXPECT_EQ(read_wireguard(wg0()).value().peers.at(0).allowed_ips.size(), 2000U);
      },
      Run::kOwn);
}

TEST(ReadWireGuard, NoSuchInterface_OrOfAnotherKind_IsENODEV) {
  in_fresh_namespace(
      [] {
        auto device = read_wireguard(wg0());
        ASSERT_FALSE(device);
        EXPECT_EQ(device.error().errnum, ENODEV);
        EXPECT_EQ(device.error().object, "wg0");
        shell("ip tuntap add mode tun wg0");
        EXPECT_EQ(read_wireguard(wg0()).error().errnum, ENODEV);
      },
      Run::kOwn);
}

TEST(ReadWireGuard, SocketLeftBehind_IsENODEV) {
  in_fresh_namespace(
      [] {
        Daemon daemon("wg0");
        daemon.end(SIGKILL);
        ASSERT_EQ(::access(kSocket.c_str(), F_OK), 0) << "killed: it cannot tidy up";
        EXPECT_EQ(read_wireguard(wg0()).error().errnum, ENODEV);
      },
      Run::kOwn);
}

TEST(ReadWireGuard, AnswerThatIsCutOrGarbage_IsAnError) {
  in_fresh_namespace(
      [] {
        const auto send = [](std::string_view text) {
          return [text](int connection) { (void)!::write(connection, text.data(), text.size()); };
        };
        EXPECT_EQ(error_from(send("listen_port=51820\n")).errnum, EBADMSG);
        EXPECT_EQ(error_from(send("")).errnum, EBADMSG);
        EXPECT_EQ(error_from(send("what?\n\n")).errnum, EBADMSG);
        EXPECT_EQ(error_from(send("errno=-5\n\n")).errnum, EIO);
      },
      Run::kOwn);
}

TEST(ReadWireGuard, SocketThatStaysSilentOrDribbles_IsATimeout) {
  in_fresh_namespace(
      [] {
        EXPECT_EQ(error_from([](int) { ::pause(); }).errnum, ETIMEDOUT);
        EXPECT_EQ(error_from([](int connection) {
                    while (::write(connection, "a", 1) == 1) {
                      ::usleep(100'000);
                    }
                  }).errnum,
                  ETIMEDOUT);
      },
      Run::kOwn);
}

TEST(ReadWireGuard, AnswerWithoutEnd_IsCutOffAtTheLimit) {
  in_fresh_namespace(
      [] {
        const auto error = error_from([](int connection) {
          const std::string line(64 * 1024, 'a');
          while (::write(connection, line.data(), line.size()) > 0) {
          }
        });
        EXPECT_EQ(error.errnum, EMSGSIZE);
        EXPECT_NE(error.object.find(kSocket), std::string::npos);
      },
      Run::kOwn);
}

TEST(ReadWireGuard, WithoutPrivileges_IsAPermissionError) {
  in_fresh_namespace(
      [] {
        Daemon daemon("wg0");
        ::chmod("/run/wireguard", 0700);
        const pid_t child = ::fork();
        if (child == 0) {
          const bool dropped = ::setresuid(65534, 65534, 65534) == 0;
          const auto device = read_wireguard(wg0());
          ::_exit(dropped && !device && device.error().kind == ErrorKind::kPermission ? 0 : 1);
        }
        int status = -1;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_EQ(status, 0);
      },
      Run::kOwn);
}

}  // namespace
}  // namespace smtpegress::netlink
