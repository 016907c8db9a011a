#include "netlink/conntrack_socket.hpp"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <array>
#include <cerrno>
#include <string>

#include "netlink/conntrack_codec.hpp"
#include "netlink/exchange.hpp"

namespace smtpegress::netlink {
namespace {

// A kernel without connection tracking says so in several ways: no nfnetlink (the first two, on opening), or nfnetlink
// without ctnetlink, which is EINVAL to a request that is well formed (nfnetlink_rcv_msg, net/netfilter/nfnetlink.c).
bool means_absent(int errnum) {
  return errnum == EPROTONOSUPPORT || errnum == ECONNREFUSED || errnum == EOPNOTSUPP || errnum == EINVAL;
}

std::unexpected<Error> refused(std::string operation, std::string object, Refusal refusal) {
  const bool denied = refusal.errnum == EPERM || refusal.errnum == EACCES;
  return system_error(std::move(operation), std::move(object), refusal.errnum, std::move(refusal.kernel_text),
                      denied ? "this needs CAP_NET_ADMIN; run it as root" : "");
}

std::string describe(const Flow& flow) {
  return flow.source.to_string() + ':' + std::to_string(flow.source_port) + " -> " + flow.destination.to_string() +
         ':' + std::to_string(flow.destination_port);
}

std::expected<Messages, Refusal> dump_flows(int fd, IpFamily family) {
  CtMessage filtered = encode_flow_dump(family, FlowFilter::kTcpInKernel);
  auto messages = dump(fd, filtered.header());
  if (!messages && (messages.error().errnum == EINVAL || messages.error().errnum == EOPNOTSUPP)) {
    CtMessage plain = encode_flow_dump(family, FlowFilter::kNone);
    return dump(fd, plain.header());
  }
  return messages;
}

}  // namespace

ConntrackSocket::ConntrackSocket(MnlSocket socket) : socket_(std::move(socket)) {}

Result<ConntrackSocket> ConntrackSocket::open() {
  MnlSocket socket(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC));
  const bool bound = socket != nullptr && mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) == 0;
  if (const int errnum = errno; !bound) {
    if (means_absent(errnum)) {
      return ConntrackSocket(nullptr);
    }
    return system_error("open", "ctnetlink socket", errnum);
  }
  if (const auto set = set_options(mnl_socket_get_fd(socket.get())); !set) {
    return system_error("open", "ctnetlink socket", set.error());
  }
  return ConntrackSocket(std::move(socket));
}

Result<std::vector<Flow>> ConntrackSocket::tcp_flows(IpFamily family) {
  std::vector<Flow> flows;
  if (!socket_) {
    return flows;
  }
  auto messages = dump_flows(mnl_socket_get_fd(socket_.get()), family);
  if (!messages) {
    if (means_absent(messages.error().errnum)) {
      return flows;
    }
    return refused("list", "tracked tcp flows", std::move(messages.error()));
  }
  for (const nlmsghdr* message : *messages) {
    auto flow = decode_flow(message);
    if (!flow) {
      return std::unexpected(std::move(flow.error()));
    }
    if (*flow) {
      flows.push_back(**flow);
    }
  }
  return flows;
}

Result<void> ConntrackSocket::delete_flow(const Flow& flow) {
  if (!socket_) {
    return {};
  }
  CtMessage request = encode_flow_delete(flow);
  auto done = ask(mnl_socket_get_fd(socket_.get()), request.header());
  if (!done && done.error().errnum != ENOENT) {
    return refused("delete tracked flow", describe(flow), std::move(done.error()));
  }
  return {};
}

}  // namespace smtpegress::netlink
