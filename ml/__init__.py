"""What a model is, how it is made, how it runs."""
