"""Who is asking (auth), what a signed link opens (links), what a route declares (rules) and who may pass (doors),
how often one may guess.
"""
