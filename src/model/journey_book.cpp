#include "model/journey_book.hpp"

#include <algorithm>
#include <utility>

namespace smtpegress {
namespace {

constexpr std::size_t kMostEvents = 256;  // of one packet; the kernel's longest chains of jumps are far shorter

bool drops(const TraceEvent& event) {
  return event.verdict && event.verdict->code == nft::VerdictCode::kDrop;
}
bool queues(const TraceEvent& event) {
  return event.verdict && event.verdict->code == nft::VerdictCode::kQueue;
}

/// Is it worth keeping? A chain's accepting policy and its return decide nothing; nor does the rule of no handle, by
/// which the kernel says that a chain has come to its end.
bool tells(const TraceEvent& event) {
  return event.kind == TraceEvent::Kind::kPolicy ? drops(event)
                                                 : event.kind == TraceEvent::Kind::kRule && event.handle != 0;
}

/// Where there is no room, only what may be the packet's end: in the place of the latest, which led there.
void keep(const TraceEvent& event, std::vector<TraceEvent>& kept) {
  if (!tells(event)) {
    return;
  }
  if (kept.size() < kMostEvents) {
    kept.push_back(event);
  } else if (drops(event) || queues(event)) {
    kept.back() = event;
  }
}

/// But for the hop limit, which forwarding lowers.
bool is_same(const TracedPacket& a, TracedPacket b) {
  b.hops_left = a.hops_left;
  return a == b;
}

/// How it ended where nothing more is heard of it.
JourneyEnd silent_end(const Trail& trail) {
  if (trail.torn) {
    return JourneyEnd::kUnfinished;
  }
  return trail.queued ? JourneyEnd::kQueued : JourneyEnd::kLost;
}

}  // namespace

void JourneyBook::begin(const TraceEvent& event, Instant now) {
  if (!event.packet) {
    return;  // a second rule of the same chain
  }
  if (const auto before = open_.find(event.id); before != open_.end()) {
    before->second.end = silent_end(before->second);
    finish(before);
  }
  if (is_closed_) {
    return;
  }
  const bool is_mail = std::ranges::any_of(
      ports_, [&](const PortRange& ports) { return ports.contains(event.packet->destination_port); });
  Trail trail;
  trail.direction = is_mail ? Journey::Direction::kMail : Journey::Direction::kReply;
  trail.number = ++begun_;
  trail.first = trail.last = *event.packet;
  trail.in = event.in;
  trail.torn = is_torn_;
  trail.heard = now;
  open_.emplace(event.id, std::move(trail));
}

/// A packet that comes in by a bridge goes through prerouting as a frame, and is given another id when it leaves the
/// bridge for this host: the id counts in the interface (nft_trace_init, net/netfilter/nf_tables_trace.c).
void JourneyBook::adopt(const TraceEvent& event) {
  if (!event.packet) {
    return;
  }
  auto oldest = open_.end();
  for (auto trail = open_.begin(); trail != open_.end(); ++trail) {
    const bool fits = trail->second.reached == Checkpoint::kPreroutingEnd && trail->second.in == event.in &&
                      is_same(trail->second.last, *event.packet);
    if (fits && (oldest == open_.end() || trail->second.number < oldest->second.number)) {
      oldest = trail;
    }
  }
  if (oldest != open_.end()) {
    auto node = open_.extract(oldest);
    node.key() = event.id;
    open_.insert(std::move(node));
  }
}

void JourneyBook::finish(std::map<std::uint32_t, Trail>::iterator trail) {
  ended_.push_back(std::move(trail->second));
  open_.erase(trail);
}

void JourneyBook::add(const TraceEvent& event, Instant now) {
  tells_tracking_ = tells_tracking_ || event.ct_states != 0;
  const auto place = checkpoint_of(table_, event.chain);
  if (place && begins(*place) && event.kind == TraceEvent::Kind::kRule) {
    begin(event, now);
  }
  if ((place == Checkpoint::kForward || place == Checkpoint::kInput) && !open_.contains(event.id)) {
    adopt(event);
  }
  const auto found = open_.find(event.id);
  if (found == open_.end()) {
    return;
  }
  auto& trail = found->second;
  trail.heard = now;
  trail.mark = event.mark;
  trail.queued = queues(event);
  trail.out = event.out != 0 ? event.out : trail.out;
  trail.last = event.packet.value_or(trail.last);
  if (place) {
    trail.reached = *place;
    const bool is_tracked_by_now = *place == Checkpoint::kPreroutingEnd || *place == Checkpoint::kOutputEnd;
    if (is_tracked_by_now && event.packet && tells_tracking_) {
      trail.tracked = event.ct_states != 0;
    }
    const bool is_last = *place == Checkpoint::kPostroutingEnd || *place == Checkpoint::kInputEnd;
    if (is_last && event.kind == TraceEvent::Kind::kPolicy) {
      trail.end = *place == Checkpoint::kInputEnd ? JourneyEnd::kDelivered : JourneyEnd::kLeft;
      finish(found);
    }
    return;
  }
  keep(event, trail.events);
  if (drops(event)) {
    trail.end = JourneyEnd::kDropped;
    finish(found);
  }
}

void JourneyBook::tear() {
  is_torn_ = true;
  for (auto& [id, trail] : open_) {
    trail.torn = true;
  }
}

std::vector<Trail> JourneyBook::take_ended(Instant now) {
  for (auto trail = open_.begin(); trail != open_.end();) {
    const auto next = std::next(trail);
    if (now - trail->second.heard >= kSilence) {
      trail->second.end = silent_end(trail->second);
      finish(trail);
    }
    trail = next;
  }
  return std::exchange(ended_, {});
}

}  // namespace smtpegress
