// A record out of an answer of the DNS: whatever it is, it is read or is nothing, and what is shown of it is printable.
// The first byte says of what type it is.
#include "net/dns_record.hpp"

#include "fuzz/fuzz.hpp"

using namespace smtpegress;

namespace {

void must_be_printable(std::string_view text) {
  for (const char c : text) {
    fuzz::must(c >= ' ' && c < 0x7f, "what is shown commands no terminal");
  }
}

void check_name(const DnsName& name) {
  must_be_printable(name.to_string());
  if (const auto again = DnsName::parse(name.str())) {
    fuzz::must(*again == name, "a name is itself");
    fuzz::must(name.is_within(name) && name.is_within(DnsName()), "it is within itself, and the root");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const DnsBytes record(data + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      if (const auto name = DnsName::from_wire(record)) {
        check_name(*name);
      }
      break;
    case 1:
      if (const auto server = read_mx(record)) {
        check_name(server->exchange);
      }
      break;
    case 2:
      if (const auto text = read_text(record)) {
        fuzz::must(text->size() < record.size(), "no longer than it came");
        must_be_printable(quoted_text(*text));
        if (const auto id = read_mta_sts_id(*text)) {
          must_be_printable(*id);
        }
      }
      break;
    case 3:
      if (const auto tlsa = read_tlsa(record)) {
        fuzz::must(tlsa->usage <= 3 && tlsa->selector <= 1 && tlsa->matching <= 2, "one that is known");
      }
      break;
    default:
      if (const auto address = read_address(record)) {
        fuzz::must(IpAddress::parse(address->to_string()).value() == *address, "an address is one");
        fuzz::must(DnsName::parse(reverse_name(*address).str()).has_value(), "and has a place for its name");
      }
  }
  return 0;
}
