// The field's small types, so that no bare integer or string stands for two things.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "smtpegress/error.hpp"

namespace smtpegress {

enum class IpFamily : std::uint8_t { kV4, kV6 };
inline constexpr std::array kBothFamilies{IpFamily::kV4, IpFamily::kV6};

/// One value for each family.
template <class T>
struct ByFamily {
  T v4{};
  T v6{};
  [[nodiscard]] T& operator[](IpFamily family) noexcept { return family == IpFamily::kV4 ? v4 : v6; }
  [[nodiscard]] const T& operator[](IpFamily family) const noexcept { return family == IpFamily::kV4 ? v4 : v6; }
  auto operator<=>(const ByFamily&) const = default;
};

/// An IPv4 or IPv6 address; bytes in network order, the unused tail zero.
struct IpAddress {
  IpFamily family = IpFamily::kV4;
  std::array<std::uint8_t, 16> bytes{};

  /// Accepts what inet_pton(3) accepts, and nothing looser.
  static Result<IpAddress> parse(std::string_view text);
  /// Length in bytes: 4 or 16.
  [[nodiscard]] std::size_t size() const noexcept { return family == IpFamily::kV4 ? 4 : 16; }
  [[nodiscard]] std::string to_string() const;
  auto operator<=>(const IpAddress&) const = default;
};

/// A network: an address with all host bits zero, and a prefix length in bits.
struct Prefix {
  IpAddress address;
  std::uint8_t length = 0;

  /// "192.168.203.0/24"; a bare address is a host prefix. Set host bits are refused, the hint names the network meant.
  static Result<Prefix> parse(std::string_view text);
  /// The network of that one address.
  static Prefix of(const IpAddress& address) { return {address, static_cast<std::uint8_t>(address.size() * 8)}; }
  /// That of `length` bits which the address is in; longer than the address is as long as it.
  static Prefix around(const IpAddress& address, std::uint8_t length);
  /// 0.0.0.0/0 or ::/0
  static Prefix everything(IpFamily family) { return {.address = {.family = family}, .length = 0}; }
  [[nodiscard]] bool contains(const IpAddress& other) const noexcept;
  [[nodiscard]] bool contains(const Prefix& other) const noexcept;
  /// The bits of an address that are not the network's: 0.0.0.255 of a /24.
  [[nodiscard]] IpAddress host_mask() const noexcept;
  [[nodiscard]] bool overlaps(const Prefix& other) const noexcept;
  [[nodiscard]] bool is_default() const noexcept { return length == 0; }
  /// Of a route: the internet at large, by a default route or by what stands for one: 0.0.0.0/1 and 128.0.0.0/1, as
  /// OpenVPN's redirect-gateway def1 has them; 2000::/3, all of IPv6's internet that there is.
  [[nodiscard]] bool is_internet() const noexcept { return length <= (address.family == IpFamily::kV4 ? 1 : 3); }
  [[nodiscard]] std::string to_string() const;
  auto operator<=>(const Prefix&) const = default;
};

/// A packet mark and the bits of it that count.
struct Mark {
  std::uint32_t value = 0;
  std::uint32_t mask = 0xffffffff;

  /// "0x19", "25", "0x19/0xff". Zero, and a value outside the mask, are refused: neither can be told from "no mark".
  static Result<Mark> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;  ///< "0x19" or "0x19/0xff"
  /// Is there a packet that fits both?
  [[nodiscard]] bool overlaps(const Mark& other) const noexcept {
    return ((value ^ other.value) & mask & other.mask) == 0;
  }
  /// The same, of packets on which only one of the two was set: marks in different bits are told apart.
  [[nodiscard]] bool is_taken_for(const Mark& other) const noexcept {
    return (mask & other.mask) != 0 && overlaps(other);
  }
  auto operator<=>(const Mark&) const = default;
};

/// A routing table's number. 0 (unspec) and 253 to 255 (default, main, local) are the kernel's own.
struct TableId {
  std::uint32_t value = 0;
  auto operator<=>(const TableId&) const = default;
};
inline constexpr TableId kMainTable{254};  // RT_TABLE_MAIN, linux/rtnetlink.h

/// A policy rule's place: 0 (the local table) first, 32766 is main.
struct RulePriority {
  std::uint32_t value = 0;
  auto operator<=>(const RulePriority&) const = default;
};

/// An interface's name: 1 to 15 bytes (IFNAMSIZ less its NUL), no '/', white space, ':' or control byte; not "." or
/// "..".
class IfName {
 public:
  IfName() = default;
  static Result<IfName> parse(std::string_view text);
  [[nodiscard]] const std::string& str() const noexcept { return name_; }
  [[nodiscard]] bool empty() const noexcept { return name_.empty(); }
  auto operator<=>(const IfName&) const = default;

 private:
  explicit IfName(std::string name) : name_(std::move(name)) {}
  std::string name_;
};

/// Users by number, first to last, both included.
struct UidRange {
  std::uint32_t first = 0;
  std::uint32_t last = 0;

  [[nodiscard]] bool contains(std::uint32_t uid) const noexcept { return first <= uid && uid <= last; }
  [[nodiscard]] std::string to_string() const;  ///< "997-997", as ip(8) has it
  auto operator<=>(const UidRange&) const = default;
};

/// Ports first to last, both included; 1 to 65535.
struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;

  static Result<PortRange> parse(std::string_view text);  ///< "25" or "25-26"
  [[nodiscard]] bool contains(std::uint16_t port) const noexcept { return first <= port && port <= last; }
  [[nodiscard]] bool overlaps(const PortRange& o) const noexcept { return first <= o.last && o.first <= last; }
  [[nodiscard]] std::string to_string() const;
  auto operator<=>(const PortRange&) const = default;
};

}  // namespace smtpegress
