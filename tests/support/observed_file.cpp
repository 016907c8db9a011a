#include "support/observed_file.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "support/iptables_text.hpp"

namespace smtpegress::test {
namespace {

using nlohmann::json;

void enable_as(const json& settings, const Profile& profile, EngineHost& box) {
  ProfileOverrides overrides;
  for (const auto& [key, value] : settings.items()) {
    overrides.settings.emplace_back(key, value.get<std::string>());
  }
  const auto earlier = parse_profile(profile.name, "observed.json", profile_to_json(profile), overrides);
  if (auto report = box.enable(earlier.value()); !report) {
    throw std::runtime_error(report.error().message());
  }
}

void flush(const std::string& name, EngineHost& box) {
  for (auto& chain : box.host().state.ruleset.chains) {
    if (chain.key.name == name) {
      chain.rules.clear();
      return;
    }
  }
  throw std::invalid_argument("no chain " + name);
}

void happen(const std::string& step, const json& value, const Profile& profile, EngineHost& box) {
  auto& host = box.host();
  if (step == "remove-link") {
    remove_link(host, value.get<std::string>());
  } else if (step == "link") {
    add_link(host, value.at(0).get<std::string>(), value.at(1).get<std::string>(), value.at(2).get<std::string>());
  } else if (step == "address") {
    add_address(host, value.at(0).get<std::string>(), value.at(1).get<std::string>());
  } else if (step == "default-route") {
    add_default_route(host, value.at(0).get<std::string>(), value.at(1).get<std::string>());
  } else if (step == "iptables") {
    std::string text;
    for (const auto& line : value) {
      text += line.get<std::string>() + "\n";
    }
    add_iptables(host.state.ruleset, text);
  } else if (step == "scripts") {
    value == "home" ? add_home_scripts(host) : add_vps_scripts(host);
  } else if (step == "enable") {
    enable_as(value, profile, box);
  } else if (step == "flush") {
    flush(value.get<std::string>(), box);
  } else if (step == "delete-policy-rule") {
    std::erase_if(host.state.rules,
                  [&](const auto& rule) { return rule.priority.value == value.get<std::uint32_t>(); });
  } else if (step == "delete-route") {
    std::erase_if(host.state.routes,
                  [&](const auto& route) { return to_string(route).starts_with(value.get<std::string>()); });
  } else if (step == "sysctl") {
    for (const auto& [key, text] : value.items()) {
      host.sysctls.at(key) = text.get<std::string>();
    }
  } else {
    throw std::invalid_argument(fmt::format("step {} is not known", step));
  }
}

}  // namespace

FakeHost observed_host(const std::string& text) {
  const auto name = json::parse(text).at("host").get<std::string>();
  if (name == "docker-home") {
    return docker_home();
  }
  if (name == "bare-home") {
    return bare_home();
  }
  if (name == "vps") {
    return vps();
  }
  if (name == "dual-home") {
    return dual_home();
  }
  if (name == "dual-vps") {
    return dual_vps();
  }
  if (name == "dual-bare-home") {
    return dual_bare_home();
  }
  if (name == "plain") {
    return plain_host();
  }
  throw std::invalid_argument(fmt::format("host {} is not known", name));
}

void let_happen(const std::string& text, const Profile& profile, EngineHost& box) {
  const auto document = json::parse(text);
  if (!document.contains("then")) {
    return;
  }
  for (const auto& step : document.at("then")) {
    for (const auto& [name, value] : step.items()) {
      happen(name, value, profile, box);
    }
  }
}

}  // namespace smtpegress::test
