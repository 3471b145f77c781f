"""A market, as the demo's firm lives in it: who comes, what each does, and when.

A person's way is a function of a seed and a number: dated bodies as the vendors send them, each
with what it means in the simulator's own terms. `person` makes ways, `faults` makes deliveries of
them, `schedule` says which are due. The ledger is counted from ways alone, so it can be held
against a pipeline that read the bodies.
"""
