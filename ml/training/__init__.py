"""How models are made. TensorFlow lives here alone; nothing that ships imports it."""
