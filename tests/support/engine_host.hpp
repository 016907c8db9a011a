// A fake host with an engine on it and a state directory of its own.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/state_store.hpp"
#include "smtpegress/engine.hpp"
#include "support/fake_kernel.hpp"
#include "support/hosts.hpp"
#include "support/temp_dir.hpp"

namespace smtpegress::test {

class EngineHost {
 public:
  explicit EngineHost(FakeHost host)
      : kernel(std::move(host)),
        store(directory.file("state")),
        engine(
            kernel, store, [] { return kNow; }, [this](const std::string& name) { return docker(name); }) {}

  TempDir directory;
  FakeKernel kernel;
  StateStore store;
  Engine engine;

  std::map<std::string, std::vector<Prefix>> docker_networks;
  Result<std::vector<Prefix>> docker(const std::string& name) const {
    const auto found = docker_networks.find(name);
    return found == docker_networks.end() ? usage_error("ask Docker for", name, "there is none")
                                          : Result<std::vector<Prefix>>(found->second);
  }

  [[nodiscard]] FakeHost& host() { return kernel.host; }
  [[nodiscard]] std::string now() const { return snapshot(kernel.host); }
  [[nodiscard]] std::string state_file(const std::string& name) const {
    return directory.read("state/" + name + ".json");
  }

  Result<ApplyReport> enable(const Profile& profile, LegacyScripts legacy = LegacyScripts::kRefuse) {
    return engine.enable(profile, legacy);
  }
  Result<ApplyReport> disable(const Profile& profile) { return engine.disable(profile.name, std::nullopt); }
};

struct Crash {};

/// Runs `act` and is killed ahead of its mutating call of that number, from 1; false: there are fewer.
template <class Act>
bool crashes_at(EngineHost& box, std::size_t number, Act act) {
  box.kernel.forget_calls();
  box.kernel.before_call = [&box, number](const std::string&) {
    if (box.kernel.calls.size() == number) {
      throw Crash{};
    }
  };
  bool crashed = false;
  try {
    (void)act();
  } catch (const Crash&) {
    crashed = true;
  }
  box.kernel.before_call = nullptr;
  return crashed;
}

/// The message of an error, for assertions; empty where there is none.
template <class T>
std::string said(const Result<T>& result) {
  return result ? std::string() : result.error().message();
}

}  // namespace smtpegress::test
