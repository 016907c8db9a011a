#include "setup/descriptor.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "model/families.hpp"
#include "model/host_addresses.hpp"
#include "model/host_senders.hpp"
#include "model/profile_document.hpp"
#include "net/contains.hpp"

namespace smtpegress::setup {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kOperation = "read descriptor";
constexpr const char* kMark = "smtp-egress-pair";  // the key that says what the document is; its value the version
constexpr const char* kAgain = "let `smtp-egress pair` at the other end print it anew, and pass it on whole";
constexpr std::size_t kLongestText = 255;  // bytes; of keys, names and endpoints

std::string checksum_of(const json& document) {
  const auto text = document.dump(-1, ' ', true, json::error_handler_t::replace);
  const void* const bytes = text.data();
  return fmt::format("crc32:{:08x}", ::crc32_z(0, static_cast<const Bytef*>(bytes), text.size()));
}

template <class Item>
ordered_json texts_of(const std::vector<Item>& items) {
  auto list = ordered_json::array();
  for (const auto& item : items) {
    list.push_back(item.to_string());
  }
  return list;
}

/// Reads members; the first that is not as it should be is kept.
class Reader {
 public:
  explicit Reader(const json& object) : object_(object) {}

  [[nodiscard]] const std::string& wrong() const { return wrong_; }
  void refuse(std::string_view key) {
    if (wrong_.empty()) {
      wrong_ = key;
    }
  }

  std::string text(const char* key) {
    const auto* value = member(key);
    auto found = value != nullptr && value->is_string() ? value->get<std::string>() : std::string("\n");
    const bool is_plain = found.size() <= kLongestText && std::ranges::all_of(found, [](char c) {
                            const auto byte = static_cast<unsigned char>(c);
                            return byte >= ' ' && byte < 0x7f;
                          });
    if (!is_plain) {
      refuse(key);
    }
    return is_plain ? found : std::string();
  }

  template <class T>
  std::vector<T> list(const char* key, Result<T> (*parse)(std::string_view)) {
    std::vector<T> items;
    const auto* value = member(key);
    if (value == nullptr || !value->is_array()) {
      refuse(key);
      return items;
    }
    for (const auto& entry : *value) {
      const auto item = entry.is_string() ? parse(entry.get<std::string>()) : Result<T>(usage_error({}, {}, {}));
      if (!item) {
        refuse(key);
        return items;
      }
      items.push_back(*item);
    }
    return items;
  }

  std::uint32_t number(const char* key) {
    const auto* value = member(key);
    if (value == nullptr || !value->is_number_unsigned() || value->get<std::uint64_t>() > UINT32_MAX) {
      refuse(key);
      return 0;
    }
    return value->get<std::uint32_t>();
  }

  std::optional<IpAddress> address(const char* key, IpFamily family) {
    const auto written = text(key);
    const auto parsed = IpAddress::parse(written);
    if (!written.empty() && (!parsed || parsed->family != family)) {
      refuse(key);
    }
    return parsed ? std::optional(*parsed) : std::nullopt;
  }

  const json* member(const char* key) const {
    const auto found = object_.is_object() ? object_.find(key) : object_.end();
    return object_.is_object() && found != object_.end() ? &*found : nullptr;
  }

 private:
  const json& object_;
  std::string wrong_;
};

/// Of a document whose checksum is right; the first key that is not as it should be, where one is.
std::string read_members(const json& document, Descriptor& read) {
  Reader reader(document);
  const auto side = reader.text("side");
  read.side = side == "vps" ? Side::kVps : Side::kHome;
  if (side != "vps" && side != "home") {
    reader.refuse("side");
  }
  read.instance = reader.text("instance");
  if (!check_instance_name(read.instance)) {
    reader.refuse("instance");
  }
  read.sources = reader.list<Prefix>("sources", Prefix::parse);
  read.mail_from = reader.list<Prefix>("mail_from", Prefix::parse);
  read.ports = reader.list<PortRange>("ports", PortRange::parse);
  const auto nat = reader.text("nat");
  read.nat = nat == "masquerade" ? HomeNat::kMasquerade : HomeNat::kPreserve;
  if (nat != "masquerade" && nat != "preserve") {
    reader.refuse("nat");
  }
  read.tunnel = reader.text("tunnel");
  read.tunnel_addresses = reader.list<IpAddress>("tunnel_addresses", IpAddress::parse);
  read.mtu = reader.number("mtu");
  read.public_key = reader.text("public_key");
  read.public_ip.v4 = reader.address("public_ip", IpFamily::kV4);
  read.public_ip.v6 = reader.address("public_ip6", IpFamily::kV6);
  const auto* peers = reader.member("peers");
  if (peers == nullptr || !peers->is_array()) {
    reader.refuse("peers");
    return reader.wrong();
  }
  for (const auto& entry : *peers) {
    Reader peer(entry);
    read.peers.push_back({.public_key = peer.text("public_key"),
                          .allowed_ips = peer.list<Prefix>("allowed_ips", Prefix::parse),
                          .endpoint = peer.text("endpoint")});
    if (!peer.wrong().empty()) {
      reader.refuse("peers");
    }
  }
  return reader.wrong();
}

template <class Item>
std::vector<Item> sorted(std::vector<Item> items) {
  std::ranges::sort(items);
  return items;
}

/// What the profile's mail comes from on this host, before anything of ours changes that.
std::vector<Prefix> networks_of(const Profile& profile) {
  auto networks = profile.sources;
  for (const auto& address : own_addresses(profile)) {
    networks.push_back(Prefix::of(address));
  }
  return sorted(std::move(networks));
}

std::vector<DescribedPeer> peers_of(const WireGuardDevice& device) {
  std::vector<DescribedPeer> peers;
  std::ranges::transform(device.peers, std::back_inserter(peers), [](const WireGuardPeer& peer) {
    return DescribedPeer{
        .public_key = peer.public_key, .allowed_ips = sorted(peer.allowed_ips), .endpoint = peer.endpoint};
  });
  return peers;
}

}  // namespace

