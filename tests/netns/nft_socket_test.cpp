// Transactions and dumps on the real kernel.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <chrono>

#include "netns/nft_namespace.hpp"

namespace smtpegress::nft {
namespace {

using test::in_new_namespace;
using test::must_run;
using test::Nft;

class NftSocketTest : public test::NamespaceTest {};

const TableKey kTable{Family::kInet, "smtp-egress"};
const ChainKey kPrerouting{kTable, "prerouting"};
const ChainKey kForward{kTable, "forward"};
const ChainKey kPostrouting{kTable, "postrouting"};
const BaseHook kForwardHook{ChainType::kFilter, Hook::kForward, -150, Policy::kAccept};

Prefix prefix(const char* text) {
  return Prefix::parse(text).value();
}
Rule numbered(std::uint16_t port) {
  return Rule{{MatchL4Proto{6, Sense::kIs}, MatchPort{Side::kDestination, PortRange{port, port}, Sense::kIs}},
              {Counter{}, Verdict{}},
              {}};
}

/// The own table of a home, as it is enabled.
Batch home_table() {
  const auto network = MatchAddress{Side::kSource, prefix("192.168.203.0/24"), Sense::kIs};
  const Mark mark{0x19, 0xffffffff};
  return {
      AddTable{kTable},
      AddChain{kPrerouting, {ChainType::kFilter, Hook::kPrerouting, -150, Policy::kAccept}},
      AddChain{kForward, kForwardHook},
      AddChain{kPostrouting, {ChainType::kNat, Hook::kPostrouting, 99, Policy::kAccept}},
      AppendRule{kPrerouting, Rule{{MatchNfProto{IpFamily::kV4}, network, MatchL4Proto{6, Sense::kIs},
                                    MatchPort{Side::kDestination, PortRange{25, 25}, Sense::kIs}},
                                   {Counter{}, SetMark{mark}},
                                   "mark"}},
      AppendRule{kForward, Rule{{MatchMark{mark, Sense::kIs}, MatchInterface{Way::kOut, "wg0", false, Sense::kIsNot},
                                 MatchCtDirection{CtDirection::kOriginal}},
                                {Counter{}, Reject{}},
                                "guard"}},
      AppendRule{kForward,
                 Rule{{MatchInterface{Way::kIn, "wg0", false, Sense::kIs}, MatchCtState{kCtEstablished | kCtRelated}},
                      {Counter{}, SetMark{Mark{0x19, 0xff}}},
                      "replies"}},
      AppendRule{
          kForward,
          Rule{{MatchL4Proto{6, Sense::kIs}, MatchTcpFlags{0x06, 0x02, Sense::kIs}}, {Counter{}, ClampMss{}}, "clamp"}},
      AppendRule{kPostrouting, Rule{{MatchInterface{Way::kOut, "wg0", false, Sense::kIs}, MatchNfProto{IpFamily::kV4}},
                                    {Counter{}, Snat{}},
                                    "keep the address"}},
  };
}

/// That observing finds exactly what the batch added.
void expect_holds(const Ruleset& ruleset, const Batch& batch) {
  std::size_t rules = 0;
  for (const auto& step : batch) {
    if (const auto* chain = std::get_if<AddChain>(&step)) {
      const auto* found = ruleset.find(chain->chain);
      ASSERT_NE(found, nullptr) << to_string(chain->chain);
      EXPECT_EQ(found->hook, chain->hook);
    } else if (const auto* rule = std::get_if<AppendRule>(&step)) {
      const auto* found = ruleset.find(rule->chain);
      ASSERT_NE(found, nullptr);
      EXPECT_TRUE(std::ranges::any_of(found->rules, [&](const auto& o) { return o.rule == rule->rule; }))
          << to_string(rule->rule);
      ++rules;
    }
  }
  std::size_t observed = 0;
  for (const auto& chain : ruleset.chains) {
    observed += chain.rules.size();
  }
  EXPECT_EQ(observed, rules);
}

TEST_F(NftSocketTest, Observe_NewNamespace_IsEmpty) {
  in_new_namespace([] {
    const auto ruleset = Nft().observe();
    EXPECT_TRUE(ruleset.tables.empty());
    EXPECT_TRUE(ruleset.chains.empty());
  });
}

TEST_F(NftSocketTest, Commit_OwnTable_IsObservedAsGiven) {
  in_new_namespace([] {
    Nft nft;
    nft.must_commit(home_table());
    const auto ruleset = nft.observe();
    EXPECT_TRUE(ruleset.has(kTable));
    expect_holds(ruleset, home_table());
  });
}

TEST_F(NftSocketTest, Commit_MovesTheGenerationByOne) {  // enable's second batch can count on it
  in_new_namespace([] {
    Nft nft;
    const auto before = nft.observe().generation;
    nft.must_commit(home_table());
    EXPECT_EQ(nft.observe().generation, before + 1);
  });
}

TEST_F(NftSocketTest, Commit_Nothing_IsNoTransaction) {
  in_new_namespace([] {
    Nft nft;
    const auto before = nft.observe().generation;
    EXPECT_TRUE(nft.commit({}, before));
    EXPECT_EQ(nft.observe().generation, before);
  });
}

TEST_F(NftSocketTest, Commit_StaleGeneration_ChangesNothing) {
  in_new_namespace([] {
    Nft nft;
    const auto generation = nft.observe().generation;
    must_run("nft add table ip someone");
    const auto done = nft.commit(home_table(), generation);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, ErrorKind::kStale);
    EXPECT_FALSE(nft.observe().has(kTable));
    nft.must_commit(home_table());  // and the socket is as good as new
  });
}

TEST_F(NftSocketTest, Commit_FailingStep_ChangesNothingAndIsNamed) {
  in_new_namespace([] {
    Nft nft;
    auto batch = home_table();
    const Rule jump{{}, {Verdict{VerdictCode::kJump, "nowhere"}}, {}};
    batch.insert(batch.begin() + 6, AppendRule{kForward, jump});
    batch.push_back(DeleteRule{kForward, 4711});  // fails as well, but later
    const auto done = nft.commit(batch);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, ErrorKind::kKernel);
    EXPECT_EQ(done.error().operation, "add rule");
    EXPECT_EQ(done.error().object, "inet smtp-egress forward: jump nowhere");
    EXPECT_EQ(done.error().errnum, ENOENT);
    const auto ruleset = nft.observe();
    EXPECT_TRUE(ruleset.tables.empty());
    EXPECT_TRUE(ruleset.chains.empty());
  });
}

