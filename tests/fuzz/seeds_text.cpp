// Texts: profiles, records, a WireGuard's answer, the kernel's list of flows.
#include <algorithm>
#include <fstream>
#include <sstream>

#include "engine/state_record.hpp"
#include "fuzz/seeds.hpp"
#include "setup/descriptor.hpp"

namespace smtpegress::fuzz {
namespace {

std::vector<std::string> profiles_in(const std::filesystem::path& source_tree) {
  std::vector<std::filesystem::path> paths;
  for (const char* folder : {"profiles", "tests/golden"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(source_tree / folder)) {
      const bool is_profile = folder == std::string_view("profiles") || entry.path().filename() == "profile.json";
      if (is_profile && entry.path().extension() == ".json") {
        paths.push_back(entry.path());
      }
    }
  }
  std::ranges::sort(paths);
  std::vector<std::string> texts;
  for (const auto& path : paths) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    texts.push_back(text.str());
  }
  return texts;
}

InstanceRecord record_of(const Profile& profile) {
  InstanceRecord record{profile, {}, Phase::kEnabled, {.saved = {{"net/ipv4/ip_forward", "0", "1"}}}};
  if (profile.side == Side::kHome) {
    record.host.source_links = {IfName::parse("br-mailu").value()};
    record.host.source_networks = {Prefix::parse("192.168.0.0/16").value()};
    record.sysctls.links = {1, 2};
    record.sysctls.saved.push_back({"net/ipv4/conf/wg0/rp_filter", "1", "2"});
  } else {
    record.host.wan = IfName::parse("eth0").value();
    record.host.snat_to.v4 = IpAddress::parse("10.0.0.5").value();
    record.host.snat_to.v6 = IpAddress::parse("2001:db8:f::10").value();
    record.host.public_ip.v4 = IpAddress::parse("203.0.113.10").value();
  }
  return record;
}

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// Of init and pair.
void add_setup_seeds(Seeds& seeds, const std::filesystem::path& source_tree) {
  for (const char* name : {"home-wg0.conf.example", "vps-wg0.conf.example"}) {
    seeds.add("wg_conf", text_of(source_tree / "packaging/wireguard" / name));
  }
  seeds.add("wg_conf", "[Interface]\nTable = 7\nSaveConfig = true\n[Peer]\nAllowedIPs = 10.0.0.1/8, ::/0,x\nlost\n");
  setup::Descriptor end;
  end.instance = "mailu-home";
  seeds.add("descriptor", setup::descriptor_to_json(end));
  end.side = Side::kVps;
  end.sources = end.mail_from = {Prefix::parse("192.168.203.0/24").value(), Prefix::parse("fd00:203::/64").value()};
  end.ports = {{.first = 25, .last = 26}};
  end.tunnel_addresses = {IpAddress::parse("10.0.1.1").value()};
  end.mtu = 1420;
  end.public_key = "jeSW0frBOUKFd2mwkpdqhqCQdMVfw0VYfdOCnCqo1TA=";
  end.peers = {{.public_key = "x", .allowed_ips = end.sources, .endpoint = "203.0.113.10:51820"}};
  end.public_ip.v4 = IpAddress::parse("203.0.113.10").value();
  seeds.add("descriptor", setup::descriptor_to_json(end));
  seeds.add("docker_inventory",
            R"(b[{"Name": "mailu_default", "Driver": "bridge", "Internal": false, "IPAM": {"Config": [)"
            R"({"Subnet": "172.18.0.0/16"}, {"Subnet": "fd00:203::/64"}]}}])");
  seeds.add("docker_inventory",
            R"(c[{"Names": ["/mailu-smtp-1"], "Image": "ghcr.io/mailu/postfix:1", "Labels": )"
            R"({"com.docker.compose.project": "mailu"}, "NetworkSettings": {"Networks": {"mailu_default": {}}}}])");
}

/// Of report: what it masks, in the words around it.
void add_mask_seeds(Seeds& seeds) {
  for (const char* text : {
           "peer jeSW0frBOUKFd2mwkpdqhqCQdMVfw0VYfdOCnCqo1TA=, endpoint 198.41.0.4:51820, handshake 3 s ago",
           "default via 198.41.0.1 dev eth0 table main proto 3\n10.0.1.0/24 dev wg0; 128.0.0.0/1, 2000::/3",
           "3: eth0 up mtu 1500 ether 52:54:00:12:34:56\n    2a01:4f8::5054:ff:fe12:3456/64, fe80::1%eth0",
           "to [2a01:4f8:203::25]:25: no route; ::ffff:198.41.0.4 12:34:56 1.2.3.4.5.6",
           R"({"description": "Alice's \"box\"", "probe": ["mx.example.org:25"], "public_ip": "198.41.0.4"} atlas)",
       }) {
    seeds.add("mask", text);
  }
}

}  // namespace