std::string descriptor_to_json(const Descriptor& descriptor) {
  const auto text_or_nothing = [](const std::optional<IpAddress>& address) {
    return address ? address->to_string() : std::string();
  };
  ordered_json document{{kMark, kDescriptorVersion},
                        {"side", descriptor.side == Side::kHome ? "home" : "vps"},
                        {"instance", descriptor.instance},
                        {"sources", texts_of(descriptor.sources)},
                        {"mail_from", texts_of(descriptor.mail_from)},
                        {"ports", texts_of(descriptor.ports)},
                        {"nat", descriptor.nat == HomeNat::kPreserve ? "preserve" : "masquerade"},
                        {"tunnel", descriptor.tunnel},
                        {"tunnel_addresses", texts_of(descriptor.tunnel_addresses)},
                        {"mtu", descriptor.mtu},
                        {"public_key", descriptor.public_key},
                        {"peers", ordered_json::array()},
                        {"public_ip", text_or_nothing(descriptor.public_ip.v4)},
                        {"public_ip6", text_or_nothing(descriptor.public_ip.v6)}};
  for (const auto& peer : descriptor.peers) {
    document["peers"].push_back(
        {{"public_key", peer.public_key}, {"allowed_ips", texts_of(peer.allowed_ips)}, {"endpoint", peer.endpoint}});
  }
  document["checksum"] = checksum_of(json(document));
  return document.dump(2, ' ', true, ordered_json::error_handler_t::replace);
}

Result<Descriptor> parse_descriptor(std::string_view origin, std::string_view text) {
  const auto refused = [&](std::string_view why) {
    return usage_error(kOperation, std::string(origin), fmt::format("{}; {}", why, kAgain));
  };
  if (text.size() > kLongestDescriptor || nests_too_deeply(text)) {
    return refused("is no descriptor: it is too long, or nested too deeply");
  }
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return refused("is empty");
  }
  json document = json::parse(text, nullptr, false);
  if (!document.is_object()) {
    return refused("is no descriptor, or only a part of one: no JSON object");
  }
  if (!document.contains(kMark)) {
    return refused(fmt::format("is no descriptor: it has no \"{}\"", kMark));
  }
  if (document[kMark] != kDescriptorVersion) {
    return usage_error(kOperation, std::string(origin),
                       fmt::format("is of version {}, and this program reads version {}; install the same "
                                   "smtp-egress at both ends",
                                   document[kMark].dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 20),
                                   kDescriptorVersion));
  }
  const auto said = Reader(document).text("checksum");
  document.erase("checksum");
  if (said != checksum_of(document)) {
    return refused("was changed on the way: its checksum does not fit");
  }
  Descriptor read;
  if (const auto wrong = read_members(document, read); !wrong.empty()) {
    return refused(fmt::format("its \"{}\" is not as it should be", wrong));
  }
  return read;
}

Descriptor describe_end(const Profile& profile, const ResolvedHost& host, const ObservedState& observed,
                        const std::optional<WireGuardDevice>& wireguard) {
  Descriptor end{.side = profile.side,
                 .instance = profile.name,
                 .sources = networks_of(profile),
                 .mail_from = networks_of(profile),
                 .ports = sorted(profile.ports),
                 .nat = profile.nat,
                 .tunnel = profile.tunnel.str(),
                 .tunnel_addresses = {},
                 .mtu = 0,
                 .public_key = wireguard ? wireguard->public_key : "",
                 .peers = {},
                 .public_ip = host.public_ip};
  if (const auto* link = observed.link(profile.tunnel); link != nullptr) {
    end.mtu = link->mtu;
    end.tunnel_addresses = addresses_of(observed, *link);
  }
  if (profile.side == Side::kHome && profile.nat == HomeNat::kMasquerade) {
    end.mail_from.clear();
    for (const auto family : families_of(profile)) {
      if (const auto& leaves_as = host.snat_to[family]) {
        end.mail_from.push_back(Prefix::of(*leaves_as));
      }
    }
    for (const auto& address : own_addresses(profile)) {
      if (!contains(end.mail_from, Prefix::of(address))) {
        end.mail_from.push_back(Prefix::of(address));
      }
    }
    end.mail_from = sorted(std::move(end.mail_from));
  }
  if (wireguard) {
    end.peers = peers_of(*wireguard);
  }
  return end;
}

}  // namespace smtpegress::setup
