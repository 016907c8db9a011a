// What is found in a profile's text, whole or broken.
#include "report/profile_text.hpp"

#include <gtest/gtest.h>

namespace smtpegress::report {
namespace {

using Texts = std::vector<std::string>;

TEST(WithPlainLetters, WhatAnEscapeStandsFor_StandsInItsPlace) {
  EXPECT_EQ(with_plain_letters(R"("m\u00fcller \u00DF \u20ac \ud83d\ude00 \u0061 10.0.0.0\/8")"),
            R"("müller ß € 😀 a 10.0.0.0/8")");
  EXPECT_EQ(with_plain_letters(R"("[\"m\\u00fcller\", \"\\ud83d\\ude00\"]")"), R"("[\"müller\", \"😀\"]")")
      << "in a text within a text";
}

TEST(WithPlainLetters, WhatEndsATextOrIsNoCharacter_Stays) {
  for (const auto* kept :
       {R"(\" \\ \u0022 \u005C)", R"(\n \u000a \u001b \u007f \u009b)", R"(\u00f \u00fx \u+0fc \U00fc \x1b)",
        R"(\ud83d \ude00 \ud83dude00 \ude00\ud83d \ud83d\u)", R"(\u)", R"(\)", "u00fc", ""}) {
    EXPECT_EQ(with_plain_letters(kept), kept);
  }
}

TEST(WithoutEscapes, ATextWithinAText_StandsThereByItself) {
  EXPECT_EQ(without_escapes(R"([["tenants", "[{\"name\": \"J\\u00fcrgen\"}]"]])"),
            R"([["tenants", "[{"name": "Jürgen"}]"]])");
  EXPECT_EQ(without_escapes(R"(a\nb\u0009c\u009bd\u0022\u005c\\ \x \)"), R"(a b c d"\ x )");
}

TEST(WithoutDescriptions, APersonsOwnWords_AreLeftOut) {
  EXPECT_EQ(without_descriptions(R"({"description": "Alice's \"box\" \\", "side": "home"})"),
            R"({"description": "...", "side": "home"})");
  EXPECT_EQ(without_descriptions("{\"description\"\n:\t\"a\"}"), "{\"description\"\n:\t\"...\"}");
  EXPECT_EQ(without_descriptions(R"([{"description": "a"}, {"description": "b"}])"),
            R"([{"description": "..."}, {"description": "..."}])");
}

TEST(WithoutDescriptions, OneThatWasSetBesideTheProfile_IsAPair) {
  EXPECT_EQ(without_descriptions("[[\n  \"description\",\n  \"Alice's\"\n], [\"wan\", \"eth0\"]]"),
            "[[\n  \"description\",\n  \"...\"\n], [\"wan\", \"eth0\"]]");
  EXPECT_EQ(without_descriptions(R"({"instance": "description", "description": "a"})"),
            R"({"instance": "description", "description": "..."})");
  EXPECT_EQ(without_descriptions(R"([["description", "cut o)"), R"([["description", "...)");
}

TEST(WithoutDescriptions, BrokenText_LosesWhatMayBeOne) {
  EXPECT_EQ(without_descriptions(R"({"description": "cut o)"), R"({"description": "...)");
  EXPECT_EQ(without_descriptions(R"({"description": "cut o\)"), R"({"description": "...)");
  for (const auto* kept : {R"({"description": 7})", R"({"description")", R"("description":)", "", "{}"}) {
    EXPECT_EQ(without_descriptions(kept), kept);
  }
}

TEST(WithoutDescriptions, AListOrAnObject_IsLeftOutWhole) {
  EXPECT_EQ(without_descriptions(R"({"description": ["a", "b"], "side": "home"})"),
            R"({"description": [...], "side": "home"})");
  EXPECT_EQ(without_descriptions(R"({"description": {"a]}": ["\"}", {"b": {}}]}, "side": "home"})"),
            R"({"description": {...}, "side": "home"})");
  EXPECT_EQ(without_descriptions(R"({"description": ["a"}, "b"], "side": "home"})"),
            R"({"description": [...], "side": "home"})");
  for (const auto* broken : {R"({"description": ["a")", R"({"description": ["a)", R"({"description": [["a"])"}) {
    EXPECT_EQ(without_descriptions(broken), R"({"description": [...])");
  }
  const auto once = without_descriptions(R"({"description":[]description":"x"})");
  EXPECT_EQ(without_descriptions(once), once);
}

TEST(TextsOf, AKey_AreItsOwnAndThoseOfItsList) {
  const auto* const text = R"({"tenants": [{"name": "alice", "x": "y"}, {"name" : "bob"}], "probe": ["mx", "mx2:25"]})";
  EXPECT_EQ(texts_of(text, "name"), (Texts{"alice", "bob"}));
  EXPECT_EQ(texts_of(text, "probe"), (Texts{"mx", "mx2:25"}));
  EXPECT_EQ(texts_of(text, "tenants"), (Texts{"name", "alice", "x", "y", "name", "bob"}));
  EXPECT_EQ(texts_of(text, "mx2:25"), Texts{});
}

TEST(TextsOf, AKeyThatWasSetBesideTheProfile_IsTheFirstOfAPair) {
  EXPECT_EQ(texts_of(R"([["probe", "mx"], ["wan", "eth0"]])", "probe"), Texts{"mx"});
  EXPECT_EQ(texts_of(R"({"tunnel": "probe", "wan": "eth0"})", "probe"), Texts{}) << "what follows is a key";
}

TEST(TextsOf, BrokenText_AreThoseThatBegan) {
  EXPECT_EQ(texts_of(R"({"probe": ["mx", "m)", "probe"), (Texts{"mx", "m"}));
  EXPECT_EQ(texts_of(R"({"name": "a)", "name"), Texts{"a"});
  for (const auto* none : {R"({"probe": )", R"({"probe": [)", R"({"probe": 7, "x": "y"})", R"("probe")", ""}) {
    EXPECT_EQ(texts_of(none, "probe"), Texts{}) << none;
  }
}

}  // namespace
}  // namespace smtpegress::report
