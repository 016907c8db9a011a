#include "cli/trace_command.hpp"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <optional>

#include "cli/output.hpp"
#include "cli/privileges.hpp"

namespace smtpegress::cli {
namespace {

// Set by a signal: the one thing that a handler may do.
volatile std::sig_atomic_t interrupted = 0;

void on_interrupt(int /*signal*/) {
  interrupted = 1;
}

/// Ctrl-C and `kill` end the trace, and not the telling of what it saw.
void end_by_signals() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;  // without SA_RESTART: poll() is to return
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

/// To the terminal at once; it may be a pipe.
void say(std::FILE* to, const std::string& text) {
  std::fputs(text.c_str(), to);
  std::fflush(to);
}

/// Sent when the kernel traces, as it would else be missed. With it goes what only it needs of root's power.
Result<Knock> knock(const Profile& profile, const probe::Endpoint& to, const KnockQuestions& ask) {
  auto sent = Knock::send(profile, to, ask);
  if (auto kept = keep_only_net_admin({}); !kept) {
    return std::unexpected(kept.error());
  }
  return sent;
}

}  // namespace

Result<int> run_trace(const Options& options, Engine& engine, const std::string& name,
                      const std::optional<Profile>& fallback, const KnockQuestions& before_knocking) {
  const auto& follow = options.follow;
  const bool as_text = options.format == Format::kText && options.verbosity != Verbosity::kQuiet;
  std::optional<Knock> knocked;
  TraceOptions trace;
  trace.bound = std::chrono::seconds(follow.seconds);
  trace.packets = follow.packets;
  trace.stopped = [] { return interrupted != 0; };
  trace.clock = [] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch());
  };
  trace.begun = [&](const Profile& profile) -> Result<void> {
    if (options.verbosity != Verbosity::kQuiet) {
      say(as_text ? stdout : stderr, trace_begin_text(profile, follow.seconds));
    }
    if (follow.probe) {
      const auto to = parse_knock_target(follow.to, profile);
      if (!to) {
        return std::unexpected(to.error());
      }
      auto sent = knock(profile, *to, before_knocking);
      if (!sent) {
        return std::unexpected(sent.error());
      }
      knocked.emplace(*std::move(sent));
      if (as_text) {
        say(stdout, fmt::format("  knocking at {} from {}\n", follow.to, knocked->from()));
      }
    }
    return {};
  };
  if (follow.probe) {
    trace.sent = [&knocked] { return knocked->has_ended(); };
  }
  if (as_text) {
    trace.told = [&](const Journey& journey) { say(stdout, journey_text(journey, options.verbosity)); };
  }
  end_by_signals();
  const auto report = engine.trace(name, fallback, trace);
  if (!report) {
    return std::unexpected(report.error());
  }
  constexpr int kNotAsItShouldBe = 1;  // exit code
  const int code = report->as_it_should_be() ? 0 : kNotAsItShouldBe;
  if (options.format == Format::kJson) {
    say(stdout, trace_json(options, *report, code));
  } else if (as_text) {
    say(stdout, trace_end_text(*report));
  }
  return code;
}

}  // namespace smtpegress::cli
