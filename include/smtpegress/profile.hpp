// A profile: what a person wrote, checked. One profile is one side (home or VPS) of one mail stack.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtpegress/dns.hpp"
#include "smtpegress/mail_server.hpp"
#include "smtpegress/net_types.hpp"

namespace smtpegress {

enum class Side : std::uint8_t { kHome, kVps };

/// Which interfaces get loose reverse-path filtering (rp_filter=2).
enum class RpFilterScope : std::uint8_t {
  kAll,     ///< all, default, the tunnel and the sources' bridges, as the shell scripts did
  kTunnel,  ///< the tunnel alone, which is enough (FACTS 18)
};

/// As what the mail enters the tunnel.
enum class HomeNat : std::uint8_t {
  kPreserve,    ///< from the source's own address, which the VPS then has to know
  kMasquerade,  ///< from the tunnel's address: Docker has nothing against it, and nothing of Docker's is touched
};

/// By what the mail is told apart when it is routed.
enum class Steering : std::uint8_t {
  kMark,  ///< a packet mark, and its source beside it
  kRule,  ///< its source alone (FACTS 20): no mark, no change of rp_filter
};

/// How preserved addresses get past Docker's drop of what reaches a container by another interface than its bridge.
enum class DockerBypass : std::uint8_t {
  kAuto,       ///< by exception where that drop is iptables-nft's, by sidestep where it is nftables' or legacy's
  kException,  ///< a tagged rule at the head of `ip raw PREROUTING`
  kSidestep,   ///< replies bear another address while they pass it (FACTS 26b); no rule in a chain of Docker's
};

/// What may begin a connection with a source out of the tunnel.
enum class Inbound : std::uint8_t {
  kAny,        ///< whatever the host's own firewall lets in, as without us
  kPublished,  ///< only what this host publishes: what it gives to the source by translating the destination
};

/// Keys that are left open ("auto"): enable takes a value that is free on the host.
struct OpenKeys {
  bool mark = false;
  bool table = false;
  bool priority = false;
  [[nodiscard]] bool any() const noexcept { return mark || table || priority; }
  auto operator<=>(const OpenKeys&) const = default;
};

/// Networks of the mail stack, by a name that the host knows them by. Asked for anew at each enable.
struct NamedSource {
  enum class Kind : std::uint8_t {
    kDockerNetwork,  ///< a bridge network of Docker's: its subnets
    kInterface,      ///< an interface of the host's, a bridge of Incus's, say: the networks of its addresses
    kUser,           ///< a user of the host's (a name, a number, "*" for all): a HostSender
  };
  Kind kind = Kind::kDockerNetwork;
  std::string name;
  std::vector<IpAddress> addresses{};  ///< of kUser: the HostSender's; empty: the tunnel's, as enable finds them

  [[nodiscard]] std::string to_string() const;  ///< "docker network mailu_default"
  auto operator<=>(const NamedSource&) const = default;
};

/// Who on the home host itself sends mail: no container or VM, whose packets the host only forwards.
struct HostSender {
  enum class Who : std::uint8_t {
    kUser,       ///< processes of one user
    kEverybody,  ///< all processes: the whole host
    kAddress,    ///< whoever sends from one of the addresses
  };
  Who who = Who::kUser;
  std::uint32_t uid = 0;             ///< of kUser
  std::vector<IpAddress> addresses;  ///< as which the mail enters the tunnel; at least one, each once

  [[nodiscard]] std::string to_string() const;  ///< "user 997 as 10.0.1.2"
  auto operator<=>(const HostSender&) const = default;
};

/// One of several homes that send through the same VPS. What is absent is the profile's.
struct Tenant {
  std::string name;
  std::vector<Prefix> sources;  ///< of either family, none overlapping another tenant's
  std::optional<IfName> tunnel{};
  std::optional<IpAddress> public_ip{};
  std::optional<IpAddress> public_ip6{};

