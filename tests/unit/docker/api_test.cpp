// The question on the daemon's socket, and daemons of all kinds at the other end.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <thread>

#include "docker/networks.hpp"
#include "support/temp_dir.hpp"

namespace smtpegress::docker {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kBody =
    R"({"Name": "mailu_default", "Driver": "bridge", "IPAM": {"Config": [{"Subnet": "172.18.0.0/16"}]}})";

/// Listens on a socket, and does with the first connection what it is told to.
class Daemon {
 public:
  explicit Daemon(std::function<void(int)> serve) : path_(directory_.file("docker.sock")) {
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_, 1), 0);
    thread_ = std::thread([this, serve = std::move(serve)] {
      const int connection = ::accept(listener_, nullptr, nullptr);
      if (connection >= 0) {
        serve(connection);
        ::close(connection);
      }
    });
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  ~Daemon() {
    ::shutdown(listener_, SHUT_RDWR);  // a daemon that nobody asked anything
    thread_.join();
    ::close(listener_);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  test::TempDir directory_;
  std::string path_;
  int listener_ = -1;
  std::thread thread_;
};

/// All of the request: nothing is sent behind its head.
std::string read_request(int connection) {
  std::string text;
  char buffer[1024];
  while (text.find("\r\n\r\n") == std::string::npos) {
    const auto size = ::read(connection, buffer, sizeof buffer);
    if (size <= 0) {
      break;
    }
    text.append(buffer, static_cast<std::size_t>(size));
  }
  return text;
}

void send_all(int connection, std::string_view text) {
  while (!text.empty()) {
    const auto size = ::send(connection, text.data(), text.size(), MSG_NOSIGNAL);
    if (size <= 0) {
      return;
    }
    text.remove_prefix(static_cast<std::size_t>(size));
  }
}

/// A daemon that reads the question, says `answer` and closes the connection.
std::function<void(int)> saying(std::string answer) {
  return [answer = std::move(answer)](int connection) {
    read_request(connection);
    send_all(connection, answer);
  };
}

std::string said_of(const Result<std::vector<Prefix>>& subnets) {
  return subnets ? subnets->front().to_string() : subnets.error().message();
}

std::string ask(const Daemon& daemon) {
  return said_of(subnets_of(daemon.path(), "mailu_default"));
}

TEST(DockerApi, AnAnswer_IsRead) {
  std::string request;
  const Daemon daemon([&](int connection) {
    request = read_request(connection);
    send_all(connection, "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + std::string(kBody));
  });
  EXPECT_EQ(ask(daemon), "172.18.0.0/16");
  EXPECT_EQ(request, "GET /networks/mailu_default HTTP/1.0\r\nHost: docker\r\n\r\n");
}

TEST(DockerApi, AnAnswerThatIsTooLong_IsRefused_AlsoWhereItComesInOnePiece) {
  const std::string body((4U << 20) + 1, ' ');
  for (const std::string& head :
       {fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.size()),
        std::string("HTTP/1.0 200 OK\r\n\r\n"),
        fmt::format("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.size())}) {
    const Daemon daemon(saying(head + body));
    EXPECT_NE(ask(daemon).find("no answer that can be read (body limit exceeded)"), std::string::npos) << head;
  }
}

TEST(DockerApi, AnAnswerInChunksOrOfAKnownLength_IsRead) {
  const Daemon chunked(saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                              fmt::format("{:x}\r\n", kBody.size()) + std::string(kBody) + "\r\n0\r\n\r\n"));
  EXPECT_EQ(ask(chunked), "172.18.0.0/16");
  const Daemon measured(saying(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", kBody.size(), kBody)));
  EXPECT_EQ(ask(measured), "172.18.0.0/16");
}

TEST(DockerApi, AName_IsOnePartOfThePath) {
  std::string request;
  const Daemon daemon([&](int connection) { request = read_request(connection); });
  EXPECT_FALSE(subnets_of(daemon.path(), "../a b?c%\n"));
  EXPECT_TRUE(request.starts_with("GET /networks/..%2Fa%20b%3Fc%25%0A HTTP/1.0\r\n")) << request;
  const Daemon dots([&](int connection) { request = read_request(connection); });
  EXPECT_FALSE(subnets_of(dots.path(), ".."));
  EXPECT_TRUE(request.starts_with("GET /networks/%2E%2E HTTP/1.0\r\n")) << request;
}

TEST(DockerApi, NoDaemon_IsSaidSo) {
  const auto subnets = subnets_of("/nowhere/docker.sock", "mailu_default");
  EXPECT_EQ(
      said_of(subnets),
      "ask Docker for network 'mailu_default' at /nowhere/docker.sock: No such file or directory; start Docker; or "
      "name the network itself, such as \"192.168.203.0/24\"");
  EXPECT_EQ(subnets.error().kind, ErrorKind::kUsage);
}

TEST(DockerApi, ADaemonThatRefuses_IsSaidSo) {
  std::string path;
  test::TempDir directory;
  path = directory.file("docker.sock");
  const int left = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);  // bound, and nobody listens: a daemon that died
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(left, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_NE(said_of(subnets_of(path, "mailu_default")).find("Connection refused; start Docker"), std::string::npos);
  ::close(left);
}

TEST(DockerApi, HalfAnAnswerOrNone_IsRefused) {
  const auto whole = fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", kBody.size(), kBody);
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    const Daemon daemon(saying(whole.substr(0, size)));
    EXPECT_NE(ask(daemon).find("gave no answer that can be read"), std::string::npos) << size;
  }
}

TEST(DockerApi, WhatIsNoHttp_IsRefused) {
  for (const auto* answer : {"220 mx.example.org ESMTP\r\n", "\x16\x03\x01\x02", "HTTP/9.9 abc\r\n\r\n"}) {
    const Daemon daemon(saying(answer));
    EXPECT_NE(ask(daemon).find("gave no answer that can be read"), std::string::npos) << answer;
  }
}

TEST(DockerApi, AnAnswerWithoutEnd_IsCutOff) {
  const Daemon daemon([](int connection) {
    read_request(connection);
    send_all(connection, "HTTP/1.0 200 OK\r\n\r\n");
    const std::string more(1 << 16, ' ');
    for (int i = 0; i < 1000; ++i) {  // until the reader has enough and goes
      send_all(connection, more);
    }
  });
  EXPECT_NE(ask(daemon).find("body limit exceeded"), std::string::npos);
}

TEST(DockerApi, ADaemonThatSaysNothing_IsNotWaitedForForever) {
  int released[2];
  ASSERT_EQ(::pipe(released), 0);
  {
    const Daemon daemon([&](int connection) {
      read_request(connection);
      char byte = 0;
      EXPECT_EQ(::read(released[0], &byte, 1), 1);
    });
    EXPECT_NE(said_of(subnets_of(daemon.path(), "mailu_default", 20ms)).find("closed due to a timeout"),
              std::string::npos);
    EXPECT_EQ(::write(released[1], "x", 1), 1);
  }
  ::close(released[0]);
  ::close(released[1]);
}

}  // namespace
}  // namespace smtpegress::docker
