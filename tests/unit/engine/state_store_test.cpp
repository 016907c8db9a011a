#include "engine/state_store.hpp"
#include "engine/instances.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "support/hosts.hpp"
#include "support/temp_dir.hpp"

namespace smtpegress {
namespace {

class Store : public testing::Test {
 protected:
  test::TempDir directory_;
  const Whereabouts here_{"this boot", "this network"};
  StateStore store_{directory_.file("state"), here_};

  static InstanceRecord record() {
    return {test::home_profile(),
            {{}, {}, {}, {test::ifname("br-mailu")}},
            Phase::kEnabled,
            {.saved = {{"net/ipv4/ip_forward", "0", "1"}, {"net/ipv4/conf/wg0/rp_filter", "1", "2"}},
             .translations = {"ip nat POSTROUTING: counter masquerade"},
             .links = {1, 2}}};
  }
  std::string write(const std::string& text) {
    std::filesystem::create_directories(store_.directory());
    directory_.write("state/mailu-home.json", text);
    const auto loaded = store_.load("mailu-home");
    return loaded ? "accepted" : loaded.error().message();
  }
  /// What is said of a record with something else in it, whatever its checksum.
  std::string altered(std::string_view what, std::string_view by) {
    auto text = record_to_json(record(), here_);
    const auto at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what << " is not in " << text;
    const auto read = read_record("mailu-home", "mailu-home.json", text.replace(at, what.size(), by));
    EXPECT_TRUE(read || read.error().kind == ErrorKind::kDamaged);
    return read ? "accepted" : read.error().message();
  }
};

TEST_F(Store, SaveThenLoad_GivesTheSameRecord) {
  ASSERT_TRUE(store_.lock());
  for (const auto phase : {Phase::kEnabling, Phase::kEnabled, Phase::kDisabling}) {
    auto saved = record();
    saved.phase = phase;
    ASSERT_TRUE(store_.save(saved));
    const auto loaded = store_.load("mailu-home");
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->value(), saved);
  }
}

TEST_F(Store, AVpsRecord_KeepsWhatWasFoundOnTheHost) {
  ASSERT_TRUE(store_.lock());
  const InstanceRecord saved{test::vps_profile(),
                             {test::ifname("eth0"), test::address("10.0.0.5"), test::address("203.0.113.10"), {}},
                             Phase::kEnabled,
                             {}};
  ASSERT_TRUE(store_.save(saved));
  EXPECT_EQ(store_.load("mailu-vps")->value(), saved);
}

TEST_F(Store, Load_NoFile_IsNoRecordAndNoError) {
  const auto loaded = store_.load("mailu-home");
  ASSERT_TRUE(loaded);
  EXPECT_FALSE(loaded->has_value());
  EXPECT_TRUE(store_.list()->empty());
}

TEST_F(Store, Save_LeavesNoFileBeside) {
  ASSERT_TRUE(store_.lock());
  ASSERT_TRUE(store_.save(record()));
  EXPECT_FALSE(std::filesystem::exists(store_.directory() + "/mailu-home.json.new"));
}

TEST_F(Store, FilesAndDirectory_AreForTheirOwnerAlone) {
  ASSERT_TRUE(store_.lock());
  ASSERT_TRUE(store_.save(record()));
  struct stat seen {};
  ASSERT_EQ(::stat(store_.directory().c_str(), &seen), 0);
  EXPECT_EQ(seen.st_mode & 0777U, 0700U);
  ASSERT_EQ(::stat((store_.directory() + "/mailu-home.json").c_str(), &seen), 0);
  EXPECT_EQ(seen.st_mode & 0777U, 0600U);
}

TEST_F(Store, ADamagedFile_IsRefusedWithItsNameAndWhatToDo) {
  const auto sealed = record_to_json(record(), here_);
  for (const auto& text : {std::string(), std::string("{"), std::string("[]"), std::string("{}"),
                           std::string("{\"version\": 2}"), sealed.substr(0, sealed.size() / 2), sealed + " "}) {
    const auto said = write(text);
    EXPECT_NE(said.find("mailu-home.json: is damaged: its checksum is missing or does not fit; `smtp-egress disable "
                        "mailu-home` moves it aside"),
              std::string::npos)
        << said;
  }
}

TEST_F(Store, OneByteIsAnother_WhereverItStands_IsFound) {
  const auto sealed = record_to_json(record(), here_);
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    auto text = sealed;
    text[at] = static_cast<char>(text[at] ^ 1);
    EXPECT_NE(write(text), "accepted") << at;
  }
}

TEST_F(Store, OfAnEarlierBoot_IsNoRecord) {
  ASSERT_TRUE(store_.lock());
  ASSERT_TRUE(store_.save(record()));
  const auto loaded = StateStore(store_.directory(), {"the next boot", "this network"}).load("mailu-home");
  ASSERT_TRUE(loaded);
  EXPECT_FALSE(loaded->has_value());
  EXPECT_TRUE(store_.load("mailu-home")->has_value());
}

