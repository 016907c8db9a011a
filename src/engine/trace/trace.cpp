// trace: a table that has the kernel tell of the instance's packets, for as long as that is asked for.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "engine/trace/judge.hpp"
#include "engine/view.hpp"

namespace smtpegress {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kNap{50};  // between looks at the clock and at who wants it to end

/// What makes two packets' ways the same one. The first packet of a connection goes through nat chains, and differs. A
/// stray, last of them, is not judged: no reply of the mail's is to be counted with one.
using Way =
    std::tuple<Journey::Direction, IpAddress, IpAddress, IfName, IfName, JourneyEnd,
               std::vector<std::tuple<nft::ChainKey, std::uint64_t, std::string>>, std::optional<IpAddress>, bool>;

enum class Length : std::uint8_t {
  kWhole,     ///< what was to come would have been heard
  kCutShort,  ///< by the number of packets, or by a person
};

class Tracing {
 public:
  Tracing(Kernel& kernel, const DockerNetworks& docker, const EnabledView& view, std::int64_t now,
          const TraceOptions& options, nft::TableKey table)
      : ask_{kernel, docker, view, now, scratch_, sightings_},
        options_(options),
        texts_(kernel, view.seen.observed),
        book_(std::move(table), view.profile.ports) {}

  Result<Length> follow(PacketTrace& trace, TraceReport& report) {
    const auto begin = options_.clock();
    milliseconds quiet_since = begin;
    std::optional<milliseconds> closed;
    std::optional<Length> length;
    while (true) {
      const auto now = options_.clock();
      length = length ? length : over(now - begin, now - quiet_since);
      if (!closed && length) {
        book_.close();
        closed = now;
      }
      if (closed && (book_.empty() || now - *closed >= 2 * kSilence)) {
        return *length;
      }
      const auto read = trace.next(kNap);
      if (!read) {
        return std::unexpected(read.error());
      }
      if (read->overrun) {
        book_.tear();
        report.overrun = true;
      } else {
        book_.mend();
      }
      const auto heard = options_.clock();
      for (const auto& event : read->events) {
        book_.add(event, heard);
        quiet_since = heard;
      }
      if (!read->events.empty()) {
        texts_.keep_up();
      }
      for (const auto& trail : book_.take_ended(heard)) {
        take(trail, report);
      }
    }
  }

 private:
  /// Nothing: not yet.
  [[nodiscard]] std::optional<Length> over(milliseconds passed, milliseconds quiet) const {
    const bool all_told = options_.sent && (went_wrong_ || (options_.sent() && book_.empty() && quiet >= kSilence));
    if (passed >= options_.bound || all_told) {
      return Length::kWhole;
    }
    const bool has_enough = options_.packets != 0 && packets_ >= options_.packets;
    return has_enough || (options_.stopped && options_.stopped()) ? std::optional(Length::kCutShort) : std::nullopt;
  }

  void take(const Trail& trail, TraceReport& report) {
    ++packets_;
    auto journey = journey_of(trail, texts_);
    const bool stray = is_stray(ask_, trail);
    Way way{journey.direction,
            trail.first.source,
            trail.first.destination,
            journey.in,
            journey.out,
            journey.end,
            {},
            {},
            stray};
    for (const auto& step : journey.steps) {
      std::get<6>(way).emplace_back(step.chain, step.handle, step.rule);
    }
    if (journey.left_as) {
      std::get<7>(way) = journey.left_as->source;
    }
    const auto [known, is_new] = ways_.try_emplace(std::move(way), report.journeys.size());
    if (!is_new) {
      ++report.journeys.at(known->second).count;
      return;
    }
    judge(ask_, trail, stray, texts_, journey);
    went_wrong_ = went_wrong_ || journey.judgement == Journey::Judgement::kWrong;
    report.journeys.push_back(std::move(journey));
    if (options_.told) {
      options_.told(report.journeys.back());
    }
  }

  std::vector<Check> scratch_;  // of questions whose answers are looked at directly
  Sightings sightings_;         // the same of what they see
  Inquiry ask_;
  const TraceOptions& options_;
  RuleTexts texts_;
  JourneyBook book_;
  std::map<Way, std::size_t> ways_;  ///< where in the report
  std::size_t packets_ = 0;
  bool went_wrong_ = false;
};

std::size_t count_of(const TraceReport& report, Journey::Direction direction) {
  std::size_t packets = 0;
  for (const auto& journey : report.journeys) {
    packets += journey.direction == direction && journey.judgement != Journey::Judgement::kAside ? journey.count : 0;
  }
  return packets;
}

std::vector<std::string> notes_on(const TraceReport& report, Length length, Kernel& kernel) {
  std::vector<std::string> notes;
  if (report.overrun) {
    notes.emplace_back(
        "packets came faster than they could be followed: some are not told of; trace while there is less mail");
  }
  const auto mail = count_of(report, Journey::Direction::kMail);
  const auto replies = count_of(report, Journey::Direction::kReply);
  if (mail == 0 && replies == 0) {
    notes.push_back(fmt::format(
        "no packet of the mail stack's to tcp/{} was seen: send a mail meanwhile, or let trace knock by itself: `smtp-"
        "egress trace {} --probe --to ADDRESS`",
        report.profile.ports.front().to_string(), report.profile.name));
  } else if (length == Length::kWhole && replies == 0 && report.packets(Journey::Judgement::kWrong) == 0) {
    notes.emplace_back(
        report.profile.side == Side::kHome
            ? "the mail left, and no reply came back out of the tunnel: see the other end, with `smtp-egress trace` "
              "there"
            : "the mail left, and no reply came back from the internet: does this provider let tcp/25 out?");
  }
  if (const auto legacy = kernel.legacy_table_names(); !legacy.empty()) {
    std::string names;
    for (const auto& name : legacy) {
      names += (names.empty() ? "" : ", ") + name;
    }
    notes.push_back(fmt::format("iptables-legacy has tables here ({}), whose rules are not traced", names));
  }
  return notes;
}

}  // namespace

std::size_t TraceReport::packets(Journey::Judgement judgement) const {
  std::size_t packets = 0;
  for (const auto& journey : journeys) {
    packets += journey.judgement == judgement ? journey.count : 0;
  }
  return packets;
}

bool TraceReport::as_it_should_be() const {
  return packets(Journey::Judgement::kRight) != 0 && packets(Journey::Judgement::kWrong) == 0;
}

Result<TraceReport> Engine::trace(const std::string& name, const std::optional<Profile>& fallback,
                                  const TraceOptions& options) {
  const auto view = view_enabled(kernel_, store_, docker_, name, fallback);
  if (!view) {
    return std::unexpected(view.error());
  }
  const auto table = trace_table_key(view->profile.name, static_cast<std::uint32_t>(::getpid()));
  TraceReport report{view->profile, nft::to_string(table), {}, false, {}};
  auto length = Length::kWhole;
  {
    const auto trace = kernel_.trace(trace_table(table, view->profile, view->seen.host));
    if (!trace) {
      return std::unexpected(trace.error());
    }
    if (options.begun) {
      if (auto begun = options.begun(view->profile); !begun) {
        return std::unexpected(begun.error());
      }
    }
    Tracing tracing(kernel_, docker_, *view, now_(), options, table);
    const auto followed = tracing.follow(**trace, report);
    if (!followed) {
      return std::unexpected(followed.error());
    }
    length = *followed;
  }
  report.notes = notes_on(report, length, kernel_);
  return report;
}

}  // namespace smtpegress
