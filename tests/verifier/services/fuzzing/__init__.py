"""Tests of generated blocks."""
