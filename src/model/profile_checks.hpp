// What is wrong with a profile, gathered while it is read, so that all of it can be told at once.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtpegress/profile.hpp"

namespace smtpegress {

class Mistakes {
 public:
  /// `origin` names the profile in messages.
  explicit Mistakes(std::string_view origin) : origin_(origin) {}

  /// `key` is the one to mend; `value` the offending value, empty where it is the key itself.
  void add(std::string_view key, std::string_view value, std::string hint) {
    add_from(origin_, key, value, std::move(hint));
  }
  /// The same of a value that does not stand in the profile but on the command line, say.
  void add_from(std::string_view origin, std::string_view key, std::string_view value, std::string hint);

  /// Whether a key is wrong already, so that what it has to do with others cannot be judged.
  [[nodiscard]] bool concern(std::string_view key) const;

  [[nodiscard]] std::vector<ProfileMistake> take() && { return std::move(all_); }

 private:
  std::string_view origin_;
  std::vector<ProfileMistake> all_;
};

/// What can only be judged once all keys are read: what is missing, too much, or does not go together. `side` is absent
/// where the profile's is not known.
void check_complete(const Profile& profile, std::optional<Side> side, Mistakes& mistakes);

}  // namespace smtpegress
