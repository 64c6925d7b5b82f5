"""Tests of gateway/storage."""