  auto operator<=>(const Tenant&) const = default;
};

/// A tunnel that this program makes between two addresses of a link whose ends route nothing further: Tailscale, or a
/// WireGuard whose AllowedIPs are not ours to set. Its interface is the profile's `tunnel`.
struct InnerTunnel {
  /// VXLAN is UDP: it passes where only tcp, udp and ICMP do (Tailscale's access rules, unless they say more), on one
  /// port that a firewall can name; it carries both families whatever the link's is, and leaves no further interface
  /// behind as loading the module ipip does (tunl0). IPIP needs 30 bytes less a packet.
  enum class Kind : std::uint8_t { kVxlan, kIpip };
  Kind kind = Kind::kVxlan;
  std::optional<IpAddress> local;  ///< absent: the link's own
  IpAddress remote;
  IfName link;
  /// VXLAN's UDP port at both ends. Not 4789: what comes to it from elsewhere is dropped, and another program's VXLANs
  /// must not be. Not assigned by IANA, and below the ephemeral ports (ip_local_port_range, Documentation/networking).
  std::uint16_t port = 25025;
  std::vector<IpAddress> addresses{};  ///< of the interface, one a family at most: what nat: masquerade leaves as
  auto operator<=>(const InnerTunnel&) const = default;
};

/// What the DNS is to say of the mail.
struct DnsExpectations {
  std::optional<DnsName> mail_name{};   ///< as what the mail server says EHLO; absent: not known here
  std::vector<DnsName> mail_domains{};  ///< what stands behind the '@' of senders
  std::vector<DnsName> blocklists{};    ///< zones in which the public address is looked up
  auto operator<=>(const DnsExpectations&) const = default;
};

/// What is said beside a profile's text, in place of its keys.
struct ProfileOverrides {
  std::vector<std::pair<std::string, std::string>> settings;  ///< key path -> value, as `--set` takes them
  [[nodiscard]] bool empty() const noexcept { return settings.empty(); }
  auto operator<=>(const ProfileOverrides&) const = default;
};

/// How a profile was asked for, so that a person can be told how to ask for it again.
struct Request {
  std::string instance{};  ///< a name, or an absolute path; empty: the profile's name
  ProfileOverrides overrides{};
  auto operator<=>(const Request&) const = default;
};

struct Profile {
  std::string name;  ///< the instance's name: letters, digits, '.', '_', '-'; at most 48 bytes
  std::string description;
  Side side = Side::kHome;
  IfName tunnel;
  /// Whose mail is forwarded; of either family, none overlapping another. Of a profile with tenants: all of theirs,
  /// sorted.
  std::vector<Prefix> sources;
  /// Home only. As written, their networks are not among `sources` yet; in an instance's record they are.
  std::vector<NamedSource> named_sources{};
  std::vector<HostSender> host_senders{};  ///< home only; those of named sources as with `sources`
  std::vector<PortRange> ports;
  Mark mark;  ///< home: what steers the flow; VPS: what the forward firewall admits

  std::optional<InnerTunnel> inner{};  ///< absent: the tunnel is made by others

  std::vector<MailServer> probe{};  ///< whom verify talks to; none: nobody, unless it is told to
  DnsExpectations dns{};            ///< looked up where verify is told to, and never else

  OpenKeys open{};  ///< their values are but those to begin to look at; none in the record of an instance

  // Home only.
  TableId table;
  RulePriority priority;
  RpFilterScope rp_filter = RpFilterScope::kAll;
  HomeNat nat = HomeNat::kPreserve;
  Steering steering = Steering::kMark;
  DockerBypass docker = DockerBypass::kAuto;
  Inbound inbound = Inbound::kAny;

  // VPS only.
  std::optional<IfName> wan;            ///< absent: the default route's interface
  std::optional<IpAddress> public_ip;   ///< IPv4; absent: that interface's address
  std::optional<IpAddress> public_ip6;  ///< IPv6; absent: that interface's address
  /// Those who share this VPS, each by a tunnel and a public address of its own; none: one home, whose `sources` are.
  std::vector<Tenant> tenants{};

  Request asked_for{};  ///< no part of its text

  [[nodiscard]] const std::optional<IpAddress>& public_address(IpFamily family) const {
    return family == IpFamily::kV4 ? public_ip : public_ip6;
  }

  auto operator<=>(const Profile&) const = default;
};

/// Parses and checks a profile. `origin` names it in messages. Every key is known or refused; the error names origin,
/// key and what would be right. Overrides are applied to the text before it is checked.
Result<Profile> parse_profile(std::string name, std::string_view origin, std::string_view json,
                              const ProfileOverrides& overrides = {});

/// One mistake in a profile.
struct ProfileMistake {
  std::string key;  ///< empty: of the text as a whole
  Error error;
};

/// All that is wrong with a profile: empty where parse_profile would return it, else that one's error first. What
/// cannot be judged while another mistake stands (how two keys go together, of which one is wrong) is left out.
std::vector<ProfileMistake> check_profile(std::string_view origin, std::string_view json,
                                          const ProfileOverrides& overrides = {});

/// The profile as JSON text that parse_profile reads back to an equal one.
[[nodiscard]] std::string profile_to_json(const Profile& profile);

/// "smtp-egress enable mailu-home --tunnel wg1": what gives this very profile again, but for its description. The name
/// alone would enable what the profile's file says, without what was said beside it. `without`: keys that the reader is
/// about to set otherwise.
[[nodiscard]] std::string enable_command(const Profile& profile, std::initializer_list<std::string_view> without = {});

/// Whether two profiles say the same, however they were asked for.
[[nodiscard]] bool say_the_same(const Profile& one, const Profile& other);

/// "mailu-home" of "mailu-home", of "./mailu-home.json" and of "/etc/smtp-egress/mailu-home.json".
[[nodiscard]] std::string instance_name(const std::string& instance);

/// An instance's name that may become a file's and a table's name, or an error that says why not.
Result<std::string> check_instance_name(std::string_view name);

}  // namespace smtpegress
