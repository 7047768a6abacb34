"""The ventricular alarm model: its records, its network and how it is scored."""
