// What a text that is given to strangers must not tell: keys, public addresses, names of machines. Each is replaced by
// a word in braces, the same one wherever it stands, so that a reader still sees which two are one: {public4-1},
// {key-2}. What tells nobody apart stays: private addresses, names of interfaces and chains (but for an Ethernet
// address that an interface is called after).
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "smtpegress/net_types.hpp"

namespace smtpegress::report {

/// Could somebody be told by it? Not by a private, link-local or loopback address, nor by one that no host has (this
/// network, multicast, netmasks). By one where replies to a source sidestep Docker: all but four bits are the source's.
/// What is for documentation alone is masked as well: no host has it in earnest, so that a reader loses nothing, and a
/// test's addresses are treated as real ones.
[[nodiscard]] bool tells_of_somebody(const IpAddress& address);

/// A network whose addresses keep their togetherness: {source6-1} itself, {source6-1-host-1} one in it.
struct NamedNetwork {
  Prefix network;
  std::string name;
};

/// What is known beforehand, beside what anybody can tell by its looks.
struct Familiar {
  std::vector<NamedNetwork> networks{};
  std::vector<IpAddress> own{};                ///< this host's: {own4-1} and not {public4-1}
  std::map<std::string, std::string> names{};  ///< lower-case -> its kind: "mx.example.org" -> "server"
  std::vector<Prefix> of_nobody{};             ///< stay: where the replies to private sources sidestep Docker
  std::set<std::string> kept{};                ///< lower-case; stay, whose name it may be as well: interfaces', say
};

class Masker {
 public:
  explicit Masker(Familiar familiar = {}) : familiar_(std::move(familiar)) {}

  /// `text` with nothing in it that tells of somebody. What has been met in an earlier text keeps its word.
  std::string mask(std::string_view text);

 private:
  /// The part of a text at `at`, behind the character `before`, that is to be replaced, and by what. An empty word: it
  /// stays as it is.
  struct Found {
    std::size_t length = 0;
    std::string word;
  };
  std::string mask_once(std::string_view text);
  using Finder = Found (Masker::*)(std::string_view text, std::size_t at, char before);

  Found key_at(std::string_view text, std::size_t at, char before);
  Found name_at(std::string_view text, std::size_t at, char before);
  Found mac_at(std::string_view text, std::size_t at, char before);
  Found interface_at(std::string_view text, std::size_t at, char before);
  Found ipv6_at(std::string_view text, std::size_t at, char before);
  Found ipv4_at(std::string_view text, std::size_t at, char before);

  /// Of a name that is known, or that ends in a known one of several labels; empty: it is neither.
  std::string word_for_name(const std::string& name);
  /// Of an address that ends at `end` of `text`, where a prefix length may follow.
  std::string word_for(const IpAddress& address, std::string_view text, std::size_t end);
  /// "{kind-N}": the N-th of its kind, by the order in which they were met.
  std::string word_for(const std::string& kind, const std::string& what);

  Familiar familiar_;
  std::map<std::pair<std::string, std::string>, std::string> words_;  ///< kind and what it stands for -> word
  std::map<std::string, std::size_t> counts_;                         ///< by kind
};

}  // namespace smtpegress::report
