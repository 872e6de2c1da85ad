"""Risk events of current reports, each with the sentences that say so."""

from apps.finance_risk.events.current_report import EventReading, RiskEvent, Signal, find_events, severity_name

__all__ = ["EventReading", "RiskEvent", "Signal", "find_events", "severity_name"]
