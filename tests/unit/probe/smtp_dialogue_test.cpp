// The conversation, without a socket: what it says to each kind of server, and what it keeps of what a hostile one
// sends.
#include "probe/smtp_dialogue.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace smtpegress::probe {
namespace {

using State = SmtpDialogue::State;
using End = SmtpDialogue::End;

constexpr std::string_view kBanner = "220 mx.example.org ESMTP\r\n";
constexpr std::string_view kPlain = "250 mx.example.org\r\n";
constexpr std::string_view kPipelining =
    "250-mx at your service, [203.0.113.10]\r\n250-SIZE 1000\r\n250 pipelining\r\n";

SmtpDialogue dialogue() {
  return {"home.example.net", true};
}

TEST(SmtpDialogue, WithoutPipelining_GreetsAndLeavesPolitely) {
  auto talk = dialogue();
  EXPECT_EQ(talk.take_output(), "");
  talk.receive(kBanner);
  EXPECT_EQ(talk.take_output(), "EHLO home.example.net\r\n");
  talk.receive(kPlain);
  EXPECT_EQ(talk.take_output(), "QUIT\r\n");
  EXPECT_EQ(talk.end(), End::kNone);
  talk.receive("221 2.0.0 Bye\r\n");
  EXPECT_EQ(talk.end(), End::kPolite);
  EXPECT_EQ(talk.large_write(), 0U);
}

TEST(SmtpDialogue, Pipelining_OneWriteLargerThanASegment_OfCommandsThatDeliverNothing) {
  auto talk = dialogue();
  talk.receive(kBanner);
  (void)talk.take_output();
  talk.receive(kPipelining);
  const auto sent = talk.take_output();
  EXPECT_GE(sent.size(), 1500U);
  EXPECT_EQ(talk.large_write(), sent.size());
  EXPECT_EQ(sent.find("RCPT"), std::string::npos);
  std::size_t lines = 0;
  for (std::size_t begin = 0; begin < sent.size(); ++lines) {
    const auto end = sent.find("\r\n", begin);
    ASSERT_NE(end, std::string::npos);
    EXPECT_LE(end + 2 - begin, 512U);
    begin = end + 2;
  }
  EXPECT_LT(lines, 20U) << "of twenty Exim counts ten that bring no mail, and hangs up";
  for (std::size_t i = 0; i < lines; ++i) {
    EXPECT_EQ(talk.large_arrived(), i != 0);
    EXPECT_EQ(talk.take_output(), "");
    talk.receive("250 2.0.0 Ok\r\n");
  }
  EXPECT_EQ(talk.take_output(), "QUIT\r\n");
}

TEST(SmtpDialogue, LargeWriteNotWanted_IsNotSent) {
  SmtpDialogue talk("x", false);
  talk.receive(kBanner);
  talk.receive(kPipelining);
  EXPECT_EQ(talk.take_output(), "EHLO x\r\nQUIT\r\n");
}

TEST(SmtpDialogue, GreetingThatTurnsAway_IsKept) {
  for (const auto& [banner, code] : {std::pair{"554-5.7.1 listed\r\n554 5.7.1 see https://x\r\n", 554},
                                     std::pair{"421 too many connections\r\n", 421}}) {
    auto talk = dialogue();
    talk.receive(banner);
    EXPECT_EQ(talk.end(), End::kTurnedAway);
    EXPECT_EQ(talk.banner().code, code);
    EXPECT_EQ(talk.take_output(), "QUIT\r\n");
  }
}

TEST(SmtpDialogue, EhloThatTurnsAway_IsKept) {
  auto talk = dialogue();
  talk.receive(kBanner);
  talk.receive("550 5.7.1 go away\n");
  EXPECT_EQ(talk.end(), End::kTurnedAway);
  EXPECT_EQ(talk.ehlo().to_string(), "550 5.7.1 go away");
}

TEST(SmtpDialogue, EhloUnknown_IsGreetedByHelo) {
  for (const auto* unknown : {"500 what?\r\n", "502 5.5.1 unrecognized\r\n", "504 no\r\n"}) {
    auto talk = dialogue();
    talk.receive(kBanner);
    (void)talk.take_output();
    talk.receive(unknown);
    EXPECT_EQ(talk.take_output(), "HELO home.example.net\r\n");
    EXPECT_EQ(talk.ehlo(), SmtpReply{}) << "it has not turned us away";
    talk.receive(kPipelining);
    EXPECT_EQ(talk.take_output(), "QUIT\r\n") << "HELO offers no extensions";
    talk.receive("221 bye\r\n");
    EXPECT_EQ(talk.end(), End::kPolite);
    EXPECT_TRUE(talk.knows_no_ehlo());
    EXPECT_EQ(talk.ehlo().code, 250);
  }
}

TEST(SmtpDialogue, HeloUnknownToo_TurnsAway) {
  auto talk = dialogue();
  talk.receive(kBanner);
  talk.receive("502 no\r\n502 never\r\n");
  EXPECT_EQ(talk.take_output(), "EHLO home.example.net\r\nHELO home.example.net\r\nQUIT\r\n");
  EXPECT_EQ(talk.end(), End::kTurnedAway);
  EXPECT_EQ(talk.ehlo().to_string(), "502 never");
}

TEST(SmtpDialogue, ClosedTooEarly_IsNoPoliteEnd) {
  auto talk = dialogue();
  talk.closed();
  EXPECT_EQ(talk.end(), End::kClosed);
  auto later = dialogue();
  later.receive(kBanner);
  later.receive(kPlain);
  later.closed();  // many do not wait to be answered
  EXPECT_EQ(later.end(), End::kPolite);
}

TEST(SmtpDialogue, WhatIsNoSmtp_EndsIt) {
  for (const std::string text : {"SSH-2.0-OpenSSH\r\n", "HTTP/1.1 400\r\n", "\r\n", "22\r\n", "120 x\r\n", "620 x\r\n",
                                 "220x\r\n", "220-a\r\n221 b\r\n"}) {
    auto talk = dialogue();
    talk.receive(text);
    EXPECT_EQ(talk.end(), End::kNoSmtp) << text;
    talk.receive(kBanner);
    EXPECT_EQ(talk.take_output(), "") << text;
  }
}

TEST(SmtpDialogue, WithoutEnd_IsCutOff) {
  auto one_line = dialogue();
  for (int i = 0; i < 100; ++i) {
    one_line.receive(std::string(100, 'x'));
  }
  EXPECT_EQ(one_line.end(), End::kNoSmtp);
  auto many_lines = dialogue();
  for (int i = 0; i < 10'000 && many_lines.state() != State::kEnded; ++i) {
    many_lines.receive("220-again\r\n");
  }
  EXPECT_EQ(many_lines.end(), End::kNoSmtp);
}

TEST(SmtpDialogue, ByteByByte_IsTheSame) {
  auto whole = dialogue();
  auto parts = dialogue();
  const auto text = std::string(kBanner) + std::string(kPipelining);
  whole.receive(text);
  for (const char c : text) {
    parts.receive(std::string_view(&c, 1));
  }
  EXPECT_EQ(whole.take_output(), parts.take_output());
  EXPECT_EQ(whole.ehlo(), parts.ehlo());
}

std::string told(std::string line) {
  std::string text;
  for (const auto& address : addresses_told({250, {std::move(line)}})) {
    text += (text.empty() ? "" : " ") + address.to_string();
  }
  return text;
}

TEST(AddressesTold, AsTheLargeProvidersWriteThem) {
  EXPECT_EQ(told("mx.google.com at your service, [203.0.113.10]"), "203.0.113.10");
  EXPECT_EQ(told("mx Hello home.example.net [203.0.113.10], pleased to meet you"), "203.0.113.10");
  EXPECT_EQ(told("mx Hello [192.168.203.10] [203.0.113.10]"), "192.168.203.10 203.0.113.10");
  EXPECT_EQ(told("mx at your service, [IPv6:2001:db8::10]"), "2001:db8::10");
  EXPECT_EQ(told("mx at your service, [2001:db8::10]"), "2001:db8::10");
  EXPECT_EQ(told("hello 203.0.113.10."), "203.0.113.10");
  EXPECT_EQ(told("mx-203.0.113.10.example.org"), "");
  EXPECT_EQ(told("mail.example.org"), "");
  EXPECT_EQ(told(""), "");
  EXPECT_TRUE(addresses_told({}).empty());
}

}  // namespace
}  // namespace smtpegress::probe
