#include "cli/questions.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "net/contains.hpp"
#include "smtpegress/net_types.hpp"

namespace smtpegress::cli {
namespace {

constexpr std::size_t kLongestAnswer = 256;  // bytes

/// Without white space around it; nothing where the stream has ended.
std::optional<std::string> line_of(std::FILE* in) {
  std::string line;
  int c = std::fgetc(in);
  for (; c != EOF && c != '\n'; c = std::fgetc(in)) {
    if (line.size() < kLongestAnswer) {
      line += static_cast<char>(c);
    }
  }
  if (c == EOF) {
    return std::nullopt;
  }
  const auto first = line.find_first_not_of(" \t\r");
  return first == std::string::npos ? "" : line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

/// "2", or "1, 3" where several may be chosen, each once. Empty: that is no answer.
std::vector<std::string> chosen_by(const std::string& answer, const setup::Question& question) {
  std::vector<std::string> values;
  std::string_view rest = answer;
  while (!rest.empty()) {
    const auto first = rest.find_first_not_of(" ,");
    if (first == std::string_view::npos) {
      break;
    }
    rest.remove_prefix(first);
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (error != std::errc{} || number < 1 || number > question.candidates.size()) {
      return {};
    }
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    if (const auto& value = question.candidates[number - 1].value; !contains(values, value)) {
      values.push_back(value);
    }
  }
  return values.size() > 1 && !question.several ? std::vector<std::string>() : values;
}

std::vector<std::string> values_of(const std::string& answer, const setup::Question& question) {
  if (question.candidates.empty()) {  // a public IPv4 address is all that is asked for without candidates
    const auto address = IpAddress::parse(answer);
    return address && address->family == IpFamily::kV4 ? std::vector{answer} : std::vector<std::string>();
  }
  return answer.empty() ? std::vector{question.candidates.front().value} : chosen_by(answer, question);
}

}  // namespace

Result<std::vector<std::string>> ask(const setup::Question& question, std::FILE* in, std::FILE* out) {
  std::fprintf(out, "%s\n", question.asked.c_str());
  for (std::size_t i = 0; i < question.candidates.size(); ++i) {
    std::fprintf(out, "  %zu) %s%s\n", i + 1, question.candidates[i].shown.c_str(), i == 0 ? " [default]" : "");
  }
  const char* const prompt = question.candidates.empty() ? "address: "
                             : question.several          ? "numbers, such as 1 or 1,2 [1]: "
                                                         : "number [1]: ";
  for (;;) {
    std::fputs(prompt, out);
    std::fflush(out);
    const auto answer = line_of(in);
    if (!answer) {
      std::fputs("\n", out);
      return usage_error("set up this host", {}, "nothing was chosen, and nothing was written");
    }
    if (auto values = values_of(*answer, question); !values.empty()) {
      return values;
    }
    std::fputs(question.candidates.empty() ? "That is no IPv4 address.\n" : "That is none of them.\n", out);
  }
}

}  // namespace smtpegress::cli
