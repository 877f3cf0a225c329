"""What a smaller, faster variant gains and loses: measured figures, one review side by side, the reviews that flip."""

import streamlit as st

from ftapp.ui import compare_html, explorer, html, overview, sides
from ftapp.ui.texts import t

html.show_style()
html.show(compare_html.style())
html.show(html.lead(t("page.compare"), t("compare.lead")))
for tab, page in zip(
    st.tabs([t("compare.overview"), t("compare.sides"), t("compare.explorer")], key="compare_tabs"),
    (overview, sides, explorer),
    strict=True,
):
    with tab:
        page.draw()
