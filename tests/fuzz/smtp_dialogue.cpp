// A mail server's side of a probe's conversation: whatever it says, what we say is SMTP, bounded, and the same however
// its bytes were cut into pieces. The first byte says where.
#include "probe/smtp_dialogue.hpp"

#include "fuzz/fuzz.hpp"

using namespace smtpegress;
using probe::SmtpDialogue;

namespace {

void check_said(std::string_view said) {
  constexpr std::size_t kLongestCommand = 512;  // RFC 5321, section 4.5.3.1.4
  fuzz::must(said.size() < 4096, "few words");
  while (!said.empty()) {
    const auto end = said.find("\r\n");
    fuzz::must(end != std::string_view::npos && end + 2 <= kLongestCommand, "each a command that a server must take");
    fuzz::must(said.substr(0, end).find_first_of("\r\n") == std::string_view::npos, "none of them two");
    said.remove_prefix(end + 2);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const auto text = fuzz::text_of({data + 1, size - 1});
  const std::size_t cut = 1U + data[0];
  SmtpDialogue whole("home.example.net", true);
  SmtpDialogue parts("home.example.net", true);
  whole.receive(text);
  for (std::size_t at = 0; at < text.size(); at += cut) {
    parts.receive(text.substr(at, cut));
  }
  whole.closed();
  parts.closed();
  const auto said = whole.take_output();
  check_said(said);
  fuzz::must(said == parts.take_output(), "the pieces make no difference to what is said");
  fuzz::must(whole.banner() == parts.banner() && whole.ehlo() == parts.ehlo() && whole.end() == parts.end() &&
                 whole.knows_no_ehlo() == parts.knows_no_ehlo(),
             "nor to what is heard");
  fuzz::must(whole.state() == SmtpDialogue::State::kEnded && whole.end() != SmtpDialogue::End::kNone, "it ends");
  for (const auto* reply : {&whole.banner(), &whole.ehlo()}) {
    for (const char c : reply->to_string()) {
      fuzz::must(c >= ' ' && c < 0x7f, "a reply is shown on one line, and commands no terminal");
    }
  }
  for (const auto& address : probe::addresses_told(whole.ehlo())) {
    fuzz::must(IpAddress::parse(address.to_string()).value() == address, "an address is one");
  }
  return 0;
}
