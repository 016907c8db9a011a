// The order in which a plan's changes are made.
#pragma once

#include "smtpegress/plan.hpp"

namespace smtpegress {

/// Stable: changes of one step keep their order. All nf_tables changes end up side by side, for they are one
/// transaction.
void put_in_order(Plan& plan);

}  // namespace smtpegress