void add_text_seeds(Seeds& seeds, const std::filesystem::path& source_tree) {
  const std::string options =
      "\n--set\ntunnel=wg1\nsources=172.22.1.0/24,10.1.0.0/16\nports=[25,\"465-587\"]\nmark=0x100/0xff00\ntable=200\n"
      "priority=999\nprobe=mx.example.org,[2001:db8::25]:25\nrp_filter=tunnel\ndescription=mine\n"
      "mail_name=mail.example.org\nmail_domains=example.org,example.net\nblocklists=[\"bl.example.com\"]\n";
  const std::string vps_options =
      "\n--set\nside=vps\nwan=eth0\npublic_ip=203.0.113.10\npublic_ip6=2001:db8::10\nsources=10.0.0.0/8,fd00::/64\n";
  seeds.add("profile", R"({"side": "home", "sources": [{"docker_network": "mailu_default"}, {"interface": "br0"}]})");
  seeds.add("profile", R"({"side": "home", "sources": [{"user": "mox"}, {"user": 7, "address": ["10.0.1.2", "fd00::2"]},
      {"user": "*", "address": "10.0.1.2"}, {"address": "192.168.1.10"}]})");
  seeds.add("docker_answer",
            "d"
            R"({"Name": "mailu_default", "Driver": "bridge", "IPAM": {"Config": [)"
            R"({"Subnet": "172.18.0.0/16"}, {"Subnet": "fd00:203::/64"}]}})");  // 'd': 100, half of 200
  seeds.add("docker_answer",
            "\xca"
            R"({"message": "network mailu_default not found"})");
  add_setup_seeds(seeds, source_tree);
  add_mask_seeds(seeds);
  for (const auto& text : profiles_in(source_tree)) {
    seeds.add("profile", text);
    seeds.add("profile", text + options);
    seeds.add("profile", text + vps_options);
    if (auto profile = parse_profile("seed", "seed", text)) {
      seeds.add("state_record", record_to_json(record_of(*profile), {"2d1c3c6e-6f0b-4a55-9c3b-8a4f1f6f2a11", "4711"}));
    }
  }
  const std::string key(64, 'a');
  seeds.add("smtp_dialogue",
            "z220-mx.example.org\r\n220 ESMTP\r\n250-mx at your service, [203.0.113.10]\r\n250-SIZE 35882577\r\n"
            "250 PIPELINING\r\n250 2.1.0 Ok\r\n250 2.0.0 Ok\r\n");
  seeds.add("smtp_dialogue", "z220 mx\r\n250 Hello [IPv6:2001:db8::10]\r\n221 Bye\r\n");
  seeds.add("smtp_dialogue", "z220 old\r\n502 5.5.1 unrecognized\r\n250 mx\r\n221 Bye\r\n");
  seeds.add("smtp_dialogue", "z554-5.7.1 listed\r\n554 5.7.1 see https://example.org/\r\n");
  seeds.add("wireguard_uapi", "errno=0\n\n");
  seeds.add("wireguard_uapi", "errno=-19\n\n");
  seeds.add("wireguard_uapi",
            "private_key=" + key + "\nlisten_port=51820\nfwmark=25\npublic_key=" + key + "\npreshared_key=" + key +
                "\nprotocol_version=1\nendpoint=203.0.113.10:51820\nlast_handshake_time_sec=1700000000\n"
                "last_handshake_time_nsec=1\ntx_bytes=1\nrx_bytes=2\npersistent_keepalive_interval=25\n"
                "allowed_ip=0.0.0.0/0\nallowed_ip=::/0\npublic_key=" +
                key + "\nendpoint=[2001:db8::1]:51820\nallowed_ip=10.0.1.2/32\nerrno=0\n\n");
  seeds.add("conntrack_glance",
            std::string("\0\x19", 2) +
                "ipv4     2 tcp      6 86399 ESTABLISHED src=172.22.1.10 dst=203.0.113.25 sport=40000 dport=25 "
                "src=203.0.113.25 dst=10.0.1.2 sport=25 dport=40001 [ASSURED] mark=25 zone=0 use=2\n"
                "ipv4     2 udp      17 20 src=10.0.0.1 dst=10.0.0.2 sport=53 dport=25 src=10.0.0.2 dst=10.0.0.1 "
                "sport=25 dport=53 mark=0 zone=0 use=2\n"
                "ipv6     10 tcp      6 300 TIME_WAIT src=2001:db8::1 dst=2001:db8::2 sport=1 dport=443\n");
}

}  // namespace smtpegress::fuzz
