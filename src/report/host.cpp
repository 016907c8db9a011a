#include "report/host.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <string_view>

#include "net/file.hpp"
#include "report/section.hpp"

namespace smtpegress::report {
namespace {

constexpr std::size_t kMostOfFile = 1 << 20;  // bytes; /proc/cpuinfo of a large machine is some hundred thousand

/// Empty where there is none, or where it cannot be read.
std::string text_of(const char* path) {
  return read_text_file("read", path, kMostOfFile, Symlinks::kFollow).value_or("");
}

/// PRETTY_NAME="Debian GNU/Linux 12 (bookworm)", os-release(5); quoted or not.
std::string distribution() {
  constexpr std::string_view kKey = "PRETTY_NAME=";
  for (const char* path : {"/etc/os-release", "/usr/lib/os-release"}) {
    for (std::string_view line : lines_of(text_of(path))) {
      if (!line.starts_with(kKey)) {
        continue;
      }
      line.remove_prefix(kKey.size());
      const char quote = line.empty() ? '\0' : line.front();
      const bool is_quoted = line.size() >= 2 && (quote == '"' || quote == '\'') && line.back() == quote;
      return std::string(is_quoted ? line.substr(1, line.size() - 2) : line);
    }
  }
  return "not known";
}

/// As systemd, Docker and Podman tell those inside; a virtual machine's processors tell it themselves (x86).
std::string surroundings() {
  const auto manager = lines_of(text_of("/run/systemd/container"));
  if (!manager.empty()) {
    return fmt::format("in a container ({})", manager.front());
  }
  for (const char* mark : {"/.dockerenv", "/run/.containerenv"}) {
    if (::access(mark, F_OK) == 0) {
      return fmt::format("in a container ({} is there)", mark);
    }
  }
  return text_of("/proc/cpuinfo").find(" hypervisor") != std::string::npos ? "in a virtual machine" : "";
}

}  // namespace

std::vector<std::string> program_lines() {
  return {"smtp-egress " SMTP_EGRESS_VERSION, fmt::format("compiler: {} (C++ {})", __VERSION__, __cplusplus),
          "libraries it was built with: libnftnl " SMTP_EGRESS_LIBNFTNL ", libmnl " SMTP_EGRESS_LIBMNL
          ", libnl " SMTP_EGRESS_LIBNL};
}

std::vector<std::string> host_lines() {
  struct utsname kernel {};
  ::uname(&kernel);
  std::vector<std::string> lines{
      fmt::format("kernel: {} {} {}", std::data(kernel.sysname), std::data(kernel.release), std::data(kernel.machine)),
      "distribution: " + distribution()};
  if (auto where = surroundings(); !where.empty()) {
    lines.push_back(std::move(where));
  }
  return lines;
}

std::vector<std::string> own_names() {
  std::array<char, 256> name{};  // HOST_NAME_MAX is 64; a NUL at the end whatever it holds
  if (::gethostname(name.data(), name.size() - 1) != 0) {
    return {};
  }
  const std::string whole(name.data());
  const auto dot = whole.find('.');
  return dot == std::string::npos ? std::vector{whole} : std::vector{whole, whole.substr(0, dot)};
}

}  // namespace smtpegress::report
