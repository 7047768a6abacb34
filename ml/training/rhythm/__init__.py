"""The rhythm model: sinus, fibrillation, another rhythm or unreadable, of a stretch of one lead."""
