// Answers as people type them.
#include "cli/questions.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace smtpegress::cli {
namespace {

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;

setup::Question question(bool several, std::size_t candidates = 3) {
  setup::Question question{
      .topic = setup::Topic::kSources, .asked = "Which?", .candidates = {}, .several = several, .flag = ""};
  for (std::size_t i = 0; i < candidates; ++i) {
    question.candidates.push_back({.value = std::string(1, static_cast<char>('a' + i)), .shown = "shown", .flag = ""});
  }
  return question;
}

/// "a,c"; "none" where the input ended first.
std::string answered(const setup::Question& asked, std::string typed) {
  const File in(::fmemopen(typed.data(), typed.size(), "r"));
  const File out(std::fopen("/dev/null", "w"));
  const auto values = ask(asked, in.get(), out.get());
  if (!values) {
    EXPECT_EQ(values.error().kind, ErrorKind::kUsage);
    return "none";
  }
  std::string text;
  for (const auto& value : *values) {
    text += (text.empty() ? "" : ",") + value;
  }
  return text;
}

TEST(Questions, ANumberChooses_AnEmptyLineTheFirst) {
  EXPECT_EQ(answered(question(false), "2\n"), "b");
  EXPECT_EQ(answered(question(false), " 3 \r\n"), "c");
  EXPECT_EQ(answered(question(false), "\n"), "a");
}

TEST(Questions, WhatIsNoAnswer_IsAskedAgain) {
  EXPECT_EQ(answered(question(false), "0\n4\nx\n1x\n-1\n1,2\n99999999999999999999\n2\n"), "b");
  EXPECT_EQ(answered(question(true), ",\n1,9\n2\n"), "b");
}

TEST(Questions, SeveralMayBeChosen) {
  EXPECT_EQ(answered(question(true), "3, 1\n"), "c,a");
  EXPECT_EQ(answered(question(true), "1 2\n"), "a,b");
  EXPECT_EQ(answered(question(true), "2,1,2\n"), "b,a") << "each once";
}

TEST(Questions, TheEndOfInput_IsNoAnswer) {
  EXPECT_EQ(answered(question(false), "x"), "none");
  EXPECT_EQ(answered(question(false), "7\n"), "none");
  EXPECT_EQ(answered(question(false), "2"), "none");  // not a whole line
}

TEST(Questions, AnAddress_WhereThereIsNothingToChooseFrom) {
  EXPECT_EQ(answered(question(false, 0), "\nx\n1\n::1\n2001:db8::1\n203.0.113.10\n"), "203.0.113.10");
}

}  // namespace
}  // namespace smtpegress::cli
