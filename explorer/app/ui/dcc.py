"""Dash's own controls, written as records; see ``element``."""

from dash import dcc

from explorer.app.ui.element import element

Dropdown = element(dcc.Dropdown)
Input = element(dcc.Input)
Link = element(dcc.Link)
Location = element(dcc.Location)
Store = element(dcc.Store)
Textarea = element(dcc.Textarea)
Tooltip = element(dcc.Tooltip)
