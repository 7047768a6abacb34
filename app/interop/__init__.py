"""Out of the house: what was found, in the forms that other programs read."""
