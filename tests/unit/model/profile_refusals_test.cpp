// Every refusal names origin, key and what would be right.
#include <gtest/gtest.h>

#include "smtpegress/profile.hpp"

namespace smtpegress {
namespace {

std::string refusal(const std::string& json, const ProfileOverrides& overrides = {}) {
  const auto profile = parse_profile("x", "x.json", json, overrides);
  if (profile) {
    return "accepted";
  }
  EXPECT_EQ(profile.error().kind, ErrorKind::kUsage);
  const auto text = profile.error().message();
  EXPECT_EQ(text.find('\n'), std::string::npos) << "one line, please: " << text;
  return text;
}

/// A home profile with one more member.
std::string home_with(const std::string& member) {
  return refusal(R"({"side": "home", "sources": ["192.168.203.0/24"], )" + member + "}");
}
std::string vps_with(const std::string& member) {
  return refusal(R"({"side": "vps", "sources": ["192.168.203.0/24"], )" + member + "}");
}
std::string sources(const std::string& list) {
  return refusal(R"({"side": "home", "sources": )" + list + "}");
}

TEST(ProfileRefusal, UnknownKey_NamesTheKnownOnesOfThisSide) {
  EXPECT_EQ(home_with(R"("tunel": "wg0")"),
            "read profile x.json: key 'tunel': is not known; known are description, side, tunnel, sources, ports, "
            "mark, inner, probe, mail_name, mail_domains, blocklists, table, "
            "priority, rp_filter, nat, steering, docker, inbound");
  EXPECT_NE(
      vps_with(R"("tunel": "wg0")").find("mark, inner, probe, mail_name, mail_domains, blocklists, wan, public_ip"),
      std::string::npos);
}

TEST(ProfileRefusal, WrongType_SaysWhatItIsAndWhatToWrite) {
  EXPECT_EQ(sources(R"("192.168.203.0/24")")
                .find("read profile x.json: key 'sources': \"192.168.203.0/24\": is string; write"),
            0U);
  EXPECT_NE(sources("[1.5]").find("is number; write"), std::string::npos);
  EXPECT_NE(home_with(R"("tunnel": ["wg0"])").find("key 'tunnel': [\"wg0\"]: is array; write"), std::string::npos);
  EXPECT_NE(home_with(R"("table": true)").find("is boolean; write"), std::string::npos);
  EXPECT_NE(home_with(R"("mark": null)").find("is null; write"), std::string::npos);
  EXPECT_NE(home_with(R"("ports": 25)").find("key 'ports': 25: is number; write"), std::string::npos);
  EXPECT_NE(home_with(R"("table": -1)").find("is number; write a table number like 100"), std::string::npos);
  EXPECT_NE(home_with(R"("tunnel": 7)").find("key 'tunnel': 7: is number"), std::string::npos);
  EXPECT_NE(vps_with(R"("wan": 7)").find("key 'wan': 7: is number"), std::string::npos);
  EXPECT_NE(refusal(R"({"side": {}})").find("key 'side': {}: is object"), std::string::npos);
}

TEST(ProfileRefusal, ADescriptionThatIsNoText_IsNotQuoted) {  // it may be a person's own words all the same
  for (const auto& [value, type] :
       {std::pair(R"(["Alice"])", "array"), {R"({"Alice": 1})", "object"}, {"7", "number"}}) {
    EXPECT_EQ(home_with(std::string(R"("description": )") + value),
              std::string("read profile x.json: key 'description': is ") + type + "; write a text");
  }
}

TEST(ProfileRefusal, ASourceByName_IsOneOfTheKnownKinds) {
  EXPECT_EQ(sources(R"([{"docker_network": "mailu_default"}, {"interface": "incusbr0"}, "10.0.0.0/24"])"), "accepted");
  for (const auto* item : {R"({})", R"({"docker": "x"})", R"({"docker_network": 7})", R"({"docker_network": ""})",
                           R"({"docker_network": "x", "interface": "y"})", R"({"interface": null})"}) {
    EXPECT_NE(sources(std::string("[") + item + "]").find("is no source; write a network, {\"docker_network\""),
              std::string::npos)
        << item;
  }
  EXPECT_NE(sources(R"([{"interface": "a/b"}])").find("is not an interface name"), std::string::npos);
  EXPECT_NE(sources(R"([{"interface": "br0"}, {"interface": "br0"}])").find("interface br0: is there twice"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"side": "vps", "sources": [{"docker_network": "mailu_default"}]})")
                .find("docker network mailu_default: is a name that the home host knows; write its networks here"),
            std::string::npos);
}

TEST(ProfileRefusal, AnEmptyTunnel_IsRefusedByItsKey) {  // `--tunnel ""`, of a variable that was not set
  EXPECT_EQ(refusal(R"({"side": "home", "sources": ["192.168.203.0/24"]})", {{{"tunnel", ""}}}),
            "read profile command line: key 'tunnel': '': is not an interface name; write it like wg0");
  EXPECT_EQ(home_with(R"("tunnel": "")"),
            "read profile x.json: key 'tunnel': '': is not an interface name; write it like wg0");
}

TEST(ProfileRefusal, OverrideThatIsNoText) {  // it could not be written to the state
  const std::string good = R"({"side": "home", "sources": ["192.168.203.0/24"]})";
  EXPECT_NE(refusal(good, {{{"description", "caf\xe9"}}}).find("key 'description': 'caf\xe9': is not UTF-8"),
            std::string::npos);
  EXPECT_EQ(refusal(good, {{{"description", "café"}}}), "accepted");
}

TEST(ProfileRefusal,
     NestedDeeply_IsRefusedAndNotFollowed) {  // copying and quoting such a value takes a stack frame each
  constexpr std::size_t kDepth = 400'000;
  const std::string deep = std::string(kDepth, '[') + std::string(kDepth, ']');
  EXPECT_EQ(refusal(R"({"side": )" + deep + "}"), "read profile x.json: is nested deeper than any profile");
  EXPECT_NE(home_with(R"("tunnel": )" + deep).find("is nested deeper"), std::string::npos);
  const std::string good = R"({"side": "home", "sources": ["192.168.203.0/24"]})";
  EXPECT_NE(refusal(good, {{{"sources", deep}}}).find("key 'sources'"), std::string::npos);
  EXPECT_EQ(refusal(good, {{{"description", "[[[[[[[[[["}}}), "accepted") << "a text is no document";
  EXPECT_EQ(home_with(R"("description": "\"[[[[[[[[[[")"), "accepted");
}

TEST(ProfileRefusal, BadNetworks) {
  EXPECT_EQ(sources(R"(["mailu"])"),
            "read profile x.json: key 'sources': 'mailu': is not a network; write it like 192.168.203.0/24");
  EXPECT_EQ(
      sources(R"(["192.168.203.1/24"])"),
      "read profile x.json: key 'sources': '192.168.203.1/24': has host bits set; the network is 192.168.203.0/24");
  EXPECT_NE(sources(R"(["10.0.0.0/33"])").find("has a prefix length that is not a number from 0 to 32"),
            std::string::npos);
  EXPECT_NE(sources(R"(["0.0.0.0/0"])").find("is the whole internet; name the mail stack's own network"),
            std::string::npos);
}

TEST(ProfileRefusal, BadIpv6Networks) {
  EXPECT_EQ(sources(R"(["fd00:203::1/64"])"),
            "read profile x.json: key 'sources': 'fd00:203::1/64': has host bits set; the network is fd00:203::/64");
  EXPECT_NE(sources(R"(["fd00::/129"])").find("has a prefix length that is not a number from 0 to 128"),
            std::string::npos);
  for (const auto& [network, why] : {std::pair("::/0", "is the whole internet"),
                                     {"2000::/3", "is a large part of the internet"},
                                     {"fe80::/64", "is link-local, and such addresses are never routed"},
                                     {"ff02::1", "is multicast, and nothing is sent from there"},
                                     {"::1", "holds no address that is routed"},
                                     {"::ffff:192.168.203.0/120", "IPv4 networks are written as such"}}) {
    const auto said = sources(std::string("[\"") + network + "\"]");
    EXPECT_NE(said.find(why), std::string::npos) << said;
    EXPECT_NE(said.find("name the mail stack's own network"), std::string::npos) << said;
  }
  EXPECT_NE(sources(R"(["fd00::/8", "10.0.0.0/8", "fd00:203::/64"])").find("fd00:203::/64: overlaps fd00::/8"),
            std::string::npos);
}

TEST(ProfileRefusal, TwoIpv6SourcesThatBecomeOneWhileTheySidestep) {
  const auto said = sources(R"(["fd00:203::/64", "2d00:203::/64"])");
  EXPECT_NE(said.find("cannot be told from fd00:203::/64 while replies sidestep Docker's drop (both become "
                      "ed00:203::/64)"),
            std::string::npos)
      << said;
}

TEST(ProfileRefusal, OverlappingSources_NameBoth) {
  EXPECT_EQ(sources(R"(["10.0.0.0/8", "10.9.0.0/16"])"),
            "read profile x.json: key 'sources': 10.9.0.0/16: overlaps 10.0.0.0/8; name each only once");
  EXPECT_NE(sources(R"(["10.9.0.0/16", "10.0.0.0/8"])").find("overlaps"), std::string::npos);
  EXPECT_NE(home_with(R"("ports": ["25-30", 30])").find("30: overlaps 25-30; name each only once"), std::string::npos);
}

TEST(ProfileRefusal, NoSourceAndNoPort) {
  EXPECT_NE(sources("[]").find("key 'sources': names no network; give the mail stack's, such as --subnet"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"side": "home"})").find("key 'sources': names no network"), std::string::npos);
  EXPECT_NE(home_with(R"("ports": [])").find("key 'ports': names no port; write [25]"), std::string::npos);
}

TEST(ProfileRefusal, TooManySources) {
  std::string list = "[";
  for (int i = 0; i < 65; ++i) {
    list += (i == 0 ? "" : ", ") + ("\"10.0." + std::to_string(i) + ".0/24\"");
  }
  EXPECT_NE(sources(list + "]").find("key 'sources': has more than 64 entries"), std::string::npos);
}

TEST(ProfileRefusal, InterfaceNames) {
  EXPECT_EQ(home_with(R"("tunnel": "abcdefghijklmnop")"),
            "read profile x.json: key 'tunnel': 'abcdefghijklmnop': has 16 bytes; an interface name has at most 15");
  EXPECT_NE(home_with(R"("tunnel": "wg 0")").find("is not an interface name: no white space"), std::string::npos);
  EXPECT_NE(home_with(R"("tunnel": "wg\u001b")").find("'wg\\x1b'"), std::string::npos);
  EXPECT_NE(home_with(R"("tunnel": "")").find("is not an interface name"), std::string::npos);
  EXPECT_NE(home_with(R"("tunnel": "lo")").find("cannot be a tunnel; name the WireGuard interface"), std::string::npos);
  EXPECT_NE(vps_with(R"("wan": "wg0")").find("is the tunnel too"), std::string::npos);
}

TEST(ProfileRefusal, PublicAddress) {
  for (const auto* text : {"2001:db8::1", "mail.example.com", "203.0.113.10/32", ""}) {
    EXPECT_NE(vps_with(std::string(R"("public_ip": ")") + text + "\"")
                  .find("is not an IPv4 address; write it like 203.0.113.10"),
              std::string::npos);
  }
  for (const auto* text : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"}) {
    EXPECT_NE(vps_with(std::string(R"("public_ip": ")") + text + "\"")
                  .find("is no address that a host on the internet can have"),
              std::string::npos);
  }
  EXPECT_NE(vps_with(R"("public_ip": "2001:db8::1")").find("IPv6's key is public_ip6"), std::string::npos);
}

TEST(ProfileRefusal, PublicIpv6Address) {
  for (const auto* text : {"203.0.113.10", "mail.example.com", "2001:db8::10/128", ""}) {
    EXPECT_NE(vps_with(std::string(R"("public_ip6": ")") + text + "\"")
                  .find("is not an IPv6 address; write it like 2001:db8::10"),
              std::string::npos)
        << text;
  }
  for (const auto* text : {"::", "::1", "::ffff:203.0.113.10", "ff02::1", "fe80::1"}) {
    EXPECT_NE(vps_with(std::string(R"("public_ip6": ")") + text + "\"")
                  .find("is no address that a host on the internet can have"),
              std::string::npos)
        << text;
  }
  EXPECT_NE(home_with(R"("public_ip6": "2001:db8::10")").find("belongs to the VPS side"), std::string::npos);
}

TEST(ProfileRefusal, Mark) {
  EXPECT_NE(home_with(R"("mark": 0)").find("key 'mark': '0': is mark 0"), std::string::npos);
  EXPECT_NE(home_with(R"("mark": "0x119/0xff")").find("has bits outside its mask; 0x119/0x1ff would fit"),
            std::string::npos);
  EXPECT_NE(home_with(R"("mark": "smtp")").find("is not a mark"), std::string::npos);
}

TEST(ProfileRefusal, TableOfTheKernel) {
  for (const auto* table : {"0", "253", "254", "255"}) {
    EXPECT_NE(home_with(std::string(R"("table": )") + table).find("is one of the kernel's own tables"),
              std::string::npos)
        << table;
  }
  EXPECT_NE(home_with(R"("table": 4294967296)").find("is not a table number"), std::string::npos);
  EXPECT_NE(home_with(R"("table": "main")").find("is not a table number"), std::string::npos);
}

TEST(ProfileRefusal, PriorityOfTheKernel) {
  for (const auto* priority : {"0", "32766", "32767", "4294967295"}) {
    EXPECT_NE(home_with(std::string(R"("priority": )") + priority)
                  .find("must lie between the local table's rule (0) and main's"),
              std::string::npos)
        << priority;
  }
}

TEST(ProfileRefusal, RpFilterAndSide) {
  EXPECT_NE(home_with(R"("rp_filter": "some")").find("key 'rp_filter': 'some'"), std::string::npos);
  EXPECT_EQ(refusal("{}"), "read profile x.json: key 'side': is missing; write \"home\" or \"vps\"");
  EXPECT_EQ(refusal(R"({"side": "server"})"),
            "read profile x.json: key 'side': 'server': is not a choice; write \"home\" or \"vps\"");
}

TEST(ProfileRefusal, KeysOfTheOtherSide) {
  EXPECT_EQ(
      home_with(R"("wan": "eth0")"),
      "read profile x.json: key 'wan': belongs to the VPS side, and this profile's side is \"home\"; leave it out");
  EXPECT_NE(vps_with(R"("table": 100)").find("belongs to the home side"), std::string::npos);
  EXPECT_NE(vps_with(R"("rp_filter": "all")").find("belongs to the home side"), std::string::npos);
}

TEST(ProfileRefusal, RepeatedKey_IsNotQuietlyTheLastOne) {
  EXPECT_EQ(home_with(R"("table": 100, "table": 200)"),
            "read profile x.json: key 'table': stands there twice; keep one");
}

TEST(ProfileRefusal, NumberThatNothingHolds_IsRefused) {  // the parser has another exception for it
  EXPECT_EQ(home_with(R"("table": 1e999)"), "read profile x.json: has a number that is too large");
  EXPECT_NE(refusal(R"({"side": "home"})", {{{"table", "1e999"}}}).find("key 'table': '1e999': is not a table number"),
            std::string::npos);
}

TEST(ProfileRefusal, NotJson_NamesTheLine) {
  EXPECT_EQ(refusal("{\n  \"side\": \"home\",\n  oops\n}"), "read profile x.json: is not JSON: error in line 3");
  EXPECT_EQ(refusal(""), "read profile x.json: is not JSON: error in line 1");
  EXPECT_NE(refusal("[1]").find("must be a JSON object"), std::string::npos);
}

TEST(ProfileRefusal, BytesThatAreNoText_DoNotEndTheProgram) {
  EXPECT_NE(refusal("{\"side\": \"home\", \"tunnel\": \"\xff\"}"), "accepted");
  EXPECT_NE(refusal("{\"side\": \"home\", \"\xff\": 1}"), "accepted");
  EXPECT_NE(refusal(std::string(5000, '[')), "accepted");
  EXPECT_NE(refusal(R"({"side": "home"})", {{{"sources", "\xff"}}}), "accepted");
}

TEST(ProfileRefusal, FromTheCommandLine_SaysSo) {
  EXPECT_EQ(refusal(R"({"side": "home", "sources": ["10.0.0.0/8"]})", {{{"table", "254"}}})
                .find("read profile command line: key 'table': '254'"),
            0U);
  EXPECT_EQ(refusal(R"({"side": "home", "sources": ["10.0.0.0/8"]})", {{{"tabel", "254"}}})
                .find("read profile command line: key 'tabel': is not known"),
            0U);
  EXPECT_EQ(refusal(R"({"side": "home", "sources": ["10.0.0.0/8"], "tunnel": "mail0",
                        "inner": {"remote": "10.0.1.1", "link": "wg0"}})",
                    {{{"inner.kind", "foo"}}})
                .find("read profile command line: key 'inner': \"kind\" \"foo\""),
            0U);
}

}  // namespace
}  // namespace smtpegress
