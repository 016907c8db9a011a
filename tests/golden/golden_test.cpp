// Each folder is one case: a profile and a host, what should be there (desired.txt), what enable would do (plan.txt),
// what disable then does (undo.txt), byte for byte. UPDATE_GOLDEN=1 writes them anew; read the difference before you
// commit it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/output.hpp"
#include "support/desired_text.hpp"
#include "support/observed_file.hpp"

namespace smtpegress {
namespace {

namespace fs = std::filesystem;

const fs::path kCases = fs::path(SMTP_EGRESS_SOURCE_DIR) / "tests/golden";

std::vector<std::string> cases() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kCases)) {
    if (entry.is_directory()) {
      names.push_back(entry.path().filename().string());
    }
  }
  std::ranges::sort(names);
  return names;
}

std::string read(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class Golden : public testing::TestWithParam<std::string> {
 protected:
  fs::path folder_ = kCases / GetParam();
  std::string observed_ = read(folder_ / "observed.json");
  // "home-…" and "vps-…" are instances of the shipped names, so that tables and tags read as a person knows them.
  Profile profile_ = parse_profile(GetParam().starts_with("home") ? "mailu-home" : "mailu-vps", "profile.json",
                                   read(folder_ / "profile.json"))
                         .value();
  LegacyScripts legacy_ = GetParam().ends_with("-scripts") ? LegacyScripts::kTakeOver : LegacyScripts::kRefuse;

  void compare(const std::string& file, const std::string& text) const {
    if (std::getenv("UPDATE_GOLDEN") != nullptr) {
      std::ofstream(folder_ / file) << text;
    }
    EXPECT_EQ(text, read(folder_ / file)) << folder_ / file << "; UPDATE_GOLDEN=1 writes it anew";
  }
};

TEST_P(Golden, DesiredPlanAndUndo_AreAsWritten) {
  test::EngineHost box(test::observed_host(observed_));
  test::let_happen(observed_, profile_, box);
  const auto before = box.now();

  const auto host = resolve_host(profile_, box.host().state);
  ASSERT_TRUE(host) << test::said(host);
  compare("desired.txt", test::desired_text(lower(profile_, *host, box.host().state)));

  const auto plan = box.engine.plan(profile_, legacy_);
  ASSERT_TRUE(plan) << test::said(plan);
  compare("plan.txt", cli::plan_text(*plan));
  EXPECT_EQ(box.now(), before) << "plan changed something";

  const auto enabled = box.enable(profile_, legacy_);
  ASSERT_TRUE(enabled) << test::said(enabled);
  const auto settled = box.engine.plan(profile_, legacy_);
  EXPECT_TRUE(settled->plan.empty()) << cli::plan_text(*settled);

  const auto disabled = box.disable(profile_);
  ASSERT_TRUE(disabled) << test::said(disabled);
  compare("undo.txt", cli::disable_text(*disabled, cli::Verbosity::kVerbose));
  EXPECT_EQ(box.now().find("smtp-egress"), std::string::npos) << box.now();
  const bool fresh = observed_.find("\"enable\"") == std::string::npos && legacy_ == LegacyScripts::kRefuse;
  if (fresh) {
    EXPECT_EQ(box.now(), before);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden, testing::ValuesIn(cases()), [](const auto& parameter) {
  auto name = parameter.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace smtpegress
