"""What goes wrong in the lab, told in one line."""


class LabError(RuntimeError):
    """The lab itself failed: a host did not come up, a wait ran out, a capture lost packets."""
