// Datagrams as the kernel fills them, and as it does not: which messages are the answer, and when it is whole.
#include "netlink/answer_reader.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "codec/netlink_bytes.hpp"

namespace smtpegress::netlink {
namespace {

using test::ByteVector;
using test::raw;

constexpr std::uint32_t kSequence = 7;
constexpr std::uint16_t kType = 24;

ByteVector message(std::uint16_t type, unsigned flags, const ByteVector& payload = {},
                   std::uint32_t sequence = kSequence) {
  ByteVector bytes = raw(nlmsghdr{.nlmsg_len = static_cast<std::uint32_t>(sizeof(nlmsghdr) + payload.size()),
                                  .nlmsg_type = type,
                                  .nlmsg_flags = static_cast<std::uint16_t>(flags),
                                  .nlmsg_seq = sequence,
                                  .nlmsg_pid = 0});
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  bytes.resize((bytes.size() + 3) / 4 * 4);
  return bytes;
}

Datagram datagram(std::initializer_list<ByteVector> messages) {
  ByteVector bytes;
  for (const auto& one : messages) {
    bytes.insert(bytes.end(), one.begin(), one.end());
  }
  Datagram whole{.bytes = std::make_unique<std::uint8_t[]>(bytes.size()), .size = bytes.size()};
  std::ranges::copy(bytes, whole.bytes.get());
  return whole;
}

AnswerReader reader(unsigned flags) {
  nlmsghdr request{};
  request.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  request.nlmsg_seq = kSequence;
  return AnswerReader(&request);
}

auto size_of(const Messages& messages) {
  return std::distance(messages.begin(), messages.end());
}

TEST(AnswerReader, Dump_EndsWithDone) {
  auto dump = reader(NLM_F_DUMP);
  ASSERT_TRUE(dump.read(datagram({message(kType, NLM_F_MULTI), message(kType, NLM_F_MULTI, {1, 2, 3})})));
  EXPECT_FALSE(dump.done());
  ASSERT_TRUE(dump.read(datagram({message(kType, NLM_F_MULTI), message(NLMSG_DONE, NLM_F_MULTI, raw(0))})));
  EXPECT_TRUE(dump.done());
  EXPECT_FALSE(dump.torn());
  const auto messages = dump.take();
  EXPECT_EQ(size_of(messages), 3);
  EXPECT_EQ(messages.parts(), 2);
}

TEST(AnswerReader, AnswerToAnotherRequest_IsSkipped) {
  auto question = reader(0);
  ASSERT_TRUE(question.read(datagram({message(NLMSG_ERROR, 0, raw(-EPERM), kSequence - 1), message(kType, 0)})));
  EXPECT_TRUE(question.done());
  EXPECT_EQ(size_of(question.take()), 1);
}

TEST(AnswerReader, TornDump_SaysSo) {
  auto dump = reader(NLM_F_DUMP);
  ASSERT_TRUE(dump.read(datagram({message(kType, NLM_F_MULTI | NLM_F_DUMP_INTR)})));
  EXPECT_TRUE(dump.torn());
}

TEST(AnswerReader, Refusal_HasAPositiveNumberWhateverTheVerdict) {
  for (const auto& [verdict, errnum] :
       {std::pair{-EPERM, EPERM}, std::pair{std::numeric_limits<int>::min(), EBADMSG}}) {
    for (const std::uint16_t type : {std::uint16_t{NLMSG_ERROR}, std::uint16_t{NLMSG_DONE}}) {
      auto change = reader(NLM_F_ACK);
      const auto read = change.read(datagram({message(type, 0, raw(verdict))}));
      ASSERT_FALSE(read);
      EXPECT_EQ(read.error().errnum, errnum);
    }
  }
}

TEST(AnswerReader, WhatIsNoMessage_IsMalformed) {
  const auto cut = [](ByteVector bytes, std::size_t size) {
    bytes.resize(size);
    return bytes;
  };
  auto short_length = message(kType, 0);
  short_length[0] = sizeof(nlmsghdr) - 1;
  for (const auto& bytes : {ByteVector{0}, cut(message(kType, 0), sizeof(nlmsghdr) - 1),
                            cut(message(kType, 0, ByteVector(8)), sizeof(nlmsghdr) + 4), short_length}) {
    auto question = reader(0);
    const auto read = question.read(datagram({bytes}));
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().errnum, EBADMSG);
  }
}

}  // namespace
}  // namespace smtpegress::netlink
