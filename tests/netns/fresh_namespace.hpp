// A network namespace a test: the body runs in a forked child that has unshared it, so that nothing it does can reach
// the machine's own network, and nothing stays behind.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

namespace smtpegress::test {

enum class Run : std::uint8_t {
  kOwn,     ///< a tmpfs of its own at /run: control sockets of another host on this machine are not seen
  kShared,  ///< the machine's
};

inline void enter_namespace(Run run) {
  ASSERT_EQ(::unshare(CLONE_NEWNET | (run == Run::kOwn ? CLONE_NEWNS : 0)), 0) << std::strerror(errno);
  if (run == Run::kOwn) {
    ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0) << std::strerror(errno);
    ASSERT_EQ(::mount("tmpfs", "/run", "tmpfs", 0, "mode=755"), 0) << std::strerror(errno);
  }
}

/// Runs `body` there; its failed assertions fail the calling test. Skips without root; with root a refusal is a
/// failure.
template <class Body>
void in_fresh_namespace(Body body, Run run = Run::kShared) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  std::fflush(nullptr);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0) << std::strerror(errno);
  if (child == 0) {
    try {
      ::umask(077);
      enter_namespace(run);
      if (!testing::Test::HasFailure()) {
        body();
      }
    } catch (const std::exception& bug) {  // must not reach GoogleTest: it would run the other tests in here too
      ADD_FAILURE() << bug.what();
    }
    std::exit(testing::Test::HasFailure() ? EXIT_FAILURE : EXIT_SUCCESS);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS) << "in the child, see above; status " << status;
}

struct ShellOutput {
  int status = 0;
  std::string text;
};

inline ShellOutput output_of(const std::string& command) {
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(("{ " + command + "\n} 2>&1").c_str(), "re"), ::pclose);
  ShellOutput output;
  std::array<char, 4096> part{};
  while (const std::size_t got = std::fread(part.data(), 1, part.size(), pipe.get())) {
    output.text.append(part.data(), got);
  }
  output.status = ::pclose(pipe.release());
  return output;
}

/// A shell command that has to succeed.
inline void shell(const std::string& command) {
  const auto output = output_of(command);
  EXPECT_EQ(output.status, 0) << command << '\n' << output.text;
}

/// What `ip -j …` prints; an empty list for nothing.
inline nlohmann::json ip_json(const std::string& arguments) {
  const auto output = output_of("ip -j -d -N " + arguments);
  EXPECT_EQ(output.status, 0) << arguments << '\n' << output.text;
  return output.text.empty() ? nlohmann::json::array() : nlohmann::json::parse(output.text, nullptr, false);
}

/// The first element of `list` whose `key` is `value`; null where there is none.
inline nlohmann::json entry(const nlohmann::json& list, const std::string& key, const nlohmann::json& value) {
  for (const auto& element : list) {
    if (element.contains(key) && element.at(key) == value) {
      return element;
    }
  }
  return nullptr;
}

}  // namespace smtpegress::test
