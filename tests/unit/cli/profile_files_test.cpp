#include "cli/profile_files.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "support/engine_host.hpp"

namespace smtpegress::cli {
namespace {

constexpr std::string_view kMine = R"({"side": "home", "sources": ["10.9.0.0/24"], "description": "mine"})";

class Files : public testing::Test {
 protected:
  Files() {
    std::filesystem::create_directories(directory_.file("etc"));
    std::filesystem::create_directories(directory_.file("share"));
    ::setenv("SMTP_EGRESS_CONFIG_DIR", directory_.file("etc").c_str(), 1);
    ::setenv("SMTP_EGRESS_PROFILE_DIR", directory_.file("share").c_str(), 1);
    directory_.write("share/mailu-home.json", R"({"side": "home", "sources": ["192.168.203.0/24"]})");
    directory_.write("share/mailu-vps.json", R"({"side": "vps", "sources": ["192.168.203.0/24"]})");
  }
  ~Files() override {
    ::unsetenv("SMTP_EGRESS_CONFIG_DIR");
    ::unsetenv("SMTP_EGRESS_PROFILE_DIR");
  }
  test::TempDir directory_;
};

TEST_F(Files, UnknownProfile_NamesThePlaceAndThoseThereAre) {
  const auto loaded = ProfileFiles().load("mailu-hom", {});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().kind, ErrorKind::kUsage);
  EXPECT_EQ(test::said(loaded),
            "read profile 'mailu-hom': there is no " + directory_.file("etc") +
                "/mailu-hom.json, and no shipped profile of that name; there are: mailu-home, mailu-vps");
}

TEST_F(Files, UnknownPath_IsToldAsAFile) {
  EXPECT_EQ(test::said(ProfileFiles().load("./nowhere.json", {})),
            "read profile './nowhere.json': there is no such file");
}

TEST_F(Files, TheAdministratorsProfile_HidesTheShippedOne) {
  directory_.write("etc/mailu-home.json", std::string(kMine));
  EXPECT_EQ(ProfileFiles().load("mailu-home", {})->description, "mine");
  const auto list = ProfileFiles().list();
  ASSERT_EQ(list.size(), 2U);
  EXPECT_FALSE(list[0].shipped);
  EXPECT_TRUE(list[1].shipped);
}

TEST_F(Files, APath_IsReadAndNamesTheInstance) {
  directory_.write("own.json", std::string(kMine));
  const auto loaded = ProfileFiles().load(directory_.file("own.json"), {});
  ASSERT_TRUE(loaded) << test::said(loaded);
  EXPECT_EQ(loaded->name, "own");
}

TEST_F(Files, Overrides_AreApplied) {
  EXPECT_EQ(ProfileFiles().load("mailu-home", {{{"table", "300"}}})->table, TableId{300});
}

TEST_F(Files, AMistake_NamesTheFile) {
  directory_.write("etc/bad.json", "{\n\"side\": oops }");
  EXPECT_EQ(test::said(ProfileFiles().load("bad", {})),
            "read profile " + directory_.file("etc") + "/bad.json: is not JSON: error in line 2");
}

TEST_F(Files, AFileThatIsFarTooLong_IsNotReadAndIsTheUsersMistake) {
  directory_.write("etc/long.json", std::string((1 << 20) + 1, ' '));
  const auto loaded = ProfileFiles().load("long", {});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().kind, ErrorKind::kUsage) << "a wrong profile is exit 2, not a kernel's refusal";
  EXPECT_NE(test::said(loaded).find(directory_.file("etc") + "/long.json"), std::string::npos);
}

TEST_F(Files, ADirectoryOfThatName_IsTheUsersMistake) {
  std::filesystem::create_directories(directory_.file("etc/dir.json"));
  const auto loaded = ProfileFiles().load("dir", {});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().kind, ErrorKind::kUsage) << test::said(loaded);
}

TEST_F(Files, NamesThatAreNoInstance_AreNotListedNorLoaded) {
  directory_.write("etc/-x.json", std::string(kMine));
  directory_.write("etc/notes.txt", "");
  EXPECT_EQ(ProfileFiles().list().size(), 2U);
  EXPECT_FALSE(ProfileFiles().load("a b", {}));
}

TEST_F(Files, OnlyConfigured_WhereThereIsExactlyOne) {
  EXPECT_EQ(ProfileFiles().only_configured(), std::nullopt);
  directory_.write("etc/one.json", std::string(kMine));
  EXPECT_EQ(ProfileFiles().only_configured(), "one");
  directory_.write("etc/two.json", std::string(kMine));
  EXPECT_EQ(ProfileFiles().only_configured(), std::nullopt);
}

TEST(InstanceOf, NamesAndPaths) {
  EXPECT_EQ(instance_name("mailu-home"), "mailu-home");
  EXPECT_EQ(instance_name("./mailu-home.json"), "mailu-home");
  EXPECT_EQ(instance_name("/etc/smtp-egress/mailu-home.json"), "mailu-home");
}

}  // namespace
}  // namespace smtpegress::cli
