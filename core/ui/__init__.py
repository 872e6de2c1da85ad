"""What the Streamlit pages share."""

from core.ui.highlight import Mark, highlight_html, table_html
from core.ui.page import Page, Texts, Upload

__all__ = ["Mark", "Page", "Texts", "Upload", "highlight_html", "table_html"]
