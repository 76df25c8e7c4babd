"""Making the data file: reading the published price lists, agreeing on names, and settling where they disagree.

Nothing here runs in a gateway. The sources are packages that only the maker of the file installs.
"""
