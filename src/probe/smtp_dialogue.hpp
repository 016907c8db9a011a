// A client's side of an SMTP conversation that sends no mail: it takes what came and says what to send. No socket.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "smtpegress/probe.hpp"

namespace smtpegress::probe {

/// The server may be anybody and send anything: what is kept of it is bounded.
class SmtpDialogue {
 public:
  enum class State : std::uint8_t {
    kBanner,  ///< waiting for the greeting
    kEhlo,    ///< for the answer to EHLO
    kHelo,    ///< for the answer to HELO, which an old server is greeted by
    kLarge,   ///< for the answers to the one large write
    kQuit,    ///< for the answer to QUIT
    kEnded,   ///< nothing more is to be sent or heard
  };
  enum class End : std::uint8_t {
    kNone,        ///< not yet
    kPolite,      ///< after QUIT
    kTurnedAway,  ///< by the greeting or the answer to EHLO or HELO, which tell why
    kClosed,      ///< by the server, before its time
    kNoSmtp,      ///< what it sent is none, or too much
  };

  /// `name` is what EHLO says: a host's, or an address in brackets. `tries_large`: the full-size write is wanted, where
  /// the server lets us pipeline.
  SmtpDialogue(std::string name, bool tries_large) : name_(std::move(name)), tries_large_(tries_large) {}

  void receive(std::string_view bytes);
  /// The server closed the connection.
  void closed();
  /// What is to be sent now; each byte once.
  [[nodiscard]] std::string take_output();

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] End end() const noexcept { return end_; }
  [[nodiscard]] const SmtpReply& banner() const noexcept { return banner_; }
  /// To EHLO, or to HELO where it knows no EHLO.
  [[nodiscard]] const SmtpReply& ehlo() const noexcept { return ehlo_; }
  [[nodiscard]] bool knows_no_ehlo() const noexcept { return knows_no_ehlo_; }
  /// Of the large write; 0: there was none.
  [[nodiscard]] std::size_t large_write() const noexcept { return large_write_; }
  /// Has its first command been answered? It filled the first segment.
  [[nodiscard]] bool large_arrived() const noexcept { return large_answers_ != 0; }

 private:
  void take_line(std::string_view line);
  void take_reply();
  void finish(End end);
  void send_large();

  std::string name_;
  bool tries_large_;
  State state_ = State::kBanner;
  End end_ = End::kNone;
  std::string unread_;  ///< of a line that is not whole yet
  std::size_t received_ = 0;
  SmtpReply reply_;  ///< of which not all lines are there yet
  SmtpReply banner_;
  SmtpReply ehlo_;
  bool knows_no_ehlo_ = false;
  std::string output_;
  std::size_t large_write_ = 0;
  std::size_t large_answers_ = 0;
};

/// Addresses in the first line of an answer to EHLO, in the order in which they stand there: large providers tell whom
/// they see, as `[203.0.113.10]`, `[IPv6:2001:db8::10]`, or bare.
[[nodiscard]] std::vector<IpAddress> addresses_told(const SmtpReply& ehlo);

}  // namespace smtpegress::probe
