#include "model/repeated_keys.hpp"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

#include "net/contains.hpp"

namespace smtpegress {
namespace {

using nlohmann::json;

constexpr std::string_view kOwnWords = "description";  // of a profile's keys

/// Passes over all but the keys.
class KeyWatcher final : public nlohmann::json_sax<json> {
 public:
  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(std::int64_t /*value*/) override { return true; }
  bool number_unsigned(std::uint64_t /*value*/) override { return true; }
  bool number_float(double /*value*/, const std::string& /*text*/) override { return true; }
  bool string(std::string& /*value*/) override { return true; }
  bool binary(json::binary_t& /*value*/) override { return true; }
  bool start_array(std::size_t /*elements*/) override {
    is_list_ = is_list_ || open_.size() == 1;
    return true;
  }
  bool end_array() override { return true; }
  bool start_object(std::size_t /*elements*/) override {
    if (open_.size() == 1) {
      ++item_;
    }
    open_.emplace_back();
    return true;
  }
  bool end_object() override {
    open_.pop_back();
    return true;
  }
  bool key(std::string& name) override {
    auto& seen = open_.back();
    const bool is_within = open_.size() > 1 && !open_.front().empty();
    const bool is_quotable = !is_within || open_.front().back() != kOwnWords;
    if (contains(seen, name) && is_quotable) {
      repeated.push_back({name, is_within ? open_.front().back() : std::string(), is_within && is_list_ ? item_ : 0});
    }
    if (open_.size() == 1) {
      is_list_ = false;
      item_ = 0;
    }
    seen.push_back(name);
    return true;
  }
  bool parse_error(std::size_t /*position*/, const std::string& /*token*/, const json::exception& /*error*/) override {
    return false;
  }

  std::vector<RepeatedKey> repeated;

 private:
  std::vector<std::vector<std::string>> open_;  ///< the keys so far of each object around this place
  bool is_list_ = false;                        ///< the value of the outermost object's last key
  std::size_t item_ = 0;                        ///< objects in it so far
};

}  // namespace

std::vector<RepeatedKey> repeated_keys(std::string_view text) {
  KeyWatcher watcher;
  json::sax_parse(text, &watcher);
  return std::move(watcher.repeated);
}

}  // namespace smtpegress
