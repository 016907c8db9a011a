// Every raw C handle of the netlink libraries, owned. Nothing else frees them.
#pragma once

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <netlink/msg.h>
#include <netlink/socket.h>

#include <memory>

namespace smtpegress::netlink {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* p) const noexcept {
    Free(p);
  }
};

using MnlSocket = std::unique_ptr<mnl_socket, Freed<mnl_socket_close>>;
using NlSocket = std::unique_ptr<nl_sock, Freed<nl_socket_free>>;
using NlMessage = std::unique_ptr<nl_msg, Freed<nlmsg_free>>;
using NftnlRule = std::unique_ptr<nftnl_rule, Freed<nftnl_rule_free>>;
using NftnlChain = std::unique_ptr<nftnl_chain, Freed<nftnl_chain_free>>;
using NftnlTable = std::unique_ptr<nftnl_table, Freed<nftnl_table_free>>;

}  // namespace smtpegress::netlink
