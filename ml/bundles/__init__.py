"""The model bundles that ship."""
