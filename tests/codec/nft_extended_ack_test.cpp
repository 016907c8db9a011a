// The kernel's own words behind an NLMSG_ERROR.
#include <gtest/gtest.h>

#include "codec/netlink_bytes.hpp"
#include "netlink/extended_ack.hpp"

namespace smtpegress::netlink {
namespace {

using test::ByteVector;
using test::raw;
using test::RawMessage;

/// An error about a request of `request_length` bytes, echoed or not.
RawMessage error_message(std::uint32_t request_length, const ByteVector& echoed = {}) {
  nlmsgerr error{};
  error.error = -2;
  error.msg.nlmsg_len = request_length;
  auto body = raw(error);
  body.insert(body.end(), echoed.begin(), echoed.end());
  return RawMessage(NLMSG_ERROR, body);
}

std::string text_of(RawMessage message, unsigned flags) {
  auto* header = const_cast<nlmsghdr*>(message.message());  // NOLINT: a test's own buffer
  header->nlmsg_flags = static_cast<std::uint16_t>(flags);
  return extended_ack_text(header);
}

TEST(ExtendedAck, Text_IsFound) {
  auto message = error_message(sizeof(nlmsghdr));
  message.value<std::uint32_t>(NLMSGERR_ATTR_OFFS, 20).text(NLMSGERR_ATTR_MSG, "Chain is not empty");
  EXPECT_EQ(text_of(message, NLM_F_ACK_TLVS), "Chain is not empty");
}

TEST(ExtendedAck, CappedError_EchoesNothing) {  // the length of the request is told all the same
  auto message = error_message(500);
  message.text(NLMSGERR_ATTR_MSG, "No");
  EXPECT_EQ(text_of(message, NLM_F_ACK_TLVS | NLM_F_CAPPED), "No");
}

TEST(ExtendedAck, EchoedRequest_IsSkipped) {
  auto message = error_message(sizeof(nlmsghdr) + 8, {8, 0, 1, 0, 'n', 'o', 't', 0});
  message.text(NLMSGERR_ATTR_MSG, "this");
  EXPECT_EQ(text_of(message, NLM_F_ACK_TLVS), "this");
}

TEST(ExtendedAck, WithoutText_IsEmpty) {
  EXPECT_EQ(text_of(error_message(sizeof(nlmsghdr)), NLM_F_ACK_TLVS), "");
  EXPECT_EQ(text_of(error_message(sizeof(nlmsghdr)), 0), "");
}

TEST(ExtendedAck, LengthBeyondTheMessage_IsEmpty) {
  auto message = error_message(0xffffffff);
  message.text(NLMSGERR_ATTR_MSG, "No");
  EXPECT_EQ(text_of(message, NLM_F_ACK_TLVS), "");
}

}  // namespace
}  // namespace smtpegress::netlink
