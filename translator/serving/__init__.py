"""Translations for many clients at a time, over HTTP."""