TEST_F(Store, RightHere_IsTheKernelsBootAndANetworkNamespace) {
  EXPECT_EQ(right_here().boot.size(), 36U) << right_here().boot;
  EXPECT_FALSE(right_here().network.empty());
}

TEST_F(Store, OfAnotherNetworkNamespace_IsRefusedByNameAndNoneOfTheOthers) {
  ASSERT_TRUE(store_.lock());
  ASSERT_TRUE(store_.save(record()));
  const StateStore there(store_.directory(), {"this boot", "another network"});
  const auto loaded = there.load("mailu-home");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().kind, ErrorKind::kElsewhere);
  EXPECT_NE(loaded.error().message().find("mailu-home.json: is of another network namespace, where mailu-home is or"),
            std::string::npos)
      << loaded.error().message();
  EXPECT_TRUE(other_instances(there, "second")->records.empty());
  EXPECT_EQ(other_instances(store_, "second")->records.size(), 1U);
}

TEST_F(Store, OfAVersionThatDidNotSayWhere_IsTakenForThisNetwork) {
  auto text = record_to_json(record(), {"this boot", ""});
  EXPECT_EQ(write(text), "accepted");
}

TEST_F(Store, WhatIsLeftToOthers_IsOfThisKernelAloneAndGoneWhenEmpty) {
  ASSERT_TRUE(store_.lock());
  EXPECT_EQ(store_.load_left()->saved.size(), 0U);
  ASSERT_TRUE(store_.save_left(record().sysctls));
  EXPECT_EQ(*store_.load_left(), record().sysctls);
  EXPECT_TRUE(store_.list()->empty()) << "no instance";
  EXPECT_EQ(*StateStore(store_.directory(), {"this boot", "another network"}).load_left(), SysctlRecord{});
  EXPECT_EQ(*StateStore(store_.directory(), {"the next boot", "this network"}).load_left(), SysctlRecord{});
  directory_.write("state/sysctls-left", "{}");
  EXPECT_EQ(*store_.load_left(), SysctlRecord{});
  ASSERT_TRUE(store_.save_left({}));
  EXPECT_FALSE(std::filesystem::exists(store_.directory() + "/sysctls-left"));
}

TEST_F(Store, SetAside_KeepsEachDamagedFile) {
  for (const auto* text : {"first", "second"}) {
    write(text);
    const auto moved = store_.set_aside("mailu-home");
    ASSERT_TRUE(moved) << moved.error().message();
  }
  EXPECT_EQ(directory_.read("state/mailu-home.json.damaged-1"), "first");
  EXPECT_EQ(directory_.read("state/mailu-home.json.damaged-2"), "second");
  EXPECT_TRUE(store_.list()->empty());
}

TEST_F(Store, ADeeplyNestedFile_IsRefusedAndNotFollowed) {
  constexpr std::size_t kDepth = 400'000;
  const auto said = altered("\"home\"", std::string(kDepth, '[') + std::string(kDepth, ']'));
  EXPECT_NE(said.find("is not what this program wrote"), std::string::npos) << said;
}

TEST_F(Store, APartThatIsMissingOrWrong_IsRefused) {
  EXPECT_NE(altered("\"phase\": \"enabled\"", "\"phase\": \"asleep\"").find("names an unknown phase"),
            std::string::npos);
  EXPECT_NE(altered("\"phase\"", "\"fase\"").find("lacks a part"), std::string::npos);
  EXPECT_NE(altered("\"boot\"", "\"boat\"").find("lacks a part"), std::string::npos);
  EXPECT_NE(altered("\"sysctls\"", "\"sysctl\"").find("lacks a part"), std::string::npos);
  EXPECT_NE(altered("\"previous\": \"0\"", "\"previous\": 0").find("lacks a part"), std::string::npos);
  EXPECT_NE(altered("\"192.168.203.0/24\"", "\"192.168.203.1/24\"").find("key 'sources'"), std::string::npos);
}

TEST_F(Store, OfAnotherVersion_IsLeftToTheProgramThatWroteIt) {
  auto text = record_to_json(record(), here_);
  const std::string_view version = "\"version\": 2";
  text.replace(text.find(version), version.size(), "\"version\": 3");
  const auto read = read_record("mailu-home", "mailu-home.json", text);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, ErrorKind::kUsage);
  EXPECT_NE(read.error().message().find("is of version 3"), std::string::npos) << read.error().message();
}

TEST_F(Store, ASysctlThatIsNotOurs_IsNeverWritten) {
  EXPECT_NE(altered("net/ipv4/ip_forward", "kernel/core_pattern").find("names a sysctl that is not ours"),
            std::string::npos);
  for (const auto* key : {"net/ipv4/../../kernel/x", "net/ipv4/..", "net/ipv4/conf/..", "net/ipv4/ip_forward\\u0000"}) {
    EXPECT_NE(altered("net/ipv4/ip_forward", key).find("names a sysctl that is not ours"), std::string::npos) << key;
  }
}

