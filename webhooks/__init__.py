"""Webhooks: events go into an outbox with the change they describe, and a dispatcher sends them to their receivers.

An event and its deliveries are rows, written in the transaction of the change (`events`). A dispatcher process next to
every worker (`process`, `dispatcher`) leases webhooks, reads their due deliveries (`outbox`), splits large events
(`expander`) and lets one webhook worker per webhook send signed requests (`webhook_worker`, `sender`, `signing`).
"""
