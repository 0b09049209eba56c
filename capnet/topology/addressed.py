"""What has addresses, as `ip` prints them: with prefix length."""

from __future__ import annotations


class Addressed:
    """Gives them without it, as packets have them."""

    __slots__ = ()
    addresses: list[str]

    @property
    def ips(self) -> list[str]:
        """The addresses without prefix length."""
        return [address.partition("/")[0] for address in self.addresses]
