"""One module a task: signal to model input, model output to labels."""
