"""The report on a set: diagnostic, quality, utility; tables, figures, one HTML page."""

from __future__ import annotations

from scdd._report._build import build_report
from scdd._report._result import Report, check_page

__all__ = ["Report", "build_report", "check_page"]
