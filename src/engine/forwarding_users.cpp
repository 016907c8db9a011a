#include "engine/forwarding_users.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "model/docker.hpp"
#include "model/families.hpp"
#include "model/ownership.hpp"

namespace smtpegress {
namespace {

/// Of what the decoder leaves opaque, going by the name that it gives; a `nat` may be a DNAT as well.
bool translates_source(const nft::Statement& statement) {
  if (const auto* opaque = std::get_if<nft::StatementOpaque>(&statement); opaque != nullptr) {
    return opaque->what == "masquerade" || opaque->what == "xt MASQUERADE" || opaque->what == "xt SNAT";
  }
  return std::holds_alternative<nft::Masquerade>(statement) || std::holds_alternative<nft::Snat>(statement);
}

/// Names of chains are any bytes; the state file is JSON.
std::string ascii(std::string_view text) {
  std::string shown;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    shown += byte < ' ' || byte > '~' ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return shown;
}

}  // namespace

bool docker_forwards(const nft::Ruleset& ruleset, IpFamily family) {
  const auto tables = traits_of(family).tables;
  return ruleset.has({tables, std::string(kDockerBridges)}) || ruleset.find({{tables, "nat"}, "DOCKER"}) != nullptr;
}

std::vector<std::string> source_translations(const nft::Ruleset& ruleset, IpFamily family) {
  std::vector<std::string> lines;
  for (const auto& chain : ruleset.chains) {
    if (is_own_table(chain.key.table) || !sees(chain.key.table.family, family)) {
      continue;
    }
    for (const auto& observed : chain.rules) {
      if (std::ranges::any_of(observed.rule.statements, translates_source)) {
        lines.push_back(ascii(fmt::format("{}: {}", nft::to_string(chain.key), nft::to_string(observed.rule))));
      }
    }
  }
  std::ranges::sort(lines);
  return lines;
}

}  // namespace smtpegress
