// What the registers of nf_tables hold while a rule is being read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netlink/attributes.hpp"
#include "netlink/nft_layout.hpp"

namespace smtpegress::netlink {

/// The attributes of some expressions, as they lie in the message; those that follow each other are one piece.
class Pieces {
 public:
  void append(Bytes raw) {
    Bytes& last = others_.empty() ? first_ : others_.back();
    if (last.empty() || last.data() + last.size() == raw.data()) {
      last = {last.empty() ? raw.data() : last.data(), last.size() + raw.size()};
    } else {
      others_.push_back(raw);
    }
  }
  void append_to(std::vector<std::uint8_t>& bytes) const {
    bytes.insert(bytes.end(), first_.begin(), first_.end());
    for (const auto& piece : others_) {
      bytes.insert(bytes.end(), piece.begin(), piece.end());
    }
  }
  [[nodiscard]] std::vector<std::uint8_t> copy() const {
    std::vector<std::uint8_t> bytes;
    append_to(bytes);
    return bytes;
  }

 private:
  Bytes first_;
  std::vector<Bytes> others_;
};

/// A register's content, and the expressions that put it there. It views the message, which must outlive it: most of
/// what is loaded becomes part of a known match, and copying it all took a quarter of the time to read a ruleset.
struct Loaded {
  enum class Source : std::uint8_t {
    kOther,
    kMeta,
    kPayload,
    kConntrack,
    kRouteMss,
    kReversePath,
    kImmediate,
    kMapped
  };

  Source source = Source::kOther;
  std::string_view expression{};            ///< its name, for messages
  std::uint32_t key = 0;                    ///< of meta and ct: enum nft_meta_keys, nft_ct_keys; of fib: its flags
  Field field{};                            ///< of kPayload
  Bytes immediate{};                        ///< of kImmediate
  std::size_t length = 0;                   ///< bytes
  Bytes mask{};                             ///< what `bitwise` kept; empty where there was none
  Bytes flip{};                             ///< what it then inverted
  std::string_view map{};                   ///< of kMapped: where this address was looked up
  nft::MaskedAddress looked_up{};           ///< of kMapped: this one
  bool swapped = false;                     ///< brought to network byte order
  std::optional<std::uint16_t> at_least{};  ///< the lower end of a port range whose upper end is yet to come

  Pieces pieces{};    ///< every expression behind it
  bool used = false;  ///< by a match or a statement; a load that is not can still end a rule

  [[nodiscard]] std::string what() const;  ///< for messages: "meta iif"
};

[[nodiscard]] std::string meta_name(std::uint32_t key);       ///< "meta mark"; enum nft_meta_keys
[[nodiscard]] std::string conntrack_name(std::uint32_t key);  ///< "ct state"; enum nft_ct_keys

/// Sixteen words of four bytes; both of the kernel's ways to number them are understood (enum nft_registers).
class Registers {
 public:
  Registers() { slots_.reserve(kUsual); }

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

  static constexpr std::size_t kUsual = 4;  // registers that a rule fills; more are taken as well

  std::vector<Slot> slots_;  // never overlapping
};

}  // namespace smtpegress::netlink