TEST_F(NftSocketTest, Commit_EachFailingStep_IsNamed) {
  in_new_namespace([] {
    Nft nft;
    must_run("nft add table ip t; nft add chain ip t c; nft add rule ip t c jump c2 2>/dev/null; true");
    const TableKey absent{Family::kIp, "absent"};
    const ChainKey chain{{Family::kIp, "t"}, "absent"};
    const std::vector<std::tuple<BatchStep, std::string, std::string>> cases{
        {DeleteTable{absent}, "delete table", "ip absent"},
        {AddChain{{absent, "c"}, kForwardHook}, "add chain", "ip absent c"},
        {FlushChain{chain}, "flush chain", "ip t absent"},
        {DeleteChain{chain}, "delete chain", "ip t absent"},
        {InsertRule{chain, Rule{{}, {Counter{}}, {}}}, "insert rule", "ip t absent: counter"},
        {DeleteRule{{{Family::kIp, "t"}, "c"}, 99}, "delete rule", "ip t c handle 99"},
    };
    for (const auto& [step, operation, object] : cases) {
      const auto done = nft.commit({AddTable{kTable}, step});
      ASSERT_FALSE(done) << operation;
      EXPECT_EQ(done.error().operation, operation);
      EXPECT_EQ(done.error().object, object);
      EXPECT_EQ(done.error().errnum, ENOENT) << operation;
      EXPECT_FALSE(nft.observe().has(kTable));
    }
  });
}

