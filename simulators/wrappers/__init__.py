"""Worlds behind the interfaces of other libraries: brax and Gymnasium."""
