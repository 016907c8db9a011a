// Lists that are changed between two of their datagrams, at a chosen one. To do so, this file stands between the
// program and recvmsg(2); elsewhere in the test program it only passes calls on.
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>

#include "netlink/exchange.hpp"
#include "netlink/route_codec.hpp"
#include "netns/fresh_namespace.hpp"
#include "netns/route_host.hpp"

namespace {

/// Called with each datagram of a list of rules; nothing in other tests.
std::function<void(const msghdr&, std::size_t)>& after_receipt() {
  static std::function<void(const msghdr&, std::size_t)> hook;
  return hook;
}

}  // namespace

extern "C" ssize_t recvmsg(int fd, msghdr* message, int flags) {
  const ssize_t got = ::syscall(SYS_recvmsg, fd, message, flags);
  if (got > 0 && after_receipt()) {
    const int errnum = errno;
    after_receipt()(*message, static_cast<std::size_t>(got));
    errno = errnum;
  }
  return got;
}

namespace smtpegress::netlink {
namespace {

using test::in_fresh_namespace;

constexpr std::uint32_t kStanding = 3000;  // rules: some 200 KB, hence many datagrams

/// Puts a rule ahead of all others once a list is under way, and takes it away at that list's end, so that each list
/// starts from the same rules and is torn at the same place.
class Tearing {
 public:
  explicit Tearing(int lists) : left_(lists) {
    after_receipt() = [this](const msghdr& message, std::size_t size) { received(message, size); };
  }
  Tearing(const Tearing&) = delete;
  Tearing& operator=(const Tearing&) = delete;
  ~Tearing() { after_receipt() = nullptr; }
  [[nodiscard]] int torn() const { return torn_; }

 private:
  void received(const msghdr& message, std::size_t size) {
    const auto* header = static_cast<const nlmsghdr*>(message.msg_iov->iov_base);
    if (header->nlmsg_type != RTM_NEWRULE && header->nlmsg_type != NLMSG_DONE) {
      return;
    }
    bool done = false;
    for (int rest = static_cast<int>(size); nlmsg_ok(header, rest);
         header = nlmsg_next(const_cast<nlmsghdr*>(header), &rest)) {
      done = done || header->nlmsg_type == NLMSG_DONE;
    }
    if (!done && !added_ && left_ > 0) {
      change(RTM_NEWRULE);
      added_ = true;
      --left_;
      ++torn_;
    } else if (done && added_) {
      change(RTM_DELRULE);
      added_ = false;
    }
  }

  void change(std::uint16_t type) {
    auto rule = our_rule();
    rule.priority = {5};
    rule.protocol = kBootProtocol;
    const auto hook = std::exchange(after_receipt(), nullptr);  // not for this exchange
    const auto socket = open_netlink(NETLINK_ROUTE).value();
    const auto request = encode_rule(type, NLM_F_ACK | (type == RTM_NEWRULE ? NLM_F_CREATE : 0), rule).value();
    EXPECT_TRUE(ask(socket.get(), request.get()));
    after_receipt() = hook;
  }

  int left_;
  int torn_ = 0;
  bool added_ = false;
};

void add_rules(RouteSocket& socket) {
  auto rule = our_rule();
  for (std::uint32_t i = 0; i < kStanding; ++i) {
    rule.priority = {10000 + i};
    must(socket.add_rule(rule, Duplicates::kAllow));
  }
}

TEST(TornDump, Rules_TornAlikeEachTime_AreAnErrorNotAList) {
  in_fresh_namespace([] {
    auto socket = opened();
    add_rules(socket);
    const Tearing tearing(1000);
    const auto error = must_fail(socket.rules(IpFamily::kV4));
    EXPECT_EQ(error.errnum, EINTR);
    EXPECT_EQ(tearing.torn(), kDumpAttempts);
    EXPECT_FALSE(error.hint.empty());
  });
}

TEST(TornDump, Rules_TornAlikeAtFirst_AreListedOnceItIsQuiet) {
  in_fresh_namespace([] {
    auto socket = opened();
    add_rules(socket);
    const auto before = must(socket.rules(IpFamily::kV4));
    const Tearing tearing(4);
    EXPECT_EQ(must(socket.rules(IpFamily::kV4)), before);
    EXPECT_EQ(tearing.torn(), 4);
  });
}

TEST(TornDump, DeleteRule_ListTorn_DeletesNothing) {
  in_fresh_namespace([] {
    auto socket = opened();
    add_rules(socket);
    auto rule = our_rule();
    rule.priority = {10000};
    {
      const Tearing tearing(1000);
      EXPECT_EQ(must_fail(socket.delete_rule(rule)).errnum, EINTR);
    }
    EXPECT_EQ(must(socket.rules(IpFamily::kV4)).size(), kStanding + 3U);
    must(socket.delete_rule(rule));
  });
}

}  // namespace
}  // namespace smtpegress::netlink
