"""Settings of webhooks."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from settings import values
from settings.setting import Setting


@dataclass(frozen=True)
class WebhookSettings:
    """Where webhooks may go, and how long their deliveries are kept."""

    webhook_allowed_networks: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        Setting(
            "",
            "private or loopback networks that webhooks may reach, in CIDR notation, separated by commas",
            values.parse_networks,
        ),
    ]
    webhook_retention_days: Annotated[
        int, Setting("30", "days after which webhook deliveries are deleted", values.parse_integer(1, 3650))
    ]
