// From what was found and what was wished to a profile, or to the question that is left open. Pure: no host is asked.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "setup/descriptor.hpp"
#include "setup/look.hpp"
#include "smtpegress/profile.hpp"

namespace smtpegress::setup {

/// What is settled already: by the command line (`overrides`, which come first) and by answers.
struct Wishes {
  Side side = Side::kHome;
  std::string name;  ///< of the instance; empty: to be chosen
  ProfileOverrides overrides;
  std::optional<Descriptor> from_home;
  std::optional<std::string> tunnel;
  std::vector<std::string> sources;  ///< as JSON: "\"172.18.0.0/16\"", "{\"docker_network\": \"mailu_default\"}"
  std::optional<std::string> wan;
  std::optional<std::string> public_ip;
};

enum class Topic : std::uint8_t { kTunnel, kSources, kWan, kPublicIp };

struct Candidate {
  std::string value;  ///< what Wishes takes
  std::string shown;  ///< "docker network mailu_default, 192.168.203.0/24 (container mailu-smtp-1)"
  std::string flag;   ///< what chooses it on the command line
};

/// What only a person can know.
struct Question {
  Topic topic = Topic::kTunnel;
  std::string asked;                  ///< "Which tunnel does the mail take?"
  std::vector<Candidate> candidates;  ///< none: an IPv4 address is the answer
  bool several = false;               ///< more than one may be chosen
  std::string flag;                   ///< "--tunnel IF"
};

/// One thing that was chosen, and why.
struct Choice {
  std::string what;   ///< "tunnel"
  std::string value;  ///< "wg0"
  std::string why;
};

struct Proposal {
  Profile profile;
  std::string text;  ///< of its file
  std::vector<Choice> choices;
  std::vector<std::string> notes;
};

using Step = std::variant<Proposal, Question>;

/// A profile that fits what was found, or the next question. kUsage: there is nothing to choose from, or a wish cannot
/// be; it says what to start or to give.
Result<Step> propose(const Finds& finds, const Wishes& wishes);

/// Puts an answer where a wish would stand.
void take_answer(Wishes& wishes, const Question& question, const std::vector<std::string>& values);

/// A question as the refusal that it is where nobody can be asked: its candidates, and the flag that chooses each.
[[nodiscard]] Error unanswered(const Question& question);

/// The other end's instance: "mailu-vps" of "mailu-home".
[[nodiscard]] std::string other_end(const std::string& instance, Side side);

}  // namespace smtpegress::setup
