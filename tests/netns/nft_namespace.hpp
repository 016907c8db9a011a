// For tests of nf_tables on the real kernel: a network namespace of its own for each, and other programs run in it.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

#include "netlink/nft_socket.hpp"

namespace smtpegress::test {

/// Runs `body` on a thread in a new network namespace; the machine's own is never touched. Without root it does
/// nothing; with root, a namespace that cannot be made is a failure.
template <class Body>
void in_new_namespace(Body body) {
  std::thread([&body] {
    if (::unshare(CLONE_NEWNET) != 0) {
      ADD_FAILURE() << "unshare(CLONE_NEWNET): " << std::strerror(errno);
      return;
    }
    body();
  }).join();
}

/// Skips without root, as nothing here works then.
class NamespaceTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "needs root to make a network namespace";
    }
  }
};

struct CommandResult {
  int status = -1;  ///< exit code; -1 where the program was killed or not started
  std::string text;
};

/// By a shell, in the calling thread's network namespace; standard error is part of the text.
inline CommandResult run(const std::string& command) {
  struct Close {
    void operator()(FILE* pipe) const noexcept { ::pclose(pipe); }
  };
  std::unique_ptr<FILE, Close> pipe(::popen(("{ " + command + "\n} 2>&1").c_str(), "re"));
  CommandResult output;
  if (!pipe) {
    return output;
  }
  std::array<char, 4096> buffer;
  for (std::size_t got = 1; got != 0;) {
    got = std::fread(buffer.data(), 1, buffer.size(), pipe.get());
    output.text.append(buffer.data(), got);
  }
  const int status = ::pclose(pipe.release());
  output.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return output;
}

/// The output of a command that must work.
inline std::string must_run(const std::string& command) {
  auto output = run(command);
  EXPECT_EQ(output.status, 0) << command << "\n" << output.text;
  return std::move(output.text);
}

/// An open socket, its failures the test's.
class Nft {
 public:
  Nft() : socket_(netlink::NftSocket::open()) { EXPECT_TRUE(socket_) << (socket_ ? "" : socket_.error().message()); }
  nft::Ruleset observe() {
    auto ruleset = socket_->observe();
    EXPECT_TRUE(ruleset) << (ruleset ? "" : ruleset.error().message());
    return ruleset.value_or(nft::Ruleset{});
  }
  /// At the present generation.
  Result<void> commit(const nft::Batch& batch) { return socket_->commit(batch, observe().generation); }
  Result<void> commit(const nft::Batch& batch, std::uint32_t generation) { return socket_->commit(batch, generation); }
  void must_commit(const nft::Batch& batch) {
    const auto done = commit(batch);
    EXPECT_TRUE(done) << (done ? "" : done.error().message());
  }
  /// The rules of a chain; none where it is not there.
  std::vector<nft::Rule> rules(const nft::ChainKey& key) {
    const auto ruleset = observe();
    std::vector<nft::Rule> rules;
    if (const auto* chain = ruleset.find(key)) {
      for (const auto& observed : chain->rules) {
        rules.push_back(observed.rule);
      }
    }
    return rules;
  }

 private:
  Result<netlink::NftSocket> socket_;
};

}  // namespace smtpegress::test

namespace smtpegress::nft {

/// For GoogleTest's messages.
inline void PrintTo(const Rule& rule, std::ostream* out) {
  *out << to_string(rule) << (rule.comment.empty() ? "" : " comment \"" + rule.comment + "\"");
}

}  // namespace smtpegress::nft
