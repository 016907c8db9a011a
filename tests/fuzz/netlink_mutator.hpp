// A fuzzer that is linked with netlink_mutator.cpp says how long its protocol's own header is.
#pragma once

#include <cstddef>

namespace smtpegress::fuzz {

extern const std::size_t kHeaderSize;  // bytes, between the netlink header and the first attribute

}  // namespace smtpegress::fuzz
