#include "smtpegress/error.hpp"

#include <gtest/gtest.h>

#include <cerrno>

namespace smtpegress {
namespace {

TEST(Error, Message_NamesOperationObjectErrnoAndHint) {
  const Error error = system_error("add route", "default dev wg0 table 100", ENETDOWN, {}, "bring wg0 up").error();
  EXPECT_EQ(error.message(), "add route default dev wg0 table 100: Network is down (ENETDOWN); bring wg0 up");
}

TEST(Error, Message_TheKernelsOwnTextFollowsTheErrno) {
  const Error error = system_error("add rule", "10025", EEXIST, "Rule exists").error();
  EXPECT_EQ(error.message(), "add rule 10025: File exists (EEXIST), kernel says: Rule exists");
}

TEST(Error, Message_ControlCharacters_AreShownAndNotSent) {  // profiles and names are quoted in messages
  EXPECT_EQ(usage_error("read profile", "x.json: key '\x1b[2J'", "is\nnot known\x7f").error().message(),
            "read profile x.json: key '\\x1b[2J': is\\x0anot known\\x7f");
  EXPECT_EQ(usage_error("read profile", "größe", "…").error().message(), "read profile größe: …");
  EXPECT_EQ(usage_error("read profile",
                        "a\xc2\x9b"
                        "2J",
                        "\xc2\x80\xc2\x9f\xc2\xa0")
                .error()
                .message(),
            "read profile a\\xc2\\x9b2J: \\xc2\\x80\\xc2\\x9f\xc2\xa0")
      << "U+009B begins a terminal's command as well; U+00A0 is a space";
}

TEST(Error, Message_KernelTextAlone) {
  const Error error{
      .kind = ErrorKind::kKernel, .operation = "commit", .object = {}, .errnum = 0, .kernel_text = "no", .hint = {}};
  EXPECT_EQ(error.message(), "commit: no");
}

TEST(Error, Message_WithoutErrnoTheHintIsTheReason) {
  EXPECT_EQ(usage_error("read profile", "x.json: key 'mark'", "is 0").error().message(),
            "read profile x.json: key 'mark': is 0");
}

TEST(Error, Message_WithoutOperationBeginsWithTheObject) {
  EXPECT_EQ(usage_error({}, "'x'", "is not a port").error().message(), "'x': is not a port");
}

TEST(Error, Message_UnknownErrnoIsSaidToBeUnknown) {
  EXPECT_EQ(system_error("op", "o", 4000).error().message(), "op o: unknown error");
}

TEST(Error, Kind_DeniedIsPermissionAllElseIsKernel) {
  EXPECT_EQ(system_error("op", "o", EPERM).error().kind, ErrorKind::kPermission);
  EXPECT_EQ(system_error("op", "o", EACCES).error().kind, ErrorKind::kPermission);
  EXPECT_EQ(system_error("op", "o", ENOBUFS).error().kind, ErrorKind::kKernel);
  EXPECT_EQ(usage_error("op", "o", "h").error().kind, ErrorKind::kUsage);
}

TEST(Error, ExitCode_IsTheDocumentedOne) {
  EXPECT_EQ(exit_code_of(ErrorKind::kUsage), 2);
  EXPECT_EQ(exit_code_of(ErrorKind::kNotEnabled), 3);
  EXPECT_EQ(exit_code_of(ErrorKind::kPermission), 4);
  EXPECT_EQ(exit_code_of(ErrorKind::kKernel), 5);
  EXPECT_EQ(exit_code_of(ErrorKind::kStale), 5);
}

}  // namespace
}  // namespace smtpegress
