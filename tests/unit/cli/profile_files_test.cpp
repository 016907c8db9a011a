#include "cli/profile_files.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "support/engine_host.hpp"

namespace smtpegress::cli {
namespace {

constexpr std::string_view kMine = R"({"side": "home", "sources": ["10.9.0.0/24"], "description": "mine"})";

class Files : public testing::Test {
 protected:
  Files() {
    ::umask(022);
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
    ::unsetenv("SUDO_UID");
  }
  /// Of a profile etc/mine.json with these permissions on `object`.
  std::string said_with(const std::string& object, uid_t owner, mode_t mode) {
    directory_.write("etc/mine.json", std::string(kMine));
    EXPECT_EQ(::chown(directory_.file(object).c_str(), owner, 0), 0);
    EXPECT_EQ(::chmod(directory_.file(object).c_str(), mode), 0);
    const auto said = test::said(ProfileFiles().load("mine", {}));
    EXPECT_EQ(::chown(directory_.file(object).c_str(), 0, 0), 0);
    EXPECT_EQ(::chmod(directory_.file(object).c_str(), object == "etc" ? 0755 : 0644), 0);
    return said;
  }
  /// What check has to say of it, a line each.
  static std::vector<std::string> mistakes_of(const std::string& instance) {
    std::vector<std::string> lines;
    for (const auto& mistake : ProfileFiles().check(instance).mistakes) {
      lines.push_back(mistake.error.message());
    }
    return lines;
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

TEST_F(Files, AProfileThatOthersMayWriteTo_IsRefusedWithTheWayOut) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root to give a file away";
  }
  const auto file = directory_.file("etc/mine.json");
  EXPECT_EQ(said_with("etc/mine.json", 0, 0664),
            "read profile " + file + ": others may write to " + file +
                " (owner 0, mode 0664), and it decides whose packets go where; `chown root " + file +
                "` and `chmod go-w " + file + "`. Nothing was changed");
  EXPECT_NE(said_with("etc/mine.json", 0, 0646).find("mode 0646"), std::string::npos);
  EXPECT_NE(said_with("etc/mine.json", 65534, 0644).find("owner 65534"), std::string::npos);
  EXPECT_NE(said_with("etc", 65534, 0755).find("others may write to " + directory_.file("etc") + " (owner 65534"),
            std::string::npos);
  EXPECT_NE(said_with("etc", 0, 0777).find("mode 0777"), std::string::npos);
}

TEST_F(Files, AProfileThatOthersMayOnlyRead_IsFine) {
  EXPECT_EQ(said_with("etc/mine.json", 0, 0644), "");
  EXPECT_EQ(said_with("etc", 0, 01777), "") << "as in /tmp: nobody else can put another file in its place";
}

TEST_F(Files, AProfileOfHimWhoRunsSudo_IsFine) {
  ::setenv("SUDO_UID", "1000", 1);
  EXPECT_EQ(said_with("etc/mine.json", 1000, 0644), "");
  EXPECT_NE(said_with("etc/mine.json", 1001, 0644), "");
  for (const auto* wrong : {"", "0x", "1000x", "-1"}) {
    ::setenv("SUDO_UID", wrong, 1);
    EXPECT_NE(said_with("etc/mine.json", 1000, 0644), "") << wrong;
  }
}

TEST_F(Files, AMistake_NamesTheFile) {
  directory_.write("etc/bad.json", "{\n\"side\": oops }");
  EXPECT_EQ(test::said(ProfileFiles().load("bad", {})),
            "read profile " + directory_.file("etc") + "/bad.json: is not JSON: error in line 2");
}

TEST_F(Files, AFileThatIsFarTooLong_IsNotReadAndIsTheUsersMistake) {
  directory_.write("etc/long.json", std::string((1 << 24) + 1, ' '));
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

TEST_F(Files, Check_TakesNamesAsEnableDoes) {
  directory_.write("etc/mailu-home.json", std::string(kMine));
  EXPECT_EQ(ProfileFiles().check("mailu-home").path, directory_.file("etc/mailu-home.json"));
  EXPECT_EQ(ProfileFiles().check("mailu-vps").path, directory_.file("share/mailu-vps.json"));
  EXPECT_EQ(mistakes_of("mailu-home"), std::vector<std::string>{});
  for (const auto* wrong : {"mailu-hom", "./nowhere.json", "a b", ""}) {
    EXPECT_EQ(mistakes_of(wrong), (std::vector{test::said(ProfileFiles().load(wrong, {}))})) << wrong;
    EXPECT_EQ(ProfileFiles().check(wrong).path, wrong);
  }
  EXPECT_EQ(mistakes_of("nowhere.json"), mistakes_of("./nowhere.json")) << "what ends so is meant as a file";
}

TEST_F(Files, Check_FindsAFileOfTheCurrentDirectoryBehindTheNames) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(directory_.path());
  directory_.write("own.json", std::string(kMine));
  directory_.write("own", std::string(kMine));
  EXPECT_EQ(ProfileFiles().check("own.json").path, "./own.json");
  EXPECT_EQ(mistakes_of("own.json"), std::vector<std::string>{});
  EXPECT_EQ(mistakes_of("own").size(), 1U) << "a name, and there is no such profile";
  EXPECT_FALSE(ProfileFiles().find("own.json")) << "what changes the host takes names and paths, and nothing between";
  directory_.write("etc/own.json.json", std::string(kMine));
  EXPECT_EQ(ProfileFiles().check("own.json").path, directory_.file("etc/own.json.json")) << "a name comes first";
  std::filesystem::current_path(before);
}

TEST_F(Files, Check_TellsTheNameTheFileAndItsText) {
  directory_.write("etc/a b.json", R"({"side": "home", "mark": 0, "sources": ["mailu"]})");
  ASSERT_EQ(::chmod(directory_.file("etc/a b.json").c_str(), 0666), 0);
  const auto lines = mistakes_of(directory_.file("etc/a b.json"));
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0].find("instance name 'a b'"), 0U);
  EXPECT_NE(lines[1].find("others may write"), std::string::npos);
  EXPECT_NE(lines[2].find("key 'mark'"), std::string::npos);
  EXPECT_NE(lines[3].find("key 'sources'"), std::string::npos);
  std::filesystem::create_directories(directory_.file("etc/dir.json"));
  EXPECT_EQ(mistakes_of("dir"), (std::vector{test::said(ProfileFiles().load("dir", {}))}));
}

