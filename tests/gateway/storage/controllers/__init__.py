"""Tests of gateway/storage/controllers."""
