"""Airtable's formula language: syntax and functions."""