TEST_F(NftSocketTest, AddChain_WithAnotherHook_IsRefused) {
  in_new_namespace([] {
    Nft nft;
    nft.must_commit({AddTable{kTable}, AddChain{kForward, kForwardHook}});
    const BaseHook other{ChainType::kFilter, Hook::kPrerouting, -150, Policy::kAccept};
    const auto done = nft.commit({AddChain{kForward, other}});
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().operation, "add chain");
    EXPECT_EQ(done.error().object, "inet smtp-egress forward");
    EXPECT_NE(done.error().errnum, 0);
    EXPECT_EQ(nft.observe().find(kForward)->hook, kForwardHook);
  });
}

TEST_F(NftSocketTest, Steps_DoWhatTheySay) {
  in_new_namespace([] {
    Nft nft;
    nft.must_commit({AddTable{kTable}, AddChain{kForward, kForwardHook}, AppendRule{kForward, numbered(1)},
                     AppendRule{kForward, numbered(2)}, InsertRule{kForward, numbered(3)}});
    EXPECT_EQ(nft.rules(kForward), (std::vector{numbered(3), numbered(1), numbered(2)}));

    const auto handle = nft.observe().find(kForward)->rules.at(1).handle;
    nft.must_commit({DeleteRule{kForward, handle}});
    EXPECT_EQ(nft.rules(kForward), (std::vector{numbered(3), numbered(2)}));

    nft.must_commit({FlushChain{kForward}, AppendRule{kForward, numbered(4)}});
    EXPECT_EQ(nft.rules(kForward), std::vector{numbered(4)});

    nft.must_commit({FlushChain{kForward}, DeleteChain{kForward}});
    EXPECT_EQ(nft.observe().find(kForward), nullptr);
    nft.must_commit({DeleteTable{kTable}});
    EXPECT_TRUE(nft.observe().tables.empty());
  });
}

TEST_F(NftSocketTest, AddTable_ThatIsThere_IsNoError) {  // what makes "add, delete, add" a replacement
  in_new_namespace([] {
    Nft nft;
    nft.must_commit(home_table());
    Batch replace{AddTable{kTable}, DeleteTable{kTable}};
    const auto table = home_table();
    replace.insert(replace.end(), table.begin(), table.end());
    nft.must_commit(replace);
    expect_holds(nft.observe(), home_table());
  });
}

TEST_F(NftSocketTest, Commit_ThousandsOfSteps_AreAllMade) {  // past every default buffer size
  in_new_namespace([] {
    Nft nft;
    Batch batch{AddTable{kTable}, AddChain{kForward, kForwardHook}};
    std::vector<Rule> expected;
    for (std::uint16_t port = 1; port <= 5000; ++port) {
      expected.push_back(numbered(port));
      batch.push_back(AppendRule{kForward, expected.back()});
    }
    nft.must_commit(batch);
    EXPECT_EQ(nft.rules(kForward), expected);

    batch.push_back(DeleteTable{{Family::kIp, "absent"}});
    const auto done = nft.commit(batch);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().operation, "delete table");
    EXPECT_EQ(nft.rules(kForward).size(), expected.size());
  });
}

TEST_F(NftSocketTest, Commit_ManyFailures_NamesTheFirst) {  // each answer carries an error and its text
  in_new_namespace([] {
    Nft nft;
    Batch batch;
    for (std::uint64_t handle = 1; handle <= 2000; ++handle) {
      batch.push_back(DeleteRule{kForward, handle});
    }
    const auto done = nft.commit(batch);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().object, "inet smtp-egress forward handle 1");
    EXPECT_EQ(done.error().errnum, ENOENT);
  });
}

TEST_F(NftSocketTest, AppendRule_AfterAnother_StandsRightBehindIt) {
  in_new_namespace([] {
    Nft nft;
    nft.must_commit({AddTable{kTable}, AddChain{kForward, kForwardHook}, AppendRule{kForward, numbered(1)},
                     AppendRule{kForward, numbered(5)}});
    const auto before = nft.observe();
    const auto& rules = before.find(kForward)->rules;
    nft.must_commit({AppendRule{kForward, numbered(4), rules.at(0).handle},
                     AppendRule{kForward, numbered(3), rules.at(0).handle},
                     AppendRule{kForward, numbered(6), rules.at(1).handle}, InsertRule{kForward, numbered(0x7fff)}});
    EXPECT_EQ(nft.rules(kForward),
              (std::vector<Rule>{numbered(0x7fff), numbered(1), numbered(3), numbered(4), numbered(5), numbered(6)}));
    const auto gone = nft.commit({AppendRule{kForward, numbered(9), 0xffff}});
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().errnum, ENOENT);
    EXPECT_EQ(nft.rules(kForward).size(), 6U);
  });
}

