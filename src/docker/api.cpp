// One question to the daemon, over HTTP on its socket.
#include <fmt/format.h>
#include <sys/un.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <cerrno>
#include <chrono>

#include "docker/inventory.hpp"
#include "docker/networks.hpp"

namespace smtpegress::docker {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using Socket = boost::asio::local::stream_protocol;
using boost::system::error_code;

constexpr std::string_view kUnix = "unix://";
constexpr const char* kDefaultSocket = "/run/docker.sock";  // docker.socket's ListenStream
constexpr std::size_t kLongestAnswer = 4U << 20;            // bytes; a network of a thousand containers takes 300 KiB
constexpr int kHttp10 = 10;                                 // the daemon then closes the connection behind its answer

/// A connection that is good for one question. Each step is begun by the one before; the stream's one deadline ends
/// them all.
class Question {
 public:
  Question(const std::string& socket, const std::string& target, std::chrono::milliseconds patience)
      : stream_(io_), request_(http::verb::get, target, kHttp10) {
    request_.set(http::field::host, "docker");
    answer_.body_limit(kLongestAnswer);
    stream_.expires_after(patience);
    stream_.async_connect(Socket::endpoint(socket), [this](error_code error) { connected(error); });
    io_.run();
  }
  [[nodiscard]] const error_code& error() const { return error_; }
  [[nodiscard]] bool was_connected() const { return was_connected_; }
  [[nodiscard]] const http::response<http::string_body>& answer() const { return answer_.get(); }

 private:
  void connected(error_code error) {
    error_ = error;
    if (!error) {
      was_connected_ = true;
      http::async_write(stream_, request_, [this](error_code failed, std::size_t) { asked(failed); });
    }
  }
  void asked(error_code error) {
    error_ = error;
    if (!error) {
      // By itself: where the body came along in one piece, reading both at once forgets that it is too long.
      http::async_read_header(stream_, buffer_, answer_, [this](error_code failed, std::size_t) { headed(failed); });
    }
  }
  void headed(error_code error) {
    error_ = error;
    if (!error) {
      http::async_read(stream_, buffer_, answer_, [this](error_code failed, std::size_t) { error_ = failed; });
    }
  }

  boost::asio::io_context io_;
  beast::basic_stream<Socket> stream_;
  http::request<http::empty_body> request_;
  http::response_parser<http::string_body> answer_;
  beast::flat_buffer buffer_;
  error_code error_;
  bool was_connected_ = false;
};

/// A network's name as a part of a URL's path.
std::string escaped(std::string_view name) {
  std::string text;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                       c == '-' || (c == '.' && name.find_first_not_of('.') != std::string_view::npos);
    text += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return text;
}

bool nobody_listens(const Question& question) {
  const int error = question.error().value();
  return !question.was_connected() && (error == ENOENT || error == ECONNREFUSED);
}

/// Of a question without an answer.
Error failed(const Question& question, const std::string& object, std::string_view other_way) {
  const auto& error = question.error();
  if (!question.was_connected() && (error.value() == EACCES || error.value() == EPERM)) {
    return system_error("ask Docker for", object, error.value(), {}, "run it as root").error();
  }
  const auto why = question.was_connected()
                       ? fmt::format("the daemon gave no answer that can be read ({})", error.message())
                       : fmt::format("{}; start Docker", error.message());
  return usage_error("ask Docker for", object, fmt::format("{}; {}", why, other_way)).error();
}

}  // namespace

Result<std::string> socket_path(const char* docker_host) {
  const std::string_view host = docker_host != nullptr ? docker_host : "";
  if (host.empty()) {
    return kDefaultSocket;
  }
  const auto path = host.starts_with(kUnix) ? host.substr(kUnix.size()) : std::string_view();
  if (!path.starts_with('/') || path.size() >= sizeof(sockaddr_un::sun_path)) {
    return usage_error(
        "find Docker", fmt::format("DOCKER_HOST '{}'", host),
        "is no socket of this host (unix:///run/docker.sock); unset it; or name the network itself, such "
        "as \"192.168.203.0/24\"");
  }
  return std::string(path);
}

Result<std::vector<Prefix>> subnets_of(const std::string& socket, const std::string& network,
                                       std::chrono::milliseconds patience) {
  const Question question(socket, "/networks/" + escaped(network), patience);
  if (!question.error()) {
    return subnets_in_answer(network, question.answer().result_int(), question.answer().body());
  }
  const auto object = fmt::format("network '{}' at {}", network, socket);
  return std::unexpected(failed(question, object, "or name the network itself, such as \"192.168.203.0/24\""));
}

Result<std::optional<Inventory>> inventory(const std::string& socket, std::chrono::milliseconds patience) {
  const auto object = fmt::format("its networks and containers at {}", socket);
  constexpr const char* kOtherWay = "or name the mail stack's network with --subnet, and Docker is not asked";
  const Question networks(socket, "/networks", patience);
  if (nobody_listens(networks)) {
    return std::nullopt;
  }
  if (networks.error()) {
    return std::unexpected(failed(networks, object, kOtherWay));
  }
  const Question containers(socket, "/containers/json", patience);
  if (containers.error()) {
    return std::unexpected(failed(containers, object, kOtherWay));
  }
  auto known = networks_in_answer(networks.answer().result_int(), networks.answer().body());
  if (!known) {
    return std::unexpected(known.error());
  }
  auto running = containers_in_answer(containers.answer().result_int(), containers.answer().body());
  if (!running) {
    return std::unexpected(running.error());
  }
  return Inventory{.networks = *std::move(known), .containers = *std::move(running)};
}

}  // namespace smtpegress::docker
