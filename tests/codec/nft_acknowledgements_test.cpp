// Answers to a batch as the kernel sends them, and as it does not: what is counted, and which failure is told.
#include "netlink/nft_acknowledgements.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <limits>

#include "codec/netlink_bytes.hpp"

namespace smtpegress::netlink {
namespace {

using test::ByteVector;
using test::raw;

constexpr std::uint32_t kFirst = 0x80000000;
constexpr std::size_t kSteps = 3;

/// The answer to the message with number kFirst + place: 0 begins the batch, then come the steps, then its end.
ByteVector answer(std::uint32_t place, int verdict, std::string_view words = {}) {
  test::RawMessage message(NLMSG_ERROR, raw(nlmsgerr{.error = verdict, .msg = {}}));
  if (!words.empty()) {
    message.text(NLMSGERR_ATTR_MSG, words);
  }
  auto header = *message.message();
  header.nlmsg_flags = words.empty() ? NLM_F_CAPPED : NLM_F_CAPPED | NLM_F_ACK_TLVS;
  header.nlmsg_seq = kFirst + place;
  auto bytes = raw(header);
  const auto payload = message.payload();
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return bytes;
}

Acknowledgements reading(std::initializer_list<ByteVector> answers, std::size_t steps = kSteps) {
  Acknowledgements acks(kFirst, steps);
  for (const auto& bytes : answers) {
    acks.read(bytes);
  }
  return acks;
}

BatchFailure at(std::size_t step, int errnum, std::string words = {}) {
  return {.step = step, .errnum = errnum, .kernel_text = std::move(words)};
}

BatchFailure of_the_batch(int errnum) {
  return {.step = std::nullopt, .errnum = errnum, .kernel_text = {}};
}

TEST(Acknowledgements, EveryStepAnswered_IsComplete) {
  EXPECT_FALSE(reading({answer(1, 0), answer(2, 0)}).complete());
  const auto all = reading({answer(1, 0), answer(2, 0), answer(3, 0)});
  EXPECT_TRUE(all.complete());
  EXPECT_FALSE(all.failure());
  EXPECT_TRUE(reading({}, 0).complete());
}

TEST(Acknowledgements, SeveralInOneDatagram_AreAllRead) {
  auto datagram = answer(1, 0);
  for (const auto& more : {answer(2, -ENOENT, "no such chain"), answer(3, 0)}) {
    datagram.insert(datagram.end(), more.begin(), more.end());
  }
  const auto acks = reading({datagram});
  EXPECT_TRUE(acks.complete());
  EXPECT_EQ(acks.failure(), at(1, ENOENT, "no such chain"));
}

TEST(Acknowledgements, OneStepAnsweredTwice_IsCountedOnce) {
  EXPECT_FALSE(reading({answer(1, 0), answer(1, 0), answer(2, 0)}).complete());
}

TEST(Acknowledgements, AnswersToAnother_ArePassedOver) {
  const auto acks = reading({answer(kSteps + 2, -EPERM), answer(static_cast<std::uint32_t>(-1), -EPERM)});
  EXPECT_FALSE(acks.complete());
  EXPECT_FALSE(acks.failure());
}

TEST(Acknowledgements, FirstFailure_IsTheOneTold) {
  const auto acks = reading({answer(2, -EEXIST), answer(1, -ENOENT), answer(0, -EINVAL)});
  EXPECT_EQ(acks.failure(), at(1, EEXIST));
}

TEST(Acknowledgements, RefusedAsAWhole_NamesNoStep) {
  EXPECT_EQ(reading({answer(0, -ERESTART)}).failure(), of_the_batch(ERESTART));
  EXPECT_EQ(reading({answer(kSteps + 1, -EINVAL)}).failure(), of_the_batch(EINVAL));
  EXPECT_FALSE(reading({answer(0, -ERESTART)}).complete());
}

TEST(Acknowledgements, VerdictThatCannotBeRead_IsAFailure) {
  EXPECT_EQ(reading({answer(1, std::numeric_limits<int>::min())}).failure(), at(0, EBADMSG));
  auto short_one = answer(1, 0);
  short_one.resize(sizeof(nlmsghdr));
  short_one[0] = sizeof(nlmsghdr);
  EXPECT_EQ(reading({short_one}).failure(), at(0, EBADMSG));
}

TEST(Acknowledgements, WhatIsNoAnswer_IsPassedOver) {
  auto other_type = answer(1, -EPERM);
  other_type[offsetof(nlmsghdr, nlmsg_type)] = NLMSG_NOOP;
  auto too_long = answer(1, -EPERM);
  too_long[0] += 1;
  auto too_short = answer(1, -EPERM);
  too_short[0] = sizeof(nlmsghdr) - 1;
  const auto acks = reading({other_type, too_long, too_short, ByteVector(sizeof(nlmsghdr) - 1), {}});
  EXPECT_FALSE(acks.failure());
  EXPECT_FALSE(acks.complete());
}

}  // namespace
}  // namespace smtpegress::netlink
