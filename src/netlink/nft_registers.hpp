// What the registers of nf_tables hold while a rule is being read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "netlink/attributes.hpp"
#include "netlink/nft_layout.hpp"

namespace smtpegress::netlink {

/// A register's content, and the expressions that put it there.
struct Loaded {
  enum class Source : std::uint8_t { kOther, kMeta, kPayload, kConntrack, kRouteMss, kImmediate };

  Source source = Source::kOther;
  std::uint32_t key = 0;                    ///< of kMeta and kConntrack: enum nft_meta_keys, nft_ct_keys
  Field field{};                            ///< of kPayload
  std::vector<std::uint8_t> immediate{};    ///< of kImmediate
  std::size_t length = 0;                   ///< bytes
  std::vector<std::uint8_t> mask{};         ///< what `bitwise` kept; empty where there was none
  std::vector<std::uint8_t> flip{};         ///< what it then inverted
  bool swapped = false;                     ///< brought to network byte order
  std::optional<std::uint16_t> at_least{};  ///< the lower end of a port range whose upper end is yet to come

  std::string what{};                 ///< for messages: "meta iif"
  std::vector<std::uint8_t> bytes{};  ///< the attributes of every expression behind it
  bool used = false;                  ///< by a match or a statement; a load that is not can still end a rule

  void append(Bytes raw) { bytes.insert(bytes.end(), raw.begin(), raw.end()); }
};

/// Sixteen words of four bytes; both of the kernel's ways to number them are understood (enum nft_registers).
class Registers {
 public:
  /// The word at which a register begins; nothing for the verdict register and for numbers that do not exist.
  static std::optional<std::size_t> word_of(std::uint32_t number) noexcept;

  /// Stores `value`, and returns what was overwritten without having been used.
  [[nodiscard]] std::vector<Loaded> put(std::uint32_t number, Loaded value);
  /// Like put(), for a value of unknown length: nothing from its register on is known any more.
  [[nodiscard]] std::vector<Loaded> put_unmeasured(std::uint32_t number, Loaded value);
  /// A value that begins in this register and has at least `length` bytes; null otherwise.
  Loaded* find(std::uint32_t number, std::size_t length) noexcept;
  /// Every value that was not used. The registers are empty afterwards.
  [[nodiscard]] std::vector<Loaded> take_all();

 private:
  struct Slot {
    std::size_t word;
    std::size_t words;
    Loaded value;
  };
  std::vector<Loaded> place(std::size_t word, std::size_t words, Loaded value);

  std::vector<Slot> slots_;  // never overlapping
};

}  // namespace smtpegress::netlink