TEST_F(Files, Configured_AreAllThereAreInOrder) {
  EXPECT_EQ(test::said(ProfileFiles().configured()),
            "check profiles in " + directory_.file("etc") +
                ": there are none; name one, or a file: smtp-egress check ./mailu-home.json");
  for (const auto* name : {"etc/two.json", "etc/one.json", "etc/a b.json", "etc/.#two.json", "etc/notes.txt"}) {
    directory_.write(name, std::string(kMine));
  }
  EXPECT_EQ(*ProfileFiles().configured(), (std::vector{directory_.file("etc/a b.json"), directory_.file("etc/one.json"),
                                                       directory_.file("etc/two.json")}));
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

TEST_F(Files, Written_IsThereWhole_ReadableByAll) {
  std::filesystem::remove_all(directory_.file("etc"));
  ::umask(077);
  ASSERT_TRUE(ProfileFiles().write("mine", kMine, Existing::kRefuse));
  ::umask(022);
  EXPECT_EQ(directory_.read("etc/mine.json"), kMine);
  struct stat seen {};
  ASSERT_EQ(::stat(directory_.file("etc/mine.json").c_str(), &seen), 0);
  EXPECT_EQ(seen.st_mode & 07777U, 0644U);
  ASSERT_EQ(::stat(directory_.file("etc").c_str(), &seen), 0);
  EXPECT_EQ(seen.st_mode & 07777U, 0755U) << "nobody could look into it, for all that the file may be read";
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_.file("etc")), {}), 1);
}

TEST_F(Files, Written_ReplacesOnlyWhatItIsTold) {
  directory_.write("etc/mine.json", "before");
  const auto refused = ProfileFiles().write("mine", kMine, Existing::kRefuse);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kUsage);
  EXPECT_NE(refused.error().message().find("is there already; --force replaces it"), std::string::npos);
  EXPECT_EQ(directory_.read("etc/mine.json"), "before");
  ASSERT_TRUE(ProfileFiles().write("mine", kMine, Existing::kReplace));
  EXPECT_EQ(directory_.read("etc/mine.json"), kMine);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_.file("etc")), {}), 1);
}

TEST_F(Files, Written_LeavesADirectoryThatIsThereAsItIs) {
  ASSERT_EQ(::chmod(directory_.file("etc").c_str(), 0700), 0);
  ASSERT_TRUE(ProfileFiles().write("mine", kMine, Existing::kRefuse));
  struct stat seen {};
  ASSERT_EQ(::stat(directory_.file("etc").c_str(), &seen), 0);
  EXPECT_EQ(seen.st_mode & 07777U, 0700U);
}

TEST_F(Files, Written_WhereTheSudoersOwnDirectoryIs_AsItIsRead) {
  ASSERT_EQ(::chown(directory_.file("etc").c_str(), 1000, 1000), 0);
  EXPECT_FALSE(ProfileFiles().write("mine", kMine, Existing::kRefuse));
  ::setenv("SUDO_UID", "1000", 1);
  EXPECT_TRUE(ProfileFiles().write("mine", kMine, Existing::kRefuse));
  EXPECT_TRUE(ProfileFiles().load("mine", {}));
  ::unsetenv("SUDO_UID");
}

TEST_F(Files, Written_NotWhereOthersMayWrite) {
  ASSERT_EQ(::chmod(directory_.file("etc").c_str(), 0777), 0);
  const auto refused = ProfileFiles().write("mine", kMine, Existing::kRefuse);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("others may write to"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(directory_.file("etc/mine.json")));
}

TEST_F(Files, Written_ADirectoryThatCannotBe_IsTheUsersToMend) {
  directory_.write("file", "");
  ::setenv("SMTP_EGRESS_CONFIG_DIR", directory_.file("file/etc").c_str(), 1);
  const auto refused = ProfileFiles().write("mine", kMine, Existing::kRefuse);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kUsage);
}

}  // namespace
}  // namespace smtpegress::cli
