// Changes netlink messages as the trees of attributes they are: libFuzzer's own mutations of bytes break some length
// nearly always, and would hardly get past the first check.
#include <linux/netlink.h>

#include <cstring>
#include <random>

#include "fuzz/messages.hpp"
#include "fuzz/netlink_mutator.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace smtpegress::fuzz {
namespace {

struct Node {
  std::uint16_t type = 0;
  Octets payload;              // of a leaf
  std::vector<Node> children;  // of a nest
};
using Nodes = std::vector<Node>;
using Random = std::minstd_rand;

constexpr std::size_t kMaxPayload = 256;       // bytes
constexpr std::uint16_t kMostTypes = 48;       // attribute types that are tried most: about as many as protocols have
constexpr std::uint16_t kMaxLength = 1 << 15;  // bytes; far from what a length field can hold

/// Whatever can be read as attributes is. False where a rest was left.
bool read(Bytes bytes, Nodes& nodes) {
  while (bytes.size() >= sizeof(nlattr)) {
    nlattr header{};
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > bytes.size()) {
      return false;
    }
    const Bytes payload = bytes.subspan(sizeof header, header.nla_len - sizeof header);
    Node node{.type = header.nla_type, .payload = {payload.begin(), payload.end()}, .children = {}};
    if (Nodes children; !payload.empty() && read(payload, children)) {
      node.children = std::move(children);
    }
    nodes.push_back(std::move(node));
    bytes = bytes.subspan(std::min<std::size_t>(NLA_ALIGN(header.nla_len), bytes.size()));
  }
  return bytes.empty();
}

Octets written(const Nodes& nodes) {
  Octets bytes;
  for (const auto& node : nodes) {
    Octets payload = node.children.empty() ? node.payload : written(node.children);
    payload.resize(std::min<std::size_t>(payload.size(), kMaxLength));
    append(bytes, attribute(node.type, payload));
  }
  return bytes;
}

void collect(Nodes& nodes, std::vector<Nodes*>& lists) {
  lists.push_back(&nodes);
  for (auto& node : nodes) {
    if (!node.children.empty()) {
      collect(node.children, lists);
    }
  }
}

/// Some list of the tree, each as likely as another.
Nodes& any_list(Nodes& tree, Random& random) {
  std::vector<Nodes*> lists;
  collect(tree, lists);
  return *lists[random() % lists.size()];
}

std::uint16_t any_type(Random& random) {
  const auto type = static_cast<std::uint16_t>(random() % 16 == 0 ? random() : random() % kMostTypes);
  return static_cast<std::uint16_t>(random() % 4 == 0 ? type | NLA_F_NESTED : type);
}

void mutate_payload(Octets& payload) {
  const std::size_t size = payload.size();
  payload.resize(std::max(kMaxPayload, size));
  payload.resize(LLVMFuzzerMutate(payload.data(), size, payload.size()));
}

void mutate(Nodes& tree, Random& random) {
  Nodes& list = any_list(tree, random);
  if (list.empty() || random() % 6 == 0) {
    const auto at = list.begin() + static_cast<std::ptrdiff_t>(random() % (list.size() + 1));
    list.insert(at, Node{.type = any_type(random), .payload = Octets(random() % 9), .children = {}});
    return;
  }
  const std::size_t at = random() % list.size();
  const std::size_t other = random() % list.size();
  switch (random() % 8) {
    case 0:
      list.erase(list.begin() + static_cast<std::ptrdiff_t>(at));
      break;
    case 1:
      list.insert(list.begin() + static_cast<std::ptrdiff_t>(other), Node(list[at]));
      break;
    case 2:
      std::swap(list[at], list[other]);
      break;
    case 3:
      list[at].type = any_type(random);
      break;
    case 4: {
      const Nodes& from = any_list(tree, random);
      if (!from.empty()) {
        const Node copy = from[random() % from.size()];
        list[at] = copy;
      }
      break;
    }
    default:
      if (list[at].children.empty()) {
        mutate_payload(list[at].payload);
      } else {
        mutate(list[at].children, random);
      }
  }
}

/// `header` and `tree` into `target`; 0 where there is no room.
std::size_t put(Bytes header, const Nodes& tree, std::uint8_t* target, std::size_t room) {
  const Octets attributes = written(tree);
  if (header.size() + attributes.size() > room) {
    return 0;
  }
  std::ranges::copy(header, target);
  std::ranges::copy(attributes, target + header.size());
  return header.size() + attributes.size();
}

}  // namespace
}  // namespace smtpegress::fuzz

using namespace smtpegress::fuzz;

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  Random random(seed);
  if (size < kHeaderSize || random() % 8 == 0) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  Octets header(data, data + kHeaderSize);
  if (random() % 8 == 0 && !header.empty()) {
    header.resize(LLVMFuzzerMutate(header.data(), header.size(), header.size()));
    header.resize(kHeaderSize);
  }
  Nodes tree;
  read(Bytes(data, size).subspan(kHeaderSize), tree);
  for (auto changes = 1 + random() % 3; changes > 0; --changes) {
    mutate(tree, random);
  }
  const std::size_t done = put(header, tree, data, max_size);
  return done != 0 ? done : LLVMFuzzerMutate(data, size, max_size);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* data, std::size_t size, const std::uint8_t* other,
                                                 std::size_t other_size, std::uint8_t* target, std::size_t max_size,
                                                 unsigned seed) {
  Random random(seed);
  if (size < kHeaderSize || other_size < kHeaderSize) {
    return 0;
  }
  Nodes tree;
  Nodes donor;
  read(Bytes(data, size).subspan(kHeaderSize), tree);
  read(Bytes(other, other_size).subspan(kHeaderSize), donor);
  const Nodes& from = any_list(donor, random);
  if (from.empty()) {
    return 0;
  }
  Nodes& list = any_list(tree, random);
  list.insert(list.begin() + static_cast<std::ptrdiff_t>(random() % (list.size() + 1)), from[random() % from.size()]);
  return put(Bytes(data, kHeaderSize), tree, target, max_size);
}
