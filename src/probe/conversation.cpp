#include "probe/conversation.hpp"

#include <fmt/format.h>

#include <cerrno>

#include "probe/hop_trace.hpp"
#include "probe/smtp_dialogue.hpp"

namespace smtpegress::probe {
namespace {

// Shares of the patience, in percent. At ten seconds a SYN has been sent three times or more when the search begins
// (RFC 6298: at 0, 1 and 3 s), and what was lost of the large write several times when it is called lost.
constexpr int kUntilSearch = 35;
constexpr int kSearch = 30;
constexpr int kLarge = 30;

std::chrono::milliseconds share(std::chrono::milliseconds patience, int percent) {
  return patience * percent / 100;
}

bool is_open(const Connection& connection) {
  return connection.state() == Connection::State::kOpen;
}

/// As EHLO takes it: a host's name, or an address in brackets (RFC 5321, section 4.1.3).
std::string ehlo_name(const Talk& talk, const std::optional<IpAddress>& from) {
  if (!talk.name.empty() || !from) {
    return talk.name.empty() ? "localhost" : talk.name;
  }
  return from->family == IpFamily::kV4 ? fmt::format("[{}]", from->to_string())
                                       : fmt::format("[IPv6:{}]", from->to_string());
}

void search(const Talk& talk, const Deadline& deadline, ProbeSighting& sighting) {
  std::optional<Connection> far_end;
  if (talk.far_end) {
    far_end.emplace(Endpoint{*talk.far_end, talk.server.port}, talk.how);
  }
  std::vector<Endpoint> targets{talk.server};
  if (talk.control_port != 0) {
    targets.push_back({talk.server.address, talk.control_port});
  }
  const auto traces = trace_hops(targets, talk.how, deadline);
  sighting.trace = traces.front();
  if (talk.control_port != 0) {
    sighting.control = traces.back();
  }
  if (far_end) {
    far_end->look();
    sighting.far_end_answered = is_open(*far_end) || far_end->errnum() == ECONNREFUSED || far_end->path_error();
  }
}

/// Has nobody told anything, not even that it is refused? The kernel gives up by itself, after some two minutes
/// (net.ipv4.tcp_syn_retries): where patience is long, before the search is due.
bool is_unanswered(const Connection& connection, const Deadline& deadline) {
  using State = Connection::State;
  const bool given_up =
      connection.state() == State::kFailed && connection.errnum() == ETIMEDOUT && !connection.path_error();
  return connection.state() == State::kOpening || (given_up && !deadline.past());
}

/// Waits for the connection; while nobody answers, looks for the place.
bool opened(Connection& connection, const Talk& talk, const Deadline& deadline, ProbeSighting& sighting) {
  connection.wait_until_open(deadline.at_most(share(talk.patience, kUntilSearch)));
  if (is_unanswered(connection, deadline)) {
    search(talk, deadline.at_most(share(talk.patience, kSearch)), sighting);
    connection.look();
  }
  sighting.sent_from = connection.local_address();
  if (is_open(connection)) {
    sighting.trace.reset();  // late, but there
    sighting.control.reset();
    sighting.far_end_answered.reset();
    return true;
  }
  sighting.step = ProbeStep::kConnect;
  sighting.errnum = connection.state() == Connection::State::kFailed ? connection.errnum() : ETIMEDOUT;
  sighting.path_error = connection.path_error();
  return false;
}

/// What goes to and fro, until the dialogue has ended or time is up.
class Exchange {
 public:
  Exchange(Connection& connection, SmtpDialogue& dialogue, const Talk& talk, const Deadline& deadline)
      : connection_(connection), dialogue_(dialogue), talk_(talk), deadline_(deadline) {}

