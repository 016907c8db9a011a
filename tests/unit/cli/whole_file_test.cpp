// A file is there whole or not at all, and nothing else is touched.
#include "cli/whole_file.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "support/temp_dir.hpp"

namespace smtpegress::cli {
namespace {

constexpr mode_t kMode = 0600;

std::size_t files_in(const test::TempDir& directory) {
  const std::filesystem::directory_iterator entries(directory.path());
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

TEST(WholeFile, IsThereWithItsMode_AndNothingBesideIt) {
  const test::TempDir directory;
  EXPECT_EQ(write_whole_file(directory.file("report.txt"), "all", kMode, Existing::kRefuse), 0);
  EXPECT_EQ(directory.read("report.txt"), "all");
  struct stat seen {};
  ASSERT_EQ(::stat(directory.file("report.txt").c_str(), &seen), 0);
  EXPECT_EQ(seen.st_mode & 07777U, kMode);
  EXPECT_EQ(files_in(directory), 1U);
}

TEST(WholeFile, OneThatIsThere_IsReplacedOnlyWhereThatIsWanted) {
  const test::TempDir directory;
  directory.write("report.txt", "mine");
  EXPECT_EQ(write_whole_file(directory.file("report.txt"), "all", kMode, Existing::kRefuse), EEXIST);
  EXPECT_EQ(directory.read("report.txt"), "mine");
  EXPECT_EQ(write_whole_file(directory.file("report.txt"), "all", kMode, Existing::kReplace), 0);
  EXPECT_EQ(directory.read("report.txt"), "all");
  EXPECT_EQ(files_in(directory), 1U);
}

TEST(WholeFile, AnothersFileBesideIt_IsNeitherInTheWayNorRemoved) {
  const test::TempDir directory;
  const auto others = fmt::format(".report.txt.{}", ::getpid());
  directory.write(others, "another's");
  EXPECT_EQ(write_whole_file(directory.file("report.txt"), "all", kMode, Existing::kRefuse), 0);
  EXPECT_EQ(directory.read("report.txt"), "all");
  EXPECT_EQ(directory.read(others), "another's");
  EXPECT_EQ(files_in(directory), 2U);
}

}  // namespace
}  // namespace smtpegress::cli
