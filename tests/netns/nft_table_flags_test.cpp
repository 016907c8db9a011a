// Tables that are put to sleep, by nft and by us.
#include <gtest/gtest.h>

#include "netns/nft_namespace.hpp"

namespace smtpegress::nft {
namespace {

using test::in_new_namespace;
using test::must_run;
using test::Nft;

class NftTableFlags : public test::NamespaceTest {};

const TableKey kTable{Family::kInet, "smtp-egress"};
const ChainKey kForward{kTable, "forward"};
const Rule kRule{{}, {Counter{}, Verdict{}}, {}};

TEST_F(NftTableFlags, Dormant_IsSeenAndWokenTogetherWithItsChains) {
  in_new_namespace([] {
    Nft nft;
    nft.must_commit(
        {AddTable{kTable}, AddChain{kForward, {ChainType::kFilter, Hook::kForward, -150, Policy::kAccept}}});
    EXPECT_FALSE(nft.observe().is_dormant(kTable));
    must_run("nft 'add table inet smtp-egress { flags dormant; }'");
    EXPECT_TRUE(nft.observe().is_dormant(kTable));
    nft.must_commit({AddTable{kTable}, FlushChain{kForward}, AppendRule{kForward, kRule}});
    EXPECT_FALSE(nft.observe().is_dormant(kTable));
    EXPECT_EQ(nft.rules(kForward), std::vector{kRule});
    nft.must_commit({AddTable{kTable, true}});
    EXPECT_TRUE(nft.observe().is_dormant(kTable));
  });
}

}  // namespace
}  // namespace smtpegress::nft
