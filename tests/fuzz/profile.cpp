// Profiles: the text of one, and behind a line "--set" a KEY=VALUE a line.
#include "smtpegress/profile.hpp"

#include "fuzz/fuzz.hpp"

using namespace smtpegress;

namespace {

ProfileOverrides overrides_of(std::string_view lines) {
  ProfileOverrides overrides;
  while (!lines.empty()) {
    const auto line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    if (const auto equals = line.find('='); equals != std::string_view::npos) {
      overrides.settings.emplace_back(line.substr(0, equals), line.substr(equals + 1));
    }
  }
  return overrides;
}

/// What profile.hpp says of every profile.
void must_be_sound(const Profile& profile) {
  fuzz::must(!profile.ports.empty() &&
                 (!profile.sources.empty() || !profile.named_sources.empty() || !profile.host_senders.empty()),
             "a profile has sources and ports");
  fuzz::must(profile.side == Side::kHome || (profile.named_sources.empty() && profile.host_senders.empty()),
             "names and senders are home's");
  for (const auto& sender : profile.host_senders) {
    fuzz::must(!sender.addresses.empty(), "a sender has an address");
  }
  for (std::size_t i = 0; i < profile.sources.size(); ++i) {
    const auto& source = profile.sources[i];
    fuzz::must(source.length >= 4, "a source is a network, not the internet");
    for (std::size_t j = 0; j < i; ++j) {
      fuzz::must(!source.overlaps(profile.sources[j]), "no source overlaps another");
    }
  }
  for (const auto& ports : profile.ports) {
    fuzz::must(ports.first >= 1 && ports.first <= ports.last, "ports are 1 to 65535, in order");
  }
  fuzz::must(profile.mark.value != 0 && (profile.mark.value & ~profile.mark.mask) == 0, "a mark lies in its mask");
  fuzz::must(!profile.tunnel.empty(), "a profile has a tunnel");
  const bool home = profile.side == Side::kHome;
  fuzz::must(home == (profile.table.value != 0) && home == (profile.priority.value != 0),
             "home has table and priority");
  fuzz::must(!home || (!profile.wan && !profile.public_ip && !profile.public_ip6), "a home has no WAN");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = fuzz::text_of({data, size});
  constexpr std::string_view kMark = "\n--set\n";
  const auto mark = input.find(kMark);
  const auto overrides =
      mark == std::string_view::npos ? ProfileOverrides{} : overrides_of(input.substr(mark + kMark.size()));
  const auto profile = parse_profile("fuzz", "fuzz.json", input.substr(0, mark), overrides);
  const auto mistakes = check_profile("fuzz.json", input.substr(0, mark), overrides);
  fuzz::must(mistakes.empty() == profile.has_value(), "what is not refused has no mistake");
  for (const auto& mistake : mistakes) {
    fuzz::must_be_readable(mistake.error);
  }
  if (!profile) {
    fuzz::must(profile.error().message() == mistakes.front().error.message(),
               "the first mistake is the one refused for");
    fuzz::must(profile.error().kind == ErrorKind::kUsage, "a profile that is refused is the user's to mend");
    fuzz::must_be_readable(profile.error());
    return 0;
  }
  must_be_sound(*profile);
  const auto again = parse_profile("fuzz", "fuzz.json", profile_to_json(*profile));
  fuzz::must(again && *again == *profile, "a profile that is written reads the same");
  return 0;
}
