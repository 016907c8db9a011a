// Trace events put together to packets' ways. Time is the caller's, in milliseconds of any clock that does not stand
// still.
#pragma once

#include <chrono>
#include <map>
#include <vector>

#include "model/trace_table.hpp"
#include "smtpegress/trace.hpp"

namespace smtpegress {

using Instant = std::chrono::milliseconds;

/// How long nothing is heard of a packet until it counts as ended. The kernel takes a packet through all its hooks in
/// one go, in microseconds; what is longer is a machine that does something else.
inline constexpr std::chrono::milliseconds kSilence{300};

/// What the events of one packet say, before anything is looked up.
struct Trail {
  Journey::Direction direction = Journey::Direction::kMail;
  std::uint64_t number = 0;  ///< in the order in which they began, from 1
  TracedPacket first;        ///< as it came
  TracedPacket last;         ///< as the latest chain saw it
  int in = 0;                ///< interface by index; 0: sent by this host itself
  int out = 0;               ///< by the latest event that knows one
  std::uint32_t mark = 0;
  std::optional<bool> tracked{};  ///< by connection tracking; absent: the kernel (before 6.16) does not say
  Checkpoint reached = Checkpoint::kPrerouting;
  /// Rules that held and policies that dropped, of others' chains and of our own tables', in order.
  std::vector<TraceEvent> events;
  JourneyEnd end = JourneyEnd::kUnfinished;
  bool queued = false;  ///< its latest event handed it to a program
  bool torn = false;    ///< events were lost meanwhile: how it ended is not known
  Instant heard{};
};

class JourneyBook {
 public:
  /// `table` is the trace's own; packets that others have the kernel trace are not told of.
  JourneyBook(nft::TableKey table, std::vector<PortRange> ports) : table_(std::move(table)), ports_(std::move(ports)) {}

  void add(const TraceEvent& event, Instant now);
  /// Events are lost: of what is open, or of what begins until mend().
  void tear();
  void mend() { is_torn_ = false; }
  /// From now on no packet is begun.
  void close() { is_closed_ = true; }

  /// Those that have ended, or that nothing was heard of for kSilence, in the order in which they began.
  [[nodiscard]] std::vector<Trail> take_ended(Instant now);
  [[nodiscard]] bool empty() const { return open_.empty() && ended_.empty(); }

 private:
  void begin(const TraceEvent& event, Instant now);
  void adopt(const TraceEvent& event);
  void finish(std::map<std::uint32_t, Trail>::iterator trail);

  nft::TableKey table_;
  std::vector<PortRange> ports_;
  std::map<std::uint32_t, Trail> open_;  ///< by id
  std::vector<Trail> ended_;
  std::uint64_t begun_ = 0;
  bool is_closed_ = false;
  bool is_torn_ = false;
  bool tells_tracking_ = false;  ///< some event had a connection's state: this kernel tells it
};

}  // namespace smtpegress
