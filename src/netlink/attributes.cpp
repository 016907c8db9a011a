#include "netlink/attributes.hpp"

namespace smtpegress::netlink {

Attributes::Attributes(Bytes list) noexcept {
  while (const auto attribute = next_attribute(list)) {
    const std::uint32_t bit = attribute->type < kTypes ? std::uint32_t{1} << attribute->type : 0;
    if (bit == 0 || (present_ & bit) != 0) {
      well_formed_ = false;
      continue;
    }
    present_ |= bit;
    values_[attribute->type] = {.data = attribute->payload.data(), .size = attribute->payload.size()};
  }
  well_formed_ = well_formed_ && list.empty();
}

Bytes message_payload(const nlmsghdr* message, std::size_t skip) noexcept {
  const std::size_t offset = sizeof(nlmsghdr) + NLMSG_ALIGN(skip);
  if (message->nlmsg_len < offset) {
    return {};
  }
  return Bytes(reinterpret_cast<const std::uint8_t*>(message), message->nlmsg_len).subspan(offset);
}

}  // namespace smtpegress::netlink
