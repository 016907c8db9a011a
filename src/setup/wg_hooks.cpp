#include "setup/wg_hooks.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include "net/contains.hpp"

namespace smtpegress::setup {
namespace {

using Command = std::vector<std::string>;  // its words

// Options of enable that take a value (cli/options.cpp).
constexpr std::array<std::string_view, 8> kWithValue{
    "--tunnel", "--subnet", "--docker-network", "--wan", "--public-ip", "--public-ip6", "--set", "--state-dir"};

class Splitter {
 public:
  std::vector<Command> split(std::string_view text) && {
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (quote_ != 0) {
        quoted(c);
      } else if (c == '\'' || c == '"') {
        quote_ = c;
        in_word_ = true;
      } else if (c == '\\' && i + 1 < text.size()) {
        add(text[++i]);
      } else if (c == ' ' || c == '\t') {
        end_word();
      } else if (std::string_view(";&|\n(){}").find(c) != std::string_view::npos) {
        end_command();
      } else {
        add(c);
      }
    }
    end_command();
    return std::move(commands_);
  }

 private:
  void quoted(char c) {
    if (c == quote_) {
      quote_ = 0;
    } else {
      word_ += c;
    }
  }
  void add(char c) {
    word_ += c;
    in_word_ = true;
  }
  void end_word() {
    if (in_word_) {
      words_.push_back(std::move(word_));
    }
    word_.clear();
    in_word_ = false;
  }
  void end_command() {
    end_word();
    if (!words_.empty()) {
      commands_.push_back(std::move(words_));
    }
    words_.clear();
  }

  std::vector<Command> commands_;
  Command words_;
  std::string word_;
  bool in_word_ = false;  // an empty one, "", is one too
  char quote_ = 0;
};

bool is_this_program(std::string_view word) {
  constexpr std::string_view kName = "smtp-egress";
  return word == kName || (word.ends_with(kName) && word[word.size() - kName.size() - 1] == '/');
}

/// Of the words behind the program's, those that are no option and no option's value.
std::vector<std::string> operands(Command::const_iterator word, Command::const_iterator end) {
  std::vector<std::string> found;
  for (; word != end; ++word) {
    if (!word->starts_with('-')) {
      found.push_back(*word);
    } else if (contains(kWithValue, *word) && std::next(word) != end) {
      ++word;
    }
  }
  return found;
}

std::string expanded(std::string word, std::string_view tunnel) {
  for (auto at = word.find("%i"); at != std::string::npos; at = word.find("%i", at + tunnel.size())) {
    word.replace(at, 2, tunnel);
  }
  return word;
}

}  // namespace

std::vector<std::string> enabled_by(std::string_view hook, std::string_view tunnel) {
  std::vector<std::string> instances;
  for (const auto& command : Splitter().split(hook)) {
    const auto program = std::ranges::find_if(command, is_this_program);
    if (program == command.end()) {
      continue;
    }
    const auto words = operands(std::next(program), command.end());
    if (!words.empty() && words.front() == "enable") {
      instances.push_back(words.size() > 1 ? expanded(words[1], tunnel) : std::string());
    }
  }
  return instances;
}

}  // namespace smtpegress::setup
