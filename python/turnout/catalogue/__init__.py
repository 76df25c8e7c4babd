"""The catalogue: which models exist, where each is served and what it costs there, before anything is configured.

:mod:`~turnout.catalogue.entry` has the types, :mod:`~turnout.catalogue.making` makes the committed data file out of
three published price lists, :mod:`~turnout.catalogue.oracle` lets one of them check our arithmetic.
"""
