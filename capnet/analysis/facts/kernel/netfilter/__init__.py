"""Netfilter rules: read from what programs print, and walked by packets. Internal."""
