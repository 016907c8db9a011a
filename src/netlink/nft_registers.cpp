#include "netlink/nft_registers.hpp"

#include <algorithm>
#include <utility>

namespace smtpegress::netlink {
namespace {

constexpr std::size_t kWords = NFT_REG32_COUNT;
constexpr std::size_t kWordsPerRegister = NFT_REG_SIZE / NFT_REG32_SIZE;

}  // namespace

std::optional<std::size_t> Registers::word_of(std::uint32_t number) noexcept {
  if (number >= NFT_REG_1 && number <= NFT_REG_4) {
    return (number - NFT_REG_1) * kWordsPerRegister;
  }
  if (number >= NFT_REG32_00 && number <= NFT_REG32_15) {
    return number - NFT_REG32_00;
  }
  return std::nullopt;
}

std::vector<Loaded> Registers::place(std::size_t word, std::size_t words, Loaded value) {
  std::vector<Loaded> lost;
  std::erase_if(slots_, [&](Slot& slot) {
    const bool overwritten = slot.word < word + words && word < slot.word + slot.words;
    if (overwritten && !slot.value.used) {
      lost.push_back(std::move(slot.value));
    }
    return overwritten;
  });
  slots_.push_back({word, words, std::move(value)});
  return lost;
}

std::vector<Loaded> Registers::put(std::uint32_t number, Loaded value) {
  const auto word = word_of(number);
  if (!word) {
    std::vector<Loaded> lost;
    lost.push_back(std::move(value));
    return lost;
  }
  const std::size_t words = std::max<std::size_t>(1, (value.length + NFT_REG32_SIZE - 1) / NFT_REG32_SIZE);
  return place(*word, words, std::move(value));
}

std::vector<Loaded> Registers::put_unmeasured(std::uint32_t number, Loaded value) {
  const auto word = word_of(number);
  if (!word) {
    return put(number, std::move(value));
  }
  value.length = (kWords - *word) * NFT_REG32_SIZE;
  return place(*word, kWords - *word, std::move(value));
}

Loaded* Registers::find(std::uint32_t number, std::size_t length) noexcept {
  const auto word = word_of(number);
  const auto slot =
      std::ranges::find_if(slots_, [&](const Slot& s) { return word && s.word == *word && s.value.length >= length; });
  return slot == slots_.end() ? nullptr : &slot->value;
}

std::vector<Loaded> Registers::take_all() {
  std::vector<Loaded> unused;
  for (auto& slot : slots_) {
    if (!slot.value.used) {
      unused.push_back(std::move(slot.value));
    }
  }
  slots_.clear();
  return unused;
}

}  // namespace smtpegress::netlink
