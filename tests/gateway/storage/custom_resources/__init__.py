"""Tests of gateway/storage/custom_resources."""