TEST_F(NftSocketTest, Observe_AllFamilies) {
  in_new_namespace([] {
    for (const std::string family : {"ip", "ip6", "inet", "arp", "bridge"}) {
      must_run("nft 'add table " + family + " t; add chain " + family +
               " t c { type filter hook input priority 7; policy drop; }'");
    }
    must_run("nft add table netdev t");
    const auto ruleset = Nft().observe();
    for (const auto family :
         {Family::kIp, Family::kIp6, Family::kInet, Family::kArp, Family::kBridge, Family::kNetdev}) {
      const TableKey table{family, "t"};
      EXPECT_TRUE(ruleset.has(table)) << to_string(table);
      if (family == Family::kIp || family == Family::kIp6 || family == Family::kInet) {
        const auto* chain = ruleset.find({table, "c"});
        ASSERT_NE(chain, nullptr);
        EXPECT_EQ(chain->hook, (BaseHook{ChainType::kFilter, Hook::kInput, 7, Policy::kDrop}));
      }
    }
  });
}

TEST_F(NftSocketTest, Observe_Counters) {
  in_new_namespace([] {
    must_run("ip link set lo up");
    Nft nft;
    const ChainKey output{kTable, "output"};
    const Rule rule{{MatchL4Proto{17, Sense::kIs}}, {Counter{}}, {}};
    nft.must_commit({AddTable{kTable}, AddChain{output, {ChainType::kFilter, Hook::kOutput, 0, Policy::kAccept}},
                     AppendRule{output, rule}});
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(9);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(::sendto(fd, "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to), 1);
    }
    ::close(fd);
    const auto observed = nft.observe().find(output)->rules.at(0);
    EXPECT_EQ(observed.rule, rule);
    EXPECT_EQ(observed.packets, 3U);
    EXPECT_EQ(observed.bytes, 3U * (20 + 8 + 1));  // IPv4 header, UDP header, payload
  });
}

enum class Outcome { kCommitted, kRefused };

/// Sends `batch`(round) after `batch`(round), on a thread of its own, as long as this object lives.
class Churn {
 public:
  template <class MakeBatch>
  explicit Churn(MakeBatch batch, Outcome outcome = Outcome::kCommitted)
      : thread_([this, batch, outcome] {  // a thread inherits the network namespace of the one that starts it
          Nft nft;
          for (std::uint16_t round = 0; !stop_; ++round) {
            EXPECT_EQ(nft.commit(batch(round)).has_value(), outcome == Outcome::kCommitted);
          }
        }) {}
  Churn(const Churn&) = delete;
  Churn& operator=(const Churn&) = delete;
  ~Churn() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

/// Observes again and again; `check` gets every ruleset. Giving up (EINTR) is allowed, a torn ruleset is not.
template <class Check>
void observe_often(Check check) {
  constexpr auto kLong = std::chrono::milliseconds(1500);  // enough for the kernel to err dozens of times
  auto socket = netlink::NftSocket::open();
  ASSERT_TRUE(socket);
  int whole = 0;
  const auto end = std::chrono::steady_clock::now() + kLong;
  while (std::chrono::steady_clock::now() < end) {
    const auto ruleset = socket->observe();
    if (!ruleset) {
      EXPECT_EQ(ruleset.error().errnum, EINTR);
      continue;
    }
    ++whole;
    check(*ruleset);
  }
  EXPECT_GT(whole, 0);
}

/// `count` rules stay in kPrerouting, while others come and go in the chain before it, or are about to and then do not.
void expect_steady(std::uint16_t count, Outcome outcome) {
  in_new_namespace([count, outcome] {
    Nft nft;
    Batch batch{AddTable{kTable}, AddChain{kForward, kForwardHook}, AddChain{kPrerouting, kForwardHook}};
    std::vector<Rule> expected;
    for (std::uint16_t port = 1; port <= count; ++port) {
      expected.push_back(numbered(port));
      batch.push_back(AppendRule{kPrerouting, expected.back()});
    }
    nft.must_commit(batch);
    const auto change = [outcome](std::uint16_t round) {
      Batch steps{FlushChain{kForward}};
      for (int i = 0; i < 200; ++i) {
        steps.push_back(AppendRule{kForward, numbered(25)});
      }
      if (round % 2 == 0) {  // gone before anyone could have seen them, yet the kernel's dumps count them
        steps.push_back(FlushChain{kForward});
      }
      if (outcome == Outcome::kRefused) {
        steps.push_back(DeleteTable{{Family::kIp, "absent"}});
      }
      return steps;
    };
    const Churn others(change, outcome);
    observe_often([&](const Ruleset& ruleset) {
      const auto in_front = ruleset.find(kForward)->rules.size();
      EXPECT_TRUE(in_front == 0 || (in_front == 200 && outcome == Outcome::kCommitted)) << in_front;
      std::vector<Rule> rules;
      for (const auto& observed : ruleset.find(kPrerouting)->rules) {
        rules.push_back(observed.rule);
      }
      EXPECT_TRUE(rules == expected) << rules.size() << " rules";
    });
  });
}

// A dump of Linux 6.18 repeats or omits rules while a transaction is in progress, and nothing tells (nft_dump.cpp).
TEST_F(NftSocketTest, Observe_WhileOthersCommit_RepeatsNothing) {
  expect_steady(5, Outcome::kCommitted);
}
TEST_F(NftSocketTest, Observe_LongDumpWhileOthersCommit_RepeatsAndOmitsNothing) {
  expect_steady(300, Outcome::kCommitted);
}
TEST_F(NftSocketTest, Observe_WhileOthersAreRefused_RepeatsNothing) {
  expect_steady(5, Outcome::kRefused);
}
TEST_F(NftSocketTest, Observe_LongDumpWhileOthersAreRefused_OmitsNothing) {  // not even at its end
  expect_steady(120, Outcome::kRefused);
}

TEST_F(NftSocketTest, Observe_WhileOthersCommit_IsOfOneGeneration) {
  in_new_namespace([] {
    Nft nft;
    nft.must_commit({AddTable{kTable}});
    const auto chain_of = [](unsigned round) { return ChainKey{kTable, "c" + std::to_string(round)}; };
    const Churn others([&](std::uint16_t round) {  // one chain at a time, with one rule
      return Batch{AddTable{kTable}, DeleteTable{kTable}, AddTable{kTable}, AddChain{chain_of(round), kForwardHook},
                   AppendRule{chain_of(round), numbered(25)}};
    });
    observe_often([](const Ruleset& ruleset) {
      EXPECT_EQ(ruleset.tables.size(), 1U);
      ASSERT_LE(ruleset.chains.size(), 1U);
      for (const auto& chain : ruleset.chains) {
        EXPECT_EQ(chain.hook, kForwardHook);
        EXPECT_EQ(chain.rules.size(), 1U);
      }
    });
  });
}

TEST_F(NftSocketTest, WithoutPrivilege_SaysWhatIsMissing) {
  in_new_namespace([] {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      constexpr uid_t kNobody = 65534;
      auto socket = netlink::NftSocket::open();
      if (::setuid(kNobody) != 0 || !socket) {
        ::_exit(1);
      }
      socket = netlink::NftSocket::open();
      if (!socket) {
        ::_exit(2);
      }
      const auto observed = socket->observe();
      const auto committed = socket->commit({AddTable{kTable}}, 1);
      const auto is_denied = [](const auto& result) {
        return !result && result.error().kind == ErrorKind::kPermission && result.error().errnum == EPERM &&
               result.error().hint.find("CAP_NET_ADMIN") != std::string::npos;
      };
      ::_exit(!is_denied(observed) ? 3 : !is_denied(committed) ? 4 : 0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
  });
}

}  // namespace
}  // namespace smtpegress::nft
