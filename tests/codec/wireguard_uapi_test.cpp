// The control socket's answer of a userspace WireGuard.
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "netlink/wireguard.hpp"
#include "netlink/wireguard_codec.hpp"

namespace smtpegress::netlink {
namespace {

// Not a key of anyone: bytes 0 to 31, and 31 to 0.
constexpr std::string_view kHexOne = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
constexpr std::string_view kBase64One = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
constexpr std::string_view kHexTwo = "1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100";
constexpr std::string_view kBase64Two = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";

IfName wg0() {
  return IfName::parse("wg0").value();
}

std::string peer(std::string_view hex, std::string_view lines = {}) {
  return "public_key=" + std::string(hex) + '\n' + std::string(lines);
}

Error error_of(std::string_view answer) {
  auto device = parse_uapi(wg0(), answer);
  EXPECT_FALSE(device) << answer;
  return device ? Error{} : device.error();
}

TEST(WireGuardUapi, Parse_WholeAnswer_HasEveryPeerInOrder) {
  const std::string answer = "private_key=" + std::string(kHexTwo) + "\nlisten_port=51820\nfwmark=25\n" +
                             peer(kHexOne, "preshared_key=" + std::string(64, '0') +
                                               "\nprotocol_version=1\nendpoint=203.0.113.10:51820\n"
                                               "last_handshake_time_sec=1700000000\nlast_handshake_time_nsec=5\n"
                                               "tx_bytes=1\nrx_bytes=2\npersistent_keepalive_interval=25\n"
                                               "allowed_ip=0.0.0.0/0\nallowed_ip=fd00::/64\n") +
                             peer(kHexTwo, "endpoint=[2001:db8::1]:51821\nallowed_ip=10.0.0.2/32\n") + "errno=0\n\n";
  const auto device = parse_uapi(wg0(), answer);
  ASSERT_TRUE(device) << device.error().message();
  EXPECT_EQ(device->name, wg0());
  EXPECT_EQ(device->fwmark, 25U);
  ASSERT_EQ(device->peers.size(), 2U);
  EXPECT_EQ(device->peers[0].public_key, kBase64One);
  EXPECT_EQ(device->peers[0].endpoint, "203.0.113.10:51820");
  EXPECT_EQ(device->peers[0].last_handshake, 1700000000);
  EXPECT_EQ(device->peers[0].keepalive, 25);
  EXPECT_EQ(device->peers[0].allowed_ips,
            (std::vector{Prefix::parse("0.0.0.0/0").value(), Prefix::parse("fd00::/64").value()}));
  EXPECT_EQ(device->peers[1].public_key, kBase64Two);
  EXPECT_EQ(device->peers[1].endpoint, "[2001:db8::1]:51821");
  EXPECT_EQ(device->peers[1].last_handshake, 0);
  EXPECT_EQ(device->peers[1].keepalive, 0);
}

TEST(WireGuardUapi, Parse_PrivateKey_IsToldAsThePublicOne) {
  // A pair of wg(8)'s, made for this test and used nowhere.
  const std::string secret = "c8432e99b460c1e1f8d87079f170c98bc31e702b3841d0900e13ae4695b3b54e";
  const auto device = parse_uapi(wg0(), "private_key=" + secret + "\nlisten_port=51820\nerrno=0\n\n");
  ASSERT_TRUE(device);
  EXPECT_EQ(device->public_key, "vS3OdoMzrO/93mMITWAh120p4XILUDETk0xsvLJb2H8=");
  EXPECT_EQ(device->listen_port, 51820);
  const auto none = parse_uapi(wg0(), "private_key=" + std::string(64, '0') + "\nerrno=0\n\n");
  ASSERT_TRUE(none);
  EXPECT_EQ(none->public_key, "");
  const auto half = error_of("private_key=" + secret.substr(1) + "\nerrno=0\n\n");
  EXPECT_NE(half.hint.find("'private_key'"), std::string::npos);
  EXPECT_EQ(half.message().find(secret.substr(1, 8)), std::string::npos);
  EXPECT_NE(error_of("listen_port=65536\nerrno=0\n\n").hint.find("'listen_port'"), std::string::npos);
}

TEST(WireGuardUapi, Parse_NoPeers_IsADeviceWithNone) {
  EXPECT_TRUE(parse_uapi(wg0(), "errno=0\n\n").value().peers.empty());
  EXPECT_TRUE(parse_uapi(wg0(), "listen_port=1\nerrno=0\n\n").value().peers.empty());
}

TEST(WireGuardUapi, Parse_UnknownKeys_AreTolerated) {
  const auto device = parse_uapi(wg0(), "of_the_future=1\n" + peer(kHexOne, "junk_packet_count=4\n") + "errno=0\n\n");
  ASSERT_TRUE(device);
  EXPECT_EQ(device->peers.size(), 1U);
}

TEST(WireGuardUapi, Parse_Errno_IsThatError) {
  EXPECT_EQ(error_of("errno=19\n\n").errnum, ENODEV);
  EXPECT_EQ(error_of("errno=-5\n\n").errnum, EIO);  // wireguard-go's are negative
  EXPECT_EQ(error_of("errno=-1\n\n").kind, ErrorKind::kPermission);
  EXPECT_NE(error_of("errno=x\n\n").hint.find("'errno'"), std::string::npos);
  EXPECT_EQ(error_of("errno=-2147483648\n\n").errnum, EBADMSG);
}

TEST(WireGuardUapi, Parse_EveryTruncation_IsAnError) {
  const std::string answer = "listen_port=51820\n" + peer(kHexOne, "allowed_ip=10.0.0.0/8\n") + "errno=0\n";
  ASSERT_TRUE(parse_uapi(wg0(), answer));
  for (std::size_t length = 0; length < answer.size(); ++length) {
    EXPECT_EQ(error_of(answer.substr(0, length)).errnum, EBADMSG) << length;
  }
}

struct Malformed {
  std::string key;
  std::string value;
};
void PrintTo(const Malformed& m, std::ostream* stream) {
  *stream << m.key << '=' << m.value;
}

class WireGuardUapiMalformed : public testing::TestWithParam<Malformed> {};

TEST_P(WireGuardUapiMalformed, Parse_KnownKey_IsAnErrorThatNamesIt) {
  const auto error = error_of(peer(kHexOne) + GetParam().key + '=' + GetParam().value + "\nerrno=0\n\n");
  EXPECT_EQ(error.errnum, EBADMSG);
  EXPECT_NE(error.message().find('\'' + GetParam().key + '\''), std::string::npos) << error.message();
  EXPECT_NE(error.message().find("wg0"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    All, WireGuardUapiMalformed,
    testing::Values(
        Malformed{"public_key", ""}, Malformed{"public_key", std::string(63, 'a')},
        Malformed{"public_key", std::string(65, 'a')}, Malformed{"public_key", std::string(64, 'g')},
        Malformed{"public_key", "0x" + std::string(62, 'a')}, Malformed{"public_key", " f" + std::string(62, 'a')},
        Malformed{"public_key", "-f" + std::string(62, 'a')}, Malformed{"allowed_ip", "10.0.0.0/33"},
        Malformed{"allowed_ip", "banana"}, Malformed{"allowed_ip", ""}, Malformed{"endpoint", ""},
        Malformed{"persistent_keepalive_interval", "65536"}, Malformed{"persistent_keepalive_interval", "-1"},
        Malformed{"persistent_keepalive_interval", "25s"}, Malformed{"last_handshake_time_sec", "-1"},
        Malformed{"last_handshake_time_sec", "99999999999999999999"}, Malformed{"last_handshake_time_sec", ""}));

TEST(WireGuardUapi, Parse_PeerKeyBeforeAnyPeer_IsAnError) {
  EXPECT_NE(error_of("allowed_ip=10.0.0.0/8\nerrno=0\n\n").hint.find("'allowed_ip'"), std::string::npos);
}

TEST(WireGuardUapi, Parse_Garbage_IsAnErrorAndIsNotQuoted) {
  EXPECT_EQ(error_of("HTTP/1.1 400 Bad Request\r\n\r\n").errnum, EBADMSG);
  EXPECT_EQ(error_of("\n").errnum, EBADMSG);
  EXPECT_EQ(error_of(std::string("\0\xff\n", 3)).errnum, EBADMSG);
  EXPECT_EQ(error_of(std::string(100000, '=')).errnum, EBADMSG);
  const auto error = error_of("private_key_of_another_form:" + std::string(kHexOne) + "\nerrno=0\n\n");
  EXPECT_EQ(error.message().find(kHexOne), std::string::npos) << "a private key must not reach a log";
}

TEST(WireGuardUapi, Base64_EachLength_IsPadded) {
  const auto text = [](std::string_view plain) {
    return base64(std::span(reinterpret_cast<const std::uint8_t*>(plain.data()), plain.size()));
  };
  EXPECT_EQ(text(""), "");  // RFC 4648, section 10
  EXPECT_EQ(text("f"), "Zg==");
  EXPECT_EQ(text("fo"), "Zm8=");
  EXPECT_EQ(text("foo"), "Zm9v");
  EXPECT_EQ(text("foobar"), "Zm9vYmFy");
  EXPECT_EQ(text("\xff\xef\xbe"), "/+++");
}

}  // namespace
}  // namespace smtpegress::netlink
