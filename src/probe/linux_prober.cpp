#include "probe/linux_prober.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>

#include "net/file.hpp"
#include "probe/conversation.hpp"
#include "probe/resolve.hpp"
#include "probe/rights.hpp"
#include "probe/source_namespace.hpp"

namespace smtpegress::probe {
namespace {

constexpr int kResolving = 30;  // percent of the patience
constexpr int kLooking = 20;    // for namespaces

/// Out of /proc/net/dev: "wg0: BYTES PACKETS errs drop fifo frame compressed multicast BYTES PACKETS …".
std::optional<LinkCounters> counters_of(const IfName& interface) {
  constexpr std::size_t kLimit = 4U << 20U;  // bytes; a line for each interface
  const auto text = read_text_file("read", "/proc/thread-self/net/dev", kLimit, Symlinks::kFollow);
  const auto label = interface.str() + ":";
  for (std::size_t begin = 0; text && !interface.empty() && begin < text->size();) {
    const auto end = std::min(text->find('\n', begin), text->size());
    auto line = std::string_view(*text).substr(begin, end - begin);
    begin = end + 1;
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    if (!line.starts_with(label)) {
      continue;
    }
    line.remove_prefix(label.size());
    std::vector<std::uint64_t> numbers;
    while (!(line = line.substr(std::min(line.find_first_not_of(' '), line.size()))).empty()) {
      std::uint64_t number = 0;
      const auto parsed = std::from_chars(line.data(), line.data() + line.size(), number);
      if (parsed.ec != std::errc{}) {
        return std::nullopt;
      }
      numbers.push_back(number);
      line.remove_prefix(static_cast<std::size_t>(parsed.ptr - line.data()));
    }
    constexpr std::size_t kSentPackets = 9;
    return numbers.size() > kSentPackets ? std::optional(LinkCounters{numbers[1], numbers[kSentPackets]})
                                         : std::nullopt;
  }
  return std::nullopt;
}

/// As many file descriptors as this process may have, while it lives: the search for where a silent server's packets
/// end has some dozens open, in each conversation.
class MoreDescriptors {
 public:
  MoreDescriptors() : known_(::getrlimit(RLIMIT_NOFILE, &before_) == 0) {
    if (known_) {
      set(before_.rlim_max);
    }
  }
  MoreDescriptors(const MoreDescriptors&) = delete;
  MoreDescriptors& operator=(const MoreDescriptors&) = delete;
  ~MoreDescriptors() {
    if (known_) {
      set(before_.rlim_cur);
    }
  }

 private:
  void set(rlim_t soft) const {
    const rlimit limit{.rlim_cur = soft, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &limit);  // where it is refused, a search that has too few tells so
  }
  rlimit before_{};
  bool known_;
};

/// A name that a server can make something of, or none.
std::string host_name() {
  utsname names{};
  const bool known = ::uname(&names) == 0;
  const std::string name = known ? static_cast<const char*>(names.nodename) : "";
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  };
  const bool is_full = name.find('.') != std::string::npos && std::ranges::all_of(name, fits);
  return is_full ? name : std::string();
}

/// Where a sender's sockets are to be made.
struct Place {
  std::optional<SourceNamespace> space{};
  std::string why_not{};  ///< there is none
};

std::vector<Place> places_of(const ProbeRequest& request, const Deadline& deadline) {
  std::vector<Prefix> sources;
  std::vector<std::size_t> whose;
  for (std::size_t i = 0; i < request.senders.size(); ++i) {
    if (request.senders[i].source) {
      sources.push_back(*request.senders[i].source);
      whose.push_back(i);
    }
  }
  std::vector<Place> places(request.senders.size());
  if (sources.empty()) {
    return places;
  }
  const auto port = request.servers.empty() ? std::uint16_t{0} : request.servers.front().port.value_or(0);
  auto search = find_namespaces(sources, request.somewhere, port, deadline);
  for (std::size_t i = 0; i < whose.size(); ++i) {
    auto& place = places[whose[i]];
    place.space = std::move(search.found[i]);
    if (!place.space) {
      place.why_not = fmt::format("no network namespace of this host has an address in {}", sources[i].to_string());
      place.why_not += search.errnum == 0 ? "" : fmt::format(" ({})", ::strerrordesc_np(search.errnum));
    }
  }
  return places;
}

/// All conversations of one request.
class Conversations {
 public:
  Conversations(const ProbeRequest& request, const std::vector<Place>& places, const std::vector<Resolved>& resolved,
                const RouteLookup& look_up, const Deadline& deadline)
      : request_(request),
        places_(places),
        resolved_(resolved),
        look_up_(look_up),
        deadline_(deadline),
        name_(host_name()) {
    for (std::size_t sender = 0; sender < request.senders.size(); ++sender) {
      for (std::size_t server = 0; server < request.servers.size(); ++server) {
        ProbeSighting sighting;
        sighting.sender = sender;
        sighting.server = server;
        sightings_.push_back(std::move(sighting));
      }
    }
  }

