#include "probe/smtp_dialogue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "net/contains.hpp"

namespace smtpegress::probe {
namespace {

constexpr std::size_t kLongestLine = 2048;      // bytes; RFC 5321, section 4.5.3.1.5, has 512, and some send more
constexpr std::size_t kMostLines = 128;         // of one reply
constexpr std::size_t kMostBytes = 64U << 10U;  // of a whole conversation
constexpr int kServiceReady = 220;
constexpr int kOk = 250;

// The large write: MAIL and RSET, so that nothing is asked to be delivered to anybody. They may be pipelined (RFC 2920,
// section 3.1). Few and long rather than many and short: some servers hang up after ten commands that bring no mail
// (Exim's smtp_accept_max_nonmail). A path has at most 256 bytes (RFC 5321, section 4.5.3.1.3), a local part 64.
constexpr std::size_t kLargeGroups = 6;
constexpr std::size_t kLargeAnswers = 2 * kLargeGroups;

/// The command is unknown: the server is older than EHLO, and HELO is to be tried (RFC 5321, sections 3.2 and 4.2.4).
bool is_unknown_command(const SmtpReply& reply) {
  return reply.code == 500 || reply.code == 502 || reply.code == 504;
}

bool is_positive(const SmtpReply& reply) {
  return reply.code / 100 == 2;
}

/// "MAIL FROM:<…>" of a sender that is nobody's, in a domain that never is (RFC 2606, section 2), as long as may be.
std::string long_mail_command() {
  constexpr std::size_t kLocalPart = 64;
  constexpr std::size_t kLabel = 59;
  const std::string label(kLabel, 'x');
  const auto local = "probe-" + std::string(kLocalPart - 6, 'x');
  return fmt::format("MAIL FROM:<{0}@{1}.{1}.{1}.invalid>\r\n", local, label);
}

bool knows_keyword(const SmtpReply& ehlo, std::string_view keyword) {
  const auto same = [&](std::string_view line) {
    const auto word = line.substr(0, line.find(' '));
    return std::ranges::equal(word, keyword, [](char a, char b) { return (a >= 'a' && a <= 'z' ? a - 32 : a) == b; });
  };
  return ehlo.lines.size() > 1 && std::any_of(ehlo.lines.begin() + 1, ehlo.lines.end(), same);
}

}  // namespace

void SmtpDialogue::finish(End end) {
  state_ = State::kEnded;
  end_ = end;
  unread_.clear();
}

void SmtpDialogue::receive(std::string_view bytes) {
  while (!bytes.empty() && state_ != State::kEnded) {
    const auto newline = bytes.find('\n');
    const auto part = bytes.substr(0, newline);
    received_ += std::min(newline, bytes.size());
    if (unread_.size() + part.size() > kLongestLine || received_ > kMostBytes) {
      finish(End::kNoSmtp);
      return;
    }
    unread_ += part;
    if (newline == std::string_view::npos) {
      return;
    }
    bytes.remove_prefix(newline + 1);
    auto line = std::move(unread_);
    unread_.clear();
    if (line.ends_with('\r')) {
      line.pop_back();
    }
    take_line(line);
  }
}

void SmtpDialogue::closed() {
  if (state_ == State::kEnded) {
    return;
  }
  finish(state_ == State::kQuit || (state_ == State::kLarge && large_arrived()) ? End::kPolite : End::kClosed);
}

std::string SmtpDialogue::take_output() {
  return std::exchange(output_, {});
}

void SmtpDialogue::take_line(std::string_view line) {
  const auto digit = [&](std::size_t i) { return line[i] >= '0' && line[i] <= '9'; };
  const bool has_code = line.size() >= 3 && line[0] >= '2' && line[0] <= '5' && digit(1) && digit(2);
  if (!has_code || (line.size() > 3 && line[3] != ' ' && line[3] != '-') || reply_.lines.size() >= kMostLines) {
    finish(End::kNoSmtp);
    return;
  }
  const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  if (!reply_.lines.empty() && reply_.code != code) {
    finish(End::kNoSmtp);
    return;
  }
  reply_.code = code;
  reply_.lines.emplace_back(line.size() > 4 ? line.substr(4) : std::string_view());
  if (line.size() == 3 || line[3] == ' ') {
    take_reply();
    reply_ = {};
  }
}

void SmtpDialogue::take_reply() {
  switch (state_) {
    case State::kBanner:
      banner_ = reply_;
      if (banner_.code == kServiceReady) {
        output_ += fmt::format("EHLO {}\r\n", name_);
        state_ = State::kEhlo;
      } else {
        output_ += "QUIT\r\n";
        finish(End::kTurnedAway);
      }
      return;
    case State::kEhlo:
    case State::kHelo:
      if (state_ == State::kEhlo && is_unknown_command(reply_)) {
        knows_no_ehlo_ = true;
        output_ += fmt::format("HELO {}\r\n", name_);
        state_ = State::kHelo;
        return;
      }
      ehlo_ = reply_;
      if (!is_positive(ehlo_)) {
        output_ += "QUIT\r\n";
        finish(End::kTurnedAway);
      } else if (tries_large_ && !knows_no_ehlo_ && ehlo_.code == kOk && knows_keyword(ehlo_, "PIPELINING")) {
        send_large();
      } else {
        output_ += "QUIT\r\n";
        state_ = State::kQuit;
      }
      return;
    case State::kLarge:
      if (++large_answers_ == kLargeAnswers) {
        output_ += "QUIT\r\n";
        state_ = State::kQuit;
      }
      return;
    case State::kQuit:
      finish(End::kPolite);
      return;
    case State::kEnded:
      return;
  }
}

void SmtpDialogue::send_large() {
  std::string text;
  for (std::size_t i = 0; i < kLargeGroups; ++i) {
    text += long_mail_command() + "RSET\r\n";
  }
  large_write_ = text.size();
  output_ += text;
  state_ = State::kLarge;
}

std::vector<IpAddress> addresses_told(const SmtpReply& ehlo) {
  constexpr std::string_view kBetween = " \t[](){}<>,;\"'=";
  constexpr std::string_view kTag = "IPv6:";
  std::vector<IpAddress> addresses;
  const std::string_view line = ehlo.lines.empty() ? std::string_view() : ehlo.lines.front();
  for (std::size_t begin = 0; (begin = line.find_first_not_of(kBetween, begin)) != std::string_view::npos;) {
    const auto end = std::min(line.find_first_of(kBetween, begin), line.size());
    auto word = line.substr(begin, end - begin);
    if (word.starts_with(kTag)) {
      word.remove_prefix(kTag.size());
    }
    while (word.ends_with('.')) {
      word.remove_suffix(1);  // the sentence's
    }
    if (const auto address = IpAddress::parse(word); address && !contains(addresses, *address)) {
      addresses.push_back(*address);
    }
    begin = end;
  }
  return addresses;
}

}  // namespace smtpegress::probe
