// What has been answered so far. Whoever judges looks here, from the beginning each time; what it looked for in vain is
// asked next, all of it at once, and its judgement thrown away until nothing is missing. So no judge waits for
// anything, and a test needs no network.
#pragma once

#include <map>
#include <vector>

#include "smtpegress/dns.hpp"

namespace smtpegress {

class DnsBook {
 public:
  /// What it means for all of it where an answer fails.
  enum class Matter : std::uint8_t {
    kGrave,  ///< a fault: it is among failed() or bogus()
    kAside,  ///< somebody else's; whoever looked tells of it
  };
  struct Entry {
    DnsQuestion question;
    DnsAnswer answer;
    bool is_asked = true;  ///< or the book was full, and nobody was
  };
  static constexpr std::size_t kMostQuestions = 600;  // however much the records of others send one on to

  /// Of an answer that is not there yet: for now, that there are no records.
  [[nodiscard]] const DnsAnswer& look(const DnsQuestion& question, Matter matter = Matter::kGrave);
  [[nodiscard]] bool has(const DnsQuestion& question) const { return pages_.contains(question); }

  /// What was looked for in vain since the last time, each once. What is aside comes only where nothing grave is left:
  /// whoever is slow there holds nothing else up. Where there is anything, the judgement so far is void, and what it
  /// looked at counts no more: it may have looked only for want of an answer that makes it needless.
  [[nodiscard]] std::vector<DnsQuestion> take_wanted();
  void add(const DnsQuestion& question, DnsAnswer answer);

  /// Of the grave ones that this judgement looked at: how many; and by their questions, in order:
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::vector<Entry> failed() const;  ///< no answer, or none that says anything
  [[nodiscard]] std::vector<Entry> bogus() const;

 private:
  struct Page {
    DnsAnswer answer;
    bool is_asked = true;
    bool is_grave = false;  ///< to the judgement that goes on
  };
  template <class Is>
  [[nodiscard]] std::vector<Entry> grave_ones(Is is) const;

  std::map<DnsQuestion, Page> pages_;
  std::map<DnsQuestion, Matter> wanted_;
};

/// Is it a clear answer: that there are records, or none?
[[nodiscard]] inline bool is_clear(const DnsAnswer& answer) noexcept {
  return answer.status <= DnsStatus::kNoSuchName && answer.security != DnsSecurity::kBogus;
}

}  // namespace smtpegress
