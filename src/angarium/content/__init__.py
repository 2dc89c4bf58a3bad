"""Wording: templates, their versions and variants, and the rendering of them."""
