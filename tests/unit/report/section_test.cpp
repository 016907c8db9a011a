// A report is cut where it would not be read, and says so.
#include "report/section.hpp"

#include <gtest/gtest.h>

namespace smtpegress::report {
namespace {

using Lines = std::vector<std::string>;

TEST(Section, ATextsLines_AreWithoutTheirEnds) {
  EXPECT_EQ(lines_of("a\n\nb\n"), (Lines{"a", "", "b"}));
  EXPECT_EQ(lines_of("a\nb"), (Lines{"a", "b"}));
  EXPECT_EQ(lines_of(""), Lines{});
}

TEST(Section, LinesBeyondTheMost_AreCounted) {
  Lines lines{"a", "b", "c"};
  shorten(lines, 3);
  EXPECT_EQ(lines, (Lines{"a", "b", "c"}));
  shorten(lines, 2);
  EXPECT_EQ(lines, (Lines{"a", "b", "... and 1 more line"}));
}

TEST(Section, ALongLine_IsCutBetweenItsCharacters) {
  std::string line = "aaaa";
  shorten(line, 4);
  EXPECT_EQ(line, "aaaa");
  line = "a\xc3\xa4\xc3\xa4";  // two of two bytes each
  shorten(line, 4);
  EXPECT_EQ(line, "a\xc3\xa4... and 2 more bytes");
  line = "\xa4\xa4\xa4";  // nothing begins there
  shorten(line, 2);
  EXPECT_EQ(line, "... and 3 more bytes");
}

}  // namespace
}  // namespace smtpegress::report
