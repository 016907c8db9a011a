// A batch whose acknowledgements did not fit the socket's receive buffer: what became of it must be told all the same.
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "netns/nft_namespace.hpp"

namespace smtpegress::nft {
namespace {

using test::in_new_namespace;
using test::Nft;

class NftLostAnswer : public test::NamespaceTest {};

const TableKey kTable{Family::kInet, "smtp-egress"};
const ChainKey kForward{kTable, "forward"};
const BaseHook kForwardHook{ChainType::kFilter, Hook::kForward, -150, Policy::kAccept};

Rule numbered(std::uint16_t port) {
  return Rule{{MatchL4Proto{6, Sense::kIs}, MatchPort{Side::kDestination, PortRange{port, port}, Sense::kIs}},
              {Counter{}, Verdict{}},
              {}};
}

/// Leaves this process's nf_tables sockets room for a few acknowledgements, and the others are lost.
void shrink_receive_buffers() {
  constexpr int kMaxFd = 64;
  for (int fd = 0; fd < kMaxFd; ++fd) {
    int domain = 0;
    int protocol = 0;
    socklen_t size = sizeof domain;
    if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_NETLINK &&
        ::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && protocol == NETLINK_NETFILTER) {
      const int least = 1;  // the kernel makes it SOCK_MIN_RCVBUF
      EXPECT_EQ(::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least), 0);
    }
  }
}

Batch thirty_rules() {
  Batch batch;
  for (std::uint16_t port = 1; port <= 30; ++port) {
    batch.push_back(AppendRule{kForward, numbered(port)});
  }
  return batch;
}

TEST_F(NftLostAnswer, AcknowledgementsLost_TheGenerationTellsThatItWasMade) {
  in_new_namespace([] {
    Nft nft;
    nft.must_commit({AddTable{kTable}, AddChain{kForward, kForwardHook}});
    const auto generation = nft.observe().generation;
    shrink_receive_buffers();
    const auto done = nft.commit(thirty_rules(), generation);
    ASSERT_FALSE(done) << "nothing was lost";
    EXPECT_EQ(done.error().kind, ErrorKind::kStale) << done.error().message();
    Nft another;
    EXPECT_EQ(another.rules(kForward).size(), 30U);
  });
}

TEST_F(NftLostAnswer, AcknowledgementsLostAndRefused_IsAnErrorAndChangesNothing) {
  in_new_namespace([] {
    Nft nft;
    nft.must_commit({AddTable{kTable}, AddChain{kForward, kForwardHook}});
    const auto generation = nft.observe().generation;
    auto batch = thirty_rules();
    batch.push_back(DeleteTable{{Family::kIp, "absent"}});
    shrink_receive_buffers();
    const auto done = nft.commit(batch, generation);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, ErrorKind::kKernel) << done.error().message();
    EXPECT_EQ(done.error().errnum, ENOBUFS) << "the refusal itself was lost";
    Nft another;
    EXPECT_TRUE(another.rules(kForward).empty());
  });
}

}  // namespace
}  // namespace smtpegress::nft
