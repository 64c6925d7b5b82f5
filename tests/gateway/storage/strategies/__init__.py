"""Tests of gateway/storage/strategies."""
