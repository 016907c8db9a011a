#include "model/profile_dns.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "model/profile_values.hpp"
#include "net/contains.hpp"

namespace smtpegress {
namespace {

using nlohmann::json;

constexpr std::size_t kMostNames = 16;  // each is a dozen questions to the DNS

Refusals read_names(const json& value, std::string_view right, std::vector<DnsName>& names) {
  if (!value.is_array()) {
    return {wrong_type(value, right)};
  }
  Refusals refusals;
  names.clear();
  for (const auto& item : value) {
    auto name = item.is_string() ? DnsName::parse_full(item.get<std::string>())
                                 : Result<DnsName>(std::unexpected(wrong_type(item, right)));
    if (!name) {
      refusals.push_back(std::move(name.error()));
    } else if (contains(names, *name)) {
      refusals.push_back(usage_error({}, name->str(), "is there twice; name each only once").error());
    } else {
      names.push_back(*std::move(name));
    }
  }
  if (names.size() > kMostNames) {
    refusals.push_back(usage_error({}, {}, fmt::format("has more than {} names", kMostNames)).error());
  }
  return refusals;
}

json texts_of(const std::vector<DnsName>& names) {
  json texts = json::array();
  for (const auto& name : names) {
    texts.push_back(name.str());
  }
  return texts;
}

}  // namespace

Refusals read_mail_name(const json& value, Profile& profile) {
  profile.dns.mail_name.reset();
  if (value.is_null()) {
    return {};
  }
  auto name = value.is_string()
                  ? DnsName::parse_full(value.get<std::string>())
                  : Result<DnsName>(std::unexpected(wrong_type(value, "a name like \"mail.example.org\"")));
  if (!name) {
    return {std::move(name.error())};
  }
  profile.dns.mail_name = *std::move(name);
  return {};
}

Refusals read_mail_domains(const json& value, Profile& profile) {
  return read_names(value, "a list like [\"example.org\"]", profile.dns.mail_domains);
}

Refusals read_blocklists(const json& value, Profile& profile) {
  return read_names(value, "a list like [\"bl.example.net\"]", profile.dns.blocklists);
}

bool is_list_of_names(std::string_view key) {
  return key == kMailDomainsKey || key == kBlocklistsKey;
}

void add_dns(const DnsExpectations& dns, json& document) {
  if (dns.mail_name) {
    document[kMailNameKey] = dns.mail_name->str();
  }
  if (!dns.mail_domains.empty()) {
    document[kMailDomainsKey] = texts_of(dns.mail_domains);
  }
  if (!dns.blocklists.empty()) {
    document[kBlocklistsKey] = texts_of(dns.blocklists);
  }
}

}  // namespace smtpegress
