#include "dns/unbound_resolver.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <iterator>
#include <optional>
#include <ranges>

#include "dns/resolv_conf.hpp"
#include "dns/unbound_library.hpp"
#include "net/file.hpp"
#include "net/list_of.hpp"

namespace smtpegress::dns {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kOperation = "ask the DNS";
constexpr const char* kResolvConf = "/etc/resolv.conf";
// Of Debian's packages dns-root-data, and unbound, which keeps its own up to date.
constexpr const char* kTrustAnchors[]{"/var/lib/unbound/root.key", "/usr/share/dns/root.key"};

constexpr std::size_t kMostRecords = 64;   // of one answer; a mail domain has a few
constexpr int kMostBytes = 16'384;         // of one record
constexpr std::size_t kMostText = 65'536;  // bytes; of a file
constexpr int kClassIn = 1;                // RFC 1035, section 3.2.4
constexpr int kNoError = 0, kNoSuchDomain = 3, kServerFailed = 2, kRefused = 5;  // RFC 1035, section 4.1.1

std::string words_for_rcode(int rcode) {
  return rcode == kServerFailed ? "SERVFAIL" : rcode == kRefused ? "REFUSED" : fmt::format("RCODE {}", rcode);
}

/// "validation failure <mail.example.org. A IN>: signature expired …": which of several questions fails first, and is
/// the others' reason, is the order of their packets; the reason is the same.
std::string reason_in(std::string_view text) {
  constexpr std::string_view kAhead = ">: ";
  const auto ahead = text.rfind(kAhead);
  return std::string(ahead == std::string_view::npos ? text : text.substr(ahead + kAhead.size()));
}

DnsAnswer answer_of(const ub_result& result, bool is_judged) {
  DnsAnswer answer;
  answer.security = !is_judged           ? DnsSecurity::kUnjudged
                    : result.bogus != 0  ? DnsSecurity::kBogus
                    : result.secure != 0 ? DnsSecurity::kSecure
                                         : DnsSecurity::kInsecure;
  if (result.bogus != 0) {
    answer.status = DnsStatus::kFailed;
    answer.why = result.why_bogus != nullptr ? reason_in(result.why_bogus) : "the signatures do not hold";
    return answer;
  }
  if (result.rcode != kNoError && result.rcode != kNoSuchDomain) {
    answer.status = DnsStatus::kFailed;
    answer.why = words_for_rcode(result.rcode);
    return answer;
  }
  for (int i = 0; result.havedata != 0 && result.data[i] != nullptr && answer.records.size() < kMostRecords; ++i) {
    const auto* bytes = result.data[i];
    const int length = result.len[i];
    if (length >= 0 && length <= kMostBytes) {
      answer.records.emplace_back(bytes, bytes + length);
    }
  }
  std::ranges::sort(answer.records);  // servers give them in turns
  answer.status = !answer.records.empty() ? DnsStatus::kRecords
                  : result.nxdomain != 0  ? DnsStatus::kNoSuchName
                                          : DnsStatus::kNoRecords;
  return answer;
}

/// Whatever is wrong with it, the person named it.
std::unexpected<Error> unfit_anchor(const std::string& path, Error why) {
  why.kind = ErrorKind::kUsage;
  why.operation = kOperation;
  why.object = fmt::format("with {}", path);
  why.hint = "--trust-anchor names a file of DS or DNSKEY records";
  return std::unexpected(std::move(why));
}

std::unexpected<Error> refused(const UnboundLibrary& unbound, int error, std::string object, std::string hint) {
  return std::unexpected(Error{.kind = ErrorKind::kUsage,
                               .operation = kOperation,
                               .object = std::move(object),
                               .errnum = 0,
                               .kernel_text = unbound.strerror(error),
                               .hint = std::move(hint)});
}

/// One validating resolver, or one that does not validate. What it calls back is on this thread, out of wait().
class Context {
 public:
  Context(const UnboundLibrary& unbound, ub_ctx* context, bool validates)
      : unbound_(unbound), context_(context), validates_(validates) {}
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { unbound_.ctx_delete(context_); }

