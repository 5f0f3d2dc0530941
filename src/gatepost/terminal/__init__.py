"""What every command is made with, the kernel's and those of features.

options.py   arguments and options that several take
output.py    how they answer, people and programs
running.py   how they run on an open Gate
connection.py  which database they work on
feature.py   what a feature contributes
"""
