#include "cli/path_picture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace smtpegress::cli {
namespace {

using enum Place;
constexpr auto kOut = MailWay::kOut;
constexpr auto kBack = MailWay::kBack;
constexpr auto kOk = HopOutcome::kOk;
constexpr auto kBroken = HopOutcome::kBroken;
constexpr auto kUnknown = HopOutcome::kUnknown;

constexpr Drawing kUnicode{.charset = Drawing::Charset::kUnicode};
constexpr Drawing kAscii{};

Hop hop(Place place, MailWay way, HopOutcome outcome, std::string name = "", std::string seen = "",
        std::string mend = "") {
  return {.place = place,
          .way = way,
          .name = std::move(name),
          .outcome = outcome,
          .seen = std::move(seen),
          .checks = {},
          .mend = std::move(mend)};
}

/// Replies are lost at home; the table is on the way out alone.
std::vector<Hop> broken_back() {
  return {hop(kSender, kOut, kOk, "192.168.203.0/24"),
          hop(kTable, kOut, kOk, "100", "policy rules 10025 lead into wg0"),
          hop(kFirewall, kOut, kOk, "", "forwards, drops nothing"),
          hop(kTunnel, kOut, kOk, "wg0", "mtu 1420"),
          hop(kInternet, kOut, kUnknown, "", "not asked"),
          hop(kInternet, kBack, kUnknown, "", "not asked"),
          hop(kTunnel, kBack, kOk, "wg0", "mtu 1420"),
          hop(kFirewall, kBack, kBroken, "", "replies are dropped by inet fw c: tcp sport 25 drop", "remove it"),
          hop(kSender, kBack, kOk, "192.168.203.0/24")};
}

TEST(PathPicture, Unicode_BehindTheBreakTheWayIsDotted) {
  EXPECT_EQ(picture_text(broken_back(), kUnicode), R"(  out ▼   ▲ back
      ✓   ✓   mail stack  192.168.203.0/24
      ✓   ┊   table       100: policy rules 10025 lead into wg0
      ✓   ✗   firewall    replies are dropped by inet fw c: tcp sport 25 drop
      │   │               mend: remove it
      ✓   ✓   tunnel      wg0: mtu 1420
      –   –   internet    not asked
)");
}

TEST(PathPicture, Ascii_IsTheSamePicture) {
  EXPECT_EQ(picture_text(broken_back(), kAscii), R"(  out v   ^ back
      ok  ok  mail stack  192.168.203.0/24
      ok  :   table       100: policy rules 10025 lead into wg0
      ok  X   firewall    replies are dropped by inet fw c: tcp sport 25 drop
      |   |               mend: remove it
      ok  ok  tunnel      wg0: mtu 1420
      -   -   internet    not asked
)");
}

TEST(PathPicture, Colour_ChangesNothingButColour) {
  auto text = picture_text(broken_back(), {.charset = Drawing::Charset::kUnicode, .colour = Drawing::Colour::kAnsi});
  EXPECT_NE(text.find("\x1b[32m✓\x1b[0m"), std::string::npos) << text;
  EXPECT_NE(text.find("\x1b[1;31m✗\x1b[0m"), std::string::npos) << text;
  for (auto at = text.find('\x1b'); at != std::string::npos; at = text.find('\x1b')) {
    text.erase(at, text.find('m', at) - at + 1);
  }
  EXPECT_EQ(text, picture_text(broken_back(), kUnicode));
}

TEST(PathPicture, TheWayOutIsDottedBelowItsBreak_TheWayBackAboveItsOwn) {
  const auto text = picture_text({hop(kTable, kOut, kBroken, "100", "no rule", "enable"), hop(kMark, kOut, kOk),
                                  hop(kTunnel, kOut, kOk), hop(kTunnel, kBack, kBroken, "wg0", "is down", "up")},
                                 kUnicode);
  EXPECT_EQ(text, R"(  out ▼   ▲ back
      ✗   ┊   table       no rule
      ┊   ┊               mend: enable
      ✓   ┊   mark
      ✓   ✗   tunnel      is down
      ┊   │               mend: up
)");
}

std::size_t widest(const std::string& text) {
  std::size_t most = 0;
  std::size_t width = 0;
  for (const char byte : text) {
    width = byte == '\n' ? 0 : width + ((static_cast<unsigned char>(byte) & 0xc0U) != 0x80U ? 1 : 0);
    most = std::max(most, width);
  }
  return most;
}

TEST(PathPicture, NoLineIsWiderThan80Columns) {
  const std::string words = "ünd so weiter und ";
  std::string much;
  for (int i = 0; i < 20; ++i) {
    much += words;
  }
  const std::string unbroken(200, 'x');
  for (const auto& said : {much, unbroken}) {
    const std::vector<Hop> path{hop(kSender, kOut, kOk, said, said), hop(kTable, kOut, kBroken, said, said, said)};
    for (const auto& drawing : {kUnicode, kAscii}) {
      const auto text = picture_text(path, drawing);
      EXPECT_EQ(widest(text), 80U) << text;
      EXPECT_EQ(std::ranges::count(text, '\n'), 5) << "two lines for the cause, one for the mend\n" << text;
      EXPECT_NE(text.find("mend: see FAILED below"), std::string::npos) << text;
    }
  }
}

TEST(PathPicture, WhatFitsExactly_IsNotCut) {
  const std::string exact(54, 'x');
  EXPECT_NE(picture_text({hop(kSender, kOut, kOk, exact)}, kUnicode).find("  " + exact + "\n"), std::string::npos);
  const auto cut = picture_text({hop(kSender, kOut, kOk, exact + "y")}, kUnicode);
  EXPECT_NE(cut.find(exact.substr(1) + "…\n"), std::string::npos) << cut;
}

TEST(PathPicture, WordsFromOutside_StayOnTheirLine) {
  const auto text = picture_text({hop(kInternet, kOut, kOk, "mx", "220 \x1b[2Jhi\nthere")}, kUnicode);
  EXPECT_EQ(std::ranges::count(text, '\n'), 2);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  const std::string command = "\xc2\x9b";  // U+009B, as ESC and '['
  EXPECT_FALSE(picture_text({hop(kInternet, kOut, kOk, "mx", command + "2J")}, kUnicode).contains(command));
}

TEST(PathPicture, InAscii_NothingElseIsLeft) {
  EXPECT_EQ(in_ascii("AllowedIPs = …, a — b – ü✓"), "AllowedIPs = ..., a - b - ??");
  EXPECT_EQ(in_ascii("\xff\x80z"), "?z");
  EXPECT_EQ(in_ascii("\x80\nz\x80z"), "?\nz?z") << "a byte that continues nothing takes nothing with it";
}

Drawing drawn(Reader reader, const std::map<std::string, std::string>& environment) {
  return drawing_for(reader, [&](const char* name) -> const char* {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}
using Variables = std::map<std::string, std::string>;

TEST(PathPicture, TheLocaleDecidesTheCharacters) {
  for (const auto& environment : {Variables{{"LANG", "de_DE.UTF-8"}}, Variables{{"LC_CTYPE", "C.utf8"}},
                                  Variables{{"LC_ALL", "en_US.UTF-8"}, {"LANG", "C"}}}) {
    EXPECT_EQ(drawn(Reader::kOther, environment).charset, Drawing::Charset::kUnicode);
  }
  for (const auto& environment : {Variables{}, Variables{{"LANG", "C"}}, Variables{{"LANG", "de_DE@euro"}},
                                  Variables{{"LC_ALL", "C"}, {"LANG", "en_US.UTF-8"}}}) {
    EXPECT_EQ(drawn(Reader::kOther, environment).charset, Drawing::Charset::kAscii);
  }
}

TEST(PathPicture, ColourIsForTerminalsThatWantIt) {
  EXPECT_EQ(drawn(Reader::kTerminal, {}).colour, Drawing::Colour::kAnsi);
  EXPECT_EQ(drawn(Reader::kTerminal, {{"NO_COLOR", ""}}).colour, Drawing::Colour::kAnsi) << "no-color.org: not empty";
  EXPECT_EQ(drawn(Reader::kTerminal, {{"NO_COLOR", "1"}}).colour, Drawing::Colour::kNone);
  EXPECT_EQ(drawn(Reader::kTerminal, {{"TERM", "dumb"}}).colour, Drawing::Colour::kNone);
  EXPECT_EQ(drawn(Reader::kOther, {{"TERM", "xterm"}}).colour, Drawing::Colour::kNone);
}

}  // namespace
}  // namespace smtpegress::cli
