// Which of Docker's networks a mail stack sends from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "docker/inventory.hpp"

namespace smtpegress::setup {

struct MailNetwork {
  docker::Network network;
  std::string stack;  ///< "mailu", "mailcow", "docker-mailserver", "mox"; "mail" where it is none of them
  std::string why;    ///< "container mailu-smtp-1"
};

/// Bridges with a way out that mail servers are on (Postfix, Haraka, …); where none is known, all of a mail stack's;
/// and where nothing of one runs, those that are named like one. By name.
[[nodiscard]] std::vector<MailNetwork> mail_networks(const docker::Inventory& inventory);

/// Containers that send mail from the host's own network, which no network of Docker's names.
[[nodiscard]] std::vector<std::string> mail_servers_on_host(const docker::Inventory& inventory);

/// "mailu" of "mailu_default"; empty where the words tell of no stack.
[[nodiscard]] std::string stack_named_in(std::string_view words);

}  // namespace smtpegress::setup
