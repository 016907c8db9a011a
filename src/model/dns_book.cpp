#include "model/dns_book.hpp"

#include <algorithm>

namespace smtpegress {
namespace {

const DnsAnswer kNothingYet{.status = DnsStatus::kNoRecords};
const DnsAnswer kTooMany{.status = DnsStatus::kUnanswered, .why = "too many questions, and it was not asked"};

}  // namespace

const DnsAnswer& DnsBook::look(const DnsQuestion& question, Matter matter) {
  const auto found = pages_.find(question);
  const bool is_grave = matter == Matter::kGrave;
  if (found != pages_.end()) {
    found->second.is_grave |= is_grave;
    return found->second.answer;
  }
  if (pages_.size() + wanted_.size() >= kMostQuestions && !wanted_.contains(question)) {
    return pages_.emplace(question, Page{kTooMany, false, is_grave}).first->second.answer;
  }
  auto& wanted = wanted_.emplace(question, matter).first->second;
  wanted = std::min(wanted, matter);
  return kNothingYet;
}

std::vector<DnsQuestion> DnsBook::take_wanted() {
  const bool is_grave = std::ranges::any_of(wanted_, [](const auto& one) { return one.second == Matter::kGrave; });
  std::vector<DnsQuestion> questions;
  for (const auto& [question, matter] : wanted_) {
    if (matter == Matter::kGrave || !is_grave) {
      questions.push_back(question);
      pages_.emplace(question, Page{});
    }
  }
  if (!questions.empty()) {
    for (auto& [question, page] : pages_) {
      page.is_grave = false;
    }
  }
  wanted_.clear();
  return questions;
}

void DnsBook::add(const DnsQuestion& question, DnsAnswer answer) {
  pages_[question].answer = std::move(answer);
}

template <class Is>
std::vector<DnsBook::Entry> DnsBook::grave_ones(Is is) const {
  std::vector<Entry> entries;
  for (const auto& [question, page] : pages_) {
    if (page.is_grave && is(page.answer)) {
      entries.push_back({question, page.answer, page.is_asked});
    }
  }
  return entries;
}

std::size_t DnsBook::size() const {
  return grave_ones([](const DnsAnswer&) { return true; }).size();
}

std::vector<DnsBook::Entry> DnsBook::failed() const {
  return grave_ones(
      [](const DnsAnswer& answer) { return !is_clear(answer) && answer.security != DnsSecurity::kBogus; });
}

std::vector<DnsBook::Entry> DnsBook::bogus() const {
  return grave_ones([](const DnsAnswer& answer) { return answer.security == DnsSecurity::kBogus; });
}

}  // namespace smtpegress
