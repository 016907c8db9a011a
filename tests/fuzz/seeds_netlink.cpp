// Flows, WireGuard's peers, errors, and whole datagrams.
#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/wireguard.h>
#include <sys/socket.h>

#include "fuzz/datagrams.hpp"
#include "fuzz/seeds.hpp"

namespace smtpegress::fuzz {
namespace {

Octets tuple(const Octets& source, const Octets& destination, std::uint16_t from, std::uint16_t to,
             std::uint8_t protocol) {
  const bool v4 = source.size() == 4;
  return joined({attribute(CTA_TUPLE_IP, joined({attribute(v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, source),
                                                 attribute(v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, destination)})),
                 attribute(CTA_TUPLE_PROTO, joined({attribute(CTA_PROTO_NUM, octets(protocol)),
                                                    attribute(CTA_PROTO_SRC_PORT, octets(htons(from))),
                                                    attribute(CTA_PROTO_DST_PORT, octets(htons(to)))}))});
}

void add_flows(Seeds& seeds) {
  const nfgenmsg header{.nfgen_family = AF_INET, .version = NFNETLINK_V0, .res_id = 0};
  const Octets id = attribute(CTA_ID, octets(std::uint32_t{0x04030201}));
  seeds.add("conntrack",
            joined({octets(header), attribute(CTA_TUPLE_ORIG, tuple({172, 22, 1, 10}, {203, 0, 113, 25}, 40000, 25, 6)),
                    attribute(CTA_TUPLE_REPLY, tuple({203, 0, 113, 25}, {10, 0, 1, 2}, 25, 40001, 6)), id,
                    attribute(CTA_ZONE, octets(htons(3))), attribute(CTA_STATUS, Octets{0, 0, 0, 8})}));
  seeds.add("conntrack",
            joined({octets(header), attribute(CTA_TUPLE_ORIG, tuple(Octets(16, 1), Octets(16, 2), 1, 25, 6)),
                    attribute(CTA_TUPLE_REPLY, tuple(Octets(16, 2), Octets(16, 1), 25, 1, 6)), id}));
  seeds.add("conntrack",
            joined({octets(header), attribute(CTA_TUPLE_ORIG, tuple({10, 0, 0, 1}, {10, 0, 0, 2}, 53, 53, 17)), id}));
}

/// A chain's first event, with headers; a drop by a policy.
void add_traces(Seeds& seeds) {
  const nfgenmsg header{.nfgen_family = AF_INET, .version = NFNETLINK_V0, .res_id = 0};
  const auto number = [](std::uint16_t type, std::uint32_t value) { return attribute(type, octets(htonl(value))); };
  const auto named =
      joined({octets(header), attribute(NFTA_TRACE_TABLE, octets(std::string_view("filter\0", 7))),
              attribute(NFTA_TRACE_CHAIN, octets(std::string_view("FORWARD\0", 8))), number(NFTA_TRACE_ID, 7)});
  Octets network(20);
  network[0] = 0x45;
  network[9] = 6;
  seeds.add("trace", joined({named, number(NFTA_TRACE_TYPE, NFT_TRACETYPE_RULE),
                             attribute(NFTA_TRACE_RULE_HANDLE, Octets{0, 0, 0, 0, 0, 0, 0, 11}),
                             attribute(NFTA_TRACE_VERDICT, joined({number(NFTA_VERDICT_CODE, 0xfffffffd),
                                                                   attribute(NFTA_VERDICT_CHAIN, octets("x"))})),
                             number(NFTA_TRACE_IIF, 3), number(NFTA_TRACE_OIF, 6), number(NFTA_TRACE_MARK, 0x19),
                             attribute(NFTA_TRACE_NETWORK_HEADER, network),
                             attribute(NFTA_TRACE_TRANSPORT_HEADER, Octets(20, 2)), number(21, 8)}));
  seeds.add("trace", joined({named, number(NFTA_TRACE_TYPE, NFT_TRACETYPE_POLICY), number(NFTA_TRACE_POLICY, 0)}));
}

Octets allowed_ip(const Octets& address, std::uint8_t length) {
  const std::uint16_t family = address.size() == 4 ? AF_INET : AF_INET6;
  return attribute(NLA_F_NESTED,
                   joined({attribute(WGALLOWEDIP_A_FAMILY, octets(family)), attribute(WGALLOWEDIP_A_IPADDR, address),
                           attribute(WGALLOWEDIP_A_CIDR_MASK, octets(length))}));
}

void add_peers(Seeds& seeds) {
  const genlmsghdr header{.cmd = WG_CMD_GET_DEVICE, .version = WG_GENL_VERSION, .reserved = 0};
  const Octets endpoint{2, 0, 0xca, 0x6c, 203, 0, 113, 10, 0, 0, 0, 0, 0, 0, 0, 0};
  Octets endpoint6(28);
  endpoint6[0] = AF_INET6;
  const Octets first = joined(
      {attribute(WGPEER_A_PUBLIC_KEY, Octets(32, 1)), attribute(WGPEER_A_ENDPOINT, endpoint),
       attribute(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, Octets{25, 0}),
       attribute(WGPEER_A_LAST_HANDSHAKE_TIME, joined({octets(std::int64_t{1700000000}), octets(std::int64_t{1})})),
       attribute(WGPEER_A_ALLOWEDIPS, joined({allowed_ip({0, 0, 0, 0}, 0), allowed_ip(Octets(16), 0)}))});
  const Octets second = joined({attribute(WGPEER_A_PUBLIC_KEY, Octets(32, 2)), attribute(WGPEER_A_ENDPOINT, endpoint6),
                                attribute(WGPEER_A_ALLOWEDIPS, allowed_ip({10, 0, 1, 2}, 32))});
  const Octets name = attribute(WGDEVICE_A_IFNAME, Octets{'w', 'g', '0', 0});
  seeds.add(
      "wireguard",
      joined({octets(header), name,
              attribute(WGDEVICE_A_PEERS, joined({attribute(NLA_F_NESTED, first), attribute(NLA_F_NESTED, second)}))}));
  seeds.add("wireguard", joined({octets(genlmsghdr{.cmd = CTRL_CMD_NEWFAMILY, .version = 2, .reserved = 0}),
                                 attribute(CTRL_ATTR_FAMILY_ID, Octets{30, 0}),
                                 attribute(CTRL_ATTR_FAMILY_NAME, Octets{'w', 'g', 0})}));
}

constexpr std::uint32_t kSequence = 7;        // as in datagram.cpp
constexpr std::uint32_t kBatch = 0x80000000;  // as in nft_acknowledgements.cpp

Octets message(std::uint16_t type, unsigned flags, const Octets& payload) {
  return whole_message(type, flags, kSequence, payload);
}

Octets error_of(int verdict) {
  nlmsgerr error{};
  error.error = -verdict;
  error.msg.nlmsg_len = 36;
  const Octets words{'n', 'o', ' ', 's', 'u', 'c', 'h', 0};
  return joined({octets(error), attribute(NLMSGERR_ATTR_MSG, words), attribute(NLMSGERR_ATTR_OFFS, Octets(4))});
}

void add_datagrams(Seeds& seeds) {
  seeds.add("extended_ack", error_of(EINVAL));
  seeds.add("extended_ack", joined({error_of(EPERM), Octets(40, 1)}));
  const Octets part = message(24, NLM_F_MULTI, Octets(20));
  const Octets done = message(NLMSG_DONE, NLM_F_MULTI, Octets(4));
  const Octets refusal = message(NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, error_of(EINVAL));
  for (const std::uint8_t kind : {std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{2}}) {
    for (const auto& answer :
         {joined({part, part, done}), joined({part, message(24, NLM_F_MULTI | NLM_F_DUMP_INTR, {}), done, part}),
          refusal, message(NLMSG_ERROR, 0, octets(nlmsgerr{})), message(24, 0, Octets(8)),
          joined({message(NLMSG_NOOP, 0, {}), message(NLMSG_OVERRUN, 0, {})})}) {
      Octets input{kind};
      input.insert(input.end(), answer.begin(), answer.end());
      seeds.add("datagram", input);
    }
  }
}

/// Three steps, each answered by its number; then refusals of a step, of the batch, and of another's.
void add_answers_to_a_batch(Seeds& seeds) {
  const auto answer = [](std::uint32_t place, int verdict) {
    return verdict == 0 ? whole_message(NLMSG_ERROR, NLM_F_CAPPED, kBatch + place, octets(nlmsgerr{}))
                        : whole_message(NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, kBatch + place, error_of(verdict));
  };
  for (const auto& answers :
       {joined({answer(1, 0), answer(2, 0), answer(3, 0)}),
        joined({answer(1, 0), answer(2, ENOENT), answer(3, EEXIST)}), answer(0, ERESTART),
        joined({answer(1, 0), answer(2, 0), answer(3, 0), answer(4, EINVAL)}),
        joined({answer(1, 0), answer(1, 0), answer(7, EPERM), message(NLMSG_DONE, 0, Octets(4))})}) {
    Octets input{3};
    input.insert(input.end(), answers.begin(), answers.end());
    seeds.add("nft_acknowledgements", input);
  }
}

}  // namespace

void add_other_netlink_seeds(Seeds& seeds) {
  add_flows(seeds);
  add_traces(seeds);
  add_peers(seeds);
  add_datagrams(seeds);
  add_answers_to_a_batch(seeds);
}

}  // namespace smtpegress::fuzz
