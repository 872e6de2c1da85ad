"""What the Streamlit pages share."""

from core.ui.page import Page, Texts, Upload, plain

__all__ = ["Page", "Texts", "Upload", "plain"]
