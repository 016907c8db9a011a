// Whatever a text holds, nothing that tells of somebody is left in it once it is masked.
#include "report/mask.hpp"

#include <algorithm>
#include <cctype>
#include <functional>
#include <string>

#include "fuzz/fuzz.hpp"
#include "report/profile_text.hpp"

using namespace smtpegress;

namespace {

bool is_alnum(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

/// Calls `use` with each longest run of characters that `is_of_run`, where it begins and ends.
void each_run(std::string_view text, const std::function<bool(char)>& is_of_run,
              const std::function<void(std::size_t, std::size_t)>& use) {
  for (std::size_t at = 0; at < text.size();) {
    auto end = at;
    while (end < text.size() && is_of_run(text[end])) {
      ++end;
    }
    if (end != at) {
      use(at, end);
    }
    at = end + 1;
  }
}

/// The networks that AllowedIPs have in place of a default route: no host bits, and too short to be anybody's.
bool is_short_network(const IpAddress& address, std::string_view behind) {
  if (!behind.starts_with('/')) {
    return false;
  }
  unsigned length = 0;
  std::size_t digits = 1;
  for (; digits < behind.size() && digits < 4 && std::isdigit(static_cast<unsigned char>(behind[digits])) != 0;
       ++digits) {
    length = length * 10 + static_cast<unsigned>(behind[digits] - '0');
  }
  return digits > 1 && length < (address.family == IpFamily::kV4 ? 8 : 16) &&
         Prefix::around(address, static_cast<std::uint8_t>(length)).address == address;
}

void must_have_no_address(std::string_view text, const std::function<bool(char)>& is_of_run) {
  each_run(text, is_of_run, [&](std::size_t begin, std::size_t end) {
    if (begin != 0 && is_alnum(text[begin - 1])) {
      return;  // in the middle of a word
    }
    for (; begin < end; --end) {  // less the colon or the full stop of a sentence
      const auto address = IpAddress::parse(text.substr(begin, end - begin));
      fuzz::must(!address || !report::tells_of_somebody(*address) || is_short_network(*address, text.substr(end)),
                 "no address is left that tells of somebody");
      if (address || (text[end - 1] != ':' && text[end - 1] != '.')) {
        return;
      }
    }
  });
}

void must_have_no_key(std::string_view text) {
  const auto is_base64 = [](char c) { return is_alnum(c) || c == '+' || c == '/'; };
  each_run(text, is_base64, [&](std::size_t begin, std::size_t end) {
    fuzz::must(end - begin < 43 || end == text.size() || text[end] != '=', "no key is left");
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of({data, size});
  const report::Familiar familiar{
      .networks = {{.network = Prefix::parse("2a01:4f8:203::/64").value(), .name = "source6-1"}},
      .own = {IpAddress::parse("198.41.0.4").value()},
      .names = {{"mx.example.org", "server"}, {"atlas", "host"}}};
  report::Masker masker(familiar);
  const auto masked = masker.mask(text);
  must_have_no_address(
      masked, [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0 || c == ':' || c == '.'; });
  must_have_no_address(masked, [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '.'; });
  must_have_no_key(masked);
  fuzz::must(masker.mask(text) == masked, "the same text is masked the same way");
  fuzz::must(masker.mask(masked) == masked, "a masked text is left as it is");
  fuzz::must(std::ranges::count(masked, '\n') == std::ranges::count(text, '\n'), "lines stay lines");
  const auto plain = report::without_descriptions(text);
  fuzz::must(report::without_descriptions(plain) == plain, "no description is left");
  return 0;
}