  /// Empty trust anchor: it does not validate.
  static Result<std::unique_ptr<Context>> make(const UnboundLibrary& unbound, const std::vector<std::string>& resolvers,
                                               const std::string& trust_anchor) {
    ub_ctx* const made = unbound.ctx_create();
    if (made == nullptr) {
      return system_error(kOperation, "with libunbound", ENOMEM, {}, "`free -h` tells what there is");
    }
    auto context = std::make_unique<Context>(unbound, made, !trust_anchor.empty());
    unbound.ctx_debugout(made, nullptr);  // it would speak on stderr
    // The stub of systemd-resolved is on this host. And its own answers for zones of no use on the internet
    // (documentation's, private ones) are not what the mail's receivers are told.
    for (const auto& [option, value] : {std::pair{"do-not-query-localhost:", "no"}, {"unblock-lan-zones:", "yes"}}) {
      if (const int error = unbound.ctx_set_option(made, option, value); error != 0) {
        return refused(unbound, error, fmt::format("with {} {}", option, value),
                       "report it, with the version of libunbound8");
      }
    }
    for (const auto& resolver : resolvers) {
      if (const int error = unbound.ctx_set_fwd(made, resolver.c_str()); error != 0) {
        return refused(unbound, error, fmt::format("at {}", resolver), "name another: --resolver ADDRESS");
      }
    }
    if (!trust_anchor.empty()) {
      if (const int error = unbound.ctx_add_ta_file(made, trust_anchor.c_str()); error != 0) {
        return refused(unbound, error, fmt::format("with {}", trust_anchor),
                       "--trust-anchor names a file of DS or DNSKEY records");
      }
    }
    unbound.ctx_async(made, 1);  // a thread, and no process
    return context;
  }

  /// An answer for each, in their order; of those that do not come until then, that there is none.
  Result<std::vector<DnsAnswer>> ask(const std::vector<DnsQuestion>& questions, Clock::time_point until,
                                     const std::function<void(std::size_t)>& progress) {
    ++round_;
    open_ = questions.size();
    const auto first = static_cast<std::ptrdiff_t>(waiting_.size());
    waiting_.resize(waiting_.size() + questions.size(), Waiting{this, round_, {}});
    const auto round = std::ranges::subrange(waiting_.begin() + first, waiting_.end());
    for (std::size_t i = 0; i < questions.size(); ++i) {
      const int error =
          unbound_.resolve_async(context_, questions[i].name.to_string().c_str(), static_cast<int>(questions[i].type),
                                 kClassIn, &round[static_cast<std::ptrdiff_t>(i)], &Context::take, nullptr);
      if (error != 0) {  // with the first, of what it was told above, which it reads only now
        return refused(unbound_, error, questions[i].to_string(),
                       "is the trust anchor a file of keys? --trust-anchor FILE names another");
      }
    }
    wait(questions.size(), until, progress);
    std::vector<DnsAnswer> answers;
    answers.reserve(questions.size());
    for (auto& one : round) {
      answers.push_back(one.answer);
    }
    return answers;
  }

 private:
  struct Waiting {
    Context* context;
    std::size_t round;
    DnsAnswer answer;
  };

  static void take(void* data, int error, ub_result* result) {
    auto& waiting = *static_cast<Waiting*>(data);
    const auto& unbound = waiting.context->unbound_;
    const std::unique_ptr<ub_result, decltype(unbound.resolve_free)> owner(result, unbound.resolve_free);
    waiting.context->finish(waiting, error == 0 && result != nullptr
                                         ? answer_of(*result, waiting.context->validates_)
                                         : DnsAnswer{.status = DnsStatus::kFailed, .why = unbound.strerror(error)});
  }

  void finish(Waiting& waiting, DnsAnswer answer) {
    open_ -= waiting.round == round_ ? 1 : 0;  // else it comes too late
    waiting.answer = std::move(answer);
  }

  void wait(std::size_t all, Clock::time_point until, const std::function<void(std::size_t)>& progress) {
    while (open_ != 0) {
      progress(all - open_);
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
      pollfd ready{unbound_.fd(context_), POLLIN, 0};
      if (left <= 0 || (::poll(&ready, 1, static_cast<int>(left)) < 0 && errno != EINTR)) {
        return;
      }
      if (ready.revents != 0 && unbound_.process(context_) != 0) {
        return;
      }
    }
  }

  const UnboundLibrary& unbound_;
  ub_ctx* context_;
  bool validates_;
  std::deque<Waiting> waiting_;  ///< of all rounds: an answer may come later than anybody waits for it
  std::size_t round_ = 0;
  std::size_t open_ = 0;  ///< of this round
};

class UnboundResolver final : public DnsResolver {
 public:
  explicit UnboundResolver(ResolverOptions options) : options_(std::move(options)) {}

  Result<void> check_settings() override {
    const auto& anchor = options_.trust_anchor;
    if (anchor.empty()) {
      return {};
    }
    // A directory libunbound would read for ever.
    if (const auto text = read_text_file(kOperation, anchor, kMostText, Symlinks::kFollow); !text) {
      return unfit_anchor(anchor, text.error());
    }
    const auto unbound = UnboundLibrary::load();
    if (!unbound) {
      return {};  // which ask() tells
    }
    const auto context = Context::make(*unbound, options_.resolvers, anchor);
    if (!context) {
      return std::unexpected(context.error());
    }
    // It reads the file with the first question, and this one it answers by itself.
    const DnsQuestion localhost{DnsName::parse("localhost").value(), DnsType::kA};
    const auto answers = (*context)->ask({localhost}, Clock::now(), [](std::size_t) {});
    return answers ? Result<void>() : unfit_anchor(anchor, answers.error());
  }

