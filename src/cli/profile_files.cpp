#include "cli/profile_files.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <system_error>

#include "net/contains.hpp"
#include "net/file.hpp"

namespace smtpegress::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxProfileSize = 1 << 24;  // bytes; a profile is some hundred, and 120 more for each tenant

std::string environment_or(const char* name, std::string fallback) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? std::string(value) : std::move(fallback);
}

std::string default_shipped_dir() {
  std::error_code error;
  const auto beside = fs::read_symlink("/proc/self/exe", error).parent_path() / "profiles";
  return !error && fs::is_directory(beside, error) ? beside.string() : SMTP_EGRESS_SHIPPED_PROFILES;
}

std::vector<ProfileFile> files_in(const std::string& directory, bool shipped) {
  std::vector<ProfileFile> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (entry.path().extension() == ".json" && check_instance_name(entry.path().stem().string())) {
      files.push_back({entry.path().stem().string(), entry.path().string(), shipped});
    }
  }
  std::ranges::sort(files, {}, &ProfileFile::name);
  return files;
}

/// A profile decides whose packets go where, so nobody else may write it, or put another in its place.
/// Who may write the shipped ones may write the program they stand beside.
Result<void> refuse_others_profile(const ProfileFile& file) {
  if (file.shipped) {
    return {};
  }
  const auto& path = file.path;
  const auto directory = fs::path(path).parent_path().string();
  for (const auto& object : {path, directory.empty() ? std::string(".") : directory}) {
    const auto others = writable_by_others(object, StickyBit::kSuffices, sudo_user());
    if (!others) {
      return std::unexpected(others.error());
    }
    if (!others->empty()) {
      return usage_error(
          "read profile", path,
          fmt::format("others may write to {0} ({1}), and it decides whose packets go where; `chown root "
                      "{0}` and `chmod go-w {0}`. Nothing was changed",
                      object, *others));
    }
  }
  return {};
}

Result<std::string> text_of(const ProfileFile& file) {
  auto text = read_text_file("read profile", file.path, kMaxProfileSize, Symlinks::kFollow);
  if (!text && (text.error().errnum == EFBIG || text.error().errnum == EISDIR)) {
    text.error().kind = ErrorKind::kUsage;
    text.error().hint = "this is no profile, which is a file of some hundred bytes";
  }
  return text;
}

/// A directory that is not there holds no profile, and is no error.
Result<void> may_list(const std::string& directory) {
  std::error_code error;
  if (fs::directory_iterator(directory, error); error == std::errc::permission_denied) {
    return system_error("read profiles in", directory, EACCES, {}, "run as root");
  }
  return {};
}

}  // namespace

std::optional<uid_t> sudo_user() {
  const char* const text = ::geteuid() == 0 ? std::getenv("SUDO_UID") : nullptr;
  uid_t user = 0;
  const auto* const end = text == nullptr ? nullptr : text + std::strlen(text);
  return text != nullptr && std::from_chars(text, end, user).ptr == end && user != 0 ? std::optional(user)
                                                                                     : std::nullopt;
}

ProfileFiles::ProfileFiles()
    : config_dir_(environment_or("SMTP_EGRESS_CONFIG_DIR", "/etc/smtp-egress")),
      shipped_dir_(environment_or("SMTP_EGRESS_PROFILE_DIR", default_shipped_dir())) {}

std::vector<ProfileFile> ProfileFiles::list() const {
  auto files = files_in(config_dir_, false);
  for (auto& shipped : files_in(shipped_dir_, true)) {
    if (!contains(files, shipped.name, &ProfileFile::name)) {
      files.push_back(std::move(shipped));
    }
  }
  std::ranges::sort(files, {}, &ProfileFile::name);
  return files;
}

std::optional<ProfileFile> ProfileFiles::find(const std::string& instance) const {
  std::error_code error;
  if (instance.find('/') != std::string::npos) {
    // One that may not be looked at is said to be so when it is read.
    return fs::exists(instance, error) || error == std::errc::permission_denied
               ? std::optional(ProfileFile{instance_name(instance), instance, false})
               : std::nullopt;
  }
  for (const bool shipped : {false, true}) {
    const auto path = fs::path(shipped ? shipped_dir_ : config_dir_) / (instance + ".json");
    if (fs::exists(path, error)) {
      return ProfileFile{instance, path.string(), shipped};
    }
  }
  return std::nullopt;
}

Error ProfileFiles::not_found(const std::string& instance) const {
  for (const auto& directory : {config_dir_, shipped_dir_}) {
    if (auto listed = may_list(directory); !listed) {
      return listed.error();
    }
  }
  std::string known;
  for (const auto& candidate : list()) {
    known += (known.empty() ? "" : ", ") + candidate.name;
  }
  return usage_error("read profile", fmt::format("'{}'", instance),
                     instance.find('/') != std::string::npos
                         ? std::string("there is no such file")
                         : fmt::format("there is no {}/{}.json, and no shipped profile of that name; there are: {}",
                                       config_dir_, instance, known.empty() ? "none" : known))
      .error();
}

Result<Profile> ProfileFiles::load(const std::string& instance, const ProfileOverrides& overrides) const {
  auto name = check_instance_name(instance_name(instance));
  if (!name) {
    return std::unexpected(name.error());
  }
  const auto file = find(instance);
  if (!file) {
    return std::unexpected(not_found(instance));
  }
  if (auto ours = refuse_others_profile(*file); !ours) {
    return std::unexpected(ours.error());
  }
  const auto text = text_of(*file);
  if (!text) {
    return std::unexpected(text.error());
  }
  auto profile = parse_profile(*std::move(name), file->path, *text, overrides);
  if (profile) {
    const bool is_path = instance.find('/') != std::string::npos;
    profile->asked_for = {is_path ? fs::absolute(instance).lexically_normal().string() : instance, overrides};
  }
  return profile;
}

CheckedFile ProfileFiles::check(const std::string& instance) const {
  const bool may_be_here = instance.ends_with(".json") && instance.find('/') == std::string::npos;
  const auto given = may_be_here && !find(instance) ? "./" + instance : instance;
  const auto file = find(given);
  CheckedFile checked{.path = file ? file->path : given, .mistakes = {}};
  const auto add = [&](const Error& error) { checked.mistakes.push_back({.key = {}, .error = error}); };
  if (const auto name = check_instance_name(instance_name(given)); !name) {
    add(name.error());
  }
  if (!file) {
    if (checked.mistakes.empty()) {
      add(not_found(given));
    }
    return checked;
  }
  if (const auto ours = refuse_others_profile(*file); !ours) {
    add(ours.error());
  }
  if (const auto text = text_of(*file)) {
    std::ranges::move(check_profile(file->path, *text), std::back_inserter(checked.mistakes));
  } else {
    add(text.error());
  }
  return checked;
}

Result<std::vector<std::string>> ProfileFiles::configured() const {
  if (auto listed = may_list(config_dir_); !listed) {
    return std::unexpected(listed.error());
  }
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(config_dir_, error)) {
    if (entry.path().extension() == ".json" && !entry.path().filename().string().starts_with('.')) {
      paths.push_back(entry.path().string());
    }
  }
  if (paths.empty()) {
    return usage_error("check profiles in", config_dir_,
                       "there are none; name one, or a file: smtp-egress check ./mailu-home.json");
  }
  std::ranges::sort(paths);
  return paths;
}

std::optional<std::string> ProfileFiles::only_configured() const {
  const auto files = files_in(config_dir_, false);
  return files.size() == 1 ? std::optional(files.front().name) : std::nullopt;
}

}  // namespace smtpegress::cli