  std::vector<ProbeSighting> hold_all(const std::function<void(const std::string&)>& progress) {
    std::vector<std::thread> threads;
    threads.reserve(sightings_.size());
    for (auto& sighting : sightings_) {
      try {
        threads.emplace_back([this, &sighting] {
          converse(sighting);
          has_ended();
        });
      } catch (const std::system_error& error) {  // no more threads; those that run are joined
        sighting.step = ProbeStep::kSender;
        sighting.errnum = error.code().value();
        has_ended();
      }
    }
    std::unique_lock lock(mutex_);
    for (std::size_t told = sightings_.size() + 1; done_ != sightings_.size();) {
      if (told != done_) {
        told = done_;
        if (progress) {
          progress(fmt::format("asking {}: {} of {} answers", servers(), told, sightings_.size()));
        }
      }
      changed_.wait(lock, [&] { return done_ != told || done_ == sightings_.size(); });
    }
    lock.unlock();
    for (auto& thread : threads) {
      thread.join();
    }
    return std::move(sightings_);
  }

 private:
  void has_ended() {
    const std::lock_guard lock(mutex_);
    ++done_;
    changed_.notify_all();
  }
  std::string servers() const {
    std::string text;
    for (const auto& server : request_.servers) {
      text += (text.empty() ? "" : ", ") + server.to_string();
    }
    return text;
  }

  /// The server's address in the sender's family, or nothing; then the sighting says why.
  std::optional<IpAddress> address_for(IpFamily family, ProbeSighting& sighting) const {
    const auto& resolved = resolved_[sighting.server];
    const auto found = std::ranges::find(resolved.addresses, family, &IpAddress::family);
    if (found != resolved.addresses.end()) {
      return *found;
    }
    sighting.step = resolved.addresses.empty() ? ProbeStep::kResolve : ProbeStep::kFamily;
    sighting.text = resolved.problem;
    return std::nullopt;
  }

  void converse(ProbeSighting& sighting) {
    const auto& sender = request_.senders[sighting.sender];
    const auto& place = places_[sighting.sender];
    sighting.address = address_for(sender.family, sighting);
    if (!sighting.address) {
      return;
    }
    Talk talk{.server = {*sighting.address, request_.servers[sighting.server].port.value_or(0)},
              .how = {},
              .name = name_,
              .far_end = request_.far_end[sender.family],
              .control_port = request_.control_port,
              .patience = request_.patience};
    sighting.text = place.why_not;
    const int errnum = place.space ? entered(*place.space) : stood_in(sender, talk);
    if (errnum != 0) {
      sighting.step = ProbeStep::kSender;
      sighting.errnum = errnum;
      return;
    }
    sighting.manner = place.space ? ProbeManner::kNamespace : ProbeManner::kHost;
    if (place.space ? keeps_to_sources(sender, *place.space, talk, sighting)
                    : keeps_to_tunnel(sender, talk, sighting)) {
      hold(talk, deadline_, sighting);
    }
  }

