#include "model/repeated_keys.hpp"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

#include "net/contains.hpp"

namespace smtpegress {
namespace {

using nlohmann::json;

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
  bool start_array(std::size_t /*elements*/) override { return true; }
  bool end_array() override { return true; }
  bool start_object(std::size_t /*elements*/) override {
    open_.emplace_back();
    return true;
  }
  bool end_object() override {
    open_.pop_back();
    return true;
  }
  bool key(std::string& name) override {
    auto& seen = open_.back();
    if (contains(seen, name)) {
      repeated.push_back({name, open_.size() > 1 && !open_.front().empty() ? open_.front().back() : std::string()});
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
};

}  // namespace

std::vector<RepeatedKey> repeated_keys(std::string_view text) {
  KeyWatcher watcher;
  json::sax_parse(text, &watcher);
  return std::move(watcher.repeated);
}

}  // namespace smtpegress
