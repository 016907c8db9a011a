// Of the DNS: records, and SPF's texts.
#include "fuzz/seeds.hpp"

namespace smtpegress::fuzz {

using namespace std::string_view_literals;

void add_dns_seeds(Seeds& seeds) {
  seeds.add("dns_record",
            "\x00\x04mail\x07"
            "example\x03org\x00"sv);
  seeds.add("dns_record",
            "\x01\x00\x0a\x04mail\x07"
            "example\x03org\x00"sv);
  seeds.add("dns_record", "\x01\x00\x00\x00"sv);
  seeds.add("dns_record", "\x02\x0bv=spf1 -all\x0f; id=2026; x=yz\x00"sv);
  seeds.add("dns_record", "\x02\x13v=STSv1; id=2026010"sv);
  seeds.add("dns_record", std::string("\x03\x03\x01\x01") + std::string(32, '\xab'));
  seeds.add("dns_record", "\x04\xcb\x00\x71\x0a"sv);
  seeds.add("dns_record", std::string("\x04") + std::string(16, ' '));
  for (const char* text :
       {"v=spf1 -all", "v=spf1 a mx/24//64 ip4:192.0.2.0/24 ip6:2001:db8::/32 include:_spf.example.net ?all",
        "v=spf1 exists:%{ir}.%{v}._spf.%{d2} ptr:example.org redirect=%{d}.example.net exp=why.%{o}",
        "v=spf1 exists:%{l1r+-}._u.%{H}.%%.%_.%-.example.org ~all", "V=SPF1 +A:Mail.Example.Org foo=bar%{s} -ALL",
        "v=spf1 ipv4:192.0.2.1 include: a/33 mx:/ -all", "nameserver 192.0.2.53\nnameserver fe80::1%eth0\n"}) {
    seeds.add("spf", text);
  }
}

}  // namespace smtpegress::fuzz