  [[nodiscard]] bool is_source(const IpAddress& address) const {
    return std::ranges::any_of(
        request_.senders, [&](const ProbeSender& sender) { return sender.source && sender.source->contains(address); });
  }
  /// A container on several networks may have its way out by another than the mail's. Bound to an address of the
  /// sources, which is what the guard knows the mail by, even where its routes change meanwhile.
  bool keeps_to_sources(const ProbeSender& sender, const SourceNamespace& place, Talk& talk,
                        ProbeSighting& sighting) const {
    const auto from = source_towards(talk.server.address);
    if (sender.exposed || (from && !is_source(*from))) {
      sighting.step = ProbeStep::kAstray;
      sighting.sent_from = from;
      return false;
    }
    talk.how.bound = from.value_or(place.address);
    const auto to_far_end = talk.far_end ? source_towards(*talk.far_end) : std::nullopt;
    if (to_far_end && !is_source(*to_far_end)) {
      talk.far_end.reset();
    }
    return true;
  }
  /// Home: nothing is sent but into the tunnel. The route is looked up without the device, so that it is told where
  /// the policy rules lead elsewhere; the socket is bound to it, so that nothing gets out where they go meanwhile.
  bool keeps_to_tunnel(const ProbeSender& sender, Talk& talk, ProbeSighting& sighting) {
    if (request_.tunnel.empty()) {
      return true;
    }
    const auto way = way_of(talk.server, sender, talk);
    sighting.sent_from = sender.bound;
    if (!way) {
      sighting.step = ProbeStep::kSender;
      sighting.errnum = way.error().errnum != 0 ? way.error().errnum : EIO;
    } else if (way->errnum != 0) {
      sighting.step = ProbeStep::kConnect;  // to which the kernel would answer the same
      sighting.errnum = way->errnum;
    } else if (way->interface != request_.tunnel) {
      sighting.step = ProbeStep::kAstray;
      sighting.leaves_by = way->interface;
    } else {
      const auto to_far_end = talk.far_end ? way_of({*talk.far_end, talk.server.port}, sender, talk) : way;
      if (!to_far_end || to_far_end->errnum != 0 || to_far_end->interface != request_.tunnel) {
        talk.far_end.reset();
      }
      talk.how.device = request_.tunnel;
      return true;
    }
    return false;
  }
  Result<RouteAnswer> way_of(const Endpoint& to, const ProbeSender& sender, const Talk& talk) {
    const std::lock_guard lock(asking_);
    return way_out(look_up_, to, talk.how, sender.uid);
  }
  /// An errno, as of stood_in().
  static int entered(const SourceNamespace& place) { return enter(place) ? 0 : errno; }
  /// Of EADDRNOTAVAIL: there is no address to send from.
  static int stood_in(const ProbeSender& sender, Talk& talk) {
    talk.how = {.bound = sender.bound, .mark = sender.mark, .ttl = 0};
    raise_rights();
    if (!sender.bound) {
      return EADDRNOTAVAIL;
    }
    return sender.uid && !make_sockets_as(*sender.uid) ? EPERM : 0;
  }

  const ProbeRequest& request_;
  const std::vector<Place>& places_;
  const std::vector<Resolved>& resolved_;
  const RouteLookup& look_up_;
  const Deadline& deadline_;
  std::string name_;
  std::vector<ProbeSighting> sightings_;
  std::mutex asking_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t done_ = 0;
};

class LinuxProber final : public Prober {
 public:
  LinuxProber(RouteLookup look_up, std::function<void(const std::string&)> progress)
      : look_up_(std::move(look_up)), progress_(std::move(progress)) {}

  ProbeReport probe(const ProbeRequest& request) override {
    const MoreDescriptors more;
    const auto deadline = Deadline::in(request.patience);
    std::vector<Resolution> resolutions;
    resolutions.reserve(request.servers.size());
    for (const auto& server : request.servers) {
      resolutions.emplace_back(server.host);
    }
    ProbeReport report;
    const auto places = places_of(request, deadline.at_most(request.patience * kLooking / 100));
    for (std::size_t i = 0; i < places.size(); ++i) {
      for (const auto& from : places[i].space ? places[i].space->egress : std::vector<IpAddress>{}) {
        report.egress.push_back({i, from});
      }
    }
    std::vector<Resolved> resolved;
    resolved.reserve(resolutions.size());
    const auto answers_until = deadline.at_most(request.patience * kResolving / 100);
    for (const auto& resolution : resolutions) {
      resolved.push_back(resolution.answer(answers_until));
    }
    report.before = counters_of(request.tunnel);
    report.sightings = Conversations(request, places, resolved, look_up_, deadline).hold_all(progress_);
    report.after = counters_of(request.tunnel);
    return report;
  }

 private:
  RouteLookup look_up_;
  std::function<void(const std::string&)> progress_;
};

}  // namespace

std::unique_ptr<Prober> make_linux_prober(RouteLookup look_up, std::function<void(const std::string&)> progress) {
  return std::make_unique<LinuxProber>(std::move(look_up), std::move(progress));
}

}  // namespace smtpegress::probe
