"""What is meant to be, in plain Python: what each verb does to what there is, and what is refused."""
