"""What the Streamlit pages share."""

from core.ui.highlight import Mark, highlight_html, table_html
from core.ui.page import Page, Texts, Upload, plain

__all__ = ["Mark", "Page", "Texts", "Upload", "highlight_html", "plain", "table_html"]
