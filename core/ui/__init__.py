"""What the Streamlit pages share."""

from core.ui.page import Page, Texts, Upload

__all__ = ["Page", "Texts", "Upload"]
