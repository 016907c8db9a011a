#include "cli/profiles_command.hpp"

#include <utility>

#include "net/contains.hpp"

namespace smtpegress::cli {
namespace {

/// That it names no network is all that is wrong with it: it is as wrong with an empty list.
bool lacks_sources_alone(const ProfileFiles& files, const std::string& name, const Error& error) {
  const auto without = files.load(name, {{{"sources", "[]"}}});
  return !without && without.error().message() == error.message();
}

ProfileLine line_of(const ProfileFiles& files, ProfileFile file) {
  ProfileLine line{.file = std::move(file), .profile = {}, .problem = {}, .enabled = {}};
  auto complete = files.load(line.file.name, {});
  if (complete) {
    line.profile = *std::move(complete);
    return line;
  }
  line.problem = complete.error().message();
  // A stand-in network shows the description and side of a profile that lacks but that.
  if (auto shown = files.load(line.file.name, {{{"sources", "192.0.2.0/24"}}}); shown) {
    if (lacks_sources_alone(files, line.file.name, complete.error())) {
      line.problem = "needs --subnet CIDR";
    }
    line.profile = *std::move(shown);
  }
  return line;
}

}  // namespace

std::vector<ProfileLine> profile_lines(const ProfileFiles& files, const Result<std::vector<std::string>>& enabled) {
  std::vector<ProfileLine> lines;
  for (auto& file : files.list()) {
    auto line = line_of(files, std::move(file));
    if (enabled) {
      line.enabled = contains(*enabled, line.file.name);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace smtpegress::cli
