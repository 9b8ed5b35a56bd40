"""The layers that a translation network is made of."""
