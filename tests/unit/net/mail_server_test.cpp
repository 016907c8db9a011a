#include "smtpegress/mail_server.hpp"

#include <gtest/gtest.h>

#include "smtpegress/probe.hpp"

namespace smtpegress {
namespace {

TEST(MailServer, NamesAndAddresses_WithAndWithoutPort) {
  const auto written = [](std::string_view text) { return MailServer::parse(text).value().to_string(); };
  for (const auto* same : {"mx.example.org", "mx.example.org:2525", "192.0.2.25", "192.0.2.25:25", "2001:db8::25",
                           "[2001:db8::25]:25", "mx", "mx.example.org."}) {
    EXPECT_EQ(written(same), same);
  }
  EXPECT_EQ(written("[2001:db8::25]"), "2001:db8::25");
  EXPECT_EQ(MailServer::parse("mx:25")->port, 25);
}

TEST(MailServer, WhatIsNone_IsRefused) {
  for (const auto* text :
       {"", ":25", "mx:", "mx:0", "mx:65536", "mx:25-26", "a b", "-x", "a..b", ".", "192.0.2", "[mx]", "[192.0.2.25",
        "[192.0.2.25]", "[2001:db8::25]25", "2001:db8::25:x", "mx/25", "mx\n"}) {
    const auto server = MailServer::parse(text);
    ASSERT_FALSE(server) << text;
    EXPECT_EQ(server.error().kind, ErrorKind::kUsage);
  }
}

TEST(SmtpReply, IsPrintable) {
  EXPECT_EQ((SmtpReply{554, {"first", "no\x1b[2J\xc2\x9b"}}.to_string()), "554 no\\x1b[2J\\xc2\\x9b");
  EXPECT_EQ(SmtpReply{}.to_string(), "nothing");
}

TEST(HopTrace, TheLastHopIsTheLastThatTells) {
  HopTrace trace;
  EXPECT_EQ(trace.last_hop(), 0);
  trace.hops = {{1, {}}, {3, {}}};
  EXPECT_EQ(trace.last_hop(), 3);
}

}  // namespace
}  // namespace smtpegress