TEST_F(Store, ASymbolicLink_IsNotFollowed) {
  std::filesystem::create_directories(store_.directory());
  directory_.write("elsewhere", "{}");
  std::filesystem::create_symlink(directory_.file("elsewhere"), store_.directory() + "/mailu-home.json");
  EXPECT_FALSE(store_.load("mailu-home"));
  std::filesystem::create_symlink(directory_.file("elsewhere"), store_.directory() + "/mailu-home.json.new");
  EXPECT_FALSE(store_.save(record()));
  EXPECT_EQ(directory_.read("elsewhere"), "{}");
}

TEST_F(Store, List_NamesOfRecordsSorted) {
  ASSERT_TRUE(store_.lock());
  for (const auto* name : {"b", "a"}) {
    auto one = record();
    one.profile.name = name;
    ASSERT_TRUE(store_.save(one));
  }
  directory_.write("state/.hidden.json", "");
  directory_.write("state/a.json.new", "");
  EXPECT_EQ(*store_.list(), (std::vector<std::string>{"a", "b"}));
}

TEST_F(Store, Remove_IsDoneOnceAndForAll) {
  ASSERT_TRUE(store_.lock());
  ASSERT_TRUE(store_.save(record()));
  EXPECT_TRUE(store_.remove("mailu-home"));
  EXPECT_TRUE(store_.remove("mailu-home"));
  EXPECT_FALSE(store_.load("mailu-home")->has_value());
}

TEST_F(Store, Lock_IsFreeAgainWhenItsHolderIsDone) {
  { ASSERT_TRUE(store_.lock()); }
  EXPECT_TRUE(store_.lock());
}

TEST_F(Store, Lock_NoSuchParent_NamesTheDirectoryAndAWayOut) {
  StateStore nowhere(directory_.file("a/b/c"));
  const auto lock = nowhere.lock();
  ASSERT_FALSE(lock);
  EXPECT_EQ(exit_code_of(lock.error().kind), 2);
  EXPECT_NE(lock.error().message().find("make the directory above it"), std::string::npos) << lock.error().message();
  EXPECT_NE(lock.error().message().find(directory_.file("a/b/c")), std::string::npos);
  EXPECT_NE(lock.error().message().find("--state-dir"), std::string::npos);
}

TEST_F(Store, Lock_HeldByAnother_GivesUpAfterTenSecondsAndNamesIt) {
  const auto held = store_.lock();
  ASSERT_TRUE(held);
  const auto second = store_.lock();
  ASSERT_FALSE(second);
  EXPECT_EQ(exit_code_of(second.error().kind), 2) << "nothing was touched";
  const auto said = second.error().message();
  EXPECT_NE(said.find(fmt::format("another smtp-egress (process {})", ::getpid())), std::string::npos) << said;
  EXPECT_NE(said.find("try again when it is done"), std::string::npos) << said;
}

TEST_F(Store, Lock_ADirectoryThatOthersMayWriteTo_IsRefused) {
  for (const auto mode : {0770U, 0707U, 01777U}) {
    std::filesystem::create_directories(store_.directory());
    ASSERT_EQ(::chmod(store_.directory().c_str(), mode), 0);
    const auto lock = store_.lock();
    ASSERT_FALSE(lock) << mode;
    EXPECT_EQ(exit_code_of(lock.error().kind), 2);
    const auto said = lock.error().message();
    EXPECT_NE(said.find(store_.directory() + ": others may write to it"), std::string::npos) << said;
    EXPECT_NE(said.find("chmod 0700"), std::string::npos) << said;
    EXPECT_NE(said.find("--state-dir"), std::string::npos) << said;
    EXPECT_FALSE(std::filesystem::exists(store_.directory() + "/lock"));
  }
  ASSERT_EQ(::chmod(store_.directory().c_str(), 0755), 0);
  EXPECT_TRUE(store_.lock()) << "to be read by others is fine";
}

TEST_F(Store, Lock_ADirectoryOfAnotherUser_IsRefused) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root to give a directory away";
  }
  std::filesystem::create_directories(store_.directory());
  ASSERT_EQ(::chown(store_.directory().c_str(), 65534, 65534), 0);
  const auto lock = store_.lock();
  ASSERT_FALSE(lock);
  EXPECT_EQ(exit_code_of(lock.error().kind), 2);
  EXPECT_NE(lock.error().message().find("(owner 65534, mode 0755)"), std::string::npos) << lock.error().message();
}

TEST_F(Store, AFileInTheDirectorysPlace_IsRefusedByItsName) {
  directory_.write("state", "");
  const auto lock = store_.lock();
  ASSERT_FALSE(lock);
  EXPECT_EQ(exit_code_of(lock.error().kind), 2);
  EXPECT_NE(lock.error().message().find(store_.directory()), std::string::npos) << lock.error().message();
  EXPECT_NE(lock.error().message().find("--state-dir"), std::string::npos) << lock.error().message();
  const auto list = store_.list();
  ASSERT_FALSE(list);
  EXPECT_EQ(exit_code_of(list.error().kind), 2);
}

}  // namespace
}  // namespace smtpegress
