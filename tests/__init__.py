"""Tests. A package, since one of those that the tests need brings a package of this name too."""
