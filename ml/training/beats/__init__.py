"""The beat classifier: AAMI classes of the beats of one or two leads."""