  Result<std::vector<DnsAnswer>> ask(const std::vector<DnsQuestion>& questions) override {
    if (!context_) {
      if (auto begun = begin(); !begun) {
        return std::unexpected(begun.error());
      }
    }
    // One zone that does not answer is to leave time for what else is to be asked.
    const auto until = Clock::now() + std::max(until_ - Clock::now(), Clock::duration::zero()) / 2;
    return context_->ask(questions, until, [&](std::size_t done) {
      tell(fmt::format("asking {}: {} of {} answers", asked(), done, questions.size()));
    });
  }

  [[nodiscard]] std::string asked() const override { return list_of(options_.resolvers); }
  [[nodiscard]] std::string why_unjudged() const override { return why_unjudged_; }

 private:
  void tell(const std::string& text) const {
    if (options_.progress) {
      options_.progress(text);
    }
  }

  Result<void> begin() {
    auto unbound = UnboundLibrary::load();
    if (!unbound) {
      return std::unexpected(unbound.error());
    }
    unbound_ = *unbound;
    if (auto found = find_resolvers(); !found) {
      return found;
    }
    const auto anchors = trust_anchors();
    until_ = Clock::now() + options_.patience;
    if (anchors.empty()) {
      why_unjudged_ = "there is no trust anchor (Debian's package dns-root-data, or --trust-anchor FILE)";
      return start("");
    }
    return start_with_one_of(anchors);
  }

  /// The first that vouches for what the resolver says: one may be of a key that the root has no more.
  Result<void> start_with_one_of(const std::vector<std::string>& anchors) {
    std::string why;
    for (const auto& anchor : anchors) {
      if (auto started = start(anchor); !started) {
        return started;
      }
      const auto root = ask_for_the_root();
      if (!root) {
        return std::unexpected(root.error());
      }
      if (root->security == DnsSecurity::kSecure) {
        return {};
      }
      if (root->security != DnsSecurity::kBogus) {
        why = fmt::format("{} does not tell the root's key", asked());
        break;  // to nobody
      }
      why = fmt::format("{} gives no signatures that {} vouches for ({}); another, `--resolver ADDRESS`, may", asked(),
                        list_of(anchors, " or "), root->why);
    }
    why_unjudged_ = why;
    return start("");
  }

  Result<void> start(const std::string& trust_anchor) {
    auto context = Context::make(*unbound_, options_.resolvers, trust_anchor);
    if (!context) {
      return std::unexpected(context.error());
    }
    context_ = *std::move(context);
    return {};
  }

  /// By a resolver that drops signatures, everything on the internet would be bogus.
  Result<DnsAnswer> ask_for_the_root() {
    const auto until = std::min(until_, Clock::now() + options_.patience / 3);
    tell(fmt::format("asking {} for the root's key", asked()));
    const auto answers = context_->ask({{DnsName(), DnsType::kDnskey}}, until, [](std::size_t) {});
    if (!answers) {
      return std::unexpected(answers.error());
    }
    return answers->front();
  }

  Result<void> find_resolvers() {
    if (!options_.resolvers.empty()) {
      return {};
    }
    const auto text = read_text_file(kOperation, kResolvConf, kMostText, Symlinks::kFollow);
    options_.resolvers = text ? nameservers_in(*text) : std::vector<std::string>{};
    if (options_.resolvers.empty()) {
      return std::unexpected(Error{.kind = ErrorKind::kUsage,
                                   .operation = kOperation,
                                   .object = {},
                                   .errnum = 0,
                                   .kernel_text = fmt::format("{} names no resolver", kResolvConf),
                                   .hint = "name one there, or by `--resolver ADDRESS`"});
    }
    return {};
  }

  [[nodiscard]] std::vector<std::string> trust_anchors() const {
    if (!options_.trust_anchor.empty()) {
      return {options_.trust_anchor};
    }
    std::vector<std::string> anchors;
    std::ranges::copy_if(kTrustAnchors, std::back_inserter(anchors),
                         [](const char* path) { return ::access(path, R_OK) == 0; });
    return anchors;
  }

  ResolverOptions options_;
  std::optional<UnboundLibrary> unbound_;
  std::unique_ptr<Context> context_;
  Clock::time_point until_{};
  std::string why_unjudged_;
};

}  // namespace

std::unique_ptr<DnsResolver> make_unbound_resolver(ResolverOptions options) {
  return std::make_unique<UnboundResolver>(std::move(options));
}

}  // namespace smtpegress::dns
