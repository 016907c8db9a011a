// The probe on a running Linux: every sender's conversation with every server in a thread of its own.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "probe/way_out.hpp"
#include "smtpegress/probe.hpp"

namespace smtpegress::probe {

/// `progress` is called by probe()'s own thread, with a line that tells what is waited for.
[[nodiscard]] std::unique_ptr<Prober> make_linux_prober(RouteLookup look_up,
                                                        std::function<void(const std::string&)> progress);

}  // namespace smtpegress::probe