  /// Its errnum; 0: the dialogue has ended, or the large write's answers do not come.
  int run() {
    using State = SmtpDialogue::State;
    while (dialogue_.state() != State::kEnded) {
      const auto output = dialogue_.take_output();
      if (dialogue_.state() == State::kLarge && !large_deadline_) {
        sent_before_ = connection_.facts().retransmits;
        large_deadline_ = deadline_.at_most(share(talk_.patience, kLarge));
      }
      const auto& until = dialogue_.state() == State::kLarge ? *large_deadline_ : deadline_;
      if (!connection_.send(output, until) || !hear(until)) {
        return connection_.errnum() != 0 ? connection_.errnum() : ETIMEDOUT;
      }
    }
    (void)connection_.send(dialogue_.take_output(), deadline_.at_most(share(talk_.patience, 1)));
    return 0;
  }
  /// Were packets of the large write sent again, and none of it answered?
  [[nodiscard]] bool large_is_lost() const {
    const auto facts = connection_.facts();
    return dialogue_.state() == SmtpDialogue::State::kLarge && !dialogue_.large_arrived() &&
           facts.unacknowledged != 0 && facts.retransmits > sent_before_;
  }

 private:
  bool hear(const Deadline& until) {
    std::string bytes;
    const auto received = connection_.receive(bytes, until);
    if (received == Connection::Received::kBytes) {
      dialogue_.receive(bytes);
    } else if (received == Connection::Received::kClosed) {
      dialogue_.closed();
    }
    return received == Connection::Received::kBytes || received == Connection::Received::kClosed;
  }

  Connection& connection_;
  SmtpDialogue& dialogue_;
  const Talk& talk_;
  const Deadline& deadline_;
  std::optional<Deadline> large_deadline_;
  std::uint32_t sent_before_ = 0;
};

ProbeStep step_of(const SmtpDialogue& dialogue, bool large_is_lost) {
  using State = SmtpDialogue::State;
  using End = SmtpDialogue::End;
  const bool greeted = dialogue.banner().code != 0;
  switch (dialogue.end()) {
    case End::kPolite:
      return ProbeStep::kDone;
    case End::kTurnedAway:
      return dialogue.ehlo().code == 0 ? ProbeStep::kBanner : ProbeStep::kEhlo;
    case End::kNone:
    case End::kClosed:
    case End::kNoSmtp:
      break;
  }
  if (dialogue.ehlo().code != 0) {  // what it does with the rest is not what was asked
    return large_is_lost && dialogue.state() == State::kLarge ? ProbeStep::kLarge : ProbeStep::kDone;
  }
  return greeted ? ProbeStep::kEhlo : ProbeStep::kBanner;
}

}  // namespace

void hold(const Talk& talk, const Deadline& deadline, ProbeSighting& sighting) {
  Connection connection(talk.server, talk.how);
  if (!opened(connection, talk, deadline, sighting)) {
    return;
  }
  sighting.said = ehlo_name(talk, sighting.sent_from);
  SmtpDialogue dialogue(sighting.said, true);
  Exchange exchange(connection, dialogue, talk, deadline);
  const int errnum = exchange.run();
  const auto facts = connection.facts();
  sighting.step = step_of(dialogue, exchange.large_is_lost());
  sighting.errnum = sighting.step == ProbeStep::kDone ? 0 : errnum;
  sighting.path_error = connection.path_error();
  sighting.banner = dialogue.banner();
  sighting.ehlo = dialogue.ehlo();
  sighting.knows_no_ehlo = dialogue.knows_no_ehlo();
  sighting.told = addresses_told(dialogue.ehlo());
  sighting.segment = facts.segment;
  sighting.path_mtu = facts.path_mtu;
  sighting.retransmits = facts.retransmits;
  sighting.large_write = static_cast<std::uint32_t>(dialogue.large_write());
  sighting.large_arrived = dialogue.large_arrived() || (dialogue.large_write() != 0 && facts.all_acknowledged);
  if (dialogue.end() == SmtpDialogue::End::kPolite || dialogue.end() == SmtpDialogue::End::kTurnedAway) {
    connection.end_politely();
  }
}

}  // namespace smtpegress::probe
